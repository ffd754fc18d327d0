"""How many positions a window layer gives along one axis, for convolution, transposed convolution and pooling.

Legend: n input size, k kernel, s stride, p padding on each side, d dilation; ⌊·⌋ rounds down, ⌈·⌉ up.
The window covers d(k − 1) + 1 positions. An image has two axes: ask once for each.
"""

from sightline.core.errors import ConfigurationError, InputError


def convolution_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, *, layer: str = "the convolution"
) -> int:
    """⌊(n + 2p − d(k − 1) − 1)/s⌋ + 1: the places where the whole window fits.

    The lecture notes' (W − K + 2P)/S + 1 is the case d = 1 where the division is exact.

    Args:
        size: n, positions along the axis, 1 or more.
        kernel: k, taps along the axis, 1 or more.
        stride: s, step between windows, 1 or more.
        padding: p, positions added on each side, 0 or more.
        dilation: d, step between a window's taps, 1 or more.
        layer: what the error calls the layer.

    Returns:
        Positions along the axis afterwards, 1 or more.

    Raises:
        InputError: where the window is longer than the padded input.
        ConfigurationError: for a kernel, stride, padding or dilation out of range.

    Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", relationships 6 and 15

    Lecture: N2

    Example:
        >>> convolution_size(224, 7, stride=2, padding=3)
        112
    """
    _require(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    _require_input(size, layer)
    window = dilation * (kernel - 1) + 1
    if window > size + 2 * padding:
        raise _too_small(size, kernel, padding, dilation, layer)
    return (size + 2 * padding - window) // stride + 1


def transposed_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    output_padding: int = 0,
    *,
    layer: str = "the transposed convolution",
) -> int:
    """(n − 1)s − 2p + d(k − 1) + output_padding + 1: the size whose convolution would give n.

    s sizes share each n, because a convolution's division rounds down; ``output_padding`` picks one of them.

    Args:
        size: n, positions along the axis, 1 or more.
        kernel: k, taps along the axis, 1 or more.
        stride: s, step between the places where the kernel is laid down, 1 or more.
        padding: p, positions taken away from each side, 0 or more.
        dilation: d, step between the kernel's taps, 1 or more.
        output_padding: positions added on the far side, below the stride or the dilation.
        layer: what the error calls the layer.

    Returns:
        Positions along the axis afterwards, 1 or more.

    Raises:
        InputError: where the padding takes everything away.
        ConfigurationError: for an option out of range.

    Source: Dumoulin & Visin 2016, relationship 14

    Lecture: N2

    Example:
        >>> transposed_size(4, 3, stride=2, padding=1, output_padding=1)
        8
    """
    _require(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    if not 0 <= output_padding < max(stride, dilation):
        raise ConfigurationError(
            expected=f"output_padding from 0 to {max(stride, dilation) - 1} (below the stride or the dilation)",
            found=f"output_padding = {output_padding} with stride {stride} and dilation {dilation}",
            do="lower output_padding, or enlarge the kernel by as much",
        )
    _require_input(size, layer)
    full = (size - 1) * stride + dilation * (kernel - 1) + output_padding + 1
    if full <= 2 * padding:
        raise InputError(
            expected=f"a result of at least 1 position from {layer}",
            found=f"{full} positions, of which padding {padding} takes away {2 * padding}",
            do=f"use padding {(full - 1) // 2} or less, or a larger input",
        )
    return full - 2 * padding


def pooling_size(
    size: int,
    kernel: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    *,
    ceil_mode: bool = False,
    layer: str = "the pooling",
) -> int:
    """As a convolution; with ``ceil_mode`` ⌈(n + 2p − d(k − 1) − 1)/s⌉ + 1, less a last window that starts too late.

    A window that hangs over the far side is pooled over the part that lies inside; one that would start in the
    far padding is left out.

    Args:
        size: n, positions along the axis, 1 or more.
        kernel: k, 1 or more.
        stride: s, 1 or more; the kernel's size unless given.
        padding: p on each side, at most k/2 (rounded down): torch's limit, so that no window holds padding alone.
        dilation: d, 1 or more.
        ceil_mode: whether a window may hang over the far side.
        layer: what the error calls the layer.

    Returns:
        Positions along the axis afterwards, 1 or more.

    Raises:
        InputError: where no window fits.
        ConfigurationError: for an option out of range.

    Source: Dumoulin & Visin 2016, relationship 7; the ceiling's rule as in ``torch.nn.MaxPool2d``

    Lecture: N3

    Example:
        >>> pooling_size(112, 3, stride=2), pooling_size(112, 3, stride=2, ceil_mode=True)
        (55, 56)
    """
    stride = kernel if stride is None else stride
    _require(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    window = dilation * (kernel - 1) + 1
    if padding > kernel // 2:
        raise ConfigurationError(
            expected=f"padding of at most {kernel // 2}, half of a kernel of {kernel}",
            found=f"padding = {padding}",
            do="lower the padding, or pad the input beforehand",
        )
    _require_input(size, layer)
    room = size + 2 * padding - window
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    if count < 1:
        raise _too_small(size, kernel, padding, dilation, layer)
    return count


def same_padding(kernel: int, dilation: int = 1) -> int:
    """d(k − 1)/2 on each side, d(k − 1) in all: with stride 1 the size stays as it is.

    The lecture notes give the padding as k − 1; that is the sum of both sides. k − 1 on each side is the "full"
    convolution, whose result is k − 1 longer than its input.

    Args:
        kernel: k; k must be odd where d is.
        dilation: d, 1 or more.

    Raises:
        ConfigurationError: where d(k − 1) is odd and cannot be shared out evenly.

    Source: Dumoulin & Visin 2016, relationship 3

    Lecture: N2

    Example:
        >>> same_padding(3), same_padding(7), same_padding(3, dilation=2)
        (1, 3, 2)
    """
    _require(kernel=kernel, stride=1, padding=0, dilation=dilation)
    total = dilation * (kernel - 1)
    if total % 2:
        raise ConfigurationError(
            expected="an odd kernel, whose padding is the same on both sides",
            found=f"kernel = {kernel} with dilation {dilation}: {total} to share out",
            do=f"use a kernel of {kernel - 1} or {kernel + 1}" if kernel > 1 else "use an odd kernel",
        )
    return total // 2


def per_axis(value: int | tuple[int, ...], num_axes: int, name: str) -> tuple[int, ...]:
    """An option for every axis: one number holds for all of them.

    Raises:
        ConfigurationError: for a tuple of another length.

    Example:
        >>> per_axis(2, 2, "stride"), per_axis((1, 2), 2, "stride")
        ((2, 2), (1, 2))
    """
    values = (value,) * num_axes if isinstance(value, int) else tuple(value)
    if len(values) != num_axes:
        raise ConfigurationError(
            expected=f"{name}: one number, or {num_axes}", found=f"{name} = {value}", do="give one for each axis"
        )
    return values


def _require(*, kernel: int, stride: int, padding: int, dilation: int) -> None:
    for name, value, least in (
        ("kernel", kernel, 1),
        ("stride", stride, 1),
        ("padding", padding, 0),
        ("dilation", dilation, 1),
    ):
        if value < least:
            raise ConfigurationError(
                expected=f"{name} of {least} or more", found=f"{name} = {value}", do=f"raise the {name} to {least}"
            )


def _require_input(size: int, layer: str) -> None:
    if size < 1:
        raise InputError(
            expected=f"at least 1 position along the axis of {layer}",
            found=f"size {size}",
            do="use a larger input, or fewer layers that make it smaller",
        )


def _too_small(size: int, kernel: int, padding: int, dilation: int, layer: str) -> InputError:
    window = dilation * (kernel - 1) + 1
    spread = f" with dilation {dilation}" if dilation > 1 else ""
    return InputError(
        expected=f"an input at least as long as the window of {layer}: {max(1, window - 2 * padding)} or more",
        found=f"size {size} with padding {padding}, {size + 2 * padding} in all, for a kernel of {kernel}{spread}, "
        f"which spans {window}",
        do="use larger images, a smaller kernel, or fewer layers that make the maps smaller",
    )
