"""The two ways to keep a token from looking at later ones: −∞ before the softmax, or 0 after it and a new sum.

Both give the same weights. The first is what :class:`~sightline.nn.attention.Attention` uses, for the second lets
the later tokens decide how large the earlier ones' exponentials are.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sightline.core.errors import InputError


def causal_triangle(
    num_tokens: int, num_keys: int, *, device: torch.device | str | None = None
) -> Bool[Tensor, "num_tokens num_keys"]:
    """True where j ≤ i + M − N: token i of the last N of M looks at itself and at those before it.

    Raises:
        InputError: for fewer keys than tokens, as the first token would look nowhere.

    Lecture: T2

    Example:
        >>> causal_triangle(2, 3).int().tolist()
        [[1, 1, 0], [1, 1, 1]]
    """
    if num_keys < num_tokens:
        raise InputError(
            expected="at least as many keys as tokens: each token looks at itself",
            found=f"{num_tokens} tokens, {num_keys} keys",
            do="give scores (…, num_tokens, num_keys) of the last tokens of a text",
        )
    return torch.ones(num_tokens, num_keys, dtype=torch.bool, device=device).tril(num_keys - num_tokens)


def mask_before_softmax(
    scores: Float[Tensor, "*batch num_tokens num_keys"],
) -> Float[Tensor, "*batch num_tokens num_keys"]:
    """α_ij = softmax_j(e_ij, or −∞ where key j is later than token i).

    Raises:
        InputError: for fewer keys than tokens.

    Lecture: T2

    Example:
        >>> mask_before_softmax(torch.zeros(2, 2)).tolist()
        [[1.0, 0.0], [0.5, 0.5]]
    """
    triangle = causal_triangle(*scores.shape[-2:], device=scores.device)
    return scores.masked_fill(~triangle, -torch.inf).softmax(-1)


def mask_after_softmax(
    scores: Float[Tensor, "*batch num_tokens num_keys"],
) -> Float[Tensor, "*batch num_tokens num_keys"]:
    """α_ij = β_ij / Σ_{k ≤ i} β_ik for j ≤ i, else 0, with β = softmax_j(e_ij) over all keys.

    Equal to the other on paper. In floating point a row is lost where a later token's score is larger by more than
    the format's range of exponents, about 100 in float32 and 745 in float64: every β that stays is 0, and 0/0 is NaN.

    Raises:
        InputError: for fewer keys than tokens.

    Lecture: T2

    Example:
        >>> mask_after_softmax(torch.zeros(2, 2)).tolist()
        [[1.0, 0.0], [0.5, 0.5]]
        >>> mask_after_softmax(torch.tensor([[0.0, 1e4], [0.0, 0.0]]))[0].tolist()
        [nan, nan]
    """
    triangle = causal_triangle(*scores.shape[-2:], device=scores.device)
    kept = scores.softmax(-1) * triangle
    return kept / kept.sum(-1, keepdim=True)
