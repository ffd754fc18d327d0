"""PixelCNN: masked convolutions guess every pixel from those above it and to its left.

Legend: C channels, L levels, D width.
"""

from typing import Annotated

import torch.nn.functional as F
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.models.fitness import Conditional, require_pictures
from sightline.models.pixel_predictor import CentredLevels, Levels, PixelPredictor
from sightline.models.registry import model
from sightline.nn.masked_convolution import MaskedConvolution2d
from sightline.nn.raster_cache import RasterCache

Maps = Float[Tensor, "batch channels height width"]
Labels = Int[Tensor, " batch"]


class MaskedPixels(PixelPredictor):
    """What both PixelCNNs share: from levels to maps, and from a head's logits to one a level of each pixel.

    Subclasses define :meth:`mix`.

    Args:
        in_channels: C.
        levels: L.
        width: D, maps that the head sees.
        head_width: maps inside the head.
        num_classes: classes that images are drawn for; none: no label.

    Raises:
        ConfigurationError: for maps that the channels don't divide, or a number below its least.

    Lecture: X2
    """

    head: "PixelHead"

    def __init__(self, *, in_channels: int, levels: int, width: int, head_width: int, num_classes: int | None) -> None:
        super().__init__(in_channels=in_channels, levels=levels, num_classes=num_classes)
        self.scale = CentredLevels(levels=levels)
        self.head = PixelHead(num_channels=in_channels, levels=levels, width=width, head_width=head_width)

    def mix(self, x: Maps, labels: Labels | None, cache: RasterCache | None) -> Float[Tensor, "batch num_features h w"]:
        """The maps that the head sees, from levels between −1 and 1."""
        raise NotImplementedError

    def features(
        self,
        images: Integer[Tensor, "batch channels height width"],
        *,
        labels: Labels | None = None,
        cache: RasterCache | None = None,
    ) -> Float[Tensor, "batch num_features h w"]:
        """What the head sees, (B, D, height, width); with a cache, of the pixel at which it stands."""
        self.check(images, labels)
        return self.mix(self.scale(images, self.head.inner.weight.dtype), labels, cache)

    def forward(
        self,
        images: Integer[Tensor, "batch channels height width"],
        *,
        labels: Labels | None = None,
        cache: RasterCache | None = None,
    ) -> Float[Tensor, "batch levels channels out_height out_width"]:
        """Logits of every pixel's levels; see :class:`~sightline.models.pixel_predictor.PixelPredictor`."""
        logits: Tensor = self.head(self.features(images, labels=labels, cache=cache), cache=cache)
        return logits

    def new_cache(self, *, height: int, width: int) -> RasterCache:
        """An empty cache for images of this size."""
        return RasterCache(height=height, width=width)


