"""Mirroring, shifted crops, and one warp for rotation, translation and scale together."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

Images = Shaped[Tensor, "batch channels height width"]


def mirror(images: Images, which: Bool[Tensor, " batch"]) -> Images:
    """Some images mirrored left-right: x[…, j] ← x[…, width − 1 − j].

    Shapes:
        images (batch, channels, height, width) of any number format, which (batch,) → as images

    Args:
        images: any images.
        which: the ones to mirror.

    Lecture: O9

    Example:
        >>> mirror(torch.tensor([[[[1, 2]]], [[[1, 2]]]]), torch.tensor([False, True])).flatten().tolist()
        [1, 2, 2, 1]
    """
    return torch.where(which.to(images.device)[:, None, None, None], images.flip(3), images)


def alternates(indices: Int[Tensor, " batch"], epoch: int, seed: int) -> Bool[Tensor, " batch"]:
    """Whether each example is mirrored in an epoch: a fixed random bit of the example, plus the epoch, is odd.

    Two epochs that follow one another show each image both ways; independent coins repeat one way half
    of the time.

    Shapes:
        (batch,) → (batch,)

    Args:
        indices: rows of the training split.
        epoch: epochs finished.
        seed: decides the first epoch's half.

    Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds", §3.6

    Lecture: O9

    Example:
        >>> rows = torch.arange(4)
        >>> bool((alternates(rows, 0, 7) ^ alternates(rows, 1, 7)).all())
        True
    """
    # multiply and fold (splitmix64): neighbouring numbers get independent bits; int64 wraps around alike everywhere
    hashed = (indices + seed % 2**62) * -7046029254386353131
    hashed = (hashed ^ ((hashed >> 30) & (2**34 - 1))) * -4658895280553007687
    hashed = (hashed ^ ((hashed >> 27) & (2**37 - 1))) * -7723592293110705685
    return ((hashed >> 40) + epoch) % 2 == 1


def crop(
    images: Images,
    down: Int[Tensor, " batch"],
    right: Int[Tensor, " batch"],
    padding: int,
    mirrored: Bool[Tensor, " batch"] | None = None,
) -> Images:
    """Images reflected by ``padding`` pixels at every side, and their own size cut out at (down, right) of that.

    (padding, padding) gives the image as it is. The border's pixels are not repeated: … 2 1 | 0 1 2 ….

    Shapes:
        images (batch, channels, height, width) of any number format; the others (batch,) → as images

    Args:
        images: any images.
        down: first row of each window, 0 to 2·padding.
        right: first column of each window, 0 to 2·padding.
        padding: pixels, fewer than height and width.
        mirrored: windows to turn left-right besides, as :func:`mirror` would do after this.

    Lecture: O9

    Example:
        >>> image = torch.arange(3.0).reshape(1, 1, 1, 3)
        >>> crop(image, torch.tensor([0]), torch.tensor([0]), 0, torch.tensor([True])).flatten().tolist()
        [2.0, 1.0, 0.0]
    """
    channels, height, width = images.shape[1:]
    device = images.device
    across = torch.arange(width, device=device)
    if mirrored is not None:
        across = torch.where(mirrored.to(device)[:, None], across.flip(0), across)
    rows = _reflected(torch.arange(height, device=device) + (down - padding).to(device)[:, None], height)
    columns = _reflected(across + (right - padding).to(device)[:, None], width)
    places = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)
    return images.flatten(2).gather(2, places[:, None].expand(-1, channels, -1)).view_as(images)


def _reflected(places: Tensor, size: int) -> Tensor:
    """Places outside 0 … size − 1 thrown back inside, once."""
    return (size - 1) - ((size - 1) - places.abs()).abs()


def rotations(degrees: Float[Tensor, " batch"]) -> Float[Tensor, "batch 2 2"]:
    """[[cos θ, sin θ], [−sin θ, cos θ]]: counter-clockwise where rows count downwards.

    Shapes:
        (batch,) → (batch, 2, 2)

    Lecture: O9

    Example:
        >>> rotations(torch.tensor([90.0])).round().tolist()
        [[[-0.0, 1.0], [-1.0, -0.0]]]
    """
    angle = degrees * (math.pi / 180)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)


def warp(
    images: Float[Tensor, "batch channels height width"],
    linear: Float[Tensor, "batch 2 2"],
    shift: Float[Tensor, "batch 2"],
    fill: float | None = None,
) -> Float[Tensor, "batch channels height width"]:
    """Each image under its own affine map, p ↦ c + A(p − c) + t about the middle c, bilinear between pixels.

    Shapes:
        images (batch, channels, height, width), linear (batch, 2, 2), shift (batch, 2) → as images

    Args:
        images: float images.
        linear: A, on (x, y).
        shift: t, in pixels (right, down).
        fill: the value of what comes from outside; none: the nearest pixel of the border.

    Lecture: O9

    Example:
        >>> one, right = torch.eye(2)[None], torch.tensor([[1.0, 0.0]])
        >>> warp(torch.tensor([[[[1.0, 2.0, 3.0]]]]), one, right, fill=0.0).flatten().tolist()
        [0.0, 1.0, 2.0]
    """
    if len(images) == 0:
        return images
    linear, shift = linear.to(images), shift.to(images)
    outside = 0.0 if fill is None else fill
    moved = F.grid_sample(
        images - outside if outside else images,
        _sources(linear, shift, *images.shape[2:]),
        padding_mode="border" if fill is None else "zeros",
        align_corners=False,
    )
    return moved + outside if outside else moved


def _sources(linear: Tensor, shift: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel comes from, A⁻¹(p − c − t), in halves of the sides: (batch, height, width, 2).

    The map is a sum of a part that depends on the column and one that depends on the row.
    """
    a, b, c, d = linear.flatten(1).unbind(1)
    determinant = a * d - b * c
    per_column = torch.stack([d, -c], 1) / determinant[:, None]
    per_row = torch.stack([-b, a], 1) / determinant[:, None]
    halves = linear.new_tensor([2 / width, 2 / height])
    x = torch.arange(width, device=linear.device) - (width - 1) / 2 - shift[:, :1]
    y = torch.arange(height, device=linear.device) - (height - 1) / 2 - shift[:, 1:]
    columns = x[:, :, None] * (per_column * halves)[:, None]
    rows = y[:, :, None] * (per_row * halves)[:, None]
    return rows[:, :, None] + columns[:, None]
