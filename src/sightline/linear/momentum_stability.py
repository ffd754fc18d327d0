"""For which rates momentum converges on least squares, and how fast along each singular direction.

Legend: h = 2(σ² + λ) the curvature, x = αh the rate in units of it, m the share of the velocity kept (β = 1 − m),
z the two eigenvalues of the companion matrix M, ρ their larger modulus. The characteristic polynomials are

    heavy ball  z² − (1 + m − x)z + m        Nesterov  z² − (1 + m)(1 − x)z + m(1 − x).

Both have all roots inside the unit circle when |det M| < 1 and |trace M| < 1 + det M (Jury's conditions), which is
0 < x < 2(1 + m) for the heavy ball and 0 < x < 2(1 + m)/(1 + 2m) for Nesterov. Gradient descent is m = 0: x < 2.
"""

from math import inf

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs
from sightline.linear.companion_matrix import curvatures
from sightline.linear.momentum_forms import MomentumForm


def eigenvalues(sigma: Float[Tensor, " r"], method: MomentumForm, ridge: float = 0.0) -> Complex[Tensor, "r 2"]:
    """z± = (t ± √(t² − 4δ))/2 of the companion matrix, t its trace and δ its determinant, the larger modulus first.

    The discriminant is used as a product, ((1 − √m)² − x)((1 + √m)² − x) for the heavy ball and
    (1 − x)((1 − m)² − (1 + m)²x) for Nesterov, so that it keeps its digits near critical damping.

    Shapes:
        sigma: [r] -> [r, 2].

    Raises:
        DataError, ConfigurationError: for σ < 0, λ < 0, or numbers that are not finite.

    Source: Polyak 1964; O'Donoghue & Candès 2015, section 4

    Lecture: O3

    Example:
        >>> from sightline.linear.momentum_forms import HeavyBall
        >>> eigenvalues(torch.tensor([1.0]), HeavyBall(rate=0.25, momentum=0.5))
        tensor([[0.5000+0.5000j, 0.5000-0.5000j]], dtype=torch.complex128)
    """
    ball = method.heavy_ball()
    x = ball.rate * curvatures(sigma, ridge)
    trace, determinant, discriminant = _polynomial(x, torch.full_like(x, ball.momentum), ball.nesterov)
    root = discriminant.abs().sqrt()
    larger = (trace + torch.where(trace < 0, -root, root)) / 2
    smaller = torch.where(larger == 0, larger, determinant / torch.where(larger == 0, 1.0, larger))
    real = torch.stack([larger, smaller], -1)
    pair = torch.complex(torch.stack([trace, trace], -1), torch.stack([root, -root], -1)) / 2
    return torch.where((discriminant < 0)[:, None], pair, real.to(pair.dtype))


def spectral_radius(sigma: Float[Tensor, " r"], method: MomentumForm, ridge: float = 0.0) -> Float[Tensor, " r"]:
    """ρ = max |z|: what the error along each direction shrinks by in a step, in the long run.

    The heavy ball's is √m in every direction between (1 − √m)² and (1 + √m)² over α, whatever the curvature.

    Raises:
        DataError, ConfigurationError: see :func:`eigenvalues`.

    Lecture: O3

    Example:
        >>> from sightline.linear.momentum_forms import HeavyBall
        >>> spectral_radius(torch.tensor([1.0, 0.5]), HeavyBall(rate=0.25, momentum=0.25))
        tensor([0.5000, 0.8202], dtype=torch.float64)
    """
    ball = method.heavy_ball()
    x = ball.rate * curvatures(sigma, ridge)
    return _radius(*_polynomial(x, torch.full_like(x, ball.momentum), ball.nesterov))


def stability_map(
    scaled_rates: Float[Tensor, " a"], momenta: Float[Tensor, " b"], nesterov: bool = False
) -> Float[Tensor, "b a"]:
    """ρ over a grid of x = αh and m: below 1 is the stability region, for every problem at once.

    Shapes:
        scaled_rates: [a]; momenta: [b] -> [b, a].

    Raises:
        DataError: when either is not a finite vector.

    Lecture: O3

    Example:
        >>> stability_map(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.81]))
        tensor([[0.0000, 2.0000],
                [0.9000, 0.9000]], dtype=torch.float64)
    """
    x, m = inputs.vector(scaled_rates, name="scaled_rates"), inputs.vector(momenta, name="momenta")
    if bool((m < 0).any() or (m >= 1).any()):
        raise DataError(
            expected="momenta in [0, 1)",
            found=f"values from {float(m.min()):g} to {float(m.max()):g}",
            do="give the share of the velocity that is kept, m = 1 − β",
        )
    return _radius(*_polynomial(x[None, :], m[:, None], nesterov))


