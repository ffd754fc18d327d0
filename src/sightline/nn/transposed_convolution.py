"""Transposed convolution: lays the kernel down, scaled, at every input value; the adjoint of convolution.

    ⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩

It goes from a convolution's output size back to its input size, with the matrix Tᵀ where convolution has T; it does
not undo it. The modules are ``torch.nn.ConvTranspose1d`` and ``ConvTranspose2d``, whose weight is laid out as that of
the convolution they are the adjoint of: (their inputs, their outputs/groups, *kernel).

Legend: s stride, p padding, d dilation, k kernel, β bias, g = ∂L/∂y.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.convolution import PerAxis, convolution_backward, require_groups
from sightline.nn.normalisation import require_one_each
from sightline.nn.output_size import per_axis, transposed_size
from sightline.nn.shapes import require_gradient_of

Maps = Float[Tensor, "batch num_inputs *positions"]
Kernel = Float[Tensor, "num_inputs outputs_per_group *kernel"]
Outputs = Float[Tensor, "batch num_outputs *places"]


def zero_stuff(x: Float[Tensor, "batch channels *positions"], stride: PerAxis) -> Float[Tensor, "batch channels *wide"]:
    """s − 1 zeros between neighbours: position i goes to s i.

    Shapes:
        x (batch, channels, *positions n) → (batch, channels, *(n − 1)s + 1)

    Args:
        x: signals or images.
        stride: s, for every axis or each, 1 or more.

    Raises:
        ConfigurationError: for a stride below 1.

    Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", §4.5

    Lecture: N2

    Example:
        >>> import torch
        >>> zero_stuff(torch.tensor([[[1.0, 2.0]]]), 3)
        tensor([[[1., 0., 0., 2.]]])
    """
    strides = per_axis(stride, x.dim() - 2, "stride")
    if min(strides, default=1) < 1:
        raise ConfigurationError(expected="a stride of 1 or more", found=f"stride = {stride}", do="use 2")
    wide = x.new_zeros(*x.shape[:2], *[max(0, (n - 1) * s + 1) for n, s in zip(x.shape[2:], strides, strict=True)])
    wide[:, :, *[slice(None, None, s) for s in strides]] = x
    return wide


def transposed_convolution(
    x: Maps,
    weight: Kernel,
    bias: Float[Tensor, " num_outputs"] | None = None,
    *,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Outputs:
    """y[s i + d a − p] += W[a] x[i]: zeros put between inputs, then a full convolution with the kernel turned round.

    "Full" is padding by d(k − 1), so that every overlap of kernel and input counts; p positions are then taken off
    each side.

    Shapes:
        x (batch, num_inputs, *positions), weight (num_inputs, num_outputs/groups, *kernel) → (batch, num_outputs,
        *places) with places as :func:`~sightline.nn.output_size.transposed_size` says

    Args:
        x: signals (one axis of positions) or images (two).
        weight: W.
        bias: β, one for each output channel, or none.
        stride: s, step between the places where the kernel is laid down.
        padding: p, positions taken off each side.
        output_padding: positions added on the far side.
        dilation: d.
        groups: G.

    Raises:
        InputError: where nothing is left after the padding, or axes, channels or biases do not match.
        ConfigurationError: for an option out of range.

    Source: Dumoulin & Visin 2016, §4, relationship 14

    Lecture: N2

    Example:
        >>> import torch
        >>> transposed_convolution(torch.tensor([[[1.0, 10.0]]]), torch.tensor([[[1.0, 2.0, 3.0]]]), stride=2)
        tensor([[[ 1.,  2., 13., 20., 30.]]])
    """
    _require_channels(x, weight, groups)
    num_axes = x.dim() - 2
    strides, paddings = per_axis(stride, num_axes, "stride"), per_axis(padding, num_axes, "padding")
    dilations, extra = per_axis(dilation, num_axes, "dilation"), per_axis(output_padding, num_axes, "output_padding")
    along = list(zip(x.shape[2:], weight.shape[2:], strides, paddings, dilations, extra, strict=True))
    places = [transposed_size(*numbers) for numbers in along]

    reach = [(d * (k - 1), d * (k - 1) + e) for _, k, _, _, d, e in along]
    full = F.pad(zero_stuff(x, strides), [amount for sides in reversed(reach) for amount in sides])
    turned = weight.flip(list(range(2, weight.dim()))).unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    plain = F.conv1d if num_axes == 1 else F.conv2d
    y = plain(full, turned, None, 1, 0, dilations, groups)
    y = y[:, :, *[slice(p, p + n) for p, n in zip(paddings, places, strict=True)]]
    if bias is None:
        return y
    require_one_each(bias, y.shape[1], "output channel")
    return y + bias.reshape(-1, *[1] * num_axes)


def transposed_convolution_backward(
    gradient: Outputs,
    x: Maps,
    weight: Kernel,
    *,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> tuple[Maps, Kernel, Float[Tensor, " num_outputs"]]:
    """∂L/∂x = conv(g), ∂L/∂W as a convolution's with x and g exchanged, ∂L/∂β = Σ g.

    y = Tᵀx gives ∂L/∂x = Tg. And ⟨g, Tᵀx⟩ = ⟨Tg, x⟩ is the same function of W as in a convolution of g whose output
    has the gradient x. What output padding adds shows in the gradient's size; it needs no option here.

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
        InputError: where g has not the shape of an output of these x and weight, and as the forward pass.
        ConfigurationError: for an option out of range.

    Source: Dumoulin & Visin 2016, §4.1

    Lecture: N2

    Example:
        >>> import torch
        >>> x, weight = torch.tensor([[[1.0, 10.0]]]), torch.tensor([[[1.0, 2.0]]])
        >>> transposed_convolution_backward(torch.tensor([[[1.0, 0.0, 0.0]]]), x, weight)
        (tensor([[[1., 0.]]]), tensor([[[1., 0.]]]), tensor([1.]))
    """
    _require_channels(x, weight, groups)
    num_axes = x.dim() - 2
    strides, paddings = per_axis(stride, num_axes, "stride"), per_axis(padding, num_axes, "padding")
    dilations = per_axis(dilation, num_axes, "dilation")
    _require_output_size(gradient, x, [*zip(weight.shape[2:], strides, paddings, dilations, strict=True)])
    require_gradient_of(gradient, (len(x), weight.shape[1] * groups, *gradient.shape[2:]))
    plain = F.conv1d if num_axes == 1 else F.conv2d
    dx = plain(gradient, weight, None, strides, paddings, dilations, groups)
    # output padding of a stride or more makes room for windows that belong to no input: zeros stand for those
    beyond = [amount for m, n in zip(dx.shape[:1:-1], x.shape[:1:-1], strict=True) for amount in (0, m - n)]
    _, dweight, _ = convolution_backward(
        F.pad(x, beyond), gradient, weight, stride=strides, padding=paddings, dilation=dilations, groups=groups
    )
    dx = dx[:, :, *[slice(n) for n in x.shape[2:]]]
    return dx, dweight, gradient.sum((0, *range(2, gradient.dim())))


def _require_channels(x: Tensor, weight: Tensor, groups: int) -> None:
    if x.dim() not in (3, 4) or weight.dim() != x.dim():
        raise InputError(
            expected="signals (batch, channels, length) or images (batch, channels, height, width), "
            "and a weight with as many axes",
            found=f"shapes {tuple(x.shape)} and {tuple(weight.shape)}",
            do="add the missing axis, of length 1 where there is one example or one channel",
        )
    require_groups(groups, len(weight), "input")
    if x.shape[1] != len(weight):
        raise InputError(
            expected=f"an input of {len(weight)} channels, as the weight {tuple(weight.shape)} has",
            found=f"{x.shape[1]} channels",
            do="give the weight the shape (input channels, outputs / groups, *kernel)",
        )


def _require_output_size(gradient: Tensor, x: Tensor, windows: list[tuple[int, ...]]) -> None:
    """Whether the gradient is as long as an output of x, with or without output padding."""
    least = [transposed_size(n, *window) for n, window in zip(x.shape[2:], windows, strict=True)]
    if gradient.dim() != x.dim() or not all(
        0 <= m - n < max(stride, dilation)
        for m, n, (_, stride, _, dilation) in zip(gradient.shape[2:], least, windows, strict=True)
    ):
        raise InputError(
            expected=f"a gradient of the output's size, {tuple(least)} with no output padding",
            found=f"size {tuple(gradient.shape[2:])}",
            do="give the same stride, padding and dilation as in the forward pass",
        )
