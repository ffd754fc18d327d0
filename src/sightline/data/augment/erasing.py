"""Boxes inside images, and cutout, which erases one."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def box(
    down: Int[Tensor, " batch"], right: Int[Tensor, " batch"], sides: Int[Tensor, "batch 2"], height: int, width: int
) -> Bool[Tensor, "batch 1 height width"]:
    """The pixels of a box in each image, as far as it lies inside.

    Shapes:
        down and right (batch,), sides (batch, 2) → (batch, 1, height, width)

    Args:
        down: row of the box's middle (of an even side, the first pixel after it).
        right: column of the box's middle.
        sides: its height and width, in pixels.
        height: of the images.
        width: of the images.

    Lecture: O9

    Example:
        >>> box(torch.tensor([0]), torch.tensor([2]), torch.tensor([[2, 2]]), 2, 3).int().squeeze().tolist()
        [[0, 1, 1], [0, 0, 0]]
    """
    rows = _span(down, sides[:, 0], height)
    columns = _span(right, sides[:, 1], width)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _span(middle: Tensor, side: Tensor, size: int) -> Tensor:
    first = (middle - side // 2)[:, None]
    place = torch.arange(size, device=middle.device)
    return (place >= first) & (place < first + side[:, None])


def cutout(
    images: Float[Tensor, "batch channels height width"],
    down: Int[Tensor, " batch"],
    right: Int[Tensor, " batch"],
    side: int,
    fill: Float[Tensor, "..."],
) -> Float[Tensor, "batch channels height width"]:
    """A square around a pixel of each image erased; at the border only the part inside is.

    Shapes:
        images (batch, channels, height, width), down and right (batch,), fill broadcastable to one image → as images

    Args:
        images: float images.
        down: row of the square's middle, 0 to height − 1.
        right: column of the square's middle, 0 to width − 1.
        side: of the square, in pixels.
        fill: what stands there then, usually the training images' mean: 0 once standardised.

    Source: DeVries and Taylor 2017, §3

    Lecture: O9

    Example:
        >>> cutout(torch.ones(1, 1, 1, 3), torch.tensor([0]), torch.tensor([2]), 2, torch.tensor(0.0)).tolist()
        [[[[1.0, 0.0, 0.0]]]]
    """
    height, width = images.shape[2:]
    square = box(down, right, torch.full((len(down), 2), side), height, width).to(images)
    return (images * (1 - square)).addcmul_(fill.to(images), square)
