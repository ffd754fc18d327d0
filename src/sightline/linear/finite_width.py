"""Networks of finite width: how far one draw strays from the mean-field second moment, simulated and in closed form.

Legend: z_l pre-activations of layer l, n_l its width, q_l = mean(z_l²), φ activation, h = φ(z) one layer's
input, g gain, κ + 1 = E[φ⁴]/E[φ²]² (about 0, not the mean).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.linear import inputs
from sightline.linear.activation_moments import Choice, checked_values, chosen_activation
from sightline.linear.initialisation import OWN_GAIN, Scheme, weight_variance


@dataclass(frozen=True)
class Simulation:
    """Second moments of the pre-activations in networks of finite width, over freshly drawn networks.

    Attributes:
        mean: average over the networks, by layer, from q_0.
        standard_error: of that average.
        median: what the typical network has; below the mean where chance piles up with depth.
        networks: how many were drawn.
    """

    mean: Float[Tensor, " layers"]
    standard_error: Float[Tensor, " layers"]
    median: Float[Tensor, " layers"]
    networks: int


def simulate_signal(
    activation: Choice,
    widths: Sequence[int],
    scheme: Scheme = "he",
    gain: float | None = None,
    bias_variance: float = 0.0,
    networks: int = 256,
    start: float = 1.0,
    generator: torch.Generator | None = None,
) -> Simulation:
    """Draw networks of the given widths, send one input through each, and average mean(z_l²) over the networks.

    No matrix is formed. For one input h the units W h + b of a fresh normal W are independent normals of
    variance Var(W)‖h‖² + σ_b²; and a random orthogonal W turns h into a uniformly random direction of
    length g‖h‖. So a layer costs its width, not its square, and the distribution is the very same.

    Args:
        activation: see :func:`second_moment`.
        widths: units of each layer, at least two; z_0 holds widths[0] normals of variance ``start``.
        scheme, gain: see :func:`~sightline.linear.initialisation.weight_variance`.
        bias_variance: σ_b² ≥ 0.
        networks: how many to draw, ≥ 2.
        start: q_0 > 0.
        generator: source of chance.

    Raises:
        ConfigurationError: when a number or name is out of its range. DataError: see :func:`second_moment`.

    Source: Hanin & Rolnick 2018, How to start training.

    Lecture: F13

    Example:
        >>> found = simulate_signal("identity", [8] * 30, "orthogonal", networks=4)
        >>> bool((found.mean - found.mean[0]).abs().max() < 1e-13)
        True
    """
    chosen = chosen_activation(activation)
    widths = [inputs.count(width, "width", minimum=1) for width in widths]
    networks = inputs.count(networks, "networks", minimum=2)
    start, bias_variance = inputs.number(start, "start", above=0), inputs.number(bias_variance, "σ_b²", minimum=0)
    if len(widths) < 2:
        raise ConfigurationError(
            expected="the widths of at least two layers", found=f"{len(widths)}", do="give one width a layer"
        )

    def normals(width: int) -> Tensor:
        return torch.randn(networks, width, generator=generator, dtype=torch.float64)

    z = sqrt(start) * normals(widths[0])
    moments = [z.square().mean(1)]
    for fan_in, fan_out in pairwise(widths):
        variance = weight_variance(scheme, fan_in, fan_out, gain)
        length = checked_values(chosen.function, z).norm(dim=1, keepdim=True)
        if scheme == "orthogonal":
            direction = normals(max(fan_in, fan_out))
            scale = OWN_GAIN[scheme] if gain is None else gain
            z = scale * length * (direction / direction.norm(dim=1, keepdim=True))[:, :fan_out]
        else:
            z = sqrt(variance) * length * normals(fan_out)
        if bias_variance:
            z = z + sqrt(bias_variance) * normals(fan_out)
        moments.append(z.square().mean(1))
    found = torch.stack(moments)
    return Simulation(found.mean(1), found.std(1) / sqrt(networks), found.median(1).values, networks)


def relative_variance(activation: Choice, widths: Sequence[int]) -> float:
    """Var/mean² over networks of mean(z_L²) with normal weights and no bias: ∏ (1 + κ/n_l) · (1 + 2/n_L) − 1.

    κ = E[φ⁴]/E[φ²]² − 1 is 5 for a ReLU, 2 for the identity. The width must outgrow κ times the depth, or the
    mean over networks says little of any one of them: ReLU, 50 layers of 256 units, gives 1.65.

    Args:
        activation: ReLU, leaky ReLU or identity; for others κ changes from layer to layer.
        widths: see :func:`simulate_signal`.

    Raises:
        ConfigurationError: for another activation or a width below 1.

    Source: after Hanin & Rolnick 2018, How to start training; the constants worked out here.

    Lecture: F13

    Example:
        >>> round(relative_variance("relu", [256] * 51), 2)
        1.65
    """
    slopes = chosen_activation(activation).slopes
    if slopes is None:
        raise ConfigurationError(
            expected="ReLU, leaky ReLU or the identity",
            found="an activation that is not linear on each side of 0",
            do="use simulate_signal for it",
        )
    kappa = 6 * (slopes[0] ** 4 + slopes[1] ** 4) / (slopes[0] ** 2 + slopes[1] ** 2) ** 2 - 1
    counts = torch.tensor([inputs.count(width, "width", minimum=1) for width in widths], dtype=torch.float64)
    if not len(counts):
        raise ConfigurationError(expected="the width of a layer", found="none", do="give one width a layer")
    return float(torch.expm1(torch.log1p(kappa / counts[:-1]).sum() + torch.log1p(2 / counts[-1])))
