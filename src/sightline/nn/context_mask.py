"""Who of a context may be asked: filling is not."""

import torch
from jaxtyping import Bool
from torch import Tensor

from sightline.core.errors import InputError


def context_mask(
    present: Bool[Tensor, "batch num_context"] | None, *, batch: int, num_context: int
) -> Bool[Tensor, "batch 1 1 num_context"] | None:
    """The mask of cross-attention: token j of the context is present.

    A context of filling alone is asked whole, so that its numbers stay finite. Where all is present the mask is none.

    Args:
        present: true where a token of the context is text; none: everywhere.
        batch: contexts there are.
        num_context: tokens in each.

    Raises:
        InputError: for a ``present`` of another shape or number format.

    Lecture: T4

    Example:
        >>> context_mask(torch.tensor([[True, True, False]]), batch=1, num_context=3).int().tolist()
        [[[[1, 1, 0]]]]
    """
    if present is None:
        return None
    if present.dtype != torch.bool or present.shape != (batch, num_context):
        raise InputError(
            expected=f"present of shape {(batch, num_context)} in torch.bool: one for each token that is read",
            found=f"shape {tuple(present.shape)} in {present.dtype}",
            do="give true for text and false for filling",
        )
    if bool(present.all()):
        return None
    return (present | ~present.any(1, keepdim=True))[:, None, None, :]
