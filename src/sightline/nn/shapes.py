"""What a backward pass written by hand asks of the gradient it is given."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import InputError


def require_gradient_of(gradient: Float[Tensor, "..."], shape: Sequence[int]) -> None:
    """A gradient of the output's shape; a smaller one would be broadcast without a word.

    Args:
        gradient: g = ∂L/∂y.
        shape: of y.

    Raises:
        InputError: for any other shape.

    Example:
        >>> import torch
        >>> require_gradient_of(torch.ones(2, 3), (2, 3))
    """
    if tuple(gradient.shape) != tuple(shape):
        raise InputError(
            expected=f"a gradient of the output's shape, {tuple(shape)}",
            found=f"shape {tuple(gradient.shape)}",
            do="give ∂L/∂y of the same forward pass, with the same options",
        )
