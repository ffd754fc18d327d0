"""Momentum along one singular direction: a 2×2 companion matrix, and its powers without taking the steps.

Legend: h = 2(σ² + λ) the curvature, α and m the heavy ball's rate and momentum, x = αh the pull of a step,
e = w − w* the error, w* the minimum, u the velocity (both in units of w).

One step is (e, u) ← M (e, u), with

    heavy ball  M = [[1 − x, m], [−x, m]]        Nesterov  M = [[q, mq], [−x, mq]],  q = 1 − x.

Powers are kept as Mᵏ − I, so that slow directions (x far below ε) stay exact: (I + A)(I + B) − I = A + B + AB.
No eigenvectors are used: at critical damping there is only one of them. The heavy ball's fast directions mirror its
slow ones: with x̂ = 2(1 + m) − x and S = [[1, 0], [2, −1]], S² = I, M(x) = −S M(x̂) S. Those past the middle,
x > 1 + m, are raised on the other side, where the two coordinates of a swinging error do not cancel.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.linear import inputs
from sightline.linear.momentum_forms import MomentumForm


def curvatures(sigma: Float[Tensor, " r"], ridge: float = 0.0) -> Float[Tensor, " r"]:
    """h = 2(σ² + λ), the second derivative of ‖Xw − y‖² + λ‖w‖² along each right singular vector.

    Raises:
        DataError: when σ is not a finite vector of numbers ≥ 0.
        ConfigurationError: when λ < 0.

    Lecture: O3

    Example:
        >>> curvatures(torch.tensor([3.0, 1.0]), ridge=0.5)
        tensor([19.,  3.], dtype=torch.float64)
    """
    sigma = inputs.singular_values(sigma)
    return 2 * (sigma.square() + inputs.number(ridge, "ridge λ", minimum=0))


def companion(sigma: Float[Tensor, " r"], method: MomentumForm, ridge: float = 0.0) -> Float[Tensor, "r 2 2"]:
    """M of the step (e, u) ← M (e, u), one 2×2 matrix a direction; det M = m (Nesterov's: m(1 − αh)).

    The three forms of one method have the same M, for u is the velocity in all of them.

    Shapes:
        sigma: [r] -> [r, 2, 2].

    Raises:
        DataError, ConfigurationError: see :func:`curvatures`.

    Source: Polyak 1964; Goh 2017, Why Momentum Really Works

    Lecture: O2, O3

    Example:
        >>> from sightline.linear.momentum_forms import HeavyBall
        >>> companion(torch.tensor([1.0]), HeavyBall(rate=0.25, momentum=0.5))
        tensor([[[ 0.5000,  0.5000],
                 [-0.5000,  0.5000]]], dtype=torch.float64)
    """
    return _less_identity(curvatures(sigma, ridge), method) + torch.eye(2, dtype=torch.float64, device=sigma.device)


def error_factors(
    sigma: Float[Tensor, " r"], method: MomentumForm, steps: Sequence[int], ridge: float = 0.0
) -> Float[Tensor, "s r"]:
    """eₖ/e₀ from rest (u₀ = 0), the upper left entry of Mᵏ: gradient descent's (1 − αh)ᵏ, for momentum.

    It can pass 1 on the way to 0: M is not normal. At the fastest heavy ball it is (1 + (1 + √m)k)(−√m)ᵏ along σ₁,
    which reaches about κ/e of the error at the start (κ = σ₁/σᵣ) before it falls.

    Shapes:
        sigma: [r], s numbers of steps -> [s, r].

    Returns:
        The factors, as exact as :func:`companion_powers_less_identity`.

    Raises:
        DataError, ConfigurationError: see :func:`curvatures`; also for steps that are not whole or < 0.

    Lecture: O3

    Example:
        >>> from sightline.linear.momentum_forms import HeavyBall
        >>> error_factors(torch.tensor([1.0]), HeavyBall(rate=0.25, momentum=0.5), [0, 1, 2]).flatten()
        tensor([1.0000, 0.5000, 0.0000], dtype=torch.float64)
    """
    return 1 + companion_powers_less_identity(curvatures(sigma, ridge), method, steps)[..., 0, 0]


def companion_powers_less_identity(
    h: Float[Tensor, " r"], method: MomentumForm, steps: Sequence[int]
) -> Float[Tensor, "s r 2 2"]:
    """Mᵏ − I for curvatures h and several k.

    As exact as α and m are: a change of theirs by ε shows as about k²ε at critical damping, kε elsewhere, as long as
    the direction has not settled.

    Shapes:
        h: [r], s numbers of steps -> [s, r, 2, 2].

    Raises:
        ConfigurationError: for steps that are not whole, or < 0, and for powers outside float64's range.

    Example:
        >>> from sightline.linear.momentum_forms import HeavyBall
        >>> companion_powers_less_identity(torch.tensor([2.0]).double(), HeavyBall(0.25, 0.5), [1])
        tensor([[[[-0.5000,  0.5000],
                  [-0.5000, -0.5000]]]], dtype=torch.float64)
    """
    ball = method.heavy_ball()
    mirrored = (ball.rate * h > 1 + ball.momentum) & (not ball.nesterov)
    other_side = torch.where(mirrored, 2 * (1 + ball.momentum) / ball.rate - h, h)
    powers = powers_less_identity(_less_identity(other_side, method), steps)
    sign = torch.tensor([1 - 2 * (k % 2) for k in steps], dtype=h.dtype, device=h.device)[:, None, None, None]
    S, identity = h.new_tensor([[1, 0], [2, -1]]), torch.eye(2, dtype=h.dtype, device=h.device)
    return in_range(
        torch.where(mirrored[:, None, None], sign * (S @ powers @ S) + (sign - 1) * identity, powers), method
    )


def powers_less_identity(less_identity: Float[Tensor, "r p p"], steps: Sequence[int]) -> Float[Tensor, "s r p p"]:
    """(I + A)ᵏ − I for several k, from A: by squaring, log₂ k products for all k together.

    Shapes:
        A: [r, p, p], s numbers of steps -> [s, r, p, p].

    Returns:
        Entries with a relative error of about ε log₂ k as long as the powers are bounded: an ``expm1`` for matrices.

    Raises:
        ConfigurationError: for steps that are not whole, or < 0.

    Example:
        >>> powers_less_identity(torch.full((1, 1, 1), 1e-20, dtype=torch.float64), [0, 3]).flatten()
        tensor([0.0000e+00, 3.0000e-20], dtype=torch.float64)
    """
    left = [inputs.count(k, "steps") for k in steps]  # Python's whole numbers have no largest one
    found = less_identity.new_zeros(len(left), *less_identity.shape)
    square = less_identity
    while any(left):
        odd = [place for place, k in enumerate(left) if k % 2]
        found[odd] = found[odd] + square + found[odd] @ square
        left = [k // 2 for k in left]
        if any(left):
            square = 2 * square + square @ square
    return found


def in_range(values: Float[Tensor, "*shape"], method: MomentumForm) -> Float[Tensor, "*shape"]:
    """The values, when none has left float64's range.

    Raises:
        ConfigurationError: when one has: the method diverges.
    """
    if not bool(torch.isfinite(values).all()):
        raise ConfigurationError(
            expected="weights that stay inside float64's range",
            found=f"{method} diverges on this problem until they leave it",
            do="take fewer steps, or a rate below largest_stable_rate(sigma, method)",
        )
    return values


def _less_identity(h: Float[Tensor, " r"], method: MomentumForm) -> Float[Tensor, "r 2 2"]:
    """M − I: [[−αh, m], [−αh, m − 1]], and for Nesterov [[−αh, mq], [−αh, mq − 1]]."""
    ball = method.heavy_ball()
    pull = ball.rate * h
    kept = ball.momentum * (1 - pull if ball.nesterov else torch.ones_like(pull))
    return torch.stack([torch.stack([-pull, kept], -1), torch.stack([-pull, kept - 1], -1)], -2)
