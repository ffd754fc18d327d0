"""Convolution in one and two dimensions: the formula, and its backward pass as two more convolutions.

    y[b, o, i] = β[o] + Σ_c Σ_a W[o, c, a] · x̃[b, c, s i + d a]

x̃ is x with p zeros on every side; i runs over output positions, a over the kernel's taps, c over the input channels
of o's group. Networks call this convolution; in signal processing it is cross-correlation, and a convolution would
turn the kernel round. The modules are ``torch.nn.Conv1d`` and ``torch.nn.Conv2d``.

Special cases: groups = C is *depthwise* (every channel by itself); a kernel of size 1 is *pointwise*, one matrix
product at each position; d > 1 is *dilated*, a wide window with few taps.

Legend: s stride, p padding, d dilation, G groups, g = ∂L/∂y.
"""

from itertools import product

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.normalisation import require_one_each
from sightline.nn.output_size import convolution_size, per_axis
from sightline.nn.shapes import require_gradient_of

PerAxis = int | tuple[int, ...]
"""One number for every axis, or one for each."""

Maps = Float[Tensor, "batch channels *positions"]
Kernel = Float[Tensor, "num_outputs inputs_per_group *kernel"]
Outputs = Float[Tensor, "batch num_outputs *places"]


def convolution(
    x: Maps,
    weight: Kernel,
    bias: Float[Tensor, " num_outputs"] | None = None,
    *,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Outputs:
    """y = Σ_a W[:, :, a] · x̃[s i + d a]: each tap adds a shifted, strided view of the input, its channels mixed.

    To be read, and to check torch's kernels by; networks use those.

    Shapes:
        x (batch, channels, *positions), weight (num_outputs, channels/groups, *kernel) → (batch, num_outputs, *places)
        with places as :func:`~sightline.nn.output_size.convolution_size` says

    Args:
        x: signals (one axis of positions) or images (two).
        weight: W.
        bias: β, one for each output channel, or none.
        stride: s.
        padding: p, zeros on each side.
        dilation: d.
        groups: G; output channels of one group see the input channels of that group only.

    Raises:
        InputError: where the kernel is larger than the padded input, or channels or biases do not match.
        ConfigurationError: for an option out of range.

    Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", §2

    Lecture: N2

    Example:
        >>> x = torch.tensor([[[1.0, 2.0, 4.0, 8.0]]])
        >>> convolution(x, torch.tensor([[[-1.0, 1.0]]]))
        tensor([[[1., 2., 4.]]])
    """
    _require_channels(x, weight, groups)
    places = convolution_sizes(x, weight, stride=stride, padding=padding, dilation=dilation)
    strides, paddings, dilations = _options(x, stride, padding, dilation)
    padded = F.pad(x, [p for p in reversed(paddings) for _ in range(2)]).unflatten(1, (groups, -1))
    kernel = weight.unflatten(0, (groups, -1))
    y = x.new_zeros(len(x), *kernel.shape[:2], *places)
    for tap in product(*map(range, weight.shape[2:])):
        window = [
            slice(d * a, d * a + s * (n - 1) + 1, s) for a, n, s, d in zip(tap, places, strides, dilations, strict=True)
        ]
        y += torch.einsum("bgc...,goc->bgo...", padded[:, :, :, *window], kernel[:, :, :, *tap])
    y = y.flatten(1, 2)
    if bias is None:
        return y
    require_one_each(bias, len(weight), "output channel")
    return y + bias.reshape(-1, *[1] * len(places))


def convolution_backward(
    gradient: Outputs,
    x: Maps,
    weight: Kernel,
    *,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> tuple[Maps, Kernel, Float[Tensor, " num_outputs"]]:
    """∂L/∂x by the transposed convolution of g, ∂L/∂W by a convolution of x with g, ∂L/∂β by a sum.

    Every term of the formula is W·x̃ with x̃ at position j = s i + d a. Collecting what multiplies each factor:

        ∂L/∂x̃[b, c, j] = Σ_o Σ_{i, a: s i + d a = j} g[b, o, i] W[o, c, a]

    For s = 1 that is a convolution of g with the kernel turned round, padded by d(k − 1) − p ("full" for p = 0); for
    s > 1, of g with s − 1 zeros put between its values: the transposed convolution with W.

        ∂L/∂W[o, c, a] = Σ_b Σ_i g[b, o, i] x̃[b, c, d a + s i]

    is the convolution's own formula with the parts exchanged: a is now the output position and i the tap, so the
    stride is d and the dilation s; g is the kernel, examples take the place of input channels, input channels that
    of examples. The positions a ≥ k, which x̃ may have room for where s does not divide, are left out.

        ∂L/∂β[o] = Σ_b Σ_i g[b, o, i]

    Shapes:
        gradient (batch, num_outputs, *places), x and weight as in the forward pass → the shapes of x, weight and bias

    Args:
        gradient: g = ∂L/∂y.
        x: the layer's input.
        weight: W.
        stride: as in the forward pass.
        padding: as in the forward pass.
        dilation: as in the forward pass.
        groups: as in the forward pass.

    Returns:
        (∂L/∂x, ∂L/∂W, ∂L/∂β)

    Raises:
        InputError: where g has not the shape of the output, and as :func:`convolution`.
        ConfigurationError: as :func:`convolution`.

    Source: Goodfellow et al. 2016, "Deep Learning", §9.5, eqs. (9.11) and (9.13), with padding, dilation and groups

    Lecture: N2

    Example:
        >>> x, weight = torch.tensor([[[1.0, 2.0, 4.0]]]), torch.tensor([[[-1.0, 1.0]]])
        >>> convolution_backward(torch.tensor([[[1.0, 0.0]]]), x, weight)
        (tensor([[[-1.,  1.,  0.]]]), tensor([[[1., 2.]]]), tensor([1.]))
    """
    _require_channels(x, weight, groups)
    places = convolution_sizes(x, weight, stride=stride, padding=padding, dilation=dilation)
    require_gradient_of(gradient, (len(x), len(weight), *places))
    strides, paddings, dilations = _options(x, stride, padding, dilation)
    # a division that rounded down left some of the input unseen; its gradient is zero, its length still counts
    unseen = [
        (n + 2 * p - d * (k - 1) - 1) % s
        for n, k, s, p, d in zip(x.shape[2:], weight.shape[2:], strides, paddings, dilations, strict=True)
    ]
    transposed = F.conv_transpose1d if len(places) == 1 else F.conv_transpose2d
    dx = transposed(gradient, weight, None, strides, paddings, unseen, groups, dilations)

    swapped = x.unflatten(1, (groups, -1)).movedim(0, 2).transpose(0, 1).flatten(1, 2)  # (C/G, G·batch, *positions)
    plain = F.conv1d if len(places) == 1 else F.conv2d
    # stride and dilation change places
    dweight = plain(swapped, gradient.transpose(0, 1), None, dilations, paddings, strides, groups).transpose(0, 1)
    dweight = dweight[:, :, *[slice(k) for k in weight.shape[2:]]]
    return dx, dweight, gradient.sum((0, *range(2, gradient.dim())))


def convolution_sizes(
    x: Maps, weight: Kernel, *, stride: PerAxis = 1, padding: PerAxis = 0, dilation: PerAxis = 1
) -> tuple[int, ...]:
    """The output's positions along each axis.

    Raises:
        InputError: where the kernel is larger than the padded input along an axis, or x has not one axis or two.
        ConfigurationError: for an option out of range.

    Lecture: N2

    Example:
        >>> convolution_sizes(torch.zeros(1, 3, 32, 30), torch.zeros(8, 3, 5, 5), stride=2, padding=2)
        (16, 15)
    """
    if x.dim() not in (3, 4) or weight.dim() != x.dim():
        raise InputError(
            expected="signals (batch, channels, length) or images (batch, channels, height, width), "
            "and a weight with as many axes",
            found=f"shapes {tuple(x.shape)} and {tuple(weight.shape)}",
            do="add the missing axis, of length 1 where there is one example or one channel",
        )
    along = zip(x.shape[2:], weight.shape[2:], *_options(x, stride, padding, dilation), strict=True)
    return tuple(convolution_size(n, k, s, p, d) for n, k, s, p, d in along)


def _options(x: Tensor, stride: PerAxis, padding: PerAxis, dilation: PerAxis) -> list[tuple[int, ...]]:
    named = (("stride", stride), ("padding", padding), ("dilation", dilation))
    return [per_axis(value, x.dim() - 2, name) for name, value in named]


def require_groups(groups: int, num_channels: int, which: str = "output") -> None:
    """A number of groups that the channels can be shared out to.

    Raises:
        ConfigurationError: for fewer than one group, or one that does not divide the channels.

    Lecture: N2

    Example:
        >>> require_groups(2, 6)
    """
    if groups < 1 or num_channels % groups:
        raise ConfigurationError(
            expected=f"a number of groups that divides the {num_channels} {which} channels",
            found=f"groups = {groups}",
            do="use 1, or a divisor",
        )


def _require_channels(x: Tensor, weight: Tensor, groups: int) -> None:
    require_groups(groups, len(weight))
    if x.shape[1] != groups * weight.shape[1]:
        raise InputError(
            expected=f"an input of {groups * weight.shape[1]} channels ({weight.shape[1]} for each of {groups} groups)",
            found=f"{x.shape[1]} channels",
            do="give the weight the shape (outputs, input channels / groups, *kernel)",
        )
