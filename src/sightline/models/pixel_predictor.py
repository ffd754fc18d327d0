"""What the autoregressive networks of images share: levels, labels, and one logit a level of every pixel.

    p(x) = Π_t p(x_t | x_1, …, x_{t−1}),  t over the pixels in an order, and over the channels of each

Legend: L levels, C channels.
"""

from typing import Annotated, Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError, InputError
from sightline.models.predictor import Predictor

Levels = Annotated[int, Option("levels of a pixel: 2 for black and white", minimum=2, maximum=256)]


@runtime_checkable
class PixelCache(Protocol):
    """What a network keeps of the pixels it has seen."""

    def move(self, row: int, column: int) -> None:
        """Look at a pixel: the next in the network's order, or the last again."""


class PixelPredictor(Predictor):
    """The distribution of every pixel's level given the pixels before it: a categorical one, softmax of L logits.

    Two levels have two logits; their difference is the logit of the one Bernoulli number it could have been.
    Subclasses define :meth:`forward` and :meth:`new_cache`, and call :meth:`check` on what they are given.

    Shapes:
        images (batch, in_channels, height, width), whole numbers from 0 to L − 1 → (batch, L, in_channels, height,
        width); with a cache, of the pixel at which it stands (batch, L, in_channels, 1, 1)

    Args:
        in_channels: C. The channels of a pixel come one after the other: red, then green, then blue.
        levels: L, at least 2; 2 for black and white, 256 for a byte.
        num_classes: classes that images are drawn for; none: images have no label.

    Raises:
        ConfigurationError: for a number below its least.

    Source: van den Oord et al. 2016, "Pixel Recurrent Neural Networks", §2

    Lecture: X2
    """

    makes_images: ClassVar[str] = "autoregressive network"

    def __init__(self, *, in_channels: int, levels: int, num_classes: int | None) -> None:
        super().__init__()
        least = {"in_channels": (in_channels, 1), "levels": (levels, 2), "num_classes": (num_classes, 1)}
        for name, (number, smallest) in least.items():
            if number is not None and number < smallest:
                raise ConfigurationError(
                    expected=f"{name} of at least {smallest}", found=f"{name} = {number}", do="count again"
                )
        self.in_channels, self.levels, self.num_classes = in_channels, levels, num_classes

    def forward(
        self,
        images: Integer[Tensor, "batch channels height width"],
        *,
        labels: Int[Tensor, " batch"] | None = None,
        cache: Any = None,
    ) -> Float[Tensor, "batch levels channels out_height out_width"]:
        """Logits of every pixel's levels, each from the pixels before it alone.

        Args:
            images: levels; with a cache, pixels that come later in the order may hold anything.
            labels: the class of each image, where the network was built for classes.
            cache: one of :meth:`new_cache`, moved to the pixel that is asked for.
        """
        raise NotImplementedError

    def new_cache(self, *, height: int, width: int) -> PixelCache:
        """An empty cache for images of this size; see :func:`~sightline.generate.raster_scan.sample_pixels`."""
        raise NotImplementedError

    def pixel_order(self, *, height: int, width: int) -> list[tuple[int, int]]:
        """Row and column of every pixel in the order in which they are predicted; here row by row.

        Example:
            >>> PixelPredictor(in_channels=1, levels=2, num_classes=None).pixel_order(height=2, width=2)
            [(0, 0), (0, 1), (1, 0), (1, 1)]
        """
        return [(row, column) for row in range(height) for column in range(width)]

    def check(self, images: Tensor, labels: Tensor | None) -> None:
        """Refuse images and labels that are none of this network's.

        On an accelerator levels and labels are not looked at in training: it would wait for them at every step.

        Raises:
            InputError: for another shape or number format, a level or a class that there is not, labels without
                classes, or classes without labels.
        """
        look = images.device.type != "meta" and (images.is_cpu or not self.training)
        look = look and not torch.compiler.is_compiling()
        if images.ndim != 4 or images.shape[1] != self.in_channels or not images.numel():
            raise InputError(
                expected=f"images (batch, {self.in_channels}, height, width) of this {type(self).__name__}",
                found=f"shape {tuple(images.shape)}",
                do="give images of these channels, or build the network for others",
            )
        require_levels(images, self.levels, look=look)
        if (labels is None) != (self.num_classes is None):
            raise InputError(
                expected="labels, one for each image" if labels is None else "no labels: the network has no classes",
                found="none" if labels is None else f"labels of shape {tuple(labels.shape)}",
                do="pass labels=" if labels is None else "leave them out, or build the network with num_classes=",
            )
        if labels is None or self.num_classes is None:
            return
        if labels.shape != images.shape[:1] or labels.dtype not in (torch.int64, torch.int32):
            raise InputError(
                expected=f"{len(images)} labels in torch.int64, one for each image",
                found=f"shape {tuple(labels.shape)} in {labels.dtype}",
                do="give class numbers",
            )
        if look:
            _require_range(labels, self.num_classes, "class numbers", "count classes from 0")


class CentredLevels(nn.Module):
    """y = 2x/(L − 1) − 1: levels 0 … L − 1 as numbers from −1 to 1. Zeros beyond the border are none of two levels.

    Shapes:
        images of any shape, whole numbers → the same, in the number format asked for

    Args:
        levels: L, at least 2.

    Lecture: X2

    Example:
        >>> CentredLevels(levels=3)(torch.tensor([0, 1, 2]), torch.float32).tolist()
        [-1.0, 0.0, 1.0]
    """

    def __init__(self, *, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, images: Integer[Tensor, "*axes"], dtype: torch.dtype) -> Float[Tensor, "*axes"]:
        """The numbers."""
        return images.to(dtype) * (2 / (self.levels - 1)) - 1


def require_levels(images: Tensor, levels: int, *, look: bool = True) -> None:
    """Refuse images that are not whole numbers from 0 to ``levels`` − 1.

    Args:
        images: of any shape.
        levels: how many there are.
        look: whether to look at the numbers, and not at their format alone.

    Raises:
        InputError: for another number format, or a level that there is not.

    Example:
        >>> require_levels(torch.tensor([0, 1]), 2)
    """
    if images.dtype == torch.bool or images.is_floating_point() or images.is_complex():
        raise InputError(
            expected=f"levels: whole numbers from 0 to {levels - 1}",
            found=f"images in {images.dtype}",
            do="for two levels (images > 0.5).long(), for more (images * (levels - 1)).round().long()",
        )
    if look:
        _require_range(images, levels, "levels", "build the network for so many levels, or divide them by a number")


def _require_range(numbers: Tensor, count: int, name: str, do: str) -> None:
    if not numbers.numel():
        return
    smallest, largest = torch.stack(numbers.aminmax()).tolist()
    if smallest < 0 or largest >= count:
        raise InputError(
            expected=f"{name} from 0 to {count - 1}",
            found=str(smallest if smallest < 0 else largest),
            do=do,
        )
