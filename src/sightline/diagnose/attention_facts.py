"""What attention looks at: how sharp its weights are, and whether they fall on what comes after the query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod, sqrt
from typing import Any, TypeGuard

import torch
from torch import Tensor

from sightline.diagnose.readable import readable

MOST_MATRICES = 4
MOST_QUERIES = 32
MOST_KEYS = 8_192
HIDDEN = -9_000.0
"""Scores below are those of masks, which are −∞ or a number like −10,000."""


@dataclass(frozen=True)
class AttentionFacts:
    """Weights of some queries of some heads.

    Attributes:
        queries, keys: how many there are.
        peak: median over queries of the greatest weight.
        entropy: median over queries of −Σ w ln w / ln(keys that the query may see): 0 for one key, 1 for all alike.
        after: mean share of the weight that lies on keys after the query, over the second half of the queries (the
            first may be a beginning that is given); None unless there is a key for each query.
    """

    queries: int
    keys: int
    peak: float
    entropy: float
    after: float | None


@torch.no_grad()
def of_scores(scores: Tensor) -> AttentionFacts | None:
    """Of scores (..., queries, keys) before the softmax over the last axis; −∞ where a query may not see a key.

    Returns:
        None where there is nothing to choose between.

    Example:
        >>> round(of_scores(torch.zeros(2, 8, 8)).entropy, 6)
        1.0
    """
    if scores.dim() < 2 or not scores.is_floating_point():
        return None
    queries, keys = scores.shape[-2:]
    if not (4 <= keys <= MOST_KEYS) or scores.numel() == 0:
        return None
    chosen = _queries(queries, scores.device)
    return _facts(_some(scores)[:, chosen].float(), chosen, queries, keys)


def _some(x: Tensor) -> Tensor:
    """A few matrices of the last two axes, spread evenly over the axes before; only these are copied."""
    count = prod(x.shape[:-2])
    if x.dim() == 2:
        return x.detach()[None]
    return x.detach()[torch.unravel_index(torch.arange(0, count, -(-count // MOST_MATRICES)), x.shape[:-2])]


def _queries(count: int, device: torch.device) -> Tensor:
    """Some queries, spread evenly, the last among them."""
    return torch.linspace(0, count - 1, min(count, MOST_QUERIES), device=device).round().long()


def _facts(scores: Tensor, chosen: Tensor, queries: int, keys: int) -> AttentionFacts | None:
    seen = (scores > HIDDEN).sum(-1)
    choice = seen > 3
    if not bool(choice.any()):
        return None
    weights = scores.softmax(-1)
    peak = weights.amax(-1)[choice].median()
    entropy = (torch.special.entr(weights).sum(-1) / seen.clamp(min=2).log())[choice].median()
    after = None
    if queries == keys:
        later = torch.arange(keys, device=scores.device) > chosen[:, None]
        after = float((weights * later).sum(-1)[:, chosen >= queries // 2].mean())
    return AttentionFacts(queries, keys, float(peak), float(entropy), after)


@torch.no_grad()
def attention_facts(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> AttentionFacts | None:
    """Of a call of softmax over the last axis, of torch's fused attention or of its attention layer.

    The weights of fused calls are computed again, for at most 32 queries of 4 heads: a product of 128 × keys × width.

    Args:
        name: the function's.
        args: what it was given.
        kwargs: the same by name.
    """
    read = _READERS.get(name)
    return read(args, kwargs) if read is not None else None


def _softmax(args: Sequence[Any], kwargs: Mapping[str, Any]) -> AttentionFacts | None:
    scores = args[0] if args else kwargs.get("input")
    axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
    if scores is None or not _plain(scores) or axis not in (-1, scores.dim() - 1):
        return None
    return of_scores(scores)


def _plain(x: Any) -> TypeGuard[Tensor]:
    """A tensor whose numbers can be looked at."""
    return isinstance(x, Tensor) and readable(x) and x.numel() > 0


def _fused(args: Sequence[Any], kwargs: Mapping[str, Any]) -> AttentionFacts | None:
    """scaled_dot_product_attention: (..., queries, width), a mask that is True, or adds 0, where keys are seen."""
    q, k, mask, causal, scale = (
        kwargs.get(word, args[place] if len(args) > place else None)
        for word, place in (("query", 0), ("key", 1), ("attn_mask", 3), ("is_causal", 5), ("scale", 6))
    )
    if not _plain(q) or not _plain(k) or min(q.dim(), k.dim()) < 3:
        return None
    if 1 < k.shape[-3] < q.shape[-3]:  # several heads of queries for one of keys
        k = k.repeat_interleave(q.shape[-3] // k.shape[-3], -3)
    lead = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
    q, k = q.expand(*lead, *q.shape[-2:]), k.expand(*lead, *k.shape[-2:])
    mask = _numbers(mask, (*q.shape[:-1], k.shape[-2]), visible=True)
    return _product(q, k, mask, bool(causal), 1 / sqrt(q.shape[-1]) if scale is None else float(scale))


def _numbers(mask: Any, shape: tuple[int, ...], *, visible: bool) -> Tensor | None:
    """A mask as numbers to add to some of the scores; of truth values, ``visible`` is that of keys that are seen."""
    if not isinstance(mask, Tensor):
        return None
    mask = _some(mask.expand(shape))
    return (
        torch.zeros_like(mask, dtype=torch.float).masked_fill(mask != visible, -inf)
        if mask.dtype == torch.bool
        else mask
    )


def _product(q: Tensor, k: Tensor, mask: Tensor | None, causal: bool, scale: float) -> AttentionFacts | None:
    """Scores of some heads and queries."""
    queries, keys = q.shape[-2], k.shape[-2]
    if not (4 <= keys <= MOST_KEYS):
        return None
    chosen = _queries(queries, q.device)
    scores = _some(q)[:, chosen].float() @ _some(k).float().transpose(-2, -1) * scale
    if mask is not None:
        scores = scores + mask[:, chosen]
    if causal:
        scores = scores.masked_fill(torch.arange(keys, device=q.device) > chosen[:, None], -inf)
    return _facts(scores, chosen, queries, keys)


_LAYER = (
    *("query", "key", "value", "embed_dim_to_check", "num_heads", "in_proj_weight", "in_proj_bias", "bias_k", "bias_v"),
    *("add_zero_attn", "dropout_p", "out_proj_weight", "out_proj_bias", "training", "key_padding_mask"),
    *("need_weights", "attn_mask", "use_separate_proj_weight", "q_proj_weight", "k_proj_weight"),
)


def _layer(args: Sequence[Any], kwargs: Mapping[str, Any]) -> AttentionFacts | None:
    """multi_head_attention_forward: (time, batch, width), a mask that is True, or −∞, where keys are hidden."""
    given = {**dict(zip(_LAYER, args, strict=False)), **kwargs}
    query, key, heads = given["query"], given["key"], int(given["num_heads"])
    if not _plain(query) or not _plain(key):
        return None
    if query.dim() == 2:
        query, key = query[:, None], key[:, None]
    wide = query.shape[-1]
    weight, bias = given.get("in_proj_weight"), given.get("in_proj_bias")
    to_query, to_key = (given["q_proj_weight"], given["k_proj_weight"]) if weight is None else weight.split(wide)[:2]
    some, each = min(heads, 2), wide // heads
    batch = min(2, query.shape[1])
    q, k = (
        torch.nn.functional.linear(
            x[:, :batch].transpose(0, 1).detach(),
            w[: some * each].detach(),
            None if bias is None else bias[at : at + some * each].detach(),
        )
        .unflatten(-1, (some, each))
        .transpose(1, 2)
        for x, w, at in ((query, to_query, 0), (key, to_key, wide))
    )
    shape = (*q.shape[:-1], k.shape[-2])
    mask = given.get("attn_mask")
    if isinstance(mask, Tensor) and mask.dim() == 3:
        mask = mask.unflatten(0, (-1, heads))[:batch, :some]
    mask = _numbers(mask, shape, visible=False)
    padding = given.get("key_padding_mask")
    if isinstance(padding, Tensor):
        padding = padding[None] if padding.dim() == 1 else padding
        hidden = _numbers(padding[:batch, None, None], shape, visible=False)
        mask = hidden if mask is None or hidden is None else mask + hidden
    return _product(q, k, mask, mask is None and bool(given.get("is_causal")), 1 / sqrt(each))


_READERS = {
    "softmax": _softmax,
    "scaled_dot_product_attention": _fused,
    "multi_head_attention_forward": _layer,
}
