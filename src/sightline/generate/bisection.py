"""Bisection: a distribution function inverted where no formula does it, to the last bit of float64.

Legend: F the distribution function, u the level to reach, x the answer.
"""

from collections.abc import Callable
from math import inf, isnan

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError

DistributionFunction = Callable[[Tensor], Tensor]
"""x ↦ F(x), element by element."""

STEPS = 64
"""Halvings that leave two neighbours of all float64 numbers."""

ROUNDING = 1e-9
"""What rounding may cost a distribution function: so far may it leave [0, 1], and fall where it should rise."""

LARGEST = torch.finfo(torch.float64).max


def smallest_reaching(
    cdf: DistributionFunction, u: Float[Tensor, "..."], *, low: float = -inf, high: float = inf
) -> Float[Tensor, "..."]:
    """min{x: F(x) ≥ u} over the float64 numbers x in [low, high], by halving the list of them 64 times.

    It is the list that is halved, not the length between its ends: so an infinite range needs no bracket, values near
    0 come with all their digits, and a jump of F is found where it is. The answer is exact for F as it is computed:
    F(x) ≥ u, and F is below u at the neighbour under x. Against the true inverse, an error δ of F costs δ/f(x), f the
    density there. It takes 66 evaluations of F.

    Shapes:
        u [...] → x, the shape of u broadcast with the parameters that F holds.

    Args:
        cdf: F, from a float64 tensor to a tensor; never falling, F(high) = 1.
        u: in [0, 1]. Zero is replaced by the smallest normal number, 2.2e-308: the answer is where F leaves zero.
        low: where looking begins.
        high: where it ends; where it is infinite, F has to be a number up to 1.8e308.

    Raises:
        ConfigurationError: where low < high is not so.
        InputError: where F is no number, leaves [0, 1], falls, does not reach 1 at ``high``, or is of a shape that
            does not go with that of u.

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", §II.2.2

    Lecture: X1

    Example:
        >>> u = torch.tensor([0.25, 0.5], dtype=torch.float64)
        >>> smallest_reaching(lambda x: 1 - torch.exp(-x), u, low=0.0).exp()
        tensor([1.3333, 2.0000], dtype=torch.float64)
    """
    if isnan(low) or isnan(high) or low >= high:
        raise ConfigurationError(
            expected="a range [low, high] with low below high",
            found=f"low = {low}, high = {high}",
            do="give the ends of the distribution's support, or leave them out",
        )
    level = u.double().clamp(min=torch.finfo(torch.float64).tiny)
    bottom = torch.full_like(level, max(low, -LARGEST))
    below = values(cdf, bottom)
    level, bottom = level.expand(below.shape), bottom.expand(below.shape)
    top = torch.full_like(level, min(high, LARGEST))
    above = values(cdf, top)
    _check_ends(below, above, high)
    return _halved(cdf, level, (bottom, below), (top, above))


def _halved(
    cdf: DistributionFunction, level: Tensor, bottom: tuple[Tensor, Tensor], top: tuple[Tensor, Tensor]
) -> Tensor:
    """The upper one of the two neighbours that are left, or the lower end, from the ends with their values of F."""
    (low, below), (high, above) = (_place(bottom[0]), bottom[1]), (_place(top[0]), top[1])
    for _ in range(STEPS):
        middle = (low & high) + ((low ^ high) >> 1)  # their mean, rounded down, without a sum that overflows
        value = values(cdf, _number(middle))
        if bool(((value < below - ROUNDING) | (value > above + ROUNDING)).any()):
            raise InputError(
                expected="a distribution function, which never falls",
                found="one that falls between two points of its range",
                do="give F(x) = P(X ≤ x), from 0 to 1; a density is no distribution function",
            )
        reached = value >= level
        high, above = torch.where(reached, middle, high), torch.where(reached, value, above)
        low, below = torch.where(reached, low, middle), torch.where(reached, below, value)
    return _number(high)


def values(cdf: DistributionFunction, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """F(x) as float64, what rounding put outside [0, 1] put back.

    Raises:
        InputError: for values that are no numbers, lie outside [0, 1], or don't go with the points in shape.

    Example:
        >>> values(torch.special.ndtr, torch.zeros(2)).tolist()
        [0.5, 0.5]
    """
    value = cdf(x)
    if not isinstance(value, Tensor) or not _wider(x.shape, value.shape):
        raise InputError(
            expected=f"a distribution function that gives one value for each of its points, {tuple(x.shape)}",
            found=f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__,
            do="work element by element; parameters of a batch broadcast with u",
        )
    value = value.double()
    bad = ~((value >= -ROUNDING) & (value <= 1 + ROUNDING))  # NaN is bad too
    if bool(bad.any()):
        raise InputError(
            expected="values of a distribution function, in [0, 1]",
            found=f"{float(value[bad][0])} at x = {float(x.expand(value.shape)[bad][0])}",
            do="give the ends of the support (low, high) where the formula holds only there",
        )
    return value.clamp(0, 1)


def _wider(shape: torch.Size, found: torch.Size) -> bool:
    try:
        return bool(torch.broadcast_shapes(shape, found) == found)
    except RuntimeError:
        return False


def _check_ends(below: Tensor, above: Tensor, high: float) -> None:
    if bool((above < 1 - ROUNDING).any()):
        raise InputError(
            expected=f"a distribution function that is 1 at the upper end of its range, {high}",
            found=f"{float(above.min())}" + (" (it falls: 1 − F?)" if bool((above < below).any()) else ""),
            do="divide by the whole mass, or give the range that holds it",
        )


def _place(x: Float[Tensor, "..."]) -> Int[Tensor, "..."]:
    """The number of x in the list of all float64 numbers, 0 at zero: their bits, read as sign and size."""
    bits = x.contiguous().view(torch.int64)
    return torch.where(bits >= 0, bits, torch.iinfo(torch.int64).min - bits)


def _number(place: Int[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The float64 number at a place of the list."""
    return torch.where(place >= 0, place, torch.iinfo(torch.int64).min - place).view(torch.float64)
