"""Attention: every token gathers from others what answers its query.

Legend: B batch, N tokens that ask, M tokens that are asked, H heads, G heads of keys and values, D width, d width of
one head.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.attention_mask import mask_or_bias
from sightline.nn.causal_mask import causal_triangle
from sightline.nn.key_value_cache import KeyValueCache
from sightline.nn.stochastic_depth import checked_probability

Rotate = Callable[[Tensor], Tensor]
"""Turns heads (B, H, N, d) by the positions of their tokens; see ``nn/rotary.py``."""

_MATRIX_UNITS = bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())
"""Whether this processor multiplies matrices in bfloat16 by units of its own (AMX), where torch can tell."""


class Attention(nn.Module):
    """Multi-head attention: heads_h = softmax(Q_h K_gᵀ·s + bias) V_g, y = concat(heads) W_O + b_O.

    In self-attention one linear map gives queries, keys and values: Q, K, V = split(x W_QKV + b). In cross-attention
    the queries come from the tokens, keys and values from a context: Q = x W_Q + b, K, V = split(c W_KV + b). With
    fewer heads of keys and values than of queries, H/G queries in a row share one. Dropout sets weights to 0 after
    the softmax, in training.

    Shapes:
        tokens (batch, num_tokens, width) → the same

    Args:
        width: D.
        num_heads: H, a divisor of D unless ``head_width`` is given.
        num_kv_heads: G, a divisor of H; none: H.
        head_width: d; none: D/H.
        context_width: the width of the context, for cross-attention; none: self-attention.
        bias: whether the linear maps have one.
        query_norm: divide each query by its root mean square and multiply it by a learned scale, without a bias.
        scale: s; none: 1/√d.
        dropout: probability of setting an attention weight to 0 in training, in [0, 1).

    Raises:
        ConfigurationError: for a width that the heads don't divide, heads that the key heads don't divide, or a
            probability outside [0, 1); when called, for a context in self-attention, or none in cross-attention.
        InputError: for a mask that is not of true and false, a mask or bias of another number of keys, or a context of
            another number of texts.

    Source: Vaswani et al. 2017, "Attention Is All You Need", §3.2; grouped heads Ainslie et al. 2023, "GQA"

    Lecture: T1, T4, V3

    Example:
        >>> import torch
        >>> Attention(width=8, num_heads=2)(torch.zeros(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        *,
        width: int,
        num_heads: int,
        num_kv_heads: int | None = None,
        head_width: int | None = None,
        context_width: int | None = None,
        bias: bool = True,
        query_norm: bool = False,
        scale: float | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        groups = num_heads if num_kv_heads is None else num_kv_heads
        require_heads(width, num_heads, groups, head_width)
        head = width // num_heads if head_width is None else head_width
        self.num_heads, self.num_kv_heads, self.head_width = num_heads, groups, head
        self.scale = 1 / math.sqrt(head) if scale is None else scale
        self.dropout = checked_probability(dropout, "dropout")
        if context_width is None:
            self.query_key_value = nn.Linear(width, (num_heads + 2 * groups) * head, bias=bias)
        else:
            self.query = nn.Linear(width, num_heads * head, bias=bias)
            self.key_value = nn.Linear(context_width, 2 * groups * head, bias=bias)
        self.query_norm = QueryNorm(head) if query_norm else None
        self.output = nn.Linear(num_heads * head, width, bias=bias)

    @property
    def crosses(self) -> bool:
        """Whether keys and values come from a context."""
        return hasattr(self, "key_value")

    def forward(
        self,
        tokens: Float[Tensor, "batch num_tokens width"],
        *,
        context: Float[Tensor, "batch num_context context_width"] | None = None,
        mask: Bool[Tensor, "#batch #heads #num_tokens num_keys"] | None = None,
        bias: Float[Tensor, "#batch #heads #num_tokens num_keys"] | None = None,
        causal: bool = False,
        rotate: Rotate | None = None,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch num_tokens width"]:
        """What each token gathered.

        Args:
            tokens: those that ask.
            context: those that are asked, in cross-attention; with a cache that holds them already, none.
            mask: true where a token may look; every token must be let look somewhere.
            bias: added to the scores.
            causal: each token looks at itself and at those before it, those in the cache included.
            rotate: turns queries and keys by their positions.
            cache: keys and values of earlier tokens; those of these tokens are added to it.
        """
        query, key, value = self._heads(tokens, context, rotate, cache)
        dropout = self.dropout if self.training else 0.0
        attend: Callable[..., Tensor] = F.scaled_dot_product_attention
        if self.training and query.is_cpu and query.dtype == torch.bfloat16 and not _MATRIX_UNITS:
            attend = _attend_in_float32
        allowed, triangle = mask_or_bias(query, key, mask, bias, causal)
        grouped = {"enable_gqa": True} if self.num_kv_heads < self.num_heads else {}
        heads = attend(
            query, key, value, attn_mask=allowed, dropout_p=dropout, is_causal=triangle, scale=self.scale, **grouped
        )
        mixed: Tensor = self.output(heads.transpose(1, 2).flatten(2))
        return mixed

    def weights(
        self,
        tokens: Float[Tensor, "batch num_tokens width"],
        *,
        context: Float[Tensor, "batch num_context context_width"] | None = None,
        mask: Bool[Tensor, "#batch #heads #num_tokens num_keys"] | None = None,
        bias: Float[Tensor, "#batch #heads #num_tokens num_keys"] | None = None,
        causal: bool = False,
        rotate: Rotate | None = None,
        cache: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch heads num_tokens num_keys"]:
        """The weights softmax(Q_h K_gᵀ·s + bias) that :meth:`forward` uses without ever holding them all.

        It takes the same arguments; rows sum to 1. They cost B·H·N·M numbers of memory and a product of their own.
        The tokens are added to a cache here as they are there.
        """
        query, key, _ = self._heads(tokens, context, rotate, cache)
        key = key.repeat_interleave(self.num_heads // self.num_kv_heads, 1)
        allowed, triangle = mask_or_bias(query, key, mask, bias, causal)
        scores = query @ key.transpose(2, 3) * self.scale
        if triangle:
            allowed = causal_triangle(query.shape[2], key.shape[2], device=query.device)
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf) if allowed.dtype == torch.bool else scores + allowed
        return scores.softmax(3)

    def _heads(
        self, tokens: Tensor, context: Tensor | None, rotate: Rotate | None, cache: KeyValueCache | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, N, d), keys and values (B, G, M, d)."""
        if not self.crosses and context is not None:
            raise ConfigurationError(
                expected="no context: this is self-attention", found="one", do="build it with context_width="
            )
        if self.crosses:
            if rotate is not None:
                raise ConfigurationError(
                    expected="self-attention: tokens and context have no positions in common",
                    found="a rotation in cross-attention",
                    do="leave rotate out",
                )
            query = self._split(self.query(tokens), self.num_heads)[0]
            if context is None:
                if cache is None or not cache.length:
                    raise ConfigurationError(
                        expected="a context for cross-attention", found="none", do="pass context=, or a filled cache"
                    )
                key, value = cache.contents()
            elif cache is not None and cache.length:
                raise ConfigurationError(
                    expected="no context: the cache has one",
                    found=f"another of {context.shape[1]} tokens",
                    do="leave context out, or take a new cache",
                )
            else:
                key, value = self._split(self.key_value(context), self.num_kv_heads, self.num_kv_heads)
                if cache is not None:
                    cache.append(key, value)
            if key.shape[0] != query.shape[0]:  # the kernel would let all texts ask the one
                raise InputError(
                    expected=f"a context of each of {query.shape[0]} texts",
                    found=f"of {key.shape[0]}",
                    do="repeat a context that several share, or select() the rows of the cache",
                )
        else:
            packed = self.query_key_value(tokens)
            query, key, value = self._split(packed, self.num_heads, self.num_kv_heads, self.num_kv_heads)
        if self.query_norm is not None:
            query = self.query_norm(query)
        if rotate is not None:
            query, key = rotate(query), rotate(key)
        if cache is not None and not self.crosses:
            key, value = cache.append(key, value)
        return query, key, value

    def _split(self, packed: Tensor, *counts: int) -> tuple[Tensor, ...]:
        """(B, N, heads·d) as (B, heads, N, d), for as many heads as each count says."""
        parts: tuple[Tensor, ...] = (
            packed.unflatten(-1, (sum(counts), self.head_width)).transpose(1, 2).split(counts, 1)
        )
        return parts

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        shared = f", num_kv_heads={self.num_kv_heads}" if self.num_kv_heads < self.num_heads else ""
        return f"num_heads={self.num_heads}{shared}, dropout={self.dropout}"


class QueryNorm(nn.RMSNorm):
    """q ⊙ g / √(mean(q²) + ε) of every head, g rounded to the number format of the queries, ε that of g's own.

    Under autocast the queries are in bfloat16 and g is not; for two formats torch has no fused kernel.

    Source: Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", eq. (4)

    Lecture: T1

    Example:
        >>> QueryNorm(2)(torch.tensor([3.0, 3.0]).bfloat16())
        tensor([1., 1.], dtype=torch.bfloat16, grad_fn=...)
    """

    def forward(self, x: Float[Tensor, "... head_width"]) -> Float[Tensor, "... head_width"]:
        """The queries, each divided by its root mean square."""
        eps = torch.finfo(self.weight.dtype).eps if self.eps is None else self.eps
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), eps)


def require_heads(width: int, num_heads: int, groups: int, head_width: int | None) -> None:
    """Refuse heads that don't divide the width, and heads of keys and values that don't divide the heads."""
    if num_heads < 1 or (head_width is None and width % num_heads):
        raise ConfigurationError(
            expected="a width that the number of heads divides",
            found=f"width {width}, {num_heads} heads",
            do=f"choose num_heads among {', '.join(str(n) for n in range(1, width + 1) if width % n == 0)}",
        )
    if groups < 1 or num_heads % groups:
        raise ConfigurationError(
            expected="a number of heads that the number of key and value heads divides",
            found=f"{num_heads} heads, {groups} of keys and values",
            do=f"choose num_kv_heads among {', '.join(str(n) for n in range(1, num_heads + 1) if num_heads % n == 0)}",
        )


def _attend_in_float32(
    query: Tensor, key: Tensor, value: Tensor, *, attn_mask: Tensor | None = None, **options: Any
) -> Tensor:
    """The same from and to bfloat16.

    On a CPU without matrix units torch's kernel took 45 ms backwards in bfloat16, and 12 ms in float32, for 64
    examples of 65 tokens and 3 heads of width 64; a training step of ViT-tiny is 1.4 times as fast this way.
    """
    if attn_mask is not None and attn_mask.dtype != torch.bool:
        attn_mask = attn_mask.float()
    with torch.autocast("cpu", enabled=False):
        heads = F.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), attn_mask=attn_mask, **options
        )
    return heads.to(query.dtype)
