"""Who may look at whom: filling is not looked at, later tokens are not, and no token is left without any."""

import torch
from jaxtyping import Bool
from torch import Tensor


def attention_mask(
    present: Bool[Tensor, "batch num_keys"] | None, *, num_tokens: int, causal: bool
) -> Bool[Tensor, "batch 1 num_tokens num_keys"] | None:
    """The mask of N tokens that are the last of M: key j is present, and, if causal, j ≤ i + M − N.

    A token that would look nowhere (filling before the text) looks at itself, so that its numbers stay finite; they are
    looked at by none. Where all keys are present the mask is none: ``causal`` alone says it all.

    Args:
        present: true where a key is text; none: everywhere.
        num_tokens: N.
        causal: no token looks at a later one.

    Lecture: T2

    Example:
        >>> present = torch.tensor([[False, True, True]])
        >>> attention_mask(present, num_tokens=3, causal=True)[0, 0].int().tolist()
        [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    """
    if present is None or bool(present.all()):
        return None
    num_keys = present.shape[1]
    mask = present[:, None, None, :].expand(-1, 1, num_tokens, -1)
    itself = torch.eye(num_tokens, num_keys, dtype=torch.bool, device=present.device)
    itself = itself.roll(num_keys - num_tokens, 1)
    if causal:
        mask = mask & torch.ones_like(itself).tril(num_keys - num_tokens)
    return mask | itself
