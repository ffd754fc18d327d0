"""Newton's method: the step goes by the curvature, w ← w − ηH⁻¹∇L, so that conditioning no longer matters.

On L(w) = ‖Xw − y‖² + λ‖w‖² the error shrinks by 1 − η in every direction that has curvature, whatever its σ; one step
at η = 1 is the solution. Where there is no curvature the start stays: the step is the shortest one there is.

Legend: H = ∇²L = 2(XᵀX + λI) Hessian, η rate, λ ridge, k steps.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.geometric_decay import relax, step_counts
from sightline.linear.gradient_descent import counted_sigma, solution_coordinates, starting_point
from sightline.linear.svd_coordinates import SVDCoordinates


def newton(
    problem: SVDCoordinates,
    steps: int | Sequence[int] = 1,
    rate: float = 1.0,
    start: Float[Tensor, "d *k"] | None = None,
    ridge: float = 0.0,
) -> Float[Tensor, "..."]:
    """w_k = w* + (1 − η)^k (w_0 − w*) in closed form: the same in every direction that has curvature.

    Shapes:
        start: [d, *k]; returns: [d, *k] for one number of steps, [m, d, *k] for a list of m.

    Args:
        problem: see :func:`~sightline.linear.svd_coordinates.svd_coordinates`.
        steps: k ≥ 0, of any size, or a list of them.
        rate: η > 0; converges below 2, damped below 1.
        start: w_0; zero unless given.
        ridge: λ ≥ 0; above zero there is curvature everywhere.

    Raises:
        DataError: when the start does not fit the problem or is not finite.
        ConfigurationError: when a number is out of its range.

    Source: Boyd & Vandenberghe, Convex Optimization, 9.5.

    Lecture: O4

    Example:
        >>> from sightline.linear import svd_coordinates
        >>> problem = svd_coordinates(torch.diag(torch.tensor([1.0, 1e-6])), torch.tensor([1.0, 1e-6]))
        >>> newton(problem, steps=1)
        tensor([1., 1.], dtype=torch.float64)
    """
    counts, single = step_counts(steps)
    rate, ridge = inputs.number(rate, "rate η", above=0), inputs.number(ridge, "ridge λ", minimum=0)
    share = rate * (counted_sigma(problem).square() + ridge > 0).to(problem.sigma)
    start = starting_point(start, problem.d, problem.y_tilde)
    found = relax(problem, start, solution_coordinates(problem, ridge), share, rate if ridge > 0 else 0.0, counts)
    return found[0] if single else found


def newton_iterates(
    X: Float[Tensor, "n d"],
    y: Float[Tensor, "n *k"],
    steps: int = 1,
    rate: float = 1.0,
    start: Float[Tensor, "d *k"] | None = None,
    ridge: float = 0.0,
) -> Float[Tensor, "steps_and_start d *k"]:
    """All iterates of w ← w + ηs, where s solves Xs ≈ y − Xw and √λ s ≈ −√λ w by least squares, with least norm.

    That s is −H⁻¹∇L. It is found from X itself: forming H would square the condition number.

    Shapes:
        X: [n, d]; y: [n, *k]; start: [d, *k]; returns: [steps + 1, d, *k], the start first.

    Raises:
        DataError, ConfigurationError: see :func:`newton`.

    Lecture: O4

    Example:
        >>> newton_iterates(torch.ones(1, 1), torch.ones(1), steps=2, rate=0.5)
        tensor([[0.0000],
                [0.5000],
                [0.7500]], dtype=torch.float64)
    """
    X, y = inputs.problem(X, y)
    rate, ridge = inputs.number(rate, "rate η", above=0), inputs.number(ridge, "ridge λ", minimum=0)
    n, d = X.shape
    stacked = torch.cat([X, ridge**0.5 * torch.eye(d, dtype=X.dtype, device=X.device)]) if ridge > 0 else X
    tolerance = max(n, d) * torch.finfo(torch.float64).eps
    driver = "gelsd" if X.device.type == "cpu" else None
    iterates = [starting_point(start, d, y)]
    for _ in range(inputs.count(steps, "steps")):
        w = iterates[-1]
        residual = y - X @ w
        residual = torch.cat([residual, -(ridge**0.5) * w]) if ridge > 0 else residual
        columns = residual.reshape(len(residual), -1)
        step = torch.linalg.lstsq(stacked, columns, rcond=tolerance, driver=driver).solution
        iterates.append(w + rate * step.reshape(w.shape))
    return torch.stack(iterates)


def newton_step(
    gradient: Float[Tensor, "d *k"], hessian: Float[Tensor, "d d"], rate: float = 1.0, damping: float = 0.0
) -> Float[Tensor, "d *k"]:
    """−η(H + δI)⁻¹∇L for any function, by Cholesky factors of a Hessian that is first scaled to a diagonal of ones.

    The scaling makes the step indifferent to the units of the weights. A large δ gives a short gradient step, −(η/δ)∇L.

    Shapes:
        gradient: [d, *k]; hessian: [d, d], symmetric; returns: [d, *k].

    Args:
        gradient: ∇L at the point.
        hessian: H at the point.
        rate: η > 0.
        damping: δ ≥ 0.

    Raises:
        DataError: when the two do not fit each other, or H + δI is not symmetric and positive definite: the step would
            not go down, or not be defined.
        ConfigurationError: when a number is out of its range.

    Source: Nocedal & Wright, Numerical Optimization, 3.3 and 3.4.

    Lecture: O4

    Example:
        >>> newton_step(torch.tensor([2.0, 4.0]), torch.diag(torch.tensor([1.0, 8.0])))
        tensor([-2.0000, -0.5000], dtype=torch.float64)
    """
    hessian = inputs.matrix(hessian, "hessian")
    gradient = inputs.targets(gradient, len(hessian), "gradient").to(hessian.device)
    rate, damping = inputs.number(rate, "rate η", above=0), inputs.number(damping, "damping δ", minimum=0)
    if not _symmetric(hessian):
        raise DataError(
            expected="a symmetric Hessian, one row and one column for each weight",
            found=f"shape {tuple(hessian.shape)}" + (", not symmetric" if hessian.shape[0] == hessian.shape[1] else ""),
            do="give the second derivatives of one function, or symmetrise them: (H + Hᵀ)/2",
        )
    damped = hessian + damping * torch.eye(len(hessian), dtype=hessian.dtype, device=hessian.device)
    diagonal = damped.diagonal()
    scale = torch.where(diagonal > 0, diagonal, 1.0).rsqrt()
    scaled = scale[:, None] * damped * scale
    smallest = torch.linalg.eigvalsh(scaled)[0]
    if smallest <= len(hessian) * torch.finfo(torch.float64).eps:
        least = float(torch.linalg.eigvalsh(hessian)[0])
        raise DataError(
            expected="a positive definite Hessian",
            found=f"smallest eigenvalue {least:.3g}, with damping δ = {damping:g}",
            do=f"give a damping above {max(-least, 0):.3g}, or take a gradient step here"
            + (" (for least squares without full rank, newton takes the shortest step)" if abs(least) < 1e-9 else ""),
        )
    columns = (scale[:, None] * gradient.reshape(len(gradient), -1)).contiguous()
    step = scale[:, None] * torch.cholesky_solve(columns, torch.linalg.cholesky(scaled))
    return -rate * step.reshape(gradient.shape)


def _symmetric(matrix: Float[Tensor, "rows columns"]) -> bool:
    """Equal to its transpose to 1e-8 of each entry and of what its diagonal lets the entry be, √(HᵢᵢHⱼⱼ)."""
    if matrix.shape[0] != matrix.shape[1]:
        return False
    root = matrix.diagonal().abs().sqrt()
    return bool(((matrix - matrix.mT).abs() <= 1e-8 * (matrix.abs() + torch.outer(root, root))).all())
