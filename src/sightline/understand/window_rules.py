"""How the reach goes through windows: convolution, pooling, resampling."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from sightline.understand.reach import Reach, Window, adaptive_window, mix_channels, slide, transposed_window, window
from sightline.understand.tracked import Tracked, only, rule, tracked_in, unknown


def _filled(values: int | Sequence[int], count: int) -> list[int]:
    values = [values] if isinstance(values, int) else list(values)
    return values * count if len(values) == 1 else values


@rule("convolution", "convolution_overrideable", "cudnn_convolution", "mkldnn_convolution")
def _convolution(func: Any, given: dict[str, Any], outputs: Tensor) -> Reach:
    first = next(iter(given.values()))
    if len(tracked_in(given)) != 1 or not isinstance(first, Tracked):
        raise unknown(f"{func} with weights that depend on the input", "weights that do not")
    kernel = given["weight"].shape[2:]
    count = len(kernel)
    options = [_filled(given[name], count) for name in ("stride", "padding", "dilation")]
    dims = range(2, 2 + count)
    make = transposed_window if given.get("transposed") else window
    sizes = [first.shape[dim] for dim in dims]
    windows = [
        make(sizes[i], outputs.shape[2 + i], kernel[i], *(option[i] for option in options)) for i in range(count)
    ]
    mixed = mix_channels(first.reach, first.shape[1], outputs.shape[1], given["groups"])
    return slide(mixed, list(dims), sizes, windows)


@rule("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices",
       "avg_pool1d", "avg_pool2d", "avg_pool3d")  # fmt: skip
def _pooled(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    reach, values = only(func, given)
    after = tree_leaves(outputs)[0]
    count = int(func.overloadpacket.__name__.partition("pool")[2][0])
    kernel = _filled(given["kernel_size"], count)
    stride = _filled(given["stride"] or kernel, count)
    padding, dilation = _filled(given["padding"], count), _filled(given.get("dilation", 1), count)
    dims = range(values.dim() - count, values.dim())
    windows = [
        window(values.shape[dim], after.shape[dim], kernel[i], stride[i], padding[i], dilation[i])
        for i, dim in enumerate(dims)
    ]
    return slide(reach, list(dims), [values.shape[dim] for dim in dims], windows)


@rule("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d", "adaptive_max_pool3d",
       "adaptive_avg_pool1d", "adaptive_max_pool1d")  # fmt: skip
def _adaptively_pooled(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    reach, values = only(func, given)
    after = tree_leaves(outputs)[0]
    count = int(func.overloadpacket.__name__.partition("pool")[2][0])
    dims = range(values.dim() - count, values.dim())
    windows = [adaptive_window(values.shape[dim], after.shape[dim]) for dim in dims]
    return slide(reach, list(dims), [values.shape[dim] for dim in dims], windows)


@rule(*(f"upsample_{kind}" for kind in (
    "nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "trilinear3d", "bicubic2d")),
    "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d",
    "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")  # fmt: skip
def _resampled(func: Any, given: dict[str, Any], outputs: Tensor) -> Reach:
    """Separable: along each dimension a matrix, found by resampling the identity.

    The other dimensions have two positions, which stay as they are: of one alone, filters of a resampling with
    ``antialias`` are not what they are elsewhere.
    """
    reach, values = only(func, given)
    count = values.dim() - 2
    scales = [name for name in given if name.startswith("scales")]
    windows = []
    for i in range(count):
        size, after = values.shape[2 + i], outputs.shape[2 + i]
        identity = torch.eye(size).view([1, size] + [size if j == i else 1 for j in range(count)])
        identity = identity.expand([1, size] + [size if j == i else 2 for j in range(count)]).contiguous()
        options = {k: v for k, v in list(given.items())[1:] if k not in scales}
        options["output_size"] = [after if j == i else 2 for j in range(count)]
        options |= {name: given[name] if j == i else None for j, name in enumerate(scales)}
        resampled = func(identity, **options)[0].movedim(1 + i, 1).flatten(2)
        support = (resampled[:, :, 0] != 0).mT
        windows.append(Window(support, Fraction(size, after), regular=False))
    return slide(reach, list(range(2, 2 + count)), list(values.shape[2:]), windows)
