"""Validation that the loop itself does not do: the training loss on other examples, once, leaving no trace."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sightline.understand.undisturbed import undisturbed

MOST_EXAMPLES = 2_048


@dataclass(frozen=True)
class TrainingLoss:
    """How the loop called its loss function last.

    Attributes:
        function: one of torch's.
        rest: positional arguments after outputs and targets.
        options: named ones.
        outputs_axes, target_axes, target_kind: what it was given: numbers of axes, and the targets' dtype.
    """

    function: Callable[..., Any]
    rest: tuple[Any, ...]
    options: Mapping[str, Any]
    outputs_axes: int
    target_axes: int
    target_kind: torch.dtype

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        outputs: Tensor,
        target: Tensor,
    ) -> "TrainingLoss":
        """Of a call."""
        options = {key: value for key, value in kwargs.items() if key not in ("input", "target")}
        return cls(function, tuple(args[2:]), options, outputs.dim(), target.dim(), target.dtype)

    def takes(self, outputs: object, target: Tensor) -> bool:
        """Whether these are as those it was called on."""
        return (
            isinstance(outputs, Tensor)
            and (outputs.dim(), target.dim()) == (self.outputs_axes, self.target_axes)
            and target.dtype == self.target_kind
        )


def validate(network: nn.Module, loader: Iterable[Any], loss: TrainingLoss) -> str:
    """Call the network in evaluation mode on batches (inputs, targets), and the loss on what comes out.

    A watch that is on sees both as it would see the loop's own validation. Modes, buffers and random streams are
    afterwards as they were before.

    Args:
        network: as it is trained.
        loader: of batches; no more are drawn than 2,048 examples need, and the last one is cut to these.
        loss: the loop's own.

    Returns:
        Why it could not be measured, in words; "" when it was.
    """
    modes = [(module, module.training) for module in network.modules()]
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    seen = 0
    try:
        with undisturbed(network), _own_random_streams(loader), torch.no_grad():
            for module, _ in modes:
                module.training = False
            for batch in loader:
                pair = tuple(batch) if isinstance(batch, list | tuple) else ()
                if len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
                    return "its batches are no pairs of a tensor of inputs and one of targets"
                inputs, target = (part.to(device) for part in _first(*pair, MOST_EXAMPLES - seen))
                if not len(inputs):
                    continue
                outputs = network(inputs)
                if not loss.takes(outputs, target):
                    return "the loop gives its loss function something else than the network's outputs and the targets"
                loss.function(outputs, target, *loss.rest, **loss.options)
                seen += len(inputs)
                if seen >= MOST_EXAMPLES:
                    break
            if not seen:
                return "its loader gives no examples"
    except Exception as error:  # noqa: BLE001 - of the user's loader or network: told among what was not seen
        return f"{type(error).__name__}: {error}"
    finally:
        for module, mode in modes:
            module.training = mode
    return ""


def _first(inputs: Tensor, target: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The first examples of a batch; whole where it can't be told which targets are theirs."""
    if len(inputs) <= most or len(target) % len(inputs):
        return inputs, target
    return inputs[:most], target[: most * (len(target) // len(inputs))]


@contextmanager
def _own_random_streams(loader: object) -> Iterator[None]:
    """What a loader draws is put back: Python's and numpy's streams, and generators of its own."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the stream that others draw from
    holders = (loader, getattr(loader, "sampler", None))
    streams = [g for holder in holders if isinstance(g := getattr(holder, "generator", None), torch.Generator)]
    states = [g.get_state() for g in streams]
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        for stream, state in zip(streams, states, strict=True):
            stream.set_state(state)
