"""What depth does to the size of a signal: the mean-field recursion of a wide random network, by layer.

Legend: z_l pre-activations of layer l, q_l = E[z_l²], φ activation, σ_w² = fan_in · Var(W), σ_b² = Var(b),
z ~ N(0, 1), χ factor by which a layer multiplies the gradient's second moment on its way back.

Layer: z_{l+1} = W φ(z_l) + b. In the limit of wide layers
    q_{l+1} = σ_w² E[φ(√q_l z)²] + σ_b²,      χ_l = σ_w² E[φ'(√q_l z)²].
He's initialisation is σ_w² = 2, LeCun's is σ_w² = 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.activation_moments import (
    Choice,
    chosen_activation,
    second_moment,
    second_moment_slope,
    slope_moment,
)


@dataclass(frozen=True)
class Propagation:
    """A signal's size on its way through the layers, and the gradient's on its way back.

    Attributes:
        variances: q_0 … q_depth.
        gradient_factors: χ_0 … χ_{depth−1}; the gradient's second moment at layer l is that at the end
            times χ_l · … · χ_{depth−1}, in layers of equal width.
    """

    variances: Float[Tensor, " layers"]
    gradient_factors: Float[Tensor, " depth"]


def propagate(
    activation: Choice, weight_scale: float, bias_variance: float = 0.0, depth: int = 50, start: float = 1.0
) -> Propagation:
    """q_{l+1} = σ_w² E[φ(√q_l z)²] + σ_b² from q_0, through as many layers.

    Args:
        activation: see :func:`second_moment`.
        weight_scale: σ_w² = fan_in · Var(W) > 0: 1 for LeCun, 2 for He.
        bias_variance: σ_b² ≥ 0.
        depth: layers, ≥ 1.
        start: q_0 ≥ 0.

    Raises:
        ConfigurationError: when a number is out of its range. DataError: see :func:`second_moment`, and when
            the second moment outgrows float64.

    Source: Poole et al. 2016 (the length map); Schoenholz et al. 2017 (χ).

    Lecture: F13

    Example:
        >>> propagate("relu", weight_scale=1, depth=4).variances
        tensor([1.0000, 0.5000, 0.2500, 0.1250, 0.0625], dtype=torch.float64)
    """
    chosen = chosen_activation(activation)
    weight_scale, bias_variance = _scales(weight_scale, bias_variance)
    depth = inputs.count(depth, "depth", minimum=1)
    variances, factors = [inputs.number(start, "start", minimum=0)], []
    for layer in range(depth):
        factors.append(weight_scale * slope_moment(chosen, variances[-1]))
        variances.append(weight_scale * second_moment(chosen, variances[-1]) + bias_variance)
        if not isfinite(variances[-1]):
            raise DataError(
                expected="second moments that float64 can hold",
                found=f"an infinite one after layer {layer + 1}",
                do="use a smaller weight_scale or fewer layers",
            )
    return Propagation(torch.tensor(variances, dtype=torch.float64), torch.tensor(factors, dtype=torch.float64))


@dataclass(frozen=True)
class FixedPoint:
    """Where the recursion settles.

    Attributes:
        variance: q*; infinite where the signal grows without bound.
        slope: dq_{l+1}/dq_l at q*: the distance to q* shrinks by this factor a layer.
        gradient_factor: χ at q*: below 1 gradients vanish with depth, above 1 they explode.
    """

    variance: float
    slope: float
    gradient_factor: float

    @property
    def stable(self) -> bool:
        """Whether a small departure from q* shrinks: |slope| < 1."""
        return isfinite(self.variance) and abs(self.slope) < 1


def fixed_point(activation: Choice, weight_scale: float, bias_variance: float = 0.0, start: float = 1.0) -> FixedPoint:
    """q* = σ_w² E[φ(√q* z)²] + σ_b², the one on the side to which q moves from ``start``, by bisection.

    For an activation whose second moment grows with q this is where :func:`propagate` ends, found without
    iterating; the slope is σ_w² E[z φ(√q z) φ'(√q z)]/√q.

    Args:
        activation, weight_scale, bias_variance: see :func:`propagate`.
        start: q_0 > 0. Where it is a fixed point already (a ReLU with σ_w² = 2), it is the answer.

    Raises:
        ConfigurationError, DataError: see :func:`propagate`.

    Source: Poole et al. 2016; Schoenholz et al. 2017.

    Lecture: F13

    Example:
        >>> fixed_point("relu", weight_scale=1, bias_variance=0.5).variance
        1.0
    """
    chosen = chosen_activation(activation)
    weight_scale, bias_variance = _scales(weight_scale, bias_variance)
    start = inputs.number(start, "start", above=0)

    def excess(q: float) -> float:
        """Where q goes, less q; 0 where only rounding tells the two apart."""
        moved = weight_scale * second_moment(chosen, q) + bias_variance - q
        return 0.0 if abs(moved) <= 4 * torch.finfo(torch.float64).eps * q else moved

    q = _settled(excess, start)
    at = min(q, 1e300)
    slope = weight_scale * second_moment_slope(chosen, at)
    return FixedPoint(q, slope, weight_scale * slope_moment(chosen, at))


def _settled(excess: Callable[[float], float], start: float) -> float:
    """The zero of a function that is nearest to ``start`` in the direction of its sign there, to the last digit."""
    first = excess(start)
    if first == 0:
        return start
    up = first > 0
    near_end = far_end = start
    while (excess(far_end) > 0) if up else (excess(far_end) <= 0):
        near_end, far_end = far_end, far_end * (2 if up else 0.5)
        if far_end > 1e300:
            return float("inf")
        if far_end < 1e-300:
            return 0.0
    low, high = min(near_end, far_end), max(near_end, far_end)
    while low < (middle := low + (high - low) / 2) < high:
        if excess(middle) > 0:
            low = middle
        else:
            high = middle
    return high


def _scales(weight_scale: float, bias_variance: float) -> tuple[float, float]:
    return (
        inputs.number(weight_scale, "weight_scale σ_w²", above=0),
        inputs.number(bias_variance, "bias_variance σ_b²", minimum=0),
    )
