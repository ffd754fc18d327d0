"""Momentum on least squares: the iteration as it is written, and the weights after any number of steps without it.

Legend: w weights, u the velocity wₜ₊₁ − wₜ, α and m the heavy ball's rate and momentum, σ singular values,
~ a quantity in SVD coordinates. See :mod:`sightline.linear.momentum_forms` for the three forms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.companion_matrix import companion_powers_less_identity, curvatures, in_range
from sightline.linear.gradient_descent import counted_sigma
from sightline.linear.momentum_forms import MomentumForm
from sightline.linear.squared_error import gradient_at
from sightline.linear.svd_coordinates import SVDCoordinates, along


@dataclass(frozen=True)
class MomentumTrajectory:
    """Every iterate, the start first.

    Attributes:
        weights: w₀ … wₖ.
        states: the form's own a or v beside them.
    """

    weights: Float[Tensor, "steps_and_start d *k"]
    states: Float[Tensor, "steps_and_start d *k"]


def momentum_iterates(
    X: Float[Tensor, "n d"],
    y: Float[Tensor, "n *k"],
    method: MomentumForm,
    steps: int,
    start: Float[Tensor, "d *k"] | None = None,
    start_velocity: Float[Tensor, "d *k"] | None = None,
    ridge: float = 0.0,
) -> MomentumTrajectory:
    """Take the steps one by one, in the form's own letters: the slow, obvious twin of :func:`momentum`.

    Shapes:
        X: [n, d]; y: [n] or [n, k]; start, start_velocity: [d] or [d, k].

    Args:
        method: :class:`AveragedMomentum`, :class:`HeavyBall` or :class:`Velocity`.
        steps: k ≥ 0.
        start: w₀, zero where none is given.
        start_velocity: u₀ in units of w, whatever the form calls its state; zero where none is given.
        ridge: λ ≥ 0 of ‖Xw − y‖² + λ‖w‖².

    Raises:
        DataError: for a problem or a start that does not fit.
        ConfigurationError: for numbers outside their range, and when the weights leave float64's range.

    Source: L6 (9), L7 (6)-(8), D2 (4), A3 (17)-(18)

    Lecture: O2

    Example:
        >>> from sightline.linear.momentum_forms import HeavyBall
        >>> X, y = torch.eye(1), torch.ones(1)
        >>> momentum_iterates(X, y, HeavyBall(rate=0.25, momentum=0.5), 3).weights.flatten()
        tensor([0.0000, 0.5000, 1.0000, 1.2500], dtype=torch.float64)
    """
    X, y = inputs.problem(X, y)
    like = X.new_zeros(X.shape[1], *y.shape[1:])
    w = inputs.start(start, like)
    state = inputs.start(start_velocity, like, "start_velocity") / method.velocity_scale
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    weights, states = [w], [state]
    for _ in range(inputs.count(steps, "steps")):
        w, state = method.step(w, state, lambda point: gradient_at(X, y, point, ridge))
        weights.append(w)
        states.append(state)
    return MomentumTrajectory(in_range(torch.stack(weights), method), torch.stack(states))


def momentum(
    problem: SVDCoordinates,
    method: MomentumForm,
    steps: int | Sequence[int],
    start: Float[Tensor, "d *k"] | None = None,
    start_velocity: Float[Tensor, "d *k"] | None = None,
    ridge: float = 0.0,
) -> Float[Tensor, "..."]:
    """The weights after k steps from powers of 2×2 matrices: no iteration, log₂ k small products.

    Direction i moves by itself: w̃ᵢ goes from w̃₀ to w̃₀ + (Mᵏ − I)₁₁ (w̃₀ − w̃*) + (Mᵏ)₁₂ ũ₀, with M as in
    :mod:`sightline.linear.companion_matrix` and w̃* = σỹ/(σ² + λ). Outside the row space the curvature is 2λ: without
    ridge and velocity that part of the start stays, so from zero the limit is the solution of least norm.

    Shapes:
        start, start_velocity: [d] or [d, k] -> [d] or [d, k]; for a sequence of s numbers of steps [s, d] or [s, d, k].

    Args:
        problem: from ``svd_coordinates(X, y)``.
        method, start, start_velocity, ridge: as in :func:`momentum_iterates`.
        steps: k ≥ 0, or several of them.

    Raises:
        DataError, ConfigurationError: see :func:`momentum_iterates`.

    Source: derived from L7 (3), (6)-(8); Goh 2017, Why Momentum Really Works

    Lecture: O2, O3

    Example:
        >>> from sightline.linear.momentum_forms import HeavyBall
        >>> from sightline.linear.svd_coordinates import svd_coordinates
        >>> problem = svd_coordinates(torch.eye(1), torch.ones(1))
        >>> momentum(problem, HeavyBall(rate=0.25, momentum=0.5), [3, 1000]).flatten()
        tensor([1.2500, 1.0000], dtype=torch.float64)
    """
    like = problem.V.new_zeros(problem.d, *problem.y_tilde.shape[1:])
    w, u = inputs.start(start, like), inputs.start(start_velocity, like, "start_velocity")
    several = list(steps) if isinstance(steps, Sequence) else [steps]
    counted = counted_sigma(problem)
    sigma = torch.cat([counted, counted.new_zeros(1)])  # the last: all that is outside the row space
    h = curvatures(sigma, ridge)
    pull = method.heavy_ball().rate * h
    powers = companion_powers_less_identity(h, method, several)
    by_w, by_u = powers[..., 0, 0], powers[..., 0, 1]
    by_push = torch.where(pull > 0, -by_w / torch.where(pull > 0, pull, 1.0), 0.0)
    push = 2 * method.heavy_ball().rate * along(counted, problem.y_tilde) * problem.y_tilde
    w_tilde, u_tilde = problem.coordinates(w), problem.coordinates(u)
    w_beside, u_beside = problem.beside(w), problem.beside(u)
    found = []
    for for_w, for_u, for_push in zip(by_w, by_u, by_push, strict=True):
        moved = along(for_w[:-1], w_tilde) * w_tilde + along(for_u[:-1], w_tilde) * u_tilde
        moved = moved + along(for_push[:-1], push) * push
        found.append(w + problem.weights(moved) + for_w[-1] * w_beside + for_u[-1] * u_beside)
    weights = in_range(torch.stack(found) if found else like.new_zeros(0, *like.shape), method)
    return weights if isinstance(steps, Sequence) else weights[0]
