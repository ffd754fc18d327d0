"""Moments of numbers that come in pieces, with what is no number counted and not dropped."""

from dataclasses import dataclass
from math import nan, sqrt

from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Of n numbers.

    Attributes:
        n: how many.
        mean: E[v]; NaN or infinite where one of them is.
        deviation: √(E[v²] − E[v]²).
        largest: max |v|.
        nans, infinities: how many of them are so.
    """

    n: int
    mean: float
    deviation: float
    largest: float
    nans: int
    infinities: int

    @property
    def root_mean_square(self) -> float:
        """√E[v²]."""
        return sqrt(self.deviation**2 + self.mean**2) if self.finite else nan

    @property
    def finite(self) -> bool:
        """Whether all of them are numbers."""
        return self.nans + self.infinities == 0


class RunningMoments:
    """Moments over pieces; the spread is that about the common mean, as if all were there at once.

    Source: pieces joined as in Chan, Golub & LeVeque 1983, "Algorithms for Computing the Sample Variance"

    Example:
        >>> import torch
        >>> running = RunningMoments()
        >>> running.add(torch.tensor([1.0, 2.0]))
        >>> running.add(torch.tensor([6.0]))
        >>> running.moments().mean, round(running.moments().deviation ** 2, 6)
        (3.0, 4.666667)
    """

    def __init__(self) -> None:
        self.n, self.nans, self.infinities = 0, 0, 0
        self.mean, self.squares, self.largest = 0.0, 0.0, 0.0

    def add(self, values: Tensor) -> None:
        """One piece more, of any shape and number format."""
        v = values.detach().flatten().double()
        if not len(v):
            return
        self.nans += int(v.isnan().sum())
        self.infinities += int(v.isinf().sum())
        mean, n = float(v.mean()), self.n + len(v)
        apart = mean - self.mean
        self.squares += float((v - mean).square().sum()) + apart**2 * self.n * len(v) / n
        self.mean += apart * len(v) / n
        most = float(v.abs().max())
        self.largest = nan if most != most or self.largest != self.largest else max(self.largest, most)
        self.n = n

    def moments(self) -> Moments:
        """Of all so far; of none at all NaN."""
        if not self.n:
            return Moments(0, nan, nan, nan, 0, 0)
        finite = self.nans + self.infinities == 0
        deviation = sqrt(self.squares / self.n) if finite else nan
        return Moments(self.n, self.mean, deviation, self.largest, self.nans, self.infinities)


def moments(values: Tensor) -> Moments:
    """Of one tensor.

    Example:
        >>> import torch
        >>> moments(torch.tensor([3.0, float("inf")])).infinities
        1
    """
    running = RunningMoments()
    running.add(values)
    return running.moments()
