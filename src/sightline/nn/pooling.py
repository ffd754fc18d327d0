"""Pooling: one value for each window, so that later layers see further with fewer positions.

Maximum and average pooling are ``torch.nn.MaxPool2d`` and ``torch.nn.AvgPool2d``; pick-one and weighted pooling are
here, and the backward pass of all four. Where each sends the gradient g of an output:

    maximum   to the winner          average   1/k² of it to every position of the window
    pick-one  to the one picked      weighted  pₐ of it to position a of the window
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.activations import softmax_backward
from sightline.nn.convolution import convolution_backward
from sightline.nn.output_size import pooling_size
from sightline.nn.shapes import require_gradient_of

Maps = Float[Tensor, "batch channels height width"]
Pooled = Float[Tensor, "batch channels h w"]


def max_pool_backward(gradient: Pooled, indices: Int[Tensor, "batch channels h w"], size: tuple[int, int]) -> Maps:
    """∂L/∂x[j] = Σ g over the windows that j won: all of the gradient goes to the maximum, none to the others.

    max has derivative 1 for the largest value and 0 for the rest; of equal ones the first is the winner. A position
    can win several windows where they overlap.

    Shapes:
        gradient and indices (batch, channels, h, w) → (batch, channels, height, width)

    Args:
        gradient: g = ∂L/∂y.
        indices: each winner's place row · width + column, from ``F.max_pool2d(…, return_indices=True)``.
        size: (height, width) of the input.

    Raises:
        InputError: where there is not one index for each value.

    Source: Goodfellow et al. 2016, "Deep Learning", §9.3

    Lecture: N3

    Example:
        >>> x = torch.tensor([[1.0, 4.0], [3.0, 2.0]]).view(1, 1, 2, 2)
        >>> _, indices = F.max_pool2d(x, 2, return_indices=True)
        >>> max_pool_backward(torch.full((1, 1, 1, 1), 5.0), indices, (2, 2)).flatten()
        tensor([0., 5., 0., 0.])
    """
    if gradient.shape != indices.shape:
        raise InputError(
            expected=f"one index for each value: shape {tuple(gradient.shape)}",
            found=f"indices of shape {tuple(indices.shape)}",
            do="give the indices that the pooling of the same maps returned",
        )
    flat = gradient.new_zeros(*gradient.shape[:2], size[0] * size[1])
    flat.scatter_add_(2, indices.flatten(2), gradient.flatten(2))
    return flat.view(*gradient.shape[:2], *size)


def average_pool_backward(
    gradient: Pooled, size: tuple[int, int], kernel: int, stride: int | None = None, padding: int = 0
) -> Maps:
    """∂L/∂x[j] = 1/k² Σ g over the windows that hold j: shared evenly, padding included.

    From y = 1/k² Σ x over the window, as ``torch.nn.AvgPool2d`` counts by default: zeros of the padding are values.

    Shapes:
        gradient (batch, channels, h, w) → (batch, channels, height, width)

    Args:
        gradient: g = ∂L/∂y.
        size: (height, width) of the input.
        kernel: k, rows and columns of a window.
        stride: step between windows; k unless given.
        padding: zeros on each side.

    Raises:
        InputError: where g has not the shape of the output, or the window is larger than the padded input.
        ConfigurationError: for an option out of range.

    Source: Goodfellow et al. 2016, §9.3

    Lecture: N3

    Example:
        >>> average_pool_backward(torch.full((1, 1, 1, 1), 4.0), (2, 2), 2).flatten()
        tensor([1., 1., 1., 1.])
    """
    places = [pooling_size(n, kernel, stride, padding) for n in size]
    require_gradient_of(gradient, (*gradient.shape[:2], *places))
    windows = (gradient / kernel**2).flatten(2).repeat_interleave(kernel**2, 1)
    return F.fold(windows, size, kernel, stride=kernel if stride is None else stride, padding=padding)


class PickOnePool2d(nn.Module):
    """y[i, j] = x[s i, s j]: every s-th row and column is kept, the rest dropped.

    A convolution of stride s is a convolution of stride 1 followed by this, without the work that is thrown away.

    Shapes:
        x (batch, channels, height, width) → (batch, channels, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        stride: s, 1 or more.

    Raises:
        ConfigurationError: for a stride below 1.

    Source: Springenberg et al. 2015, "Striving for Simplicity: The All Convolutional Net", §2

    Lecture: N3

    Example:
        >>> PickOnePool2d(stride=2)(torch.arange(9.0).view(1, 1, 3, 3)).flatten()
        tensor([0., 2., 6., 8.])
    """

    def __init__(self, *, stride: int = 2) -> None:
        super().__init__()
        _require_positive(stride=stride)
        self.stride = stride

    def forward(self, x: Maps) -> Pooled:
        """The positions kept."""
        return x[:, :, :: self.stride, :: self.stride]

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"stride={self.stride}"


def pick_one_backward(gradient: Pooled, size: tuple[int, int], stride: int) -> Maps:
    """∂L/∂x = g at the positions kept, 0 elsewhere.

    Shapes:
        gradient (batch, channels, h, w) → (batch, channels, height, width)

    Args:
        gradient: g = ∂L/∂y.
        size: (height, width) of the input.
        stride: s.

    Raises:
        InputError: where g has not the shape of the output.
        ConfigurationError: for a stride below 1.

    Source: as :class:`PickOnePool2d`

    Lecture: N3

    Example:
        >>> pick_one_backward(torch.ones(1, 1, 1, 1), (2, 2), 2).flatten()
        tensor([1., 0., 0., 0.])
    """
    _require_positive(stride=stride)
    require_gradient_of(gradient, (*gradient.shape[:2], *(-(-n // stride) for n in size)))
    dx = gradient.new_zeros(*gradient.shape[:2], *size)
    dx[:, :, ::stride, ::stride] = gradient
    return dx


class WeightedPool2d(nn.Module):
    """y[i] = Σ_a pₐ x[s i + a], p = softmax(v): a learned weighted mean, one weight for each position of the window.

    All channels share the weights, which are positive and sum to 1. At first they are equal: average pooling.

    Shapes:
        x (batch, channels, height, width) → (batch, channels, ⌊(height − k)/s⌋ + 1, ⌊(width − k)/s⌋ + 1)

    Args:
        kernel_size: k, rows and columns of a window.
        stride: s, step between windows; k unless given.

    Raises:
        ConfigurationError: for a kernel or stride below 1.

    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", §II, whose sub-sampling
    has one trained coefficient for the whole window; here one for each position, of sum 1

    Lecture: N3

    Example:
        >>> WeightedPool2d(kernel_size=2)(torch.tensor([[1.0, 2.0], [3.0, 6.0]]).view(1, 1, 2, 2)).item()
        3.0
    """

    not_regularised: ClassVar[frozenset[str]] = frozenset({"logits"})

    def __init__(self, *, kernel_size: int = 2, stride: int | None = None) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        _require_positive(kernel_size=kernel_size, stride=self.stride)
        self.logits = nn.Parameter(torch.zeros(kernel_size, kernel_size))

    def forward(self, x: Maps) -> Pooled:
        """The weighted means."""
        weights = self.logits.flatten().softmax(0).view_as(self.logits)
        return F.conv2d(x, _shared(weights, x.shape[1]), stride=self.stride, groups=x.shape[1])

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


def weighted_pool_backward(
    gradient: Pooled, x: Maps, logits: Float[Tensor, "kernel kernel"], stride: int
) -> tuple[Maps, Float[Tensor, "kernel kernel"]]:
    """∂L/∂x[j] = Σ_{s i + a = j} pₐ g[i]; ∂L/∂pₐ = Σ g[i] x[s i + a] over examples, channels and i; ∂L/∂v by softmax.

    It is a depthwise convolution whose channels share one kernel: their gradients add up.

    Shapes:
        gradient (batch, channels, h, w), x (batch, channels, height, width), logits (k, k) → the shapes of x and logits

    Args:
        gradient: g = ∂L/∂y.
        x: the layer's input.
        logits: v.
        stride: s.

    Returns:
        (∂L/∂x, ∂L/∂v)

    Raises:
        InputError: where g has not the shape of the output.

    Source: the chain rule on :class:`WeightedPool2d`

    Lecture: N3

    Example:
        >>> weighted_pool_backward(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 2, 2), torch.zeros(2, 2), 2)[0].flatten()
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    p = logits.flatten().softmax(0)
    kernel = _shared(p.view_as(logits), x.shape[1])
    dx, dkernel, _ = convolution_backward(gradient, x, kernel, stride=stride, groups=x.shape[1])
    return dx, softmax_backward(dkernel.sum((0, 1)).flatten(), p).view_as(logits)


def _shared(weights: Tensor, num_channels: int) -> Tensor:
    return weights.expand(num_channels, 1, -1, -1)


def _require_positive(**options: int) -> None:
    for name, value in options.items():
        if value < 1:
            raise ConfigurationError(expected=f"{name} of 1 or more", found=f"{name} = {value}", do="use 2")