def largest_stable_rate(sigma: Float[Tensor, " r"], method: MomentumForm, ridge: float = 0.0) -> float:
    """The rate, in the method's own letters, below which every direction converges.

    With h of the largest σ: α < 2(1 + m)/h for the heavy ball and the velocity form, divided by 1 + 2m for Nesterov.
    For the average η < 2(2 − β)/(βh), which is (2 − β)/(βσ₁²) without ridge and 1/σ₁² for gradient descent (β = 1):
    averaging with β = 0.1 bears an η 19 times as large, of which ηβ, 1.9 times, goes to the new gradient.

    Args:
        sigma: [r], the singular values.
        method: its form and its m or β count, its own rate does not.
        ridge: λ ≥ 0.

    Returns:
        The limit, itself unstable; infinity where nothing is curved.

    Raises:
        DataError, ConfigurationError: see :func:`eigenvalues`.

    Source: Polyak 1964; for Nesterov, Jury's conditions on the polynomial above

    Lecture: O3

    Example:
        >>> from sightline.linear.momentum_forms import AveragedMomentum
        >>> round(largest_stable_rate(torch.tensor([1.0]), AveragedMomentum(rate=1.0, beta=0.1)), 12)
        19.0
    """
    h = float(curvatures(sigma, ridge).max())
    ball = method.heavy_ball()
    m = ball.momentum
    x = 2 * (1 + m) / (1 + 2 * m) if ball.nesterov else 2 * (1 + m)
    return x / h * (method.rate / ball.rate) if h else inf


def is_stable(sigma: Float[Tensor, " r"], method: MomentumForm, ridge: float = 0.0) -> bool:
    """Whether every curved direction converges; directions without curvature never move from rest.

    Raises:
        DataError, ConfigurationError: see :func:`eigenvalues`.

    Lecture: O3

    Example:
        >>> from sightline.linear.momentum_forms import AveragedMomentum
        >>> [is_stable(torch.tensor([1.0]), AveragedMomentum(rate=18.0, beta=beta)) for beta in (0.1, 1.0)]
        [True, False]
    """
    limit = largest_stable_rate(sigma, method.heavy_ball(), ridge)
    return method.heavy_ball().rate < limit


def critical_momentum(
    sigma: Float[Tensor, " r"], rate: float, nesterov: bool = False, ridge: float = 0.0
) -> Float[Tensor, " r"]:
    """The m that makes each direction fastest at the rate α: both eigenvalues are 1 − √(αh) there.

    m = (1 − √(αh))² for the heavy ball, m = (1 − √(αh))/(1 + √(αh)) for Nesterov. Less momentum is overdamped
    (two real eigenvalues, the slower one leads); more is underdamped (it swings, dying out at √m a step). Where there
    is no curvature it is 1: no method's momentum, for nothing moves there.

    Raises:
        DataError, ConfigurationError: see :func:`eigenvalues`; also when αh ≥ 4 (Nesterov: αh > 1) somewhere, where
            no m in [0, 1) is critical.

    Source: O'Donoghue & Candès 2015, section 4; Goh 2017

    Lecture: O3

    Example:
        >>> critical_momentum(torch.tensor([1.0, 0.5]), rate=0.125)
        tensor([0.2500, 0.5625], dtype=torch.float64)
    """
    x = inputs.number(rate, "rate α", above=0) * curvatures(sigma, ridge)
    largest = float(x.max())
    if largest > 1 if nesterov else largest >= 4:
        raise ConfigurationError(
            expected=f"αh {'≤ 1' if nesterov else '< 4'} along every direction, h = 2(σ² + λ)",
            found=f"αh = {largest:g} along the largest σ",
            do="lower the rate",
        )
    root = x.sqrt()
    return (1 - root) / (1 + root) if nesterov else (1 - root).square()


def _polynomial(x: Tensor, m: Tensor, nesterov: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Trace, determinant and discriminant of M."""
    if nesterov:
        q = 1 - x
        return (1 + m) * q, m * q, q * ((1 - m).square() - (1 + m).square() * x)
    root = m.sqrt()
    return 1 + m - x, m + torch.zeros_like(x), ((1 - root).square() - x) * ((1 + root).square() - x)


def _radius(trace: Tensor, determinant: Tensor, discriminant: Tensor) -> Tensor:
    real = (trace.abs() + discriminant.clamp(min=0).sqrt()) / 2
    return torch.where(discriminant < 0, determinant.clamp(min=0).sqrt(), real)
