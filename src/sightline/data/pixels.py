"""Between uint8 tensors and Pillow's images."""

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor


def to_picture(pixels: UInt8[Tensor, "channels height width"]) -> Image.Image:
    """A Pillow image, grey for one channel, RGB for three.

    Example:
        >>> to_picture(torch.zeros(3, 2, 4, dtype=torch.uint8)).size
        (4, 2)
    """
    array = pixels.cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0)))


def to_pixels(picture: Image.Image) -> UInt8[Tensor, "channels height width"]:
    """The pixels of an "L" or "RGB" image.

    Example:
        >>> to_pixels(Image.new("L", (4, 2))).shape
        torch.Size([1, 2, 4])
    """
    array = np.array(picture, dtype=np.uint8)
    return torch.from_numpy(np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1)))
