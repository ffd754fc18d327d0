"""The gated PixelCNN: two stacks of masked convolutions that together see all of the past.

Legend: C channels, L levels, D width.
"""

from typing import Annotated

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.schema import Schema
from sightline.models.fitness import Conditional, require_pictures
from sightline.models.pixel_predictor import Levels
from sightline.models.pixelcnn import Labels, Maps, MaskedPixels, require_depth
from sightline.models.registry import model
from sightline.nn.gated_masked_convolution import GatedMaskedConvolution2d
from sightline.nn.raster_cache import RasterCache


class GatedPixelCNN(MaskedPixels):
    """Layers of two gated stacks, which leave no blind spot; the head is on the horizontal one.

    Shapes:
        images (batch, in_channels, height, width), whole numbers from 0 to levels − 1 → (batch, levels, in_channels,
        height, width)

    Args:
        in_channels: C.
        levels: L.
        width: D, maps of each stack, a multiple of C.
        depth: layers, the first of mask A counted in.
        kernel_size: k of the first layer, odd, at least 3.
        block_kernel_size: of the others, the same.
        head_width: maps inside the head, a multiple of C; none: D.
        num_classes: classes that images are drawn for; none: no label.

    Raises:
        ConfigurationError: for an even kernel or one below 3, maps that the channels don't divide, or a number
            below its least.
        InputError: when called with images or labels that are none of this network's.

    Source: van den Oord et al. 2016, "Conditional Image Generation with PixelCNN Decoders", §2

    Lecture: X2

    Example:
        >>> import torch
        >>> model = GatedPixelCNN(width=8, depth=2, num_classes=10)
        >>> model(torch.zeros(3, 1, 5, 5, dtype=torch.int64), labels=torch.tensor([0, 1, 9])).shape
        torch.Size([3, 2, 1, 5, 5])
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        levels: int = 2,
        width: int = 32,
        depth: int = 7,
        kernel_size: int = 7,
        block_kernel_size: int = 3,
        head_width: int | None = None,
        num_classes: int | None = None,
    ) -> None:
        head = width if head_width is None else head_width
        super().__init__(in_channels=in_channels, levels=levels, width=width, head_width=head, num_classes=num_classes)
        require_depth(depth)
        self.layers = nn.ModuleList(
            GatedMaskedConvolution2d(
                num_inputs=width if number else in_channels,
                num_outputs=width,
                kernel_size=block_kernel_size if number else kernel_size,
                mask="B" if number else "A",
                num_groups=in_channels,
                num_classes=num_classes,
            )
            for number in range(depth)
        )

    def mix(self, x: Maps, labels: Labels | None, cache: RasterCache | None) -> Float[Tensor, "batch num_features h w"]:
        """The horizontal stack's last maps."""
        above, left = x, x
        for layer in self.layers:
            above, left = layer(above, left, labels=labels, cache=cache)
        return left


@model("gated-pixelcnn")
def gated_pixelcnn(
    schema: Schema,
    *,
    levels: Levels = 2,
    width: Annotated[int, Option("maps of each stack, a multiple of the channels", minimum=1)] = 24,
    depth: Annotated[int, Option("layers, the first counted in", minimum=1)] = 6,
    kernel_size: Annotated[int, Option("of the first layer, odd, at least 3", "pixels", minimum=3)] = 7,
    conditional: Conditional = False,
) -> GatedPixelCNN:
    """Gated PixelCNN: two stacks of masked convolutions without a blind spot.

    Raises:
        ConfigurationError: for options that don't fit the images.
        DataError: for data that are no images, or a condition without classes.

    Lecture: X2
    """
    channels, _, _ = require_pictures(schema, "gated-pixelcnn", conditional=conditional)
    return GatedPixelCNN(
        in_channels=channels,
        levels=levels,
        width=width,
        depth=depth,
        kernel_size=kernel_size,
        num_classes=len(schema.classes) if conditional else None,
    )
