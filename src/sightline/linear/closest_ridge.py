"""The ridge that is nearest to an early-stopped descent, and how near: in filters, in weights, in predictions.

Legend: f filter factors of k steps of gradient descent from zero, g of ridge, η rate, λ ridge, σ singular values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs
from sightline.linear.descent_rates import stability_limit, step_share
from sightline.linear.early_stopping import matching_ridge
from sightline.linear.geometric_decay import covered, log_power
from sightline.linear.svd_coordinates import SVDCoordinates


def closest_ridge(
    problem: SVDCoordinates, rate: float, steps: int, of: Literal["weights", "predictions"] = "weights"
) -> float:
    """The λ ≥ 0 whose ridge solution is nearest to the k-th iterate from zero: argmin Σ aᵢ²(fᵢ − gᵢ(λ))².

    aᵢ is ỹᵢ/σᵢ for the weights and ỹᵢ for the predictions. The search over log λ lies between the smallest and the
    largest λᵢ = σᵢ²(1 − fᵢ)/fᵢ that fit one direction exactly: outside, every term grows.

    Args:
        problem: see :func:`~sightline.linear.svd_coordinates.svd_coordinates`.
        rate: 0 < η < 1/σ₁².
        steps: k ≥ 1.
        of: what is to be near.

    Returns:
        λ, to about 1e-8 relative (the root of ε, as a least value is flat); 0 when no ridge is nearer than none.

    Raises:
        DataError: when no w reaches any part of y, so that every iterate is zero.
        ConfigurationError: when a number is out of its range, or the rate does not converge.

    Lecture: F8

    Example:
        >>> from sightline.linear import svd_coordinates
        >>> problem = svd_coordinates(torch.ones(1, 1), torch.ones(1))
        >>> closest_ridge(problem, rate=0.25, steps=1)  # f = 1/2 = 1/(1 + λ)
        1.0
    """
    if of not in ("weights", "predictions"):
        raise ConfigurationError(
            expected="of to be 'weights' or 'predictions'", found=f"of = {of!r}", do="choose one of the two"
        )
    sigma, amount = _amounts(problem, of)
    kept, fitted = _kept_and_fitted(sigma, rate, steps)
    exact = sigma.square() * kept / fitted
    high = float(exact.max())
    if high <= 0:  # every direction overshoots its solution; ridge never does
        return 0.0
    least = max(min(high, float(sigma[-1].square())) * 1e-20, torch.finfo(torch.float64).tiny)
    low = min(max(float(exact.min()), least), high)

    def error(log_ridge: float) -> float:
        return float(_length(_gap(sigma, kept, fitted, exp(log_ridge)) * amount))

    if low == high:
        return high
    grid = torch.linspace(log(low), log(high), 257, dtype=sigma.dtype, device=sigma.device)
    errors = _length(_gap(sigma, kept, fitted, grid.exp()[:, None]) * amount)
    best = int(errors.argmin())
    around = grid[max(best - 1, 0)], grid[best], grid[min(best + 1, len(grid) - 1)]
    found = min((_golden_section(error, float(around[0]), float(around[2])), float(around[1])), key=error)
    without = float(_length(_gap(sigma, kept, fitted, 0.0) * amount))
    return 0.0 if without <= error(found) else exp(found)


@dataclass(frozen=True)
class BesideRidge:
    """The k-th iterate of gradient descent from zero, beside two ridge solutions: the matched one and the closest one.

    Attributes:
        rate, steps, time: η, k and t = ηk.
        matched: λ = 1/(2t).
        closest: the λ whose weights are nearest to the iterate's.
        sigma: nonzero singular values.
        descent, matched_ridge, closest_ridge: their filter factors, one a direction.
        matched_gap, closest_gap: the largest |difference| of the filters over the directions.
        matched_weights, closest_weights: ‖w_ridge − w_k‖/‖w_k‖.
        matched_predictions, closest_predictions: ‖Xw_ridge − Xw_k‖/‖Xw_k‖.
    """

    rate: float
    steps: int
    time: float
    matched: float
    closest: float
    sigma: Float[Tensor, " rank"]
    descent: Float[Tensor, " rank"]
    matched_ridge: Float[Tensor, " rank"]
    closest_ridge: Float[Tensor, " rank"]
    matched_gap: float
    closest_gap: float
    matched_weights: float
    closest_weights: float
    matched_predictions: float
    closest_predictions: float


def beside_ridge(problem: SVDCoordinates, rate: float, steps: int) -> BesideRidge:
    """How near k steps of gradient descent from zero come to ridge: filters, weights and predictions.

    Raises:
        DataError, ConfigurationError: see :func:`closest_ridge`.

    Lecture: F8

    Example:
        >>> from sightline.linear import svd_coordinates
        >>> problem = svd_coordinates(torch.diag(torch.tensor([1.0, 0.1])), torch.ones(2))
        >>> found = beside_ridge(problem, rate=0.1, steps=5)
        >>> found.matched, found.closest_weights <= found.matched_weights
        (1.0, True)
    """
    closest = closest_ridge(problem, rate, steps)
    matched = matching_ridge(rate, steps)
    sigma, _ = _amounts(problem, "weights")
    kept, fitted = _kept_and_fitted(sigma, rate, steps)

    def difference(ridge: float, of: Literal["weights", "predictions"]) -> float:
        _, amount = _amounts(problem, of)
        return float((_gap(sigma, kept, fitted, ridge) * amount).norm() / (fitted * amount).norm())

    return BesideRidge(
        rate=float(rate),
        steps=int(steps),
        time=rate * steps,
        matched=matched,
        closest=closest,
        sigma=sigma,
        descent=fitted,
        matched_ridge=sigma.square() / (sigma.square() + matched),
        closest_ridge=sigma.square() / (sigma.square() + closest),
        matched_gap=float(_gap(sigma, kept, fitted, matched).abs().max()),
        closest_gap=float(_gap(sigma, kept, fitted, closest).abs().max()),
        matched_weights=difference(matched, "weights"),
        closest_weights=difference(closest, "weights"),
        matched_predictions=difference(matched, "predictions"),
        closest_predictions=difference(closest, "predictions"),
    )


def _amounts(problem: SVDCoordinates, of: str) -> tuple[Float[Tensor, " rank"], Float[Tensor, " rank"]]:
    """The nonzero singular values, and what each direction of the solution holds, over all outputs."""
    reached = problem.y_tilde[: problem.rank]
    reached = reached.abs() if reached.ndim == 1 else reached.norm(dim=1)
    if not reached.any():
        raise DataError(
            expected="targets of which some w reaches a part (Xᵀy ≠ 0)",
            found="Xᵀy = 0: every iterate from zero is zero",
            do="check that X and y belong together",
        )
    return problem.nonzero, reached / problem.nonzero if of == "weights" else reached


def _kept_and_fitted(
    sigma: Float[Tensor, " rank"], rate: float, steps: int
) -> tuple[Float[Tensor, " rank"], Float[Tensor, " rank"]]:
    """(1 − 2ησ²)^k and 1 minus it, each to its own relative precision."""
    share, limit = step_share(sigma, rate), stability_limit(sigma)
    if rate >= limit:
        raise ConfigurationError(
            expected=f"a rate η below the stability limit 1/σ₁² = {limit:g}",
            found=f"rate η = {rate:g}",
            do=f"choose a smaller rate, such as {limit / 2:g}",
        )
    counts = [inputs.count(steps, "steps", minimum=1)]
    size, sign = log_power(share, counts)
    return (sign * size.exp())[0], covered(share, counts)[0]


def _gap(
    sigma: Float[Tensor, " rank"],
    kept: Float[Tensor, " rank"],
    fitted: Float[Tensor, " rank"],
    ridge: float | Float[Tensor, "m 1"],
) -> Float[Tensor, "*m rank"]:
    """f − g, from whichever of f and 1 − f is the smaller, so that little of it cancels."""
    whole = sigma.square() + ridge
    return torch.where(fitted < 0.5, fitted - sigma.square() / whole, ridge / whole - kept)


def _length(values: Float[Tensor, "*m rank"]) -> Float[Tensor, "*m"]:
    """The norm over the last dimension, of numbers whose squares may be below float64."""
    largest = values.abs().amax(-1, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny)
    scaled: Tensor = (values / largest).norm(dim=-1)
    return scaled * largest[..., 0]


def _golden_section(function: Callable[[float], float], low: float, high: float) -> float:
    """A least value between two points, by golden section, until 64-bit numbers tell no difference."""
    golden = (5**0.5 - 1) / 2
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(60):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = function(right)
    return left if at_left <= at_right else right
