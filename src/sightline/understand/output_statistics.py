"""What one layer or activation gives over several batches, gathered without keeping it."""

from dataclasses import dataclass, field
from math import nan

import torch
from torch import Tensor

from sightline.understand.effective_rank import effective_rank, singular_values_of_rows
from sightline.understand.moments import Moments, RunningMoments
from sightline.understand.saturation import saturated
from sightline.understand.watched_outputs import WatchedOutput

NEARLY_ALL = 0.999
"""A unit that is 0 for at least this share of the inputs is dead."""


@dataclass(frozen=True)
class OutputStatistics:
    """One layer's or activation's values over all batches.

    Attributes:
        name: the layer's; an activation without a module has its module's name, with the function's.
        kind: the module's class, or the function.
        use: 0, or which use of the same name this is within one pass.
        shape: of an example's values.
        values: their moments.
        gradients: moments of ∂L/∂v; none without a loss, or where no gradient passes.
        dead: share of units that are exactly 0 on nearly all inputs, where this is a ReLU.
        saturated: share of values where the function is nearly flat, where it saturates on both sides
            (:func:`~sightline.understand.saturation.saturated`).
        effective_rank: of the values about their mean over a sample of examples and positions; at most U.
        cosine: mean cosine between two different examples, each all its values as one vector, without examples that
            are all 0: near 1 the layer tells nothing of its input any more. NaN for one example.
    """

    name: str
    kind: str
    use: int
    shape: tuple[int, ...]
    values: Moments
    gradients: Moments | None
    dead: float | None
    saturated: float | None
    effective_rank: float
    cosine: float


@dataclass
class RunningOutput:
    """What is kept of one use of a layer or activation while batches pass: sums, and a sample of rows."""

    values: RunningMoments = field(default_factory=RunningMoments)
    gradients: RunningMoments = field(default_factory=RunningMoments)
    shape: tuple[int, ...] = ()
    zeros: Tensor | None = None
    inputs: int = 0
    flat: list[tuple[int, int]] = field(default_factory=list)
    rows: list[Tensor] = field(default_factory=list)
    directions: Tensor | None = None
    examples: int = 0

    def add(self, found: WatchedOutput, max_rows: int) -> None:
        """The values of one batch, and, when the backward pass comes, their gradients.

        Of texts of several lengths, what depends on the shape is that of all batches shaped as the first.
        """
        if found.values.requires_grad:
            found.values.register_hook(self.gradients.add)
        v = found.values.detach()
        self.values.add(v)
        share = saturated(found.kind, v, found.options)
        if share is not None:
            self.flat.append(share)
        if self.rows and self.shape != tuple(v.shape[1:]):
            return
        self.shape = tuple(v.shape[1:])
        rows = v.movedim(found.unit_axis, -1).flatten(0, -2) if found.unit_axis else v.reshape(-1, 1)
        if found.kind == "relu":
            zeros = (rows == 0).sum(0)
            self.zeros = zeros if self.zeros is None else self.zeros + zeros
            self.inputs += len(rows)
        self.rows.append(_evenly(rows, max_rows).float())
        examples = v.reshape(len(v) if v.dim() else 1, -1).double()
        lengths = examples.norm(dim=1, keepdim=True)
        there = lengths[:, 0] != 0
        total = (examples[there] / lengths[there]).sum(0)
        self.directions = total if self.directions is None else self.directions + total
        self.examples += int(there.sum())

    def finished(self, name: str, kind: str, use: int) -> OutputStatistics:
        """Of all batches so far, at least one."""
        n = self.examples
        assert self.directions is not None
        gradients = self.gradients.moments()
        return OutputStatistics(
            name=name,
            kind=kind,
            use=use,
            shape=self.shape,
            values=self.values.moments(),
            gradients=gradients if gradients.n else None,
            dead=None if self.zeros is None else float((self.zeros >= NEARLY_ALL * self.inputs).double().mean()),
            saturated=sum(f for f, _ in self.flat) / sum(of for _, of in self.flat) if self.flat else None,
            effective_rank=effective_rank(singular_values_of_rows(torch.cat(self.rows))),
            cosine=(float(self.directions.square().sum()) - n) / (n * (n - 1)) if n > 1 else nan,
        )


def _evenly(rows: Tensor, most: int) -> Tensor:
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most, device=rows.device).round().long()]
