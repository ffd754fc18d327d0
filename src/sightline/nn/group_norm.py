"""Group normalisation, and its two limits: one group is layer normalisation, a group for each channel instance."""

from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.nn.batch_norm import per_channel
from sightline.nn.normalisation import normalise, normalise_backward
from sightline.nn.shapes import require_gradient_of

Maps = Float[Tensor, "batch channels *positions"]
PerChannel = Float[Tensor, " channels"]


def group_norm(x: Maps, num_groups: int, weight: PerChannel, bias: PerChannel, eps: float = 1e-5) -> Maps:
    """y = γ x̂ + β with μ and σ over the positions and C/G channels of one group of one example.

    G = 1 is layer normalisation over channels and positions; G = C is instance normalisation.

    Shapes:
        x (batch, channels, *positions), weight and bias (channels) → (batch, channels, *positions)

    Args:
        x: any batch: examples do not touch each other.
        num_groups: G, which divides C.
        weight: γ, one a channel whatever G is.
        bias: β.
        eps: ε > 0.

    Raises:
        ConfigurationError: where G does not divide C.
        InputError: where γ or β is not one a channel.

    Source: Wu & He 2018, "Group Normalization", eqs. (1)-(7)

    Lecture: N4

    Example:
        >>> import torch
        >>> x = torch.tensor([[[1.0, 3.0], [10.0, 30.0]]])
        >>> group_norm(x, 2, torch.ones(2), torch.zeros(2)).round(decimals=3)
        tensor([[[-1.,  1.],
                 [-1.,  1.]]])
    """
    grouped = _grouped(x, num_groups)
    scaled = normalise(grouped, tuple(range(2, grouped.dim())), eps).reshape(x.shape)
    return per_channel(weight, x) * scaled + per_channel(bias, x)


def group_norm_backward(
    gradient: Maps, x: Maps, num_groups: int, weight: PerChannel, eps: float = 1e-5
) -> tuple[Maps, PerChannel, PerChannel]:
    """∂L/∂x by :func:`~sightline.nn.normalisation.normalise_backward` in each group; ∂L/∂γ = Σ g x̂, ∂L/∂β = Σ g.

    Sums run over the batch and all positions of a channel.

    Shapes:
        gradient and x (batch, channels, *positions), weight (channels) → the shapes of x, weight and bias

    Args:
        gradient: g = ∂L/∂y.
        x: the layer's input.
        num_groups: G, which divides C.
        weight: γ.
        eps: as in the forward pass.

    Returns:
        (∂L/∂x, ∂L/∂γ, ∂L/∂β)

    Raises:
        ConfigurationError: where G does not divide C.
        InputError: where γ is not one a channel, or g has not the shape of x.

    Source: Wu & He 2018, eqs. (1)-(7)

    Lecture: N4

    Example:
        >>> import torch
        >>> dx, dweight, dbias = group_norm_backward(torch.ones(3, 4, 2), torch.randn(3, 4, 2), 2, torch.ones(4))
        >>> dbias
        tensor([6., 6., 6., 6.])
    """
    grouped = _grouped(x, num_groups)
    require_gradient_of(gradient, x.shape)
    axes = tuple(range(2, grouped.dim()))
    scaled = normalise(grouped, axes, eps).reshape(x.shape)
    outer = _grouped(per_channel(weight, x) * gradient, num_groups)
    dx = normalise_backward(outer, grouped, axes, eps).reshape(x.shape)
    over = (0, *range(2, x.dim()))
    return dx, (gradient * scaled).sum(over), gradient.sum(over)


def _grouped(x: Tensor, num_groups: int) -> Tensor:
    """(batch, channels, *positions) → (batch, groups, channels/groups, *positions)"""
    num_channels = x.shape[1]
    if num_groups < 1 or num_channels % num_groups:
        raise ConfigurationError(
            expected=f"a number of groups that divides the {num_channels} channels",
            found=f"num_groups = {num_groups}",
            do="use 1 (layer normalisation), the number of channels (instance normalisation), or a divisor",
        )
    return x.reshape(len(x), num_groups, num_channels // num_groups, *x.shape[2:])
