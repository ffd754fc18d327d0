"""A distance multiplied by the same factor at every step: e_k = (1 − x)^k e_0, exact for any k without iterating.

Gradient descent on a quadratic does this in each direction (x = 2η(σ² + λ)), and so does Newton's method (x = η).

Legend: x share of the distance that one step covers, c = 1 − x what it leaves, k steps, m how many k are asked for.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.linear import inputs
from sightline.linear.svd_coordinates import SVDCoordinates, along


def step_counts(steps: int | Sequence[int] | Tensor) -> tuple[list[int], bool]:
    """The numbers of steps that are asked for, and whether it was a single one.

    Raises:
        ConfigurationError: when one of them is negative or not whole, or there are none.

    Example:
        >>> step_counts(3), step_counts([1, 10])
        (([3], True), ([1, 10], False))
    """
    given = steps.tolist() if isinstance(steps, Tensor) else steps
    if not isinstance(given, Sequence) or isinstance(given, str):
        return [inputs.count(given, "steps")], True
    if not given:
        raise ConfigurationError(
            expected="a number of steps, or a list of such numbers",
            found="an empty list",
            do="give at least one number of steps",
        )
    return [inputs.count(count, "steps") for count in given], False


def log_power(x: Float[Tensor, " r"], steps: Sequence[int]) -> tuple[Float[Tensor, "m r"], Float[Tensor, "m r"]]:
    """log|(1 − x)^k| and the sign of (1 − x)^k, by log1p: a tiny x is not rounded away, a long run does not overflow.

    Shapes:
        x: [r], one share a direction; returns: twice [m, r].

    Example:
        >>> size, sign = log_power(torch.tensor([3.0], dtype=torch.float64), [3])
        >>> (sign * size.exp()).round(decimals=6)
        tensor([[-8.]], dtype=torch.float64)
    """
    k = torch.tensor([float(min(count, 10**300)) for count in steps], dtype=x.dtype, device=x.device)[:, None]
    odd = torch.tensor([count % 2 == 1 for count in steps], device=x.device)[:, None]
    # |c| = 1 − x up to x = 1 and 1 + (x − 2) from there; xlog1py takes 0 · log 0 as 0. The clamp keeps ∞ − ∞ away.
    size = torch.special.xlog1py(k, torch.where(x <= 1, -x, x - 2)).clamp(-1e300, 1e300)
    return size, torch.where(odd & (x > 1), -1.0, 1.0).to(x.dtype)


def covered(x: Float[Tensor, " r"], steps: Sequence[int]) -> Float[Tensor, "m r"]:
    """1 − (1 − x)^k, the share of the distance that k steps cover, by expm1: relative precision for the smallest x.

    Example:
        >>> covered(torch.tensor([1e-20, 0.5, 2.0], dtype=torch.float64), [3])
        tensor([[3.0000e-20, 8.7500e-01, 2.0000e+00]], dtype=torch.float64)
    """
    size, sign = log_power(x, steps)
    return torch.where(sign > 0, -torch.expm1(size), 1 + size.exp())


def relax(
    problem: SVDCoordinates,
    start: Float[Tensor, "d *k"],
    fixed: Float[Tensor, "r *k"],
    x: Float[Tensor, " r"],
    outside: float,
    steps: Sequence[int],
) -> Float[Tensor, "m d *k"]:
    """w after k steps, each of which covers a share xᵢ of the way to the fixed point along direction i.

    w̃_k = c^k w̃_0 + (1 − c^k) w̃*, summed over the directions; beside them the start keeps (1 − outside)^k of itself.

    A direction with |c| > 1 grows. Powers beyond float64 are carried as logarithms until the directions are summed, so
    that what overflows comes out as the infinity of the right sign, and what can be said is said: never NaN.

    Shapes:
        start: [d, *k]; fixed: [r, *k], in SVD coordinates; x: [r]; returns: [m, d, *k].
    """
    first, distance = problem.coordinates(start), problem.coordinates(start) - fixed
    beside = problem.beside(start) if problem.d > len(problem.sigma) else torch.zeros_like(start)
    size, sign = (_spread(part, start) for part in log_power(x, steps))
    outside_size, outside_sign = (_spread(part, start) for part in log_power(x.new_tensor([outside]), steps))
    x = along(x, fixed)

    fastest = torch.where((x > 2) & (distance != 0), size, 0.0).amax(1, keepdim=True)  # [m, 1, *k]
    fastest = torch.maximum(fastest, torch.where((beside != 0).any(0), outside_size.clamp(min=0), 0.0))
    grown = _times(sign * (size - fastest).exp(), distance) + (-fastest).exp() * fixed
    share = torch.where(sign > 0, -torch.expm1(size), 1 + size.exp())
    moved = torch.where(x > 2, grown, (-fastest).exp() * (sign * size.exp() * first + share * fixed))
    total = torch.einsum("dr,mr...->md...", problem.V, moved)
    total = total + _times(outside_sign * (outside_size - fastest).exp(), beside)
    half = (fastest / 2).exp()
    return _times(half, _times(half, total))


def _spread(values: Float[Tensor, "m r"], like: Tensor) -> Tensor:
    return values.reshape(*values.shape, *[1] * (like.ndim - 1))


def _times(factor: Tensor, value: Tensor) -> Tensor:
    """The product, with nothing times infinity taken as nothing."""
    return torch.where(value == 0, torch.zeros_like(value), factor * value)
