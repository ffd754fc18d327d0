"""BART: a text is damaged, and the network writes it whole again."""

from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.schema import Schema
from sightline.models.encoder_decoder import Cross, EncoderDecoder
from sightline.models.normal_start import start_normal
from sightline.models.registry import model
from sightline.models.text_predictor import tied_head
from sightline.models.text_to_write import text_to_write
from sightline.nn.positions import LearnedPositions
from sightline.nn.transformer_block import BlockForm, TransformerBlock

SIZES: dict[str, tuple[int, int, int]] = {
    # blocks of each side, width, heads
    "base": (6, 768, 12),
    "large": (12, 1024, 16),
}
"""Lewis et al. 2020, §2.1, and the published weights, for 50,265 tokens and texts of up to 1,024."""


class BART(EncoderDecoder):
    """An encoder-decoder with norms after each sum: x = norm(E[tokens] + P[positions]), logits = y Eᵀ + b.

    Each side has its own positions and its own norm of the embedding; E serves both and the head. b is not learned: 0
    here, and what a published checkpoint has. Activations are GELU. Weights start normal with deviation 0.02, biases
    at 0. Dropout follows the embedding, every branch, the hidden layer and the attention weights.

    Shapes:
        tokens (batch, num_context), decoder_tokens (batch, num_tokens) → (batch, num_tokens, vocabulary_size)

    Args:
        vocabulary_size: different tokens.
        context_length: most tokens in either text.
        start_token: the first decoder token; BART's is that of the end.
        depth: blocks of each side, or the encoder's and the decoder's.
        width: D.
        num_heads: heads of the attention, a divisor of the width.
        mlp_width: hidden units; none: 4·D.
        dropout: probability of setting a number to 0 after the embedding or a branch in training, in [0, 1).
        hidden_dropout: the same after the activation; none: as ``dropout``.
        attention_dropout: the same for an attention weight; none: as ``dropout``.
        cross: the decoder asks the encoder's "last" layer, or the "same", of its own block's number.
        shared: one block for all layers of a side.

    Raises:
        ConfigurationError: for heads that don't divide the width, a probability outside [0, 1), and what
            :class:`EncoderDecoder` refuses.

    Source: Lewis et al. 2020, "BART: Denoising Sequence-to-Sequence Pre-training for Natural Language Generation,
        Translation, and Comprehension", §2.1

    Lecture: T4, T6

    Example:
        >>> small = BART(vocabulary_size=20, context_length=8, start_token=2, depth=2, width=8, num_heads=2)
        >>> small(torch.ones(3, 5).long(), decoder_tokens=torch.ones(3, 4).long()).shape
        torch.Size([3, 4, 20])
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        context_length: int = 1024,
        start_token: int = 2,
        depth: int | Sequence[int] = 6,
        width: int = 768,
        num_heads: int = 12,
        mlp_width: int | None = None,
        dropout: float = 0.1,
        hidden_dropout: float | None = None,
        attention_dropout: float | None = None,
        cross: Cross = "last",
        shared: bool = False,
    ) -> None:
        form = BlockForm(norm_first=False, eps=1e-5)

        def block(context_width: int | None) -> TransformerBlock:
            return TransformerBlock(
                width=width,
                num_heads=num_heads,
                mlp_width=4 * width if mlp_width is None else mlp_width,
                context_width=context_width,
                form=form,
                dropout=dropout,
                hidden_dropout=hidden_dropout,
                attention_dropout=dropout if attention_dropout is None else attention_dropout,
            )

        super().__init__(
            vocabulary_size=vocabulary_size,
            width=width,
            context_length=context_length,
            start_token=start_token,
            depth=depth,
            block=block,
            norm=None,
            cross=cross,
            shared=shared,
        )
        self.encoder_positions = LearnedPositions(num_positions=context_length, width=width)
        self.encoder_embedding_norm = form.make_norm(width)
        self.decoder_positions = LearnedPositions(num_positions=context_length, width=width)
        self.decoder_embedding_norm = form.make_norm(width)
        self.dropout = nn.Dropout(dropout)
        self.head = tied_head(self.embedding)
        del self.head.bias
        self.head.register_buffer("bias", torch.zeros(vocabulary_size))
        start_normal(self)

    def embed(
        self, tokens: Int[Tensor, "batch num_tokens"], positions: Int[Tensor, "#batch num_tokens"], *, decoding: bool
    ) -> Float[Tensor, "batch num_tokens width"]:
        """Rows of the embedding and of the side's positions, summed and normalised."""
        if decoding:
            summed = self.decoder_embedding_norm(self.decoder_positions(self.embedding(tokens), positions))
        else:
            summed = self.encoder_embedding_norm(self.encoder_positions(self.embedding(tokens), positions))
        embedded: Tensor = self.dropout(summed)
        return embedded


def bart_base(*, vocabulary_size: int = 50265, start_token: int = 2) -> BART:
    """BART base: 6 + 6 blocks, width 768, 12 heads; 139.4 million parameters (Lewis et al. 2020).

    Lecture: T6
    """
    return _sized("base", vocabulary_size, start_token)


def bart_large(*, vocabulary_size: int = 50265, start_token: int = 2) -> BART:
    """BART large: 12 + 12 blocks, width 1024, 16 heads; 406.3 million parameters (Lewis et al. 2020).

    Lecture: T6
    """
    return _sized("large", vocabulary_size, start_token)


def _sized(size: str, vocabulary_size: int, start_token: int) -> BART:
    depth, width, num_heads = SIZES[size]
    return BART(vocabulary_size=vocabulary_size, start_token=start_token, depth=depth, width=width, num_heads=num_heads)


@model("bart")
def bart(
    schema: Schema,
    *,
    depth: Annotated[int, Option("blocks of the encoder, and of the decoder", "blocks", minimum=1)] = 3,
    num_heads: Annotated[int, Option("heads of the attention, a divisor of the width", "heads", minimum=1)] = 4,
    width: Annotated[int, Option("numbers in a token", minimum=1)] = 128,
    dropout: Annotated[float, Option("probability of setting a number to 0 in training", minimum=0, below=1)] = 0.1,
    cross: Annotated[Cross, Option("layer of the encoder that a block of the decoder asks")] = "last",
    shared: Annotated[bool, Option("one block for all layers of a side")] = False,
) -> BART:
    """A BART for texts to be restored, or written anew (Lewis et al. 2020)."""
    text, start = text_to_write(schema, "bart", "end", "begin", "pad")
    return BART(
        vocabulary_size=text.vocabulary_size,
        context_length=max(text.length, text.target_length),
        start_token=start,
        depth=depth,
        num_heads=num_heads,
        width=width,
        dropout=dropout,
        cross=cross,
        shared=shared,
    )
