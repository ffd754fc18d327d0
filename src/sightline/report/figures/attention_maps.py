"""Attention maps as small pictures: a pixel a weight, its opacity the weight's square root."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image


def head_pictures(thousandths: Sequence[Sequence[Sequence[float]]]) -> list[str]:
    """A PNG a head as a data URI, black of the opacity 255·√w: the page gives it a colour, light or dark.

    With square roots a weight of 1 in 64 is still seen; the page's script squares what it reads from the pixels.

    Shapes:
        thousandths (heads, num_tokens, num_keys)

    Args:
        thousandths: weights times 1,000.

    Raises:
        ValueError: for weights outside [0, 1], or rows of different lengths.

    Lecture: T1

    Example:
        >>> head_pictures([[[1000, 0], [500, 500]]])[0].startswith("data:image/png;base64,")
        True
    """
    weights = np.asarray(thousandths, dtype=np.float64) / 1000
    if weights.ndim != 3 or not ((weights >= 0) & (weights <= 1.001)).all():
        raise ValueError("attention weights are not numbers from 0 to 1,000 in heads of equal rows")
    opacity = np.minimum(255, np.round(255 * np.sqrt(weights))).astype(np.uint8)
    return [_uri(head) for head in opacity]


def _uri(opacity: "np.ndarray[tuple[int, int], np.dtype[np.uint8]]") -> str:
    picture = Image.fromarray(np.stack([np.zeros_like(opacity), opacity], -1), mode="LA")
    buffer = BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + b64encode(buffer.getvalue()).decode()
