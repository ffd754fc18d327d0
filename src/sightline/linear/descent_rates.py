"""How fast gradient descent on ‖Xw − y‖² + λ‖w‖² goes in each direction, and when it stops going at all.

A step w ← w − η∇L multiplies the distance to the solution by 1 − 2η(σᵢ² + λ) along right singular vector i.

Legend: σ singular values, σ₁ the largest, σᵣ the smallest nonzero one, λ ridge, η rate, κ² = (σ₁² + λ)/(σᵣ² + λ).
"""

from dataclasses import dataclass
from math import inf, log

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs
from sightline.linear.geometric_decay import log_power
from sightline.linear.svd_coordinates import SVDCoordinates


def step_share(sigma: Float[Tensor, " r"], rate: float, ridge: float = 0.0) -> Float[Tensor, " r"]:
    """x = 2η(σ² + λ), the share of the distance to the solution that a step covers in each direction.

    Args:
        sigma: singular values, ≥ 0.
        rate: η > 0.
        ridge: λ ≥ 0.

    Raises:
        DataError: when the singular values are not finite or some are negative.
        ConfigurationError: when η ≤ 0 or λ < 0, or x is beyond float64.

    Example:
        >>> step_share(torch.tensor([2.0, 1.0]), rate=0.1)
        tensor([0.8000, 0.2000], dtype=torch.float64)
    """
    sigma = inputs.singular_values(sigma)
    rate, ridge = inputs.number(rate, "rate η", above=0), inputs.number(ridge, "ridge λ", minimum=0)
    share = 2 * rate * (sigma.square() + ridge)
    if not torch.isfinite(share).all():
        raise ConfigurationError(
            expected="2η(σ² + λ) to be a number of float64",
            found=f"η = {rate:g} with σ up to {float(sigma.max()):g} and λ = {ridge:g}",
            do="choose a smaller rate, or rescale the columns to numbers near 1",
        )
    return share


def contraction(sigma: Float[Tensor, " r"], rate: float, ridge: float = 0.0) -> Float[Tensor, " r"]:
    """c = 1 − 2η(σ² + λ): what one step leaves of the distance in each direction, negative where it overshoots.

    Shapes:
        sigma: [r]; returns: [r].

    Raises:
        DataError, ConfigurationError: see :func:`step_share`.

    Source: Goh, Why Momentum Really Works (2017).

    Lecture: F8

    Example:
        >>> contraction(torch.tensor([2.0, 1.0]), rate=0.25)
        tensor([-1.0000,  0.5000], dtype=torch.float64)
    """
    return 1 - step_share(sigma, rate, ridge)


def stability_limit(sigma: Float[Tensor, " r"], ridge: float = 0.0) -> float:
    """1/(σ₁² + λ): gradient descent converges for every rate below it, and for none above it.

    Returns:
        The limit; infinity for a matrix of zeros without ridge, where there is nothing to descend.

    Raises:
        DataError, ConfigurationError: when the singular values or λ are out of their range.

    Lecture: F8

    Example:
        >>> stability_limit(torch.tensor([2.0, 1.0]))
        0.25
    """
    top = inputs.singular_values(sigma).max().square() + inputs.number(ridge, "ridge λ", minimum=0)
    return float(top.reciprocal())


def fastest_rate(sigma: Float[Tensor, " r"], ridge: float = 0.0) -> float:
    """1/(σ₁² + σᵣ² + 2λ): the rate at which the slowest direction is as fast as it can be; c₁ = −cᵣ there.

    Singular values below r · ε · σ₁ are taken as zero and left out.

    Raises:
        DataError: also when all singular values are zero.
        ConfigurationError: when λ < 0.

    Source: Polyak, Introduction to Optimization (1987), 1.4.

    Lecture: F8

    Example:
        >>> fastest_rate(torch.tensor([2.0, 1.0]))
        0.2
    """
    largest, smallest = _extremes(sigma)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    return float((largest.square() + smallest.square() + 2 * ridge).reciprocal())


def fastest_contraction(sigma: Float[Tensor, " r"], ridge: float = 0.0) -> float:
    """(κ² − 1)/(κ² + 1): what a step at the fastest rate leaves of the distance in its two slowest directions.

    Raises:
        DataError, ConfigurationError: see :func:`fastest_rate`.

    Lecture: F8

    Example:
        >>> fastest_contraction(torch.tensor([2.0, 1.0]))
        0.6
    """
    largest, smallest = _extremes(sigma)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    difference = (largest - smallest) * (largest + smallest)  # of the squares, without their cancellation
    return float(difference / (largest.square() + smallest.square() + 2 * ridge))


