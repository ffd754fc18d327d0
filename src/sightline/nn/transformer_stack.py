"""Transformer blocks one after the other: an encoder, a decoder, or the part of either that has no embeddings."""

from collections.abc import Callable, Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.nn.attention import Rotate
from sightline.nn.stack_cache import StackCache
from sightline.nn.stochastic_depth import linear_decay
from sightline.nn.transformer_block import TransformerBlock


class TransformerStack(nn.Module):
    """y = norm(block_L(… block_1(x))); with ``shared`` all blocks are one, used L times.

    An encoder lets every token look at every other, a decoder only at those before it (``causal``); blocks that ask a
    context make it the decoder of an encoder-decoder. They ask the context's last layer, or each the layer of its own
    number: then the context is a sequence of L tensors.

    Shapes:
        tokens (batch, num_tokens, width) → the same

    Args:
        depth: L.
        block: builds a block, given the probability that its branches are dropped.
        shared: one block for all layers.
        norm: what follows the last block; none: nothing.
        drop_probability: of the last block's branches; it falls linearly to 0 at the first.

    Raises:
        ConfigurationError: for a depth below 1.

    Source: Vaswani et al. 2017, "Attention Is All You Need", §3.1; shared layers Lan et al. 2020, "ALBERT", §3.1

    Lecture: T4

    Example:
        >>> import torch
        >>> stack = TransformerStack(
        ...     depth=3, block=lambda drop: TransformerBlock(width=8, num_heads=2, mlp_width=16), shared=True
        ... )
        >>> stack(torch.zeros(2, 5, 8), causal=True).shape, len(list(stack.blocks))
        (torch.Size([2, 5, 8]), 1)
    """

    def __init__(
        self,
        *,
        depth: int,
        block: Callable[[float], TransformerBlock],
        shared: bool = False,
        norm: nn.Module | None = None,
        drop_probability: float = 0.0,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ConfigurationError(expected="a depth of at least 1 block", found=f"depth = {depth}", do="use 12")
        self.depth, self.shared = depth, shared
        probabilities = [0.0, *linear_decay(depth - 1, drop_probability)] if depth > 1 else [0.0]
        self.blocks = nn.ModuleList(block(p) for p in (probabilities[-1:] if shared else probabilities))
        self.norm = norm

    def forward(
        self,
        tokens: Float[Tensor, "batch num_tokens width"],
        *,
        mask: Bool[Tensor, "#batch #heads #num_tokens num_keys"] | None = None,
        bias: Float[Tensor, "#batch #heads #num_tokens num_keys"] | None = None,
        causal: bool = False,
        rotate: Rotate | None = None,
        cache: StackCache | None = None,
        context: Float[Tensor, "batch num_context context_width"] | Sequence[Tensor] | None = None,
        context_mask: Bool[Tensor, "#batch #heads #num_tokens num_context"] | None = None,
        layers: list[Tensor] | None = None,
    ) -> Float[Tensor, "batch num_tokens width"]:
        """The last layer's tokens.

        Args:
            tokens: embedded.
            mask: true where a token may look; see :class:`~sightline.nn.attention.Attention`.
            bias: added to every block's scores.
            causal: each token looks at itself and those before it.
            rotate: turns queries and keys by their positions.
            cache: what earlier tokens left; these tokens are added to it.
            context: what is asked: one tensor for all blocks, or one for each.
            context_mask: true where a token may look at the context's.
            layers: a list that every block's outputs are put into, the first block's first.
        """
        if context is not None and not isinstance(context, Tensor) and len(context) != self.depth:
            raise ConfigurationError(
                expected=f"a context for each of the {self.depth} blocks",
                found=f"{len(context)} contexts",
                do="use an encoder and a decoder of the same depth, or give the last layer alone",
            )
        for number in range(self.depth):
            own = context if context is None or isinstance(context, Tensor) else context[number]
            tokens = self.blocks[0 if self.shared else number](
                tokens,
                mask=mask,
                bias=bias,
                causal=causal,
                rotate=rotate,
                cache=cache.own[number] if cache is not None else None,
                context=own,
                context_mask=context_mask,
                context_cache=cache.context[number] if cache is not None and cache.context else None,
            )
            if layers is not None:
                layers.append(tokens)
        return tokens if self.norm is None else self.norm(tokens)

    def new_cache(self, *, capacity: int, context_capacity: int = 0) -> StackCache:
        """An empty cache for this stack."""
        return StackCache(depth=self.depth, capacity=capacity, context_capacity=context_capacity)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"depth={self.depth}" + (", shared" if self.shared else "")
