"""Which of two forms of a network suits images of a size: the published one, or one for small images."""

from typing import Literal

Form = Literal["auto", "large", "small"]

LARGEST_SMALL_IMAGE = 64
"""Pixels of the shorter side up to which ``auto`` means ``small``."""


def form_for(form: Form, height: int, width: int) -> Literal["large", "small"]:
    """The form of a network that was published for images of 224 × 224.

    "auto" is "small" where the shorter side has 64 pixels or fewer, else "large".

    Args:
        form: what was asked for; "large" and "small" are taken at their word.
        height: pixels.
        width: pixels.

    Example:
        >>> form_for("auto", 32, 32), form_for("auto", 224, 224), form_for("large", 64, 64)
        ('small', 'large', 'large')
    """
    if form == "auto":
        return "small" if min(height, width) <= LARGEST_SMALL_IMAGE else "large"
    return form
