"""The matrix of a convolution: what it is when its maps are written as one long vector.

One axis gives a Toeplitz matrix, constant along its diagonals; two axes a doubly blocked one, a Toeplitz arrangement
of Toeplitz blocks; stride s keeps every s-th row. Its zeros are locality, its equal entries are weight sharing.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import InputError
from sightline.nn.convolution import Kernel, PerAxis, require_groups
from sightline.nn.output_size import convolution_size, per_axis


def toeplitz_matrix(
    weight: Kernel,
    input_size: tuple[int, ...],
    *,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Float[Tensor, "rows columns"]:
    """T with vec(conv(x)) = T vec(x): T = Σ_a W[:, :, a] ⊗ S(a₁) ⊗ S(a₂), S(a)[i, j] = 1 where j = s i + d a − p.

    S(a) picks what tap a sees: for output position i, the input position s i + d a − p, or nothing where that lies in
    the padding. Its transpose Tᵀ is the transposed convolution, and ∂L/∂x = Tᵀ ∂L/∂y.

    T has (outputs · places) · (channels · positions) entries, nearly all of them zero: for small inputs.

    Shapes:
        weight (num_outputs, channels/groups, *kernel) → (num_outputs · places, channels · positions), vec in the
        order of ``flatten(1)``

    Args:
        weight: W.
        input_size: positions along each axis, (length,) or (height, width).
        stride: s.
        padding: p.
        dilation: d.
        groups: G; W becomes block diagonal in the channels.

    Raises:
        InputError: where the kernel is larger than the padded input, or its axes are not as many.
        ConfigurationError: for an option out of range.

    Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", §4.1

    Lecture: N2

    Example:
        >>> toeplitz_matrix(torch.tensor([[[-1.0, 1.0]]]), (4,))
        tensor([[-1.,  1.,  0.,  0.],
                [ 0., -1.,  1.,  0.],
                [ 0.,  0., -1.,  1.]])
    """
    num_axes = weight.dim() - 2
    if len(input_size) != num_axes:
        raise InputError(
            expected=f"an input size of {num_axes} axes, as the kernel {tuple(weight.shape[2:])} has",
            found=f"input_size = {input_size}",
            do="give (length,) for signals, (height, width) for images",
        )
    strides = per_axis(stride, num_axes, "stride")
    paddings = per_axis(padding, num_axes, "padding")
    dilations = per_axis(dilation, num_axes, "dilation")
    matrix = dense_kernel(weight, groups)
    for n, k, s, p, d in zip(input_size, weight.shape[2:], strides, paddings, dilations, strict=True):
        # axis 2 is always the next tap: (outputs, channels, taps to come …, places and positions so far …)
        matrix = torch.tensordot(matrix, _selection(n, k, s, p, d).to(weight), dims=([2], [0]))
    outputs, places = [0, *range(2, 2 + 2 * num_axes, 2)], [1, *range(3, 3 + 2 * num_axes, 2)]
    rows = [matrix.shape[i] for i in outputs]
    return matrix.permute(*outputs, *places).reshape(torch.Size(rows).numel(), -1)


def dense_kernel(weight: Kernel, groups: int) -> Float[Tensor, "num_outputs channels *kernel"]:
    """A grouped kernel written as an ordinary one: zeros between channels of different groups.

    Shapes:
        weight (num_outputs, channels/groups, *kernel) → (num_outputs, channels, *kernel)

    Raises:
        ConfigurationError: where the groups do not divide the output channels.

    Lecture: N2

    Example:
        >>> dense_kernel(torch.tensor([[[2.0]], [[3.0]]]), groups=2)[:, :, 0]
        tensor([[2., 0.],
                [0., 3.]])
    """
    num_outputs, num_inputs = weight.shape[:2]
    require_groups(groups, num_outputs)
    dense = weight.new_zeros(num_outputs, num_inputs * groups, *weight.shape[2:])
    share = num_outputs // groups
    for group in range(groups):
        rows = slice(group * share, (group + 1) * share)
        dense[rows, group * num_inputs : (group + 1) * num_inputs] = weight[rows]
    return dense


def _selection(size: int, kernel: int, stride: int, padding: int, dilation: int) -> Tensor:
    """S (kernel, places, positions): 1 where output place i sees input position j through tap a."""
    places = convolution_size(size, kernel, stride, padding, dilation)
    tap, place = torch.arange(kernel)[:, None, None], torch.arange(places)[:, None]
    return torch.arange(size) == stride * place + dilation * tap - padding