def steps_to_shrink(contraction: Float[Tensor, " r"], factor: float) -> Float[Tensor, " r"]:
    """The first k with |c|^k ≤ factor, in each direction; infinity where |c| ≥ 1.

    A c within 1e-16 of 1 has lost its digits: :func:`descent_rates` counts from 1 − c instead.

    Args:
        contraction: c of any sign.
        factor: between 0 and 1, such as 0.01 for one per cent.

    Raises:
        DataError: when a contraction is not finite.
        ConfigurationError: when the factor is not strictly between 0 and 1.

    Lecture: F8

    Example:
        >>> steps_to_shrink(torch.tensor([0.5, -0.25, 1.0]), factor=0.01)
        tensor([7., 4., inf], dtype=torch.float64)
    """
    return _steps(inputs.vector(contraction, name="contraction").abs().log(), factor)


@dataclass(frozen=True)
class DescentRates:
    """Gradient descent on one problem at one rate, direction by direction over the nonzero singular values.

    Attributes:
        rate: η.
        ridge: λ.
        limit: the rate from which it no longer converges, 1/(σ₁² + λ).
        fastest: the rate that shrinks the slowest direction most.
        fastest_contraction: what a step at that rate leaves of the slowest direction.
        sigma: nonzero singular values.
        contraction: c = 1 − 2η(σ² + λ) at this rate, one a direction.
        factor: the factor that ``steps`` counts to.
        steps: the first k with |c|^k ≤ factor, one a direction; infinity where |c| ≥ 1.
    """

    rate: float
    ridge: float
    limit: float
    fastest: float
    fastest_contraction: float
    sigma: Float[Tensor, " rank"]
    contraction: Float[Tensor, " rank"]
    factor: float
    steps: Float[Tensor, " rank"]

    @property
    def converges(self) -> bool:
        """Whether the rate is below the stability limit."""
        return bool(self.steps.isfinite().all())

    @property
    def slowest(self) -> int:
        """Which direction takes the most steps; the one that grows fastest when some grow."""
        order = self.steps if self.converges else self.contraction.abs()
        return int(order.argmax())


def descent_rates(
    problem: SVDCoordinates, rate: float | None = None, ridge: float = 0.0, factor: float = 0.01
) -> DescentRates:
    """The numbers that say how gradient descent fares on a problem.

    Args:
        problem: see :func:`~sightline.linear.svd_coordinates.svd_coordinates`.
        rate: η > 0; the fastest one unless given.
        ridge: λ ≥ 0.
        factor: what to count the steps to, between 0 and 1.

    Raises:
        DataError: when the matrix is zero: it has no direction to descend in.
        ConfigurationError: when a number is out of its range.

    Lecture: F8

    Example:
        >>> from sightline.linear import svd_coordinates
        >>> found = descent_rates(svd_coordinates(torch.diag(torch.tensor([2.0, 1.0])), torch.ones(2)))
        >>> found.limit, found.fastest, found.fastest_contraction, found.steps
        (0.25, 0.2, 0.6, tensor([10., 10.], dtype=torch.float64))
    """
    _extremes(problem.sigma)
    sigma = problem.nonzero
    given, rate = rate, fastest_rate(sigma, ridge) if rate is None else rate
    share = step_share(sigma, rate, ridge)
    log_size = log_power(share, [1])[0][0]
    if (
        given is None
    ):  # 2 − 2η(σ² + λ) in its own digits: at the fastest rate the steepest direction is as slow as the last
        curved = sigma.square() + ridge
        log_size = torch.where(share > 1, torch.log1p(-rate * (2 * curved[-1] + 2 * (curved[0] - curved))), log_size)
    return DescentRates(
        rate=float(rate),
        ridge=float(ridge),
        limit=stability_limit(sigma, ridge),
        fastest=fastest_rate(sigma, ridge),
        fastest_contraction=fastest_contraction(sigma, ridge),
        sigma=sigma,
        contraction=1 - share,
        factor=float(factor),
        steps=_steps(log_size, factor),
    )


def _steps(log_size: Float[Tensor, " r"], factor: float) -> Float[Tensor, " r"]:
    target = log(inputs.number(factor, "factor", above=0, below=1))
    exact = target / log_size * (1 - 8 * torch.finfo(torch.float64).eps)  # 2.0000000000000004 steps are 2
    return torch.where(log_size < 0, exact.ceil().clamp(min=1), inf)


def _extremes(sigma: Tensor) -> tuple[Tensor, Tensor]:
    found = inputs.singular_values(sigma)
    nonzero = found[found > len(found) * torch.finfo(torch.float64).eps * found.max()]
    if not len(nonzero):
        raise DataError(
            expected="a singular value above zero",
            found="a matrix of zeros",
            do="give a matrix with some entry that is not zero",
        )
    return nonzero.max(), nonzero.min()
