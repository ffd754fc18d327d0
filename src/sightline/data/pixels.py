"""From uint8 tensors to Pillow's images."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor


def to_picture(pixels: UInt8[Tensor, "channels height width"]) -> Image.Image:
    """A Pillow image, grey for one channel, RGB for three.

    Example:
        >>> import torch
        >>> to_picture(torch.zeros(3, 2, 4, dtype=torch.uint8)).size
        (4, 2)
    """
    array = pixels.cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0)))
