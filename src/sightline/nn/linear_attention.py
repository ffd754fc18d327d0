"""Linear attention as a layer, with the maps of :class:`~sightline.nn.attention.Attention`.

Legend: B batch, N tokens that ask, M tokens that are asked, H heads, G heads of keys and values, D width, d width of
one head.
"""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.nn.attention import QueryNorm, require_heads
from sightline.nn.linear_attention_forms import (
    FeatureMap,
    LinearState,
    chunked_linear_attention,
    elu_features,
    kernel_weights,
    linear_attention,
)


class LinearAttention(nn.Module):
    """Multi-head attention with α_ij ∝ φ(q_i)ᵀφ(k_j) for exp(q_iᵀk_j/√d): time and memory linear in the tokens.

    Its maps have the names and shapes of those in :class:`~sightline.nn.attention.Attention`, so weights can be
    copied; what it computes with them is another function.

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
        features: φ, which gives numbers above 0.
        chunk: tokens computed at once in causal attention; a matter of speed alone.

    Raises:
        ConfigurationError: for a width that the heads don't divide, heads that the key heads don't divide, or a chunk
            below 1.

    Source: Katharopoulos et al. 2020, "Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention"

    Lecture: T5

    Example:
        >>> import torch
        >>> LinearAttention(width=8, num_heads=2)(torch.zeros(3, 5, 8), causal=True).shape
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
        features: FeatureMap = elu_features,
        chunk: int = 64,
    ) -> None:
        super().__init__()
        groups = num_heads if num_kv_heads is None else num_kv_heads
        require_heads(width, num_heads, groups, head_width)
        if chunk < 1:
            raise ConfigurationError(expected="chunks of at least 1 token", found=f"chunk = {chunk}", do="use 64")
        head = width // num_heads if head_width is None else head_width
        self.num_heads, self.num_kv_heads, self.head_width = num_heads, groups, head
        self.feature_map, self.chunk = features, chunk
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
        present: Bool[Tensor, "batch num_keys"] | None = None,
        causal: bool = False,
    ) -> Float[Tensor, "batch num_tokens width"]:
        """What each token gathered.

        Args:
            tokens: those that ask.
            context: those that are asked, in cross-attention.
            present: true where one that is asked is text and not filling; a token that would look nowhere gathers 0.
            causal: each token looks at itself and at those before it.
        """
        if causal and context is None:
            return self.continued(tokens, present=present)[0]
        if causal:
            raise ConfigurationError(
                expected="self-attention: a context's tokens are not in the order of those that ask",
                found="causal attention to a context",
                do="leave causal out",
            )
        query, key, value = self._heads(tokens, context)
        return self._mixed(linear_attention(query, key, value, features=self.feature_map, present=present))

    def continued(
        self,
        tokens: Float[Tensor, "batch num_tokens width"],
        *,
        state: LinearState | None = None,
        present: Bool[Tensor, "batch num_tokens"] | None = None,
    ) -> tuple[Float[Tensor, "batch num_tokens width"], LinearState]:
        """Causal attention of new tokens to themselves and to all that the state has seen; and the state after them.

        Args:
            tokens: the new ones.
            state: what earlier tokens left; none: there were none.
            present: true where a new token is text and not filling.

        Raises:
            ConfigurationError: in cross-attention, which has no such order.
        """
        query, key, value = self._heads(tokens, None)
        heads, state = chunked_linear_attention(
            query, key, value, features=self.feature_map, chunk=self.chunk, state=state, present=present
        )
        return self._mixed(heads), state

    def weights(
        self,
        tokens: Float[Tensor, "batch num_tokens width"],
        *,
        context: Float[Tensor, "batch num_context context_width"] | None = None,
        present: Bool[Tensor, "batch num_keys"] | None = None,
        causal: bool = False,
    ) -> Float[Tensor, "batch heads num_tokens num_keys"]:
        """The weights α that :meth:`forward` never holds. They cost B·H·N·M numbers, as much as full attention's."""
        query, key, _ = self._heads(tokens, context)
        return kernel_weights(query, key, features=self.feature_map, causal=causal, present=present)

    def _heads(self, tokens: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (B, H, ·, d)."""
        if not self.crosses and context is not None:
            raise ConfigurationError(
                expected="no context: this is self-attention", found="one", do="build it with context_width="
            )
        if self.crosses:
            if context is None:
                raise ConfigurationError(expected="a context for cross-attention", found="none", do="pass context=")
            query = self._split(self.query(tokens), self.num_heads)[0]
            key, value = self._split(self.key_value(context), self.num_kv_heads, self.num_kv_heads)
        else:
            query, key, value = self._split(
                self.query_key_value(tokens), self.num_heads, self.num_kv_heads, self.num_kv_heads
            )
        if self.query_norm is not None:
            query = self.query_norm(query)
        shared = self.num_heads // self.num_kv_heads
        return query, key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)

    def _split(self, packed: Tensor, *counts: int) -> tuple[Tensor, ...]:
        """(B, N, heads·d) as (B, heads, N, d), for as many heads as each count says."""
        parts: tuple[Tensor, ...] = (
            packed.unflatten(-1, (sum(counts), self.head_width)).transpose(1, 2).split(counts, 1)
        )
        return parts

    def _mixed(self, heads: Tensor) -> Tensor:
        mixed: Tensor = self.output(heads.transpose(1, 2).flatten(2))
        return mixed

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        shared = f", num_kv_heads={self.num_kv_heads}" if self.num_kv_heads < self.num_heads else ""
        return f"num_heads={self.num_heads}{shared}, chunk={self.chunk}"
