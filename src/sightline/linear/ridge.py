"""Ridge regression: argmin ‖Xw − y‖² + λ‖w‖², directly and in SVD coordinates.

Legend: X = U Σ Vᵀ, w̃ = Vᵀw, ỹ = Uᵀy, κ² = (σ₁² + λ)/(σᵣ² + λ) the condition of the regularised normal equations,
ε = 2.2e-16. The filter factor fᵢ = σᵢ²/(σᵢ² + λ) is the share of ỹᵢ that is fitted; the gain σᵢ/(σᵢ² + λ) = fᵢ/σᵢ
takes ỹᵢ to w̃ᵢ.
"""

from math import hypot, sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.least_squares import Solution, least_squares, solution
from sightline.linear.svd_coordinates import SVDCoordinates, along, svd_coordinates

NORMAL_EQUATIONS_ERROR = 1e-12
"""Normal equations are solved where ε·κ², the relative error they cost, is below this."""


def ridge(X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], ridge: float) -> Solution:
    """w = (XᵀX + λI)⁻¹Xᵀy = Xᵀ(XXᵀ + λI)⁻¹y, by whichever matrix is the smaller; no inverse is formed.

    The matrix is factored by Cholesky ("cholesky"). Where ε·κ² is above :data:`NORMAL_EQUATIONS_ERROR` (κ² estimated
    by a few power iterations with the matrix and its factor), the SVD of X is taken instead ("svd"), singular values
    that its rank does not count as zeros. λ = 0 is :func:`~sightline.linear.least_squares.least_squares`.

    Shapes:
        X: [n, d]; y: [n] or [n, k].

    Args:
        X: one row an example; an intercept is penalised like any column
            (:func:`~sightline.linear.centring.centred` leaves it free).
        y: targets.
        ridge: λ ≥ 0, in squared units of X; there is no 1/n and no ½ in front of the squared error.

    Returns:
        The :class:`~sightline.linear.least_squares.Solution`. To pull w to some w₀ instead of zero, solve for
        w − w₀ with targets y − Xw₀.

    Raises:
        DataError: when X or y is empty or not finite, or their rows differ in number.
        ConfigurationError: when λ < 0 or not finite.

    Source: Hoerl & Kennard, Ridge regression, 1970, eq. 2.1.

    Lecture: F6

    Example:
        >>> ridge(torch.tensor([[2.0]]), torch.tensor([5.0]), ridge=1.0).w.round(decimals=6)
        tensor([2.], dtype=torch.float64)
    """
    X, y = inputs.problem(X, y)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    if ridge == 0:
        return least_squares(X, y)
    n, d = X.shape
    wide = n < d
    regularised = (X @ X.mT if wide else X.mT @ X) + ridge * torch.eye(min(n, d), dtype=X.dtype, device=X.device)
    factor, failed = torch.linalg.cholesky_ex(regularised)
    if not failed:
        estimate = squared_condition(regularised, factor)
        if torch.finfo(X.dtype).eps * estimate < NORMAL_EQUATIONS_ERROR:
            columns = y.reshape(n, -1)
            right = columns if wide else X.mT @ columns
            w = torch.cholesky_solve(right, factor)
            w = (X.mT @ w if wide else w).reshape(d, *y.shape[1:])
            return solution(X, y, w, "cholesky", min(n, d), sqrt(estimate))
    found = svd_coordinates(X, y)
    top, last = float(found.sigma[0]), float(found.sigma[-1]) if found.rank == len(found.sigma) else 0.0
    condition = hypot(top, sqrt(ridge)) / hypot(last, sqrt(ridge))
    return solution(X, y, found.weights(ridge_in_svd_coordinates(found, ridge)), "svd", len(found.sigma), condition)


def squared_condition(A: Float[Tensor, "r r"], factor: Float[Tensor, "r r"]) -> float:
    """λ₁/λᵣ from below: how four fixed random vectors grow when A, and its inverse, are applied five times."""
    generator = torch.Generator().manual_seed(0)  # its own, so that nobody's random numbers move
    up = torch.randn(len(A), 4, generator=generator, dtype=torch.float64).to(A)
    down = up
    for _ in range(5):
        up, down = A @ (up / up.norm(dim=0)), torch.cholesky_solve(down / down.norm(dim=0), factor)
    return float(up.norm(dim=0).max() * down.norm(dim=0).max())


