"""How far a step, or many, moved the weights, beside their size."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan

from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.understand.layer_table import aligned

Snapshot = dict[str, Tensor]
"""Weights by name."""


@dataclass(frozen=True)
class UpdateRow:
    """One parameter's way between two snapshots.

    Attributes:
        name: the parameter's.
        weight: |w| before.
        update: |Δw|.
    """

    name: str
    weight: float
    update: float

    @property
    def ratio(self) -> float:
        """|Δw|/|w|; 0 where nothing moved, infinite where it moved away from 0."""
        if self.update == 0:
            return 0.0 if self.weight == self.weight else nan
        return self.update / self.weight if self.weight else inf


@dataclass(frozen=True)
class UpdateRatios:
    """Rows in the parameters' order; ``str()`` is a table."""

    rows: tuple[UpdateRow, ...]

    def __str__(self) -> str:
        """Columns aligned."""
        cells = [("parameter", "|w|", "|Δw|", "|Δw|/|w|")]
        cells += [(row.name, f"{row.weight:.3g}", f"{row.update:.3g}", f"{row.ratio:.2g}") for row in self.rows]
        return aligned(cells, left=1)


def snapshot(model: nn.Module) -> Snapshot:
    """Copies of all weights, a shared one once. Costs their memory once more.

    Example:
        >>> list(snapshot(nn.Linear(2, 1)))
        ['weight', 'bias']
    """
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def update_ratio(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> UpdateRatios:
    """|w_after − w_before| / |w_before| of every parameter, in float64.

    For one step of a healthy network about 1e-3 is often seen; what tells more is a layer far from the others.

    Args:
        before: weights by name, as :func:`snapshot` takes them.
        after: the same names and shapes.

    Raises:
        InputError: for other names or shapes.

    Lecture: U1

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(model.weight, 2.0)
        >>> before = snapshot(model)
        >>> _ = nn.init.constant_(model.weight, 3.0)
        >>> update_ratio(before, snapshot(model)).rows[0].ratio
        0.5
    """
    ways = {name: tuple(w.shape) for name, w in before.items()}, {name: tuple(w.shape) for name, w in after.items()}
    if ways[0] != ways[1]:
        other = sorted(name for name in ways[0].keys() | ways[1].keys() if ways[0].get(name) != ways[1].get(name))
        raise InputError(
            expected="two snapshots of one network",
            found=f"other names or shapes: {', '.join(other[:5])}",
            do="take both by snapshot(model)",
        )
    rows = []
    for name, start in before.items():
        w = start.double()
        rows.append(UpdateRow(name, float(w.norm()), float((after[name].double() - w).norm())))
    return UpdateRatios(tuple(rows))