class PixelCNN(MaskedPixels):
    """A k × k convolution of mask A, residual blocks of mask B, a head of 1 × 1 convolutions of mask B.

    It has a blind spot: pixels above and further to the right than the windows widen by are never seen
    (the gated one sees all). A class, where there is one, shifts the maps inside each block.

    Shapes:
        images (batch, in_channels, height, width), whole numbers from 0 to levels − 1 → (batch, levels, in_channels,
        height, width)

    Args:
        in_channels: C.
        levels: L.
        width: D, maps between the blocks; inside there are half as many, a multiple of C.
        depth: blocks.
        kernel_size: k of the first convolution, odd.
        block_kernel_size: of the convolution inside a block, odd.
        head_width: maps inside the head, a multiple of C; none: D.
        num_classes: classes that images are drawn for; none: no label.

    Raises:
        ConfigurationError: for an even kernel, maps that the channels don't divide, or a number below its least.
        InputError: when called with images or labels that are none of this network's.

    Source: van den Oord et al. 2016, "Pixel Recurrent Neural Networks", §3.3-3.5, table 1, figure 5 left

    Lecture: X2

    Example:
        >>> import torch
        >>> PixelCNN(width=8, depth=2)(torch.zeros(3, 1, 5, 5, dtype=torch.int64)).shape
        torch.Size([3, 2, 1, 5, 5])
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        levels: int = 2,
        width: int = 64,
        depth: int = 7,
        kernel_size: int = 7,
        block_kernel_size: int = 3,
        head_width: int | None = None,
        num_classes: int | None = None,
    ) -> None:
        head = width if head_width is None else head_width
        super().__init__(in_channels=in_channels, levels=levels, width=width, head_width=head, num_classes=num_classes)
        require_depth(depth)
        self.first = MaskedConvolution2d(
            num_inputs=in_channels, num_outputs=width, kernel_size=kernel_size, mask="A", num_groups=in_channels
        )
        self.blocks = nn.ModuleList(
            MaskedResidualBlock(
                width=width, kernel_size=block_kernel_size, num_groups=in_channels, num_classes=num_classes
            )
            for _ in range(depth)
        )

    def mix(self, x: Maps, labels: Labels | None, cache: RasterCache | None) -> Float[Tensor, "batch num_features h w"]:
        """The first convolution and the blocks."""
        maps: Tensor = self.first(x, cache=cache)
        for block in self.blocks:
            maps = block(maps, labels=labels, cache=cache)
        return maps


class MaskedResidualBlock(nn.Module):
    """y = x + W₃ relu(W₂ * relu(W₁ relu(x) + e)), all of mask B: W₁ and W₃ are 1 × 1 and go to half the maps and back.

    Shapes:
        x (batch, width, height, width) → the same

    Args:
        width: maps, twice a multiple of the channels.
        kernel_size: of W₂, odd.
        num_groups: channels of the image.
        num_classes: rows of e; none: no label. They start at 0.

    Raises:
        ConfigurationError: for an even kernel, or maps that the channels don't divide.

    Source: van den Oord et al. 2016, "Pixel Recurrent Neural Networks", figure 5 left

    Lecture: X2

    Example:
        >>> import torch
        >>> MaskedResidualBlock(width=4, kernel_size=3)(torch.zeros(1, 4, 5, 5)).shape
        torch.Size([1, 4, 5, 5])
    """

    def __init__(self, *, width: int, kernel_size: int, num_groups: int = 1, num_classes: int | None = None) -> None:
        super().__init__()
        if width < 2 or width % (2 * num_groups):
            raise ConfigurationError(
                expected="a width that is twice a multiple of the channels: inside a block there is half of it",
                found=f"width = {width} for {num_groups} channels",
                do=f"use a multiple of {2 * num_groups}",
            )

        def convolution(num_inputs: int, num_outputs: int, size: int) -> MaskedConvolution2d:
            return MaskedConvolution2d(
                num_inputs=num_inputs, num_outputs=num_outputs, kernel_size=size, mask="B", num_groups=num_groups
            )

        half = width // 2
        self.contract, self.across = convolution(width, half, 1), convolution(half, half, kernel_size)
        self.expand = convolution(half, width, 1)
        self.label = None if num_classes is None else nn.Embedding(num_classes, half)
        if self.label is not None:
            nn.init.zeros_(self.label.weight)

    def forward(self, x: Maps, *, labels: Labels | None = None, cache: RasterCache | None = None) -> Maps:
        """The sum."""
        inner = self.contract(F.relu(x), cache=cache)
        if self.label is not None and labels is not None:
            inner = inner + self.label(labels)[:, :, None, None]
        branch: Tensor = self.expand(F.relu(self.across(F.relu(inner), cache=cache)), cache=cache)
        return x + branch


class PixelHead(nn.Module):
    """logits = V relu(U relu(x) + b) + c, 1 × 1 convolutions of mask B; L logits for each channel of a pixel.

    Shapes:
        x (batch, width, height, width) → (batch, levels, num_channels, height, width)

    Args:
        num_channels: C; it divides both numbers of maps.
        levels: L.
        width: maps coming in.
        head_width: maps inside.

    Raises:
        ConfigurationError: for maps that the channels don't divide.

    Source: van den Oord et al. 2016, "Pixel Recurrent Neural Networks", table 1

    Lecture: X2

    Example:
        >>> import torch
        >>> PixelHead(num_channels=3, levels=4, width=6, head_width=6)(torch.zeros(2, 6, 5, 5)).shape
        torch.Size([2, 4, 3, 5, 5])
    """

    def __init__(self, *, num_channels: int, levels: int, width: int, head_width: int) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.inner = MaskedConvolution2d(
            num_inputs=width, num_outputs=head_width, kernel_size=1, mask="B", num_groups=num_channels
        )
        self.output = MaskedConvolution2d(
            num_inputs=head_width,
            num_outputs=num_channels * levels,
            kernel_size=1,
            mask="B",
            num_groups=num_channels,
        )

    def forward(
        self, x: Maps, *, cache: RasterCache | None = None
    ) -> Float[Tensor, "batch levels num_channels height width"]:
        """The logits."""
        logits: Tensor = self.output(F.relu(self.inner(F.relu(x), cache=cache)), cache=cache)
        of_channels: Tensor = logits.unflatten(1, (self.num_channels, -1))
        return of_channels.transpose(1, 2)


def require_depth(depth: int) -> None:
    """Refuse a network without layers.

    Raises:
        ConfigurationError: for fewer than 1.
    """
    if depth < 1:
        raise ConfigurationError(expected="a depth of at least 1", found=f"depth = {depth}", do="use 7")


@model("pixelcnn")
def pixelcnn(
    schema: Schema,
    *,
    levels: Levels = 2,
    width: Annotated[int, Option("maps between the blocks, twice a multiple of the channels", minimum=2)] = 48,
    depth: Annotated[int, Option("blocks", minimum=1)] = 5,
    kernel_size: Annotated[int, Option("of the first convolution, odd", "pixels", minimum=1)] = 7,
    conditional: Conditional = False,
) -> PixelCNN:
    """PixelCNN: every pixel guessed from those above it and to its left, by masked convolutions.

    Raises:
        ConfigurationError: for options that don't fit the images.
        DataError: for data that are no images, or a condition without classes.

    Lecture: X2
    """
    channels, _, _ = require_pictures(schema, "pixelcnn", conditional=conditional)
    return PixelCNN(
        in_channels=channels,
        levels=levels,
        width=width,
        depth=depth,
        kernel_size=kernel_size,
        num_classes=len(schema.classes) if conditional else None,
    )
