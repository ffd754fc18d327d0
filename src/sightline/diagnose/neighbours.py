"""How alike neighbours are along the axes of pictures and series: order that a mistake in the data destroys."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sightline.diagnose.readable import readable

LAGS = (1, 2, 3)
SHORTEST = 12
"""Places of an axis, below which nothing is said of it."""

MOST_ROWS = 32
MOST_NUMBERS = 131_072


@dataclass(frozen=True)
class Neighbours:
    """Mean correlation of numbers one, two and three places apart, over the examples of a batch.

    Attributes:
        along: on the last axis of pictures, on the time of series; () where it is too short.
        down: on the axis before the last of pictures and of series of features; () where it is too short.
        directions: of pictures less their mean, (Σ λ)² / Σ λ² of their Gram matrix's eigenvalues over what noise would
            give: near 1 where no pixel says anything on another; None of others.
        again: of rows, the greatest correlation of columns 2 to 32 places apart, less their means: high where they are
            windows of several series at once, laid out as one row; None where they are short.
    """

    along: tuple[float, ...] = ()
    down: tuple[float, ...] = ()
    directions: float | None = None
    again: float | None = None

    @property
    def nearest(self) -> float | None:
        """The greater correlation of those one place apart; None where no axis is long enough."""
        return max((axis[0] for axis in (self.along, self.down) if axis), default=None)


@torch.no_grad()
def neighbours(x: Tensor) -> Neighbours | None:
    """Look at a batch of pictures (N, C, H, W), or of series (N, T), (N, T, F) or (N, C, T).

    Costs about 20 passes over at most 131,072 numbers.

    Returns:
        None for other shapes, fewer than 8 examples, numbers that are whole by format, NaN and infinity, or where no
        example varies.

    Example:
        >>> found = neighbours(torch.arange(24.0).repeat(8, 1))
        >>> [round(value, 2) for value in found.along]
        [0.88, 0.75, 0.63]
    """
    if not (readable(x) and x.is_floating_point()) or not 2 <= x.dim() <= 4 or len(x) < 8 or x.numel() == 0:
        return None
    rows = max(8, min(MOST_ROWS, MOST_NUMBERS // x[0].numel()))
    x = x.detach()[:: -(-len(x) // rows)].float()
    found: list[tuple[float, ...]]
    directions = None
    again = _again(x) if x.dim() == 2 else None
    if x.dim() == 4:
        centred = x - x.mean((2, 3), keepdim=True)
        found = [_correlations(centred, 3), _correlations(centred, 2)]
        directions = _directions(centred.flatten(1)) if any(found) else None
    else:
        found = [_correlations(x - x.mean(axis, keepdim=True), axis) for axis in range(x.dim() - 1, 0, -1)]
    if not any(found):
        return None
    return Neighbours(found[0], found[1] if len(found) > 1 else (), directions, again)


def _correlations(centred: Tensor, axis: int) -> tuple[float, ...]:
    """Of neighbours on one axis, over examples that vary."""
    length = centred.shape[axis]
    if length < SHORTEST:
        return ()
    sums = torch.stack([centred.square().flatten(1).sum(1)] + [_product(centred, axis, lag) for lag in LAGS])
    sums = sums[:, sums[0] != 0]
    if sums.shape[1] < 4 or not bool(sums.isfinite().all()):
        return ()
    means = (sums[1:] / sums[0]).mean(1).tolist()
    return tuple(round(value, 4) for value in means)


def _again(rows: Tensor) -> float | None:
    """The greatest correlation of columns some places apart."""
    columns = rows.shape[1]
    if columns < 2 * SHORTEST:
        return None
    centred = rows - rows.mean(0)
    total = float(centred.square().sum())
    if not 0 < total < float("inf"):
        return None
    sums = [
        float(_product(centred, 1, lag).sum()) * columns / (columns - lag) for lag in range(2, min(33, columns // 3))
    ]
    return round(max(sums) / total, 4)


def _product(centred: Tensor, axis: int, lag: int) -> Tensor:
    """Σ x x' by example, x' being ``lag`` places on."""
    kept = centred.shape[axis] - lag
    return (centred.narrow(axis, 0, kept) * centred.narrow(axis, lag, kept)).flatten(1).sum(1)


def _directions(rows: Tensor) -> float | None:
    """In how many directions rows differ, over what noise of as many numbers would give."""
    gram = rows @ rows.T
    squares = float(gram.square().sum())
    if not 0 < squares < float("inf"):
        return None
    n, d = rows.shape
    return round(float(gram.trace()) ** 2 / squares * (n + d) / (n * d), 4)