def filter_factors(sigma: Float[Tensor, " r"], ridge: float) -> Float[Tensor, " r"]:
    """fᵢ = σᵢ²/(σᵢ² + λ): the share of the target that ridge fits along each direction, from 1 (σ² ≫ λ) to 0.

    Args:
        sigma: singular values, ≥ 0.
        ridge: λ ≥ 0; with 0 all nonzero directions are fitted whole.

    Raises:
        DataError: when a singular value is negative or not finite.
        ConfigurationError: when λ < 0 or not finite.

    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, eq. 3.47.

    Lecture: F7

    Example:
        >>> filter_factors(torch.tensor([3.0, 1.0, 0.0]), ridge=1.0)
        tensor([0.9000, 0.5000, 0.0000], dtype=torch.float64)
    """
    sigma = inputs.singular_values(sigma)
    return sigma * ridge_gains(sigma, ridge)


def ridge_gains(sigma: Float[Tensor, " r"], ridge: float) -> Float[Tensor, " r"]:
    """gᵢ = σᵢ/(σᵢ² + λ), so that w̃ᵢ = gᵢ ỹᵢ: 1/σᵢ where σᵢ² ≫ λ, and never above 1/(2√λ). 0 where σᵢ = 0.

    Args:
        sigma: singular values, ≥ 0.
        ridge: λ ≥ 0.

    Raises:
        DataError, ConfigurationError: see :func:`filter_factors`.

    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, eq. 3.47, without its left U.

    Lecture: F7

    Example:
        >>> ridge_gains(torch.tensor([3.0, 1.0, 0.0]), ridge=1.0)
        tensor([0.3000, 0.5000, 0.0000], dtype=torch.float64)
    """
    sigma = inputs.singular_values(sigma)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    return torch.where(sigma > 0, 1 / (sigma + ridge / sigma), 0.0)


def effective_dimension(sigma: Float[Tensor, " r"], ridge: float) -> float:
    """Σ σᵢ²/(σᵢ² + λ) = tr X(XᵀX + λI)⁻¹Xᵀ: the degrees of freedom that ridge leaves, between 0 and the rank.

    Args:
        sigma: singular values, ≥ 0.
        ridge: λ ≥ 0.

    Raises:
        DataError, ConfigurationError: see :func:`filter_factors`.

    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, eq. 3.50.

    Lecture: F7

    Example:
        >>> effective_dimension(torch.tensor([3.0, 1.0]), ridge=1.0)
        1.4
    """
    return float(filter_factors(sigma, ridge).sum())


def ridge_in_svd_coordinates(problem: SVDCoordinates, ridge: float) -> Float[Tensor, "r *k"]:
    """w̃ᵢ = σᵢ/(σᵢ² + λ) · ỹᵢ: ridge one direction at a time; ``problem.weights`` turns it back into w.

    Args:
        problem: from :func:`~sightline.linear.svd_coordinates.svd_coordinates`.
        ridge: λ ≥ 0; with 0 the minimum-norm solution. Directions beyond the numerical rank stay 0.

    Raises:
        ConfigurationError: when λ < 0 or not finite.

    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, eq. 3.47.

    Lecture: F7

    Example:
        >>> from sightline.linear import svd_coordinates
        >>> problem = svd_coordinates(torch.tensor([[2.0]]), torch.tensor([5.0]))
        >>> problem.weights(ridge_in_svd_coordinates(problem, ridge=1.0)).round(decimals=6)
        tensor([2.], dtype=torch.float64)
    """
    gain = ridge_gains(problem.sigma, ridge)
    gain = torch.where(torch.arange(len(gain), device=gain.device) < problem.rank, gain, 0.0)
    return along(gain, problem.y_tilde) * problem.y_tilde
