"""Gradient descent on L(w) = ‖Xw − y‖² + λ‖w‖²: every iterate in closed form, and the iteration itself.

The step goes against the gradient, so it **adds** the residuals back: w ← w − η∇L = w + 2ηXᵀ(y − Xw) − 2ηλw.
In SVD coordinates the directions part: w̃_k = w̃* + c^k (w̃_0 − w̃*) with c = 1 − 2η(σ² + λ), w̃* = σỹ/(σ² + λ).

Legend: k steps, η rate, λ ridge, σ singular values, ~ a quantity in SVD coordinates, * the limit.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.descent_rates import step_share
from sightline.linear.geometric_decay import log_power, relax, step_counts
from sightline.linear.svd_coordinates import SVDCoordinates, along


def gradient_descent(
    problem: SVDCoordinates,
    rate: float,
    steps: int | Sequence[int],
    start: Float[Tensor, "d *k"] | None = None,
    ridge: float = 0.0,
) -> Float[Tensor, "..."]:
    """The iterate w_k for any k at once: w̃_k = c^k w̃_0 + (1 − c^k) w̃*, c = 1 − 2η(σ² + λ), one c a direction.

    What the start holds outside the row space stays (times (1 − 2ηλ)^k with ridge). Singular values that the rank does
    not count are zero here. A rate above the limit is allowed: the iterate grows as it must, to infinity if need be.

    Shapes:
        start: [d, *k]; returns: [d, *k] for one number of steps, [m, d, *k] for a list of m.

    Args:
        problem: see :func:`~sightline.linear.svd_coordinates.svd_coordinates`.
        rate: η > 0; converges below 1/(σ₁² + λ).
        steps: k ≥ 0, of any size, or a list of them.
        start: w_0; zero unless given.
        ridge: λ ≥ 0.

    Raises:
        DataError: when the start does not fit the problem or is not finite.
        ConfigurationError: when a number is out of its range.

    Source: Goh, Why Momentum Really Works (2017).

    Lecture: F8

    Example:
        >>> from sightline.linear import svd_coordinates
        >>> problem = svd_coordinates(torch.diag(torch.tensor([2.0, 1.0])), torch.tensor([2.0, 1.0]))
        >>> gradient_descent(problem, rate=0.1, steps=[1, 10**6])
        tensor([[0.8000, 0.2000],
                [1.0000, 1.0000]], dtype=torch.float64)
    """
    counts, single = step_counts(steps)
    share = step_share(counted_sigma(problem), rate, ridge)
    start = starting_point(start, problem.d, problem.y_tilde)
    found = relax(problem, start, solution_coordinates(problem, ridge), share, 2 * rate * ridge, counts)
    return found[0] if single else found


def gradient_descent_iterates(
    X: Float[Tensor, "n d"],
    y: Float[Tensor, "n *k"],
    rate: float,
    steps: int,
    start: Float[Tensor, "d *k"] | None = None,
    ridge: float = 0.0,
) -> Float[Tensor, "steps_and_start d *k"]:
    """All iterates of w ← w + 2ηXᵀ(y − Xw) − 2ηλw, one after the other; past the limit they overflow as floats do.

    Shapes:
        X: [n, d]; y: [n, *k]; start: [d, *k]; returns: [steps + 1, d, *k], the start first.

    Args:
        X, y: the problem.
        rate: η > 0.
        steps: k ≥ 0.
        start: w_0; zero unless given.
        ridge: λ ≥ 0.

    Raises:
        DataError: when X, y and the start do not fit each other or are not finite.
        ConfigurationError: when a number is out of its range.

    Lecture: F8, O1

    Example:
        >>> gradient_descent_iterates(torch.eye(1), torch.ones(1), rate=0.25, steps=2)
        tensor([[0.0000],
                [0.5000],
                [0.7500]], dtype=torch.float64)
    """
    X, y = inputs.problem(X, y)
    rate, ridge = inputs.number(rate, "rate η", above=0), inputs.number(ridge, "ridge λ", minimum=0)
    iterates = [starting_point(start, X.shape[1], y)]
    for _ in range(inputs.count(steps, "steps")):
        w = iterates[-1]
        iterates.append(w + 2 * rate * (X.mT @ (y - X @ w)) - 2 * rate * ridge * w)
    return torch.stack(iterates)


def descent_limit(
    problem: SVDCoordinates, start: Float[Tensor, "d *k"] | None = None, ridge: float = 0.0
) -> Float[Tensor, "d *k"]:
    """Where gradient descent goes at any rate below the limit: w* = V σỹ/(σ² + λ) and the start's part beside.

    From zero and without ridge this is the minimum-norm solution. With ridge it is the ridge solution from every start.

    Raises:
        DataError, ConfigurationError: see :func:`gradient_descent`.

    Lecture: F8

    Example:
        >>> from sightline.linear import svd_coordinates
        >>> problem = svd_coordinates(torch.tensor([[1.0, 1.0]]), torch.tensor([2.0]))
        >>> descent_limit(problem).round(decimals=6), descent_limit(problem, start=torch.tensor([1.0, 0.0]))
        (tensor([1., 1.], dtype=torch.float64), tensor([1.5000, 0.5000], dtype=torch.float64))
    """
    start = starting_point(start, problem.d, problem.y_tilde)
    inside = problem.weights(solution_coordinates(problem, ridge))
    if ridge > 0:
        return inside
    V = problem.V[:, : problem.rank]
    return inside + (start - V @ (V.mT @ start) if problem.rank < problem.d else 0.0)


def excess_by_direction(
    problem: SVDCoordinates,
    rate: float,
    steps: int | Sequence[int],
    start: Float[Tensor, "d *k"] | None = None,
    ridge: float = 0.0,
) -> Float[Tensor, "..."]:
    """(σ² + λ) c^{2k} (w̃_0 − w̃*)²: what each direction still adds to the loss after k steps, above its least value.

    Shapes:
        returns: [r, *k], or [m, r, *k] for a list of m numbers of steps.

    Raises:
        DataError, ConfigurationError: see :func:`gradient_descent`.

    Lecture: F8

    Example:
        >>> from sightline.linear import svd_coordinates
        >>> problem = svd_coordinates(torch.diag(torch.tensor([2.0, 1.0])), torch.tensor([2.0, 1.0]))
        >>> excess_by_direction(problem, rate=0.125, steps=1)
        tensor([0.0000, 0.5625], dtype=torch.float64)
    """
    counts, single = step_counts(steps)
    sigma = counted_sigma(problem)
    size, _ = log_power(step_share(sigma, rate, ridge), counts)
    start = starting_point(start, problem.d, problem.y_tilde)
    curvature = along(sigma.square() + ridge, problem.y_tilde)
    slope = curvature * problem.coordinates(start) - along(sigma, problem.y_tilde) * problem.y_tilde
    distance = torch.where(curvature > 0, slope.abs() / curvature.sqrt(), 0.0)
    found = (2 * (size.reshape(*size.shape, *[1] * (start.ndim - 1)) + distance.log())).exp()
    return found[0] if single else found


def loss_at(
    problem: SVDCoordinates,
    rate: float,
    steps: int | Sequence[int],
    start: Float[Tensor, "d *k"] | None = None,
    ridge: float = 0.0,
) -> Float[Tensor, "..."]:
    """L(w_k) in closed form: the least loss, plus what is left of each direction's excess.

    Shapes:
        returns: [*k], or [m, *k] for a list of m numbers of steps; one value an output.

    Raises:
        DataError, ConfigurationError: see :func:`gradient_descent`.

    Lecture: F8

    Example:
        >>> from sightline.linear import svd_coordinates
        >>> problem = svd_coordinates(torch.ones(2, 1), torch.tensor([1.0, 3.0]))
        >>> loss_at(problem, rate=0.125, steps=[0, 1, 10**9]).round(decimals=6)
        tensor([10.,  4.,  2.], dtype=torch.float64)
    """
    counts, single = step_counts(steps)
    excess = excess_by_direction(problem, rate, counts, start, ridge).sum(1)
    sigma, y_tilde = along(counted_sigma(problem), problem.y_tilde), problem.y_tilde
    kept = torch.where(sigma > 0, ridge / (sigma.square() + ridge), 1.0)  # of ỹ², by the best w there is
    floor = problem.unreachable + (kept * y_tilde.square()).sum(0)
    if ridge > 0 and problem.d > len(sigma):
        beside = problem.beside(starting_point(start, problem.d, y_tilde)).norm(dim=0) * ridge**0.5
        size, _ = log_power(sigma.new_tensor([2 * rate * ridge]), counts)
        excess = excess + (2 * (size.reshape(-1, *[1] * beside.ndim) + beside.log())).exp()
    found = floor + excess
    return found[0] if single else found


def counted_sigma(problem: SVDCoordinates) -> Float[Tensor, " r"]:
    """The singular values, with zeros for those that the rank does not count."""
    return torch.where(torch.arange(len(problem.sigma), device=problem.sigma.device) < problem.rank, problem.sigma, 0.0)


def solution_coordinates(problem: SVDCoordinates, ridge: float = 0.0) -> Float[Tensor, "r *k"]:
    """w̃* = σỹ/(σ² + λ), zero where the rank counts no direction."""
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    sigma = along(counted_sigma(problem), problem.y_tilde)
    nonzero = sigma.where(sigma > 0, torch.ones_like(sigma))  # σ/(σ² + λ) without σ², which may be no number
    return torch.where(sigma > 0, problem.y_tilde / (nonzero + ridge / nonzero), 0.0)


def starting_point(start: Tensor | None, d: int, y: Tensor) -> Float[Tensor, "d *k"]:
    """The start as float64, one row a feature and one column an output of y; zero when there is none.

    Raises:
        DataError: when it has another shape or is not finite.
    """
    return inputs.start(start, y.new_zeros((d, *y.shape[1:])))
