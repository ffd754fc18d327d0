"""The transformer of 2017: an encoder and a decoder with norms after each sum, and sinusoids for positions."""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.schema import Schema
from sightline.models.encoder_decoder import Cross, EncoderDecoder
from sightline.models.registry import model
from sightline.models.text_predictor import tied_head
from sightline.models.text_to_write import text_to_write
from sightline.nn.attention import Attention
from sightline.nn.positions import SinusoidalPositions
from sightline.nn.transformer_block import BlockForm, TransformerBlock

SIZES: dict[str, tuple[int, int, int, int, float]] = {
    # blocks of each side, width, heads, hidden units, dropout
    "base": (6, 512, 8, 2048, 0.1),
    "big": (6, 1024, 16, 4096, 0.3),
}
"""Vaswani et al. 2017, table 3."""


class Transformer(EncoderDecoder):
    """An encoder-decoder with norms after each sum: x = E[tokens]·√D + sinusoids(positions), logits = y Eᵀ.

    The embedding serves both texts and the head. Dropout follows the sums of embeddings and sinusoids, and every
    branch. Label smoothing is the objective's affair.

    First weights: those of linear layers are Glorot's, uniform on ±√(6/(fan_in + fan_out)), queries, keys and values
    each for themselves; biases 0; the embedding is normal with deviation 1/√D, so that a token starts with entries
    of variance 1.

    Shapes:
        tokens (batch, num_context), decoder_tokens (batch, num_tokens) → (batch, num_tokens, vocabulary_size)

    Args:
        vocabulary_size: different tokens, of both texts.
        start_token: the first decoder token.
        depth: blocks of each side, or the encoder's and the decoder's.
        width: D, even.
        num_heads: heads of the attention, a divisor of the width.
        mlp_width: hidden units; none: 4·D.
        dropout: probability of setting a number to 0 in training, in [0, 1).
        cross: the decoder asks the encoder's "last" layer, or the "same", of its own block's number.
        shared: one block for all layers of a side.

    Raises:
        ConfigurationError: for an odd width, heads that don't divide it, a probability outside [0, 1), and what
            :class:`EncoderDecoder` refuses.

    Source: Vaswani et al. 2017, "Attention Is All You Need", §3; first weights: the authors' code

    Lecture: T3, T4

    Example:
        >>> small = Transformer(vocabulary_size=20, start_token=1, depth=2, width=8, num_heads=2)
        >>> small(torch.ones(3, 5).long(), decoder_tokens=torch.ones(3, 4).long()).shape
        torch.Size([3, 4, 20])
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        start_token: int,
        depth: int | Sequence[int] = 6,
        width: int = 512,
        num_heads: int = 8,
        mlp_width: int | None = None,
        dropout: float = 0.1,
        cross: Cross = "last",
        shared: bool = False,
    ) -> None:
        def block(context_width: int | None) -> TransformerBlock:
            return TransformerBlock(
                width=width,
                num_heads=num_heads,
                mlp_width=4 * width if mlp_width is None else mlp_width,
                context_width=context_width,
                form=BlockForm(norm_first=False, activation="relu"),
                dropout=dropout,
                hidden_dropout=0.0,
            )

        super().__init__(
            vocabulary_size=vocabulary_size,
            width=width,
            context_length=None,
            start_token=start_token,
            depth=depth,
            block=block,
            norm=None,
            cross=cross,
            shared=shared,
        )
        self.positions = SinusoidalPositions(width=width)
        self.dropout = nn.Dropout(dropout)
        self.head = tied_head(self.embedding)
        self._start()

    def embed(
        self, tokens: Int[Tensor, "batch num_tokens"], positions: Int[Tensor, "#batch num_tokens"], *, decoding: bool
    ) -> Float[Tensor, "batch num_tokens width"]:
        """Rows of the embedding times √D, with the sinusoids of their positions added."""
        embedded: Tensor = self.dropout(self.positions(self.embedding(tokens) * math.sqrt(self.width), positions))
        return embedded

    @torch.no_grad()
    def _start(self) -> None:
        """First weights; see the class."""
        self.embedding.weight.normal_(std=self.width**-0.5)
        parts = {}
        for layer in self.modules():
            if isinstance(layer, Attention):
                parts.update({layer.query: 1, layer.key_value: 2} if layer.crosses else {layer.query_key_value: 3})
        for layer in self.modules():
            if isinstance(layer, nn.Linear) and layer is not self.head:
                for weight in layer.weight.chunk(parts.get(layer, 1)):
                    nn.init.xavier_uniform_(weight)
                nn.init.zeros_(layer.bias)


def transformer_base(*, vocabulary_size: int = 37000, start_token: int = 0) -> Transformer:
    """The base transformer: 6 + 6 blocks, width 512, 8 heads; 63 million parameters (Vaswani et al. 2017).

    Lecture: T4
    """
    return _sized("base", vocabulary_size, start_token)


def transformer_big(*, vocabulary_size: int = 37000, start_token: int = 0) -> Transformer:
    """The big transformer: 6 + 6 blocks, width 1024, 16 heads; 214 million parameters (Vaswani et al. 2017).

    Lecture: T4
    """
    return _sized("big", vocabulary_size, start_token)


def _sized(size: str, vocabulary_size: int, start_token: int) -> Transformer:
    depth, width, num_heads, mlp_width, dropout = SIZES[size]
    return Transformer(
        vocabulary_size=vocabulary_size,
        start_token=start_token,
        depth=depth,
        width=width,
        num_heads=num_heads,
        mlp_width=mlp_width,
        dropout=dropout,
    )


@model("transformer")
def transformer(
    schema: Schema,
    *,
    depth: Annotated[int, Option("blocks of the encoder, and of the decoder", "blocks", minimum=1)] = 3,
    num_heads: Annotated[int, Option("heads of the attention, a divisor of the width", "heads", minimum=1)] = 4,
    width: Annotated[int, Option("numbers in a token, even", minimum=2)] = 128,
    dropout: Annotated[float, Option("probability of setting a number to 0 in training", minimum=0, below=1)] = 0.1,
    cross: Annotated[Cross, Option("layer of the encoder that a block of the decoder asks")] = "last",
    shared: Annotated[bool, Option("one block for all layers of a side")] = False,
) -> Transformer:
    """The encoder-decoder of "Attention Is All You Need", for texts to be written (Vaswani et al. 2017)."""
    text, start = text_to_write(schema, "transformer", "begin", "end", "pad")
    return Transformer(
        vocabulary_size=text.vocabulary_size,
        start_token=start,
        depth=depth,
        num_heads=num_heads,
        width=width,
        dropout=dropout,
        cross=cross,
        shared=shared,
    )
