"""What is decided before a training begins: its model and first weights, its algorithm, its whole specification."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightline.core.config import build
from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import Schema, TextSchema
from sightline.core.seeds import Seeds
from sightline.data import DATASETS, HUB_PREFIX, Data, load_spec
from sightline.data.text import ShortTextError
from sightline.data.text_spec import TextSpec
from sightline.data.tokenise import KINDS
from sightline.models import MODELS, Predictor
from sightline.objectives import OBJECTIVES, Adversarial, ImageObjective, Objective, default_objective
from sightline.optim import OPTIMIZERS, SCHEDULES
from sightline.train.adversarial import AdversarialTraining, require_plan
from sightline.train.spec import RunSpec
from sightline.train.supervised import Supervised

FIRST_LOOK = 4096
"""Training examples a model's first weights may be found from."""


def load_for(spec: RunSpec) -> Data:
    """The specification's data.

    Raises:
        SightlineError: when they can't be read or used; of a text that is too short first that its model takes none.
    """
    try:
        return load_spec(spec.data)
    except ShortTextError as short:
        if spec.model is not None:
            text = Schema("text", "language", (1,), text=TextSchema(vocabulary_size=2, length=1))
            try:
                build(spec.model, MODELS, text)
            except DataError as unfit:
                hint = short.do.partition("; for images ")[2]  # where a folder was taken for one of texts
                do = f"for images {hint}" if hint else unfit.do
                raise DataError(expected=unfit.expected, found=f"{unfit.found} ({short.found})", do=do) from short
        raise


def build_model(spec: RunSpec, data: Data) -> nn.Module:
    """The specification's model for a data set, its weights drawn from the stream "init" or found from the data.

    Raises:
        ConfigurationError: when the specification names no model.
    """
    if spec.model is None:
        raise ConfigurationError(
            expected="a run whose model is in the registry",
            found="one made from a module in Python",
            do="pass that module: sightline.resume(folder, model=...)",
        )
    with Seeds(spec.seed).scope("init"):
        model: nn.Module = build(spec.model, MODELS, data.schema)
    initialise_from_data(model, data)
    return model


def initialise_from_data(model: nn.Module, data: Data) -> None:
    """Let a model choose the first weights that depend on the data, from training examples evenly spaced."""
    if isinstance(model, Predictor) and type(model).initialise_from_data is not Predictor.initialise_from_data:
        step = -(-len(data.train) // FIRST_LOOK)
        rows = torch.arange(0, len(data.train), step)
        inputs = next(iter(data.train.batches(batch_size=len(rows), order=rows))).inputs
        model.initialise_from_data(inputs.to(next(model.parameters()).device))


def algorithm_of(spec: RunSpec, model: nn.Module, data: Data) -> Supervised:
    """The update that a specification asks for."""
    assert spec.objective is not None
    objective: Objective = build(spec.objective, OBJECTIVES, data.schema)
    if isinstance(objective, Adversarial):
        require_plan(spec.plan)
    if isinstance(objective, ImageObjective) and getattr(model, "num_classes", None) and data.spec.augment.mixes:
        raise ConfigurationError(
            expected="images of one class each, for a network that is told it",
            found="images mixed of two (data.augment)",
            do="leave mixup and cutmix out",
        )
    players: Any = AdversarialTraining if isinstance(objective, Adversarial) else Supervised
    algorithm: Supervised = players(
        model,
        objective,
        build(spec.optim, OPTIMIZERS),
        build(spec.schedule, SCHEDULES),
        clip_norm=spec.plan.clip_norm,
        clip_value=spec.plan.clip_value,
        accumulate=spec.plan.accumulate,
        channels_last=spec.plan.channels_last,
        sharded=spec.plan.strategy == "fsdp",
        average=spec.plan.average,
    )
    return algorithm


def settle(spec: RunSpec, data: Data, model: nn.Module) -> RunSpec:
    """The specification with all that depends on data and model decided, and paths that hold from anywhere."""
    return spec.replace(
        data=spec.data.replace(
            source=_from_anywhere(spec.data.source),
            extra=_from_anywhere(spec.data.extra) if spec.data.extra is not None else None,
            text=_text_from_anywhere(spec.data.text),
        ),
        objective=spec.objective
        or default_objective(
            data.schema, getattr(model, "text_task", None), makes_images=getattr(model, "makes_images", None)
        ),
        plan=spec.plan.for_examples(len(data.train)),
    )


def _from_anywhere(source: str) -> str:
    """A local path made absolute; names of embedded sets and of the Hub's as they are."""
    prefix = HUB_PREFIX if source.startswith(HUB_PREFIX) else ""
    path = Path(source.removeprefix(prefix))
    return source if source in DATASETS or not path.exists() else f"{prefix}{path.resolve()}"


def _text_from_anywhere(text: TextSpec) -> TextSpec:
    """The same with the paths of the tokenizer and the other language's file made absolute."""
    return text.replace(
        tokenizer=text.tokenizer if text.tokenizer in KINDS else _from_anywhere(text.tokenizer),
        pair=_from_anywhere(text.pair) if text.pair is not None else None,
    )
