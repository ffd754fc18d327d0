"""Continuous distributions by their inverse CDF: by a formula, or from F alone.

Legend: F the distribution function, Φ that of N(0, 1).
"""

from dataclasses import dataclass
from math import inf, sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import InputError
from sightline.generate.bisection import LARGEST, DistributionFunction, smallest_reaching, values
from sightline.generate.inverse_cdf import checked_levels, checked_points, joint_shape


@dataclass(frozen=True)
class Continuous:
    """A distribution without atoms, with F and F⁻¹ both given by formulas.

    Args:
        distribution_function: x ↦ F(x), element by element.
        inverse: u ↦ F⁻¹(u).

    Lecture: X1

    Example:
        >>> exponential = Continuous(lambda x: -torch.expm1(-x.clamp(min=0)), lambda u: -torch.log1p(-u))
        >>> exponential.inverse_cdf(torch.tensor([0.0, 0.5])).exp().tolist()
        [1.0, 2.0]
    """

    distribution_function: DistributionFunction
    inverse: DistributionFunction

    def cdf(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x) = P(X ≤ x)."""
        return self.distribution_function(checked_points(x))

    def cdf_below(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x−) = F(x)."""
        return self.cdf(x)

    def inverse_cdf(self, u: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F⁻¹(u)."""
        return self.inverse(checked_levels(u))


class Normal:
    """N(m, s²): F(x) = Φ((x − m)/s), F⁻¹(u) = m + s Φ⁻¹(u).

    Args:
        mean: m, finite.
        standard_deviation: s > 0, finite.

    Raises:
        InputError: for a parameter outside its range.

    Lecture: X1

    Example:
        >>> Normal(1.0, 2.0).inverse_cdf(torch.tensor(0.5)).item()
        1.0
    """

    def __init__(
        self, mean: float | Float[Tensor, "..."] = 0.0, standard_deviation: float | Float[Tensor, "..."] = 1.0
    ) -> None:
        self.mean = torch.as_tensor(mean).double()
        self.standard_deviation = torch.as_tensor(standard_deviation).double()
        usable = bool(self.mean.isfinite().all()) and bool(
            ((self.standard_deviation > 0) & (self.standard_deviation < inf)).all()
        )
        if not usable:
            raise InputError(
                expected="a finite mean and a finite standard deviation above 0",
                found=f"mean = {mean}, standard_deviation = {standard_deviation}",
                do="a distribution without spread is Discrete, with one value",
            )
        self.batch = joint_shape(self.mean.shape, self.standard_deviation.shape)

    def cdf(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Φ((x − m)/s)."""
        x = checked_points(x)
        joint_shape(x.shape, self.batch)
        z = (x - self.mean) / self.standard_deviation
        twice: Tensor = torch.erfc(z / -sqrt(2))  # torch.special.ndtr loses its digits below −6
        return twice / 2

    def cdf_below(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x−) = F(x)."""
        return self.cdf(x)

    def inverse_cdf(self, u: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """m + s Φ⁻¹(u): −∞ at 0, ∞ at 1."""
        u = checked_levels(u)
        joint_shape(u.shape, self.batch)
        z: Tensor = torch.special.ndtri(u)
        return self.mean + self.standard_deviation * z


@dataclass(frozen=True)
class Numerical:
    """Any distribution, from its F alone: F⁻¹ by :func:`~sightline.generate.bisection.smallest_reaching`.

    F may jump. Its last bits count: F⁻¹(1) is where F as computed first is 1, which for Φ is 8.29 and not ∞.

    Args:
        distribution_function: x ↦ F(x), element by element, never falling; it is asked inside the support only.
        low: lower end of the support.
        high: upper end of the support: F(high) = 1.

    Raises:
        ConfigurationError, InputError: when called, see ``smallest_reaching``.

    Lecture: X1

    Example:
        >>> triangle = Numerical(lambda x: x**2, low=0.0, high=1.0)
        >>> triangle.inverse_cdf(torch.tensor([0.25, 1.0])).tolist()
        [0.5, 1.0]
    """

    distribution_function: DistributionFunction
    low: float = -inf
    high: float = inf

    def cdf(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x): 0 below the support, 1 from its upper end on."""
        x = checked_points(x)
        inside = values(self.distribution_function, x.clamp(max(self.low, -LARGEST), min(self.high, LARGEST)))
        return torch.where(x >= self.high, 1.0, torch.where((x < self.low) | (x == -inf), 0.0, inside))

    def cdf_below(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F at the float64 number just below x."""
        x = checked_points(x)
        return self.cdf(x.nextafter(torch.full_like(x, -inf)))

    def inverse_cdf(self, u: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The smallest float64 number x with F(x) ≥ u."""
        return smallest_reaching(self.distribution_function, checked_levels(u), low=self.low, high=self.high)
