"""A learned bias of the attention's scores that depends on how far a key is from the query.

Legend: N queries, M keys, H heads, Δ = position of the key − position of the query.
"""

import math
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError


def relative_buckets(
    distance: Int[Tensor, "*shape"], *, num_buckets: int = 32, max_distance: int = 128, bidirectional: bool = True
) -> Int[Tensor, "*shape"]:
    """The bucket of a distance Δ: near ones have one each, farther ones share, ever more to a bucket.

    With b buckets for a direction and e = ⌊b/2⌋, the bucket of r = |Δ| is r for r < e, and
    min(b − 1, e + ⌊(b − e)·ln(r/e)/ln(max_distance/e)⌋) from there on. Both ways: half of the buckets for keys at the
    query and before it, the other half for those after it. One way: later keys fall into the bucket of Δ = 0; a
    causal mask hides them.

    Args:
        distance: Δ.
        num_buckets: of all directions together.
        max_distance: from here on all share the last bucket.
        bidirectional: whether later keys are looked at.

    Raises:
        ConfigurationError: for so few buckets that a direction has less than 2, or a greatest distance that is not
            beyond the near ones.

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
        §2.1

    Lecture: T6

    Example:
        >>> relative_buckets(torch.tensor([-200, -9, -8, -1, 0, 1, 200])).tolist()
        [15, 8, 8, 1, 0, 17, 31]
    """
    _require_buckets(num_buckets, max_distance, bidirectional)
    buckets = num_buckets // 2 if bidirectional else num_buckets
    near = buckets // 2
    after = torch.zeros_like(distance)
    if bidirectional:
        after = (distance > 0).to(distance.dtype) * buckets
        distance = distance.abs()
    else:
        distance = -distance.clamp(max=0)
    # float32 and this order of operations decide which side of a border a distance falls on, as in published weights
    share = torch.log(distance.clamp(min=near).float() / near) / math.log(max_distance / near)
    far = (near + (share * (buckets - near)).to(distance.dtype)).clamp(max=buckets - 1)
    return after + torch.where(distance < near, distance, far)


class RelativeBias(nn.Module):
    """bias_h(i, j) = w[bucket(j − (i + offset)), h], added to the score of query i and key j in head h.

    One of them serves all blocks of a stack: ``stack(tokens, bias=relative(N, M))``. It starts at 0: no place is
    preferred. Cached decoding asks for the rows of its new tokens: N of them that stand ``offset`` tokens on.

    Shapes:
        → (1, H, N, M)

    Args:
        num_heads: H.
        num_buckets: rows of w.
        max_distance: in tokens; from here on all share a bucket.
        bidirectional: whether later keys are looked at, as in an encoder.

    Raises:
        ConfigurationError: see :func:`relative_buckets`; for no head.
        InputError: for fewer than 1 token or key, or an offset below 0.

    Source: Raffel et al. 2020, §2.1

    Lecture: T6

    Example:
        >>> RelativeBias(num_heads=2)(3, 4).shape
        torch.Size([1, 2, 3, 4])
    """

    not_regularised: ClassVar[frozenset[str]] = frozenset({"weight"})

    def __init__(
        self, *, num_heads: int, num_buckets: int = 32, max_distance: int = 128, bidirectional: bool = True
    ) -> None:
        super().__init__()
        _require_buckets(num_buckets, max_distance, bidirectional)
        if num_heads < 1:
            raise ConfigurationError(expected="at least 1 head", found=f"num_heads = {num_heads}", do="use 8")
        self.num_buckets, self.max_distance, self.bidirectional = num_buckets, max_distance, bidirectional
        self.weight = nn.Parameter(torch.zeros(num_buckets, num_heads))

    def forward(self, num_tokens: int, num_keys: int, offset: int = 0) -> Float[Tensor, "1 heads num_tokens num_keys"]:
        """The bias of N queries that start at position ``offset`` and of keys at 0 … M − 1."""
        if num_tokens < 0 or num_keys < 0 or offset < 0:
            raise InputError(
                expected="numbers of tokens and keys, and an offset, of at least 0",
                found=f"{num_tokens} tokens, {num_keys} keys, offset {offset}",
                do="give the offset of the first query: the tokens in the cache",
            )
        device = self.weight.device
        queries = torch.arange(offset, offset + num_tokens, device=device)
        distance = torch.arange(num_keys, device=device) - queries[:, None]
        buckets = relative_buckets(
            distance,
            num_buckets=self.num_buckets,
            max_distance=self.max_distance,
            bidirectional=self.bidirectional,
        )
        return nn.functional.embedding(buckets, self.weight).permute(2, 0, 1)[None]

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        ways = "bidirectional" if self.bidirectional else "causal"
        return f"{self.num_buckets} buckets, {self.weight.shape[1]} heads, to {self.max_distance}, {ways}"


def _require_buckets(num_buckets: int, max_distance: int, bidirectional: bool) -> None:
    buckets = num_buckets // 2 if bidirectional else num_buckets
    if buckets < 2 or (bidirectional and num_buckets % 2):
        raise ConfigurationError(
            expected="at least 2 buckets for each direction, as many for both",
            found=f"num_buckets = {num_buckets}",
            do="use 32",
        )
    if max_distance <= buckets // 2:
        raise ConfigurationError(
            expected=f"a greatest distance beyond the {buckets // 2} that have a bucket each",
            found=f"max_distance = {max_distance}",
            do="use 128",
        )
