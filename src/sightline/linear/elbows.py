"""Where the elbows of a 1-D ReLU layer stand when it is drawn: unit max(0, wx + b) bends at x = −b/w.

Legend: w weight ~ N(0, σ_w²), b bias, c a constant bias, x input, s = σ_b/σ_w, r = |c|/σ_w,
F cumulative distribution of the elbow's place. Places and r, s are in units of x.

A unit bends at −b/w and is zero on one side of it. With normal biases the elbow is a ratio of two normals,
a Cauchy variable, which has no mean; with a constant bias it is the reciprocal of a normal; with zero biases
all elbows stand at 0.
"""

from dataclasses import dataclass
from math import atan2, erf, erfc, inf, pi, sqrt

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs


def elbow(w: Float[Tensor, " d"], b: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """−b/w, the place where max(0, wx + b) bends, one a unit.

    Raises:
        DataError: when w or b is not a finite vector, they differ in length, or a weight is 0 (no elbow).

    Lecture: F12

    Example:
        >>> elbow(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 3.0]))
        tensor([-0.5000,  3.0000], dtype=torch.float64)
    """
    w = inputs.vector(w)
    b = inputs.vector(b, len(w), "b")
    if (w == 0).any():
        raise DataError(
            expected="every weight w to differ from 0",
            found=f"{int((w == 0).sum())} of {len(w)} are 0: such a unit is constant and has no elbow",
            do="leave those units out",
        )
    return -b / w


def dead_on(w: Float[Tensor, " d"], b: Float[Tensor, " d"], low: float, high: float) -> Bool[Tensor, " d"]:
    """Whether max(0, wx + b) is 0 for every x in [low, high], one answer a unit.

    A line is nowhere positive on an interval where it is not positive at both ends.

    Raises:
        DataError: see :func:`elbow`.
        ConfigurationError: when low > high or one is not finite.

    Lecture: F12

    Example:
        >>> dead_on(torch.tensor([1.0, -1.0]), torch.tensor([-2.0, -2.0]), -1, 3)
        tensor([False,  True])
    """
    w = inputs.vector(w)
    b = inputs.vector(b, len(w), "b")
    low, high = _interval(low, high)
    return (w * low + b <= 0) & (w * high + b <= 0)


@dataclass(frozen=True)
class CauchyElbows:
    """Elbows of weights N(0, σ_w²) and biases N(0, σ_b²): Cauchy with centre 0 and scale s = σ_b/σ_w.

    Args:
        weight_deviation: σ_w > 0, in units of output / x.
        bias_deviation: σ_b > 0, in units of output.

    Raises:
        ConfigurationError: when a deviation is not positive and finite. With σ_b = 0 every elbow stands at 0.

    Lecture: F12, F13

    Example:
        >>> elbows = CauchyElbows(weight_deviation=1.0, bias_deviation=2.0)
        >>> elbows.median_distance, elbows.share_outside(-2, 2), elbows.share_dead(-2, 2)
        (2.0, 0.5, 0.25)
    """

    weight_deviation: float
    bias_deviation: float

    def __post_init__(self) -> None:
        inputs.number(self.weight_deviation, "weight deviation σ_w", above=0)
        inputs.number(self.bias_deviation, "bias deviation σ_b", above=0)

    @property
    def scale(self) -> float:
        """s = σ_b/σ_w."""
        return self.bias_deviation / self.weight_deviation

    @property
    def median_distance(self) -> float:
        """Half of the elbows stand nearer to 0 than this: s. Their mean distance is infinite."""
        return self.scale

    def density(self, x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """p(x) = s / (π (s² + x²))."""
        x = _places(x)
        return 1 / (pi * self.scale * (1 + (x / self.scale).square()))

    def cumulative(self, x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """F(x) = ½ + arctan(x/s)/π, written as the angle atan2(s, −x)/π, which keeps its digits far to the left."""
        x = _places(x)
        return torch.atan2(torch.full_like(x, self.scale), -x) / pi

    def share_outside(self, low: float, high: float) -> float:
        """F(low) + 1 − F(high): the share of units whose elbow is outside [low, high].

        Raises:
            ConfigurationError: when low > high or one is not finite.
        """
        low, high = _interval(low, high)
        return (atan2(self.scale, -low) + atan2(self.scale, high)) / pi

    def share_dead(self, low: float, high: float) -> float:
        """Share of units that are 0 on all of [low, high]: half of those with an elbow outside.

        (w, b) and (−w, −b) are equally likely, have the same elbow, and face opposite ways.

        Raises:
            ConfigurationError: see :meth:`share_outside`.
        """
        return self.share_outside(low, high) / 2

    def draw(self, units: int, generator: torch.Generator | None = None) -> Float[Tensor, " units"]:
        """Elbows of as many freshly drawn units.

        Raises:
            ConfigurationError: when fewer than 1 are asked for.
        """
        drawn = torch.randn(2, inputs.count(units, "units", minimum=1), generator=generator, dtype=torch.float64)
        return elbow(self.weight_deviation * drawn[0], self.bias_deviation * drawn[1])


@dataclass(frozen=True)
class ReciprocalNormalElbows:
    """Elbows −c/w of weights N(0, σ_w²) and one constant bias c: nothing near 0, two humps at ±r/√2.

    Args:
        weight_deviation: σ_w > 0, in units of output / x.
        bias: c ≠ 0, in units of output.

    Raises:
        ConfigurationError: when σ_w is not positive or c is 0 (then every elbow stands at 0).

    Lecture: F12, F13

    Example:
        >>> ReciprocalNormalElbows(weight_deviation=1.0, bias=0.1).share_dead(-1, 1)
        0.0
    """

    weight_deviation: float
    bias: float

    def __post_init__(self) -> None:
        inputs.number(self.weight_deviation, "weight deviation σ_w", above=0)
        if inputs.number(self.bias, "bias") == 0:
            raise ConfigurationError(
                expected="a bias that is not 0",
                found="bias = 0: every elbow −b/w then stands at 0",
                do="give a bias, or use the place 0 itself",
            )

    @property
    def ratio(self) -> float:
        """r = |c|/σ_w."""
        return abs(self.bias) / self.weight_deviation

    @property
    def median_distance(self) -> float:
        """Half of the elbows stand nearer to 0 than this: r / Φ⁻¹(¾)."""
        quartile = torch.special.ndtri(torch.tensor(0.75, dtype=torch.float64))
        return self.ratio / float(quartile)

    def density(self, x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """p(x) = r exp(−r²/2x²) / (√(2π) x²), and 0 at x = 0."""
        x = _places(x)
        scaled = self.ratio / x.abs()
        squared = scaled.square().clamp(max=1e300)  # e^−x²/2 is 0 long before
        return torch.where(x == 0, 0.0, (-squared / 2).exp() * squared / (self.ratio * sqrt(2 * pi)))

    def cumulative(self, x: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """F(x) = ½ erf(r/(√2 |x|)) left of 0, and 1 less that right of it."""
        x = _places(x)
        tail = torch.erf(self.ratio / (sqrt(2) * x.abs())) / 2
        return torch.where(x > 0, 1 - tail, tail)

    def share_outside(self, low: float, high: float) -> float:
        """F(low) + 1 − F(high): the share of units whose elbow is outside [low, high].

        Raises:
            ConfigurationError: when low > high or one is not finite.
        """
        low, high = _interval(low, high)
        return self._below(low) + self._below(-high)

    def share_dead(self, low: float, high: float) -> float:
        """Share of units that are 0 on all of [low, high]; none where the bias is positive and 0 is inside.

        At x = 0 the unit gives max(0, c): a positive c keeps it alive there. A unit is dead where
        w·low ≤ −c and w·high ≤ −c, which asks w to lie beyond one bound or between two.

        Raises:
            ConfigurationError: see :meth:`share_outside`.
        """
        low, high = _interval(low, high)
        smallest, largest = -inf, inf
        for end in (low, high):
            if end > 0:
                largest = min(largest, -self.bias / end)
            elif end < 0:
                smallest = max(smallest, -self.bias / end)
            elif self.bias > 0:
                return 0.0
        if smallest >= largest:
            return 0.0
        spread = sqrt(2) * self.weight_deviation
        upper, lower = largest / spread, smallest / spread
        if lower > 0:
            return (erfc(lower) - erfc(upper)) / 2
        if upper < 0:
            return (erfc(-upper) - erfc(-lower)) / 2
        return (erf(upper) - erf(lower)) / 2

    def draw(self, units: int, generator: torch.Generator | None = None) -> Float[Tensor, " units"]:
        """Elbows of as many freshly drawn units.

        Raises:
            ConfigurationError: when fewer than 1 are asked for.
        """
        drawn = torch.randn(inputs.count(units, "units", minimum=1), generator=generator, dtype=torch.float64)
        return elbow(self.weight_deviation * drawn, torch.full_like(drawn, self.bias))

    def _below(self, x: float) -> float:
        """F(x) of one place."""
        tail = erf(self.ratio / (sqrt(2) * abs(x))) / 2 if x else 0.5
        return 1 - tail if x > 0 else tail


def _places(x: Tensor) -> Tensor:
    return inputs.vector(x.reshape(-1) if isinstance(x, Tensor) else x, name="x").reshape(x.shape)


def _interval(low: float, high: float) -> tuple[float, float]:
    low, high = inputs.number(low, "low"), inputs.number(high, "high")
    if low > high:
        raise ConfigurationError(
            expected="an interval with low ≤ high", found=f"low = {low:g}, high = {high:g}", do="swap the two"
        )
    return low, high
