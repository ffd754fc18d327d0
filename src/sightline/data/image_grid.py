"""Many images as one picture, in rows."""

import math
from io import BytesIO

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from sightline.data.pixels import to_picture

GAP = 2
"""Pixels between two images, before the picture is enlarged."""

GREY = 110
"""Of the gap: neither black nor white, as the edges of most images are."""


def image_grid(
    pixels: Float[Tensor, "count channels height width"], *, columns: int | None = None, scale: int | None = None
) -> Image.Image:
    """Images in rows, with a thin grey gap between them.

    Args:
        pixels: values in [0, 1], of one or three channels.
        columns: images in a row; none: about a square.
        scale: whole factor that each is enlarged by; none: small ones to about 64.

    Lecture: X1

    Example:
        >>> image_grid(torch.zeros(6, 1, 8, 8), columns=3, scale=1).size
        (28, 18)
    """
    count, _, height, width = pixels.shape
    columns = min(count, columns or math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    scale = scale or max(1, round(64 / max(height, width)))
    down, across = rows * (height + GAP) - GAP, columns * (width + GAP) - GAP
    whole = torch.full((pixels.shape[1], down, across), GREY, dtype=torch.uint8)
    levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8)
    for number, image in enumerate(levels):
        top, left = number // columns * (height + GAP), number % columns * (width + GAP)
        whole[:, top : top + height, left : left + width] = image
    picture = to_picture(whole)
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def as_png(picture: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    buffer = BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
