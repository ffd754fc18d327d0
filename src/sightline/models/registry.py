"""The table of models: builders ``(schema, *, options) -> Predictor``, one a family."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

from sightline.core.config import Choice, resolve
from sightline.core.registry import Registry
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.models.predictor import Predictor

Builder = Callable[..., Predictor]

MODELS: Registry[Builder] = Registry("model")


def model(name: str) -> Callable[[Builder], Builder]:
    """Register a builder; what it builds remembers the name and options it was built with.

    Options are checked as everywhere else: a wrong type or range is a ``ConfigurationError``. What is
    registered takes one more, ``seed``: initial weights from that run seed's own stream, whatever was drawn
    before; without it they come from torch's global generator.
    """

    def add(builder: Builder) -> Builder:
        @wraps(builder)
        def build(schema: Schema, *, seed: int | None = None, **options: Any) -> Predictor:
            choice = resolve(Choice(name, options), MODELS, "model")
            with nullcontext() if seed is None else Seeds(seed).scope("init"):
                predictor = builder(schema, **choice.options)
            predictor.choice = choice
            return predictor

        return MODELS.register(name)(build)

    return add
