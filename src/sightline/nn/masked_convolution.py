"""Convolution that sees only the past of a pixel, in raster order: row by row, each from left to right.

Legend: k kernel size, G channels of the image, in order (red before green before blue); every map belongs to one of
them, those of the first channel first. The past of channel g at pixel (i, j) is all channels of the pixels before
(i, j), and the channels before g of the pixel itself.
"""

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.words import one_of
from sightline.nn.raster_cache import RasterCache

Mask = Literal["A", "B"]
"""Whether a map sees at its own pixel the earlier channels alone ("A"), or its own channel's maps too ("B")."""


class MaskedConvolution2d(nn.Conv2d):
    """y[o, i, j] = β[o] + Σ_{c, a, b} M[o, c, a, b] W[o, c, a, b] · x̃[c, i + a − ⌊k/2⌋, j + b − ⌊k/2⌋].

    x̃ is x with zeros round it, so the output has the input's size. M is 1 for taps before the centre, 0 for those
    after it, and at the centre 1 where the channel of c is before the channel of o (mask A), or is not after it (mask
    B). The first layer of a network has mask A, the others B: layers of mask B add nothing of a pixel's own value.

    No row below the centre is kept: the weight has ⌊k/2⌋ + 1 rows. It starts uniform within ±1/√n, n taps that are
    seen; taps that are not seen start at 0 and stay there.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, height, width); with a cache, the whole maps or one
        pixel of them → (batch, num_outputs, 1, 1)

    Args:
        num_inputs: maps coming in.
        num_outputs: maps going out.
        kernel_size: k, odd; one number, or rows and columns.
        mask: "A" or "B".
        num_groups: G, channels of the image; it divides both numbers of maps.
        bias: whether there is a β.

    Raises:
        ConfigurationError: for an even kernel, another mask, or maps that the channels don't divide.

    Source: van den Oord et al. 2016, "Pixel Recurrent Neural Networks", §3.4

    Lecture: X2

    Example:
        >>> layer = MaskedConvolution2d(num_inputs=1, num_outputs=1, kernel_size=3, mask="A")
        >>> layer.mask[0, 0].int().tolist()
        [[1, 1, 1], [1, 0, 0]]
    """

    mask: Tensor

    def __init__(
        self,
        *,
        num_inputs: int,
        num_outputs: int,
        kernel_size: int | tuple[int, int],
        mask: Mask,
        num_groups: int = 1,
        bias: bool = True,
    ) -> None:
        rows, columns = checked_kernel(kernel_size)
        _require_groups(num_inputs, num_outputs, num_groups)
        one_of(mask, get_args(Mask), "mask")
        super().__init__(num_inputs, num_outputs, (rows // 2 + 1, columns), bias=bias)
        self.mask_type, self.num_groups = mask, num_groups
        seen = raster_mask(num_inputs, num_outputs, (rows, columns), mask, num_groups)
        self.register_buffer("mask", seen.to(self.weight.dtype), persistent=False)
        taps = (rows // 2) * columns + columns // 2 + 1
        self._num_numbers = taps * num_inputs
        with torch.no_grad():
            bound = seen.sum((1, 2, 3)).clamp(min=1).rsqrt()
            self.weight.uniform_(-1, 1).mul_(bound[:, None, None, None]).mul_(self.mask)
            if self.bias is not None:
                self.bias.uniform_(-1, 1).mul_(bound)

    def forward(
        self, x: Float[Tensor, "batch num_inputs height width"], *, cache: RasterCache | None = None
    ) -> Float[Tensor, "batch num_outputs out_height out_width"]:
        """The maps; with a cache, those of the pixel at which it stands.

        Args:
            x: maps; with a cache, all of them or the one pixel.
            cache: what was seen of the pixels before.
        """
        rows, columns = self.kernel_size
        if cache is None:
            padded = F.pad(x, (columns // 2, columns // 2, rows - 1, 0))
            return F.conv2d(padded, self.weight * self.mask, self.bias)
        window = cache.window(self, x, (rows, columns))[:, : self._num_numbers]
        matrix = cache.once(self, self._matrix)
        y = window @ matrix if self.bias is None else torch.addmm(self.bias, window, matrix)
        return y[:, :, None, None]

    def _matrix(self) -> Tensor:
        """The masked weight as (numbers of a window up to its centre, num_outputs), in raster order."""
        weight = (self.weight * self.mask).permute(2, 3, 1, 0).flatten(0, 2)
        return weight[: self._num_numbers].contiguous()

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        rows, columns = self.kernel_size
        groups = f", num_groups={self.num_groups}" if self.num_groups > 1 else ""
        size = f"({2 * rows - 1}, {columns})"
        return f"{self.in_channels}, {self.out_channels}, kernel_size={size}, mask={self.mask_type}{groups}"


def raster_mask(
    num_inputs: int, num_outputs: int, kernel_size: tuple[int, int], mask: Mask, num_groups: int
) -> Float[Tensor, "num_outputs num_inputs rows columns"]:
    """1 where a tap is in the past of the map it serves, else 0; rows from the kernel's first to its middle one.

    Args:
        num_inputs: maps coming in, a multiple of the channels.
        num_outputs: maps going out, the same.
        kernel_size: rows and columns, both odd.
        mask: "A" or "B".
        num_groups: channels of the image.

    Lecture: X2

    Example:
        >>> raster_mask(3, 3, (1, 3), "A", 3)[1, :, 0].int().tolist()
        [[1, 1, 0], [1, 0, 0], [1, 0, 0]]
    """
    rows, columns = kernel_size
    seen = torch.ones(num_outputs, num_inputs, rows // 2 + 1, columns)
    source = torch.arange(num_inputs) // (num_inputs // num_groups)
    served = torch.arange(num_outputs)[:, None] // (num_outputs // num_groups)
    seen[:, :, -1, columns // 2] = (source < served if mask == "A" else source <= served).to(seen)
    seen[:, :, -1, columns // 2 + 1 :] = 0
    return seen


def checked_kernel(kernel_size: int | tuple[int, int], *, smallest: int = 1) -> tuple[int, int]:
    """Rows and columns of a kernel that has a middle.

    Args:
        kernel_size: one number, or rows and columns.
        smallest: the least that either may be.

    Raises:
        ConfigurationError: for an even or too small size, or another number of sizes.

    Example:
        >>> checked_kernel(3)
        (3, 3)
    """
    sizes = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
    if len(sizes) != 2 or any(size < smallest or size % 2 == 0 for size in sizes):
        raise ConfigurationError(
            expected=f"an odd kernel_size of at least {smallest}: the pixel itself is in the middle",
            found=f"kernel_size = {kernel_size}",
            do=f"use {max(3, smallest)} or 7",
        )
    return sizes[0], sizes[1]


def _require_groups(num_inputs: int, num_outputs: int, num_groups: int) -> None:
    """Refuse maps that can't be shared out evenly to the channels."""
    if num_groups < 1 or min(num_inputs, num_outputs) < 1 or num_inputs % num_groups or num_outputs % num_groups:
        number = math.lcm(max(num_groups, 1), 2)
        raise ConfigurationError(
            expected="numbers of maps that the image's channels divide: every map belongs to one channel",
            found=f"{num_inputs} and {num_outputs} maps for {num_groups} channels",
            do=f"use a multiple of {number}, for example {number * max(1, 64 // number)}",
        )
