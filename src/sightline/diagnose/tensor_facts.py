"""What a tensor's numbers are like: its range, moments, zeros, NaN and infinity."""

from dataclasses import dataclass
from math import gcd, isfinite

import torch
from torch import Tensor

from sightline.diagnose.readable import readable, shape_of

LIMIT = 32_000
"""At most so many numbers are looked at, spread evenly: torch goes through so few on one thread, without waiting."""


@dataclass(frozen=True)
class TensorFacts:
    """A tensor in a few numbers.

    Attributes:
        shape: all axes.
        dtype: without ``torch.``.
        minimum, maximum, mean, deviation: of what was looked at; NaN where any of it is NaN.
        zeros: share that is exactly 0.
        nans, infinities: shares.
        whole: every number is a whole one.
        known: whether there were numbers to look at; where not, all of these are 0.
    """

    shape: tuple[int, ...]
    dtype: str
    minimum: float = 0.0
    maximum: float = 0.0
    mean: float = 0.0
    deviation: float = 0.0
    zeros: float = 0.0
    nans: float = 0.0
    infinities: float = 0.0
    whole: bool = False
    known: bool = True

    @property
    def finite(self) -> bool:
        """No NaN, no infinity."""
        return self.nans == 0 and self.infinities == 0

    @property
    def constant(self) -> bool:
        """All numbers are one."""
        return self.minimum == self.maximum

    @property
    def floating(self) -> bool:
        """Not of whole numbers or truth values by its format."""
        return "float" in self.dtype


def spread(x: Tensor, limit: int = LIMIT) -> Tensor:
    """At most about ``limit`` numbers of a tensor, spread evenly, as one vector.

    Of a batch too large some examples are taken, then every k-th number of those, as they lie in memory.
    """
    x = x.detach()
    if x.numel() <= limit:
        return x.reshape(-1)
    if x.dim() > 1 and not x.is_contiguous():  # an example's axes turned round are turned back: less is copied
        x = x.permute(0, *sorted(range(1, x.dim()), key=x.stride, reverse=True))
    if x.dim() > 1 and x.numel() > 4 * limit:
        each = x.numel() // len(x)
        x = x[:: max(1, len(x) // max(8, 4 * limit // each))]
    stride = -(-x.numel() // limit) | 1
    while gcd(stride, x.shape[-1]) > 1:  # else it falls into step with the rows and sees some columns only
        stride += 2
    return x.reshape(-1)[::stride]


@torch.no_grad()
def tensor_facts(x: Tensor, limit: int = LIMIT) -> TensorFacts:
    """Look at a tensor. Costs a few passes over at most ``limit`` numbers.

    Example:
        >>> tensor_facts(torch.tensor([0.0, 2.0])).mean
        1.0
    """
    shape, dtype = shape_of(x), str(x.dtype).removeprefix("torch.")
    if not readable(x) or x.numel() == 0:
        return TensorFacts(shape, dtype, known=False)
    y = spread(x, limit).contiguous()
    y = y.float() if y.dtype != torch.float64 else y
    low, high = (float(v) for v in torch.aminmax(y))
    finite = isfinite(low) and isfinite(high)
    nans = 0.0 if finite else float(y.isnan().float().mean())
    infinities = 0.0 if finite else float(y.isinf().float().mean())
    # both at once, by var_mean, takes five times as long; of equal numbers var leaves a rounding error
    mean = float(y.mean())
    variance = float(y.var(correction=0)) if low != high else 0.0
    whole = not x.is_floating_point() or (finite and bool((y[:1024] == y[:1024].round()).all()))
    zeros = (y.numel() - int(y.count_nonzero())) / y.numel() if not (low > 0 or high < 0) else 0.0
    return TensorFacts(shape, dtype, low, high, mean, variance**0.5, zeros, nans, infinities, whole)


@torch.no_grad()
def features(x: Tensor) -> tuple[float, float, float] | None:
    """Of a table (examples, features): greatest and middle deviation of a feature, greatest |mean| over deviation.

    Constant features are left out; None where this is no table of numbers, or has fewer than 8 examples.

    Example:
        >>> features(torch.tensor([[0.0, 0.0, 0.0], [2.0, 200.0, 4.0]] * 4))
        (100.0, 2.0, 1.0)
    """
    if x.dim() != 2 or not x.is_floating_point() or len(x) < 8 or x.shape[1] > 4_096:
        return None
    deviation, mean = torch.var_mean(x.detach()[:1_024].double(), 0, correction=0)
    deviation = deviation.sqrt()
    varies = deviation > 0
    if not bool(varies.any()) or not bool(deviation.isfinite().all()):
        return None
    deviation, mean = deviation[varies], mean[varies]
    return float(deviation.max()), float(deviation.median()), float((mean.abs() / deviation).max())


@torch.no_grad()
def diversity(y: Tensor) -> float | None:
    """Deviation over examples at one place, over the deviation of all numbers: 0 where all examples are answered alike.

    Example:
        >>> diversity(torch.tensor([[1.0, 5.0], [1.0, 5.0], [1.0, 5.0], [1.0, 5.0]]))
        0.0
    """
    if not readable(y) or y.dim() < 2 or len(y) < 4 or not y.is_floating_point() or y.numel() == 0:
        return None
    rows = y.detach()[:128].flatten(1)
    rows = rows[:, :: max(1, rows.shape[1] // 512)].float()
    whole = float(rows.std(correction=0))
    return float(rows.var(0, correction=0).mean().sqrt()) / whole if whole > 0 else 0.0
