"""Who may look at whom: filling is not looked at, later tokens are not, and no token is left without any."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sightline.core.errors import InputError
from sightline.core.kinds import a_kind
from sightline.nn.causal_mask import causal_triangle


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
        mask = mask & causal_triangle(num_tokens, num_keys, device=present.device)
    return mask | itself


def mask_or_bias(
    query: Float[Tensor, "batch heads num_tokens head_width"],
    key: Float[Tensor, "batch kv_heads num_keys head_width"],
    mask: Bool[Tensor, "#batch #heads #num_tokens num_keys"] | None,
    bias: Float[Tensor, "#batch #heads #num_tokens num_keys"] | None,
    causal: bool,
) -> tuple[Tensor | None, bool]:
    """One mask or bias for torch's kernel, and whether the kernel's own causal triangle does instead.

    Args:
        query: whose tokens ask.
        key: of the tokens that are asked.
        mask: true where a token may look.
        bias: added to the scores.
        causal: no token looks at a later one.

    Raises:
        InputError: for a mask that is not of true and false, a bias that is, or either for another number of keys.

    Lecture: T2

    Example:
        >>> q = torch.zeros(1, 1, 2, 4)
        >>> mask_or_bias(q, q, None, None, True)
        (None, True)
        >>> mask_or_bias(q, q, None, torch.ones(1, 1, 2, 2), True)[0].tolist()
        [[[[1.0, -inf], [1.0, 1.0]]]]
    """
    num_tokens, num_keys = query.shape[2], key.shape[2]
    for name, given in (("mask", mask), ("bias", bias)):
        if given is not None:
            _require(name, given, num_keys)
    if causal and num_tokens > 1:
        if mask is None and bias is None and num_tokens == num_keys:
            return None, True
        triangle = causal_triangle(num_tokens, num_keys, device=query.device)
        mask = triangle if mask is None else mask & triangle
    if bias is None:
        return mask, False
    bias = bias.to(query.dtype)
    return bias if mask is None else bias.masked_fill(~mask, -torch.inf), False


def _require(name: str, given: object, num_keys: int) -> None:
    """Refuse what the kernel would take for something else: it adds a mask of numbers to the scores."""
    wanted = "torch.bool, true where a token may look" if name == "mask" else "floating point, added to the scores"
    if not isinstance(given, Tensor) or (given.dtype == torch.bool) != (name == "mask"):
        raise InputError(
            expected=f"a {name} in {wanted}",
            found=str(given.dtype) if isinstance(given, Tensor) else a_kind(given),
            do="give mask.bool(), or as bias= what is to be added" if name == "mask" else "give a mask as mask=",
        )
    if given.shape[-1] != num_keys:  # one column would serve for all keys
        raise InputError(
            expected=f"a mask or bias for {num_keys} keys, those in the cache included",
            found=f"shape {tuple(given.shape)}",
            do="give it as (batch, heads, num_tokens, num_keys)",
        )
