"""Normalisation: subtract the mean and divide by the standard deviation, over the axes that give it its name.

    y = γ x̂ + β,   x̂ = (x − μ)/σ,   μ = mean x,   σ² = mean (x − μ)² + ε

Batch normalisation takes the mean over examples and positions of one channel, layer normalisation over the features
of one example, group normalisation over positions and the channels of one group of one example. Modules are torch's
own (``nn.BatchNorm2d``, ``nn.LayerNorm``, ``nn.GroupNorm``, ``nn.InstanceNorm2d``); :class:`ChannelLayerNorm` is the
one it lacks. The functions say what those modules compute, forwards and backwards: here for all of them, then for
layer normalisation; :mod:`~sightline.nn.batch_norm` and :mod:`~sightline.nn.group_norm` have the rest.

Legend: γ weight, β bias, g = ∂L/∂y, ĝ = γ g.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.shapes import require_gradient_of


def normalise(x: Float[Tensor, "..."], axes: tuple[int, ...], eps: float = 1e-5) -> Float[Tensor, "..."]:
    """x̂ = (x − μ)/σ with σ² = mean (x − μ)² + ε, mean and variance taken over ``axes``.

    The variance divides by the number of values n, not n − 1.

    Shapes:
        x (...) → (...)

    Args:
        x: any values.
        axes: one axis or more; values that differ only along these share μ and σ.
        eps: ε ≥ 0, in squared units of x: keeps σ from zero.

    Raises:
        ConfigurationError: where no axis is given, or ε is negative.

    Source: Ioffe & Szegedy 2015, "Batch Normalization", algorithm 1

    Lecture: N4

    Example:
        >>> normalise(torch.tensor([[1.0, 3.0], [5.0, 5.0]]), axes=(1,), eps=1e-12)
        tensor([[-1.,  1.],
                [ 0.,  0.]])
    """
    _require(axes, eps)
    centred = x - x.mean(axes, keepdim=True)
    return centred / (centred.square().mean(axes, keepdim=True) + eps).sqrt()


def normalise_backward(
    gradient: Float[Tensor, "..."], x: Float[Tensor, "..."], axes: tuple[int, ...], eps: float = 1e-5
) -> Float[Tensor, "..."]:
    """∂L/∂x = (ĝ − mean ĝ − x̂ · mean(ĝ x̂))/σ, where ĝ = ∂L/∂x̂ and the means are over ``axes``.

    Of n values that share μ and σ, ∂μ/∂xⱼ = 1/n and, as Σ(xᵢ − μ) = 0, ∂σ/∂xⱼ = x̂ⱼ/n. So
    ∂x̂ᵢ/∂xⱼ = (δᵢⱼ − 1/n − x̂ᵢ x̂ⱼ/n)/σ, a symmetric matrix; the product with ĝ is the line above. With ε = 0 it takes
    out of ĝ what would shift all n values or scale them: x̂ does not feel either.

    Shapes:
        gradient (...), x (...) → (...)

    Args:
        gradient: ĝ.
        x: what was normalised.
        axes: as in the forward pass.
        eps: as in the forward pass.

    Raises:
        ConfigurationError: as :func:`normalise`.
        InputError: where ĝ has not the shape of x.

    Source: Ioffe & Szegedy 2015, §3 (the chain rule's terms, here collected)

    Lecture: N4

    Example:
        >>> x = torch.tensor([1.0, 2.0, 6.0])
        >>> bool(normalise_backward(torch.ones(3), x, (0,)).abs().max() < 1e-6)  # a shift changes nothing
        True
    """
    _require(axes, eps)
    require_gradient_of(gradient, x.shape)
    centred = x - x.mean(axes, keepdim=True)
    sigma = (centred.square().mean(axes, keepdim=True) + eps).sqrt()
    scaled = centred / sigma
    shift, scale = gradient.mean(axes, keepdim=True), (gradient * scaled).mean(axes, keepdim=True)
    return (gradient - shift - scaled * scale) / sigma


def layer_norm_backward(
    gradient: Float[Tensor, "*batch features"],
    x: Float[Tensor, "*batch features"],
    weight: Float[Tensor, " features"],
    eps: float = 1e-5,
) -> tuple[Float[Tensor, "*batch features"], Float[Tensor, " features"], Float[Tensor, " features"]]:
    """Gradients of ``F.layer_norm`` over the last axis: as batch normalisation's, with the axes' parts exchanged.

    The means of :func:`normalise_backward` run over the features of one example; the sums of ∂L/∂γ = Σ g x̂ and
    ∂L/∂β = Σ g over the examples.

    Shapes:
        gradient and x (*batch, features), weight (features) → the shapes of x, weight and bias

    Args:
        gradient: g = ∂L/∂y.
        x: the layer's input.
        weight: γ.
        eps: as in the forward pass.

    Returns:
        (∂L/∂x, ∂L/∂γ, ∂L/∂β)

    Raises:
        InputError: where γ is not one a feature, or g has not the shape of x.

    Source: Ba et al. 2016, "Layer Normalization", eqs. (3)-(4)

    Lecture: N4

    Example:
        >>> dx, dweight, dbias = layer_norm_backward(torch.ones(4, 2), torch.randn(4, 2), torch.ones(2))
        >>> dbias
        tensor([4., 4.])
    """
    require_one_each(weight, x.shape[-1], "feature")
    require_gradient_of(gradient, x.shape)  # γ g may have it where g has not
    examples = tuple(range(x.dim() - 1))
    dx = normalise_backward(weight * gradient, x, (-1,), eps)
    dweight = (gradient * normalise(x, (-1,), eps)).reshape(-1, x.shape[-1]).sum(0)
    return dx, dweight, gradient.sum(examples) if examples else gradient


class ChannelLayerNorm(nn.Module):
    """Layer normalisation of maps over their channels, at each position by itself: y = γ x̂ + β.

    The channels are brought last, normalised by torch's kernel, and put back; nothing is copied on the way in where
    the memory format is ``torch.channels_last``, and the result comes in that format.

    Shapes:
        x (batch, num_channels, height, width) → (batch, num_channels, height, width)

    Args:
        num_channels: C.
        eps: ε > 0.

    Source: Liu et al. 2022, "A ConvNet for the 2020s", §2.6; Ba et al. 2016, "Layer Normalization"

    Lecture: N4, V3

    Example:
        >>> x = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
        >>> ChannelLayerNorm(num_channels=2)(x).flatten().detach()
        tensor([-1.0000,  1.0000])
    """

    def __init__(self, *, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.num_channels, self.eps = num_channels, eps
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """The normalised maps."""
        last = F.layer_norm(x.permute(0, 2, 3, 1), (self.num_channels,), self.weight, self.bias, self.eps)
        return last.permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"num_channels={self.num_channels}, eps={self.eps}"


def require_one_each(values: Tensor, count: int, what: str) -> None:
    """A vector with one value a channel or feature; a vector of one would be broadcast without a word.

    Raises:
        InputError: for any other shape.

    Example:
        >>> require_one_each(torch.ones(3), 3, "channel")
    """
    if values.shape != (count,):
        raise InputError(
            expected=f"one value for each {what}, a vector of {count}",
            found=f"shape {tuple(values.shape)}",
            do=f"give as many values as the input has {what}s",
        )


def _require(axes: tuple[int, ...], eps: float) -> None:
    if not axes or not eps >= 0:
        raise ConfigurationError(
            expected="one axis or more, and eps of 0 or more", found=f"axes = {axes}, eps = {eps}", do="use axes=(-1,)"
        )
