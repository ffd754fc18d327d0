"""T5: text in, text out, with positions known only by how far apart two tokens are."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.schema import Schema
from sightline.core.words import one_of
from sightline.models.encoder_decoder import Cross, EncoderDecoder
from sightline.models.registry import model
from sightline.models.text_predictor import tied_head
from sightline.models.text_to_write import text_to_write
from sightline.nn.attention import Attention
from sightline.nn.relative_bias import RelativeBias
from sightline.nn.transformer_block import BlockForm, TransformerBlock

Version = Literal["1.0", "1.1"]

SIZES: dict[str, tuple[Version, int, int, int, int]] = {
    # version, blocks of each side, width, heads of width 64, hidden units
    "small": ("1.0", 6, 512, 8, 2048),
    "base": ("1.0", 12, 768, 12, 3072),
    "large": ("1.0", 24, 1024, 16, 4096),
    "v1.1-small": ("1.1", 8, 512, 6, 1024),
    "v1.1-base": ("1.1", 12, 768, 12, 2048),
    "v1.1-large": ("1.1", 24, 1024, 16, 2816),
}
"""Version 1.0: Raffel et al. 2020, §3.7, for 32,128 tokens; version 1.1: the authors' later release."""


class T5(EncoderDecoder):
    """An encoder-decoder with norms first, without biases, whose scores are q·k + w[bucket(distance)].

    One table of biases serves all blocks of a side; cross-attention has none. Scores are not divided by √d: the first
    weights of the queries are smaller by that instead. Norms divide by the root mean square alone. Version 1.0 has
    ReLU, and a head tied to the embedding whose inputs are multiplied by 1/√D; version 1.1 has gated GELUs and a head
    of its own. Dropout follows the embedding, every branch, the hidden layer, the attention weights and the last norm.

    First weights are normal with the deviations: embedding 1; queries 1/√(D·d); keys, values, biases of the scores and
    the hidden layer 1/√D; the attention's outputs 1/√(H·d); the hidden layer's 1/√(hidden units); a head of its own
    1/√D.

    Shapes:
        tokens (batch, num_context), decoder_tokens (batch, num_tokens) → (batch, num_tokens, vocabulary_size)

    Args:
        vocabulary_size: different tokens.
        start_token: the first decoder token; T5's is that of padding.
        depth: blocks of each side, or the encoder's and the decoder's.
        width: D.
        num_heads: H.
        head_width: d; none: D/H.
        mlp_width: hidden units; none: 4·D.
        dropout: probability of setting a number to 0 in training, in [0, 1).
        version: "1.0" or "1.1".
        cross: the decoder asks the encoder's "last" layer, or the "same", of its own block's number.
        shared: one block for all layers of a side.

    Raises:
        ConfigurationError: for another version, heads that don't divide the width where no head width is given, a
            probability outside [0, 1), and what :class:`EncoderDecoder` refuses.

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
        §2.1; version 1.1 Shazeer 2020, "GLU Variants Improve Transformer"; first weights: the authors' code

    Lecture: T4, T6

    Example:
        >>> small = T5(vocabulary_size=20, start_token=0, depth=2, width=8, num_heads=2)
        >>> small(torch.ones(3, 5).long(), decoder_tokens=torch.zeros(3, 4).long()).shape
        torch.Size([3, 4, 20])
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        start_token: int = 0,
        depth: int | Sequence[int] = 6,
        width: int = 512,
        num_heads: int = 8,
        head_width: int | None = None,
        mlp_width: int | None = None,
        dropout: float = 0.1,
        version: Version = "1.0",
        cross: Cross = "last",
        shared: bool = False,
    ) -> None:
        one_of(version, get_args(Version), "version")
        activation: Literal["relu", "gated-gelu-tanh"] = "relu" if version == "1.0" else "gated-gelu-tanh"
        form = BlockForm(norm="rms", activation=activation, bias=False, scale=1.0)

        def block(context_width: int | None) -> TransformerBlock:
            return TransformerBlock(
                width=width,
                num_heads=num_heads,
                mlp_width=4 * width if mlp_width is None else mlp_width,
                head_width=head_width,
                context_width=context_width,
                form=form,
                dropout=dropout,
                attention_dropout=dropout,
            )

        super().__init__(
            vocabulary_size=vocabulary_size,
            width=width,
            context_length=None,
            start_token=start_token,
            depth=depth,
            block=block,
            norm=lambda: form.make_norm(width),
            cross=cross,
            shared=shared,
        )
        self.version = version
        self.encoder_bias = RelativeBias(num_heads=num_heads)
        self.decoder_bias = RelativeBias(num_heads=num_heads, bidirectional=False)
        self.dropout = nn.Dropout(dropout)
        own = version == "1.1"
        self.head = nn.Linear(width, vocabulary_size, bias=False) if own else tied_head(self.embedding)
        self._start()

    def embed(
        self, tokens: Int[Tensor, "batch num_tokens"], positions: Int[Tensor, "#batch num_tokens"], *, decoding: bool
    ) -> Float[Tensor, "batch num_tokens width"]:
        """Rows of the embedding; positions are not among them."""
        embedded: Tensor = self.dropout(self.embedding(tokens))
        return embedded

    def score_bias(
        self, num_tokens: int, num_keys: int, *, decoding: bool
    ) -> Float[Tensor, "1 heads num_tokens num_keys"]:
        """A number for each head and each distance between two tokens."""
        relative = self.decoder_bias if decoding else self.encoder_bias
        bias: Tensor = relative(num_tokens, num_keys, num_keys - num_tokens)
        return bias

    def finish(self, tokens: Float[Tensor, "*batch width"], *, decoding: bool) -> Float[Tensor, "*batch width"]:
        """Dropout; before a head that is the embedding, times 1/√D."""
        finished: Tensor = self.dropout(tokens)
        return finished / math.sqrt(self.width) if decoding and self.version == "1.0" else finished

    @torch.no_grad()
    def _start(self) -> None:
        """First weights; see the class."""
        self.embedding.weight.normal_()
        for layer in self.modules():
            if isinstance(layer, Attention):
                _start_attention(layer, self.width)
            elif isinstance(layer, TransformerBlock):
                for expanding in (layer.expand, layer.gate):
                    if expanding is not None:
                        expanding.weight.normal_(std=self.width**-0.5)
                layer.contract.weight.normal_(std=layer.contract.in_features**-0.5)
            elif isinstance(layer, RelativeBias):
                layer.weight.normal_(std=self.width**-0.5)
        if self.head.weight is not self.embedding.weight:
            self.head.weight.normal_(std=self.width**-0.5)  # type: ignore[operator]  # a head is any module


def _start_attention(layer: Attention, width: int) -> None:
    """Queries 1/√(D·d), keys and values 1/√D, outputs 1/√(H·d)."""
    (layer.query if layer.crosses else layer.query_key_value).weight.normal_(std=width**-0.5)
    if layer.crosses:
        layer.key_value.weight.normal_(std=width**-0.5)
    queries = (layer.query if layer.crosses else layer.query_key_value).weight[: layer.output.in_features]
    queries /= math.sqrt(layer.head_width)
    layer.output.weight.normal_(std=layer.output.in_features**-0.5)


def t5_small(*, vocabulary_size: int = 32128, start_token: int = 0) -> T5:
    """T5 small: 6 + 6 blocks, width 512, 8 heads; 60.5 million parameters (Raffel et al. 2020).

    Lecture: T6
    """
    return _sized("small", vocabulary_size, start_token)


def t5_base(*, vocabulary_size: int = 32128, start_token: int = 0) -> T5:
    """T5 base: 12 + 12 blocks, width 768, 12 heads; 222.9 million parameters (Raffel et al. 2020).

    Lecture: T6
    """
    return _sized("base", vocabulary_size, start_token)


def t5_large(*, vocabulary_size: int = 32128, start_token: int = 0) -> T5:
    """T5 large: 24 + 24 blocks, width 1024, 16 heads; 737.7 million parameters (Raffel et al. 2020).

    Lecture: T6
    """
    return _sized("large", vocabulary_size, start_token)


def t5_v1_1_small(*, vocabulary_size: int = 32128, start_token: int = 0) -> T5:
    """T5 v1.1 small: 8 + 8 blocks, width 512, 6 heads of width 64; 77.0 million parameters.

    Lecture: T6
    """
    return _sized("v1.1-small", vocabulary_size, start_token)


def t5_v1_1_base(*, vocabulary_size: int = 32128, start_token: int = 0) -> T5:
    """T5 v1.1 base: 12 + 12 blocks, width 768, 12 heads; 247.6 million parameters.

    Lecture: T6
    """
    return _sized("v1.1-base", vocabulary_size, start_token)


def t5_v1_1_large(*, vocabulary_size: int = 32128, start_token: int = 0) -> T5:
    """T5 v1.1 large: 24 + 24 blocks, width 1024, 16 heads; 783.2 million parameters.

    Lecture: T6
    """
    return _sized("v1.1-large", vocabulary_size, start_token)


def _sized(size: str, vocabulary_size: int, start_token: int) -> T5:
    version, depth, width, num_heads, mlp_width = SIZES[size]
    return T5(
        vocabulary_size=vocabulary_size,
        start_token=start_token,
        depth=depth,
        width=width,
        num_heads=num_heads,
        head_width=64,
        mlp_width=mlp_width,
        version=version,
    )


@model("t5")
def t5(
    schema: Schema,
    *,
    depth: Annotated[int, Option("blocks of the encoder, and of the decoder", "blocks", minimum=1)] = 3,
    num_heads: Annotated[int, Option("heads of the attention, a divisor of the width", "heads", minimum=1)] = 4,
    width: Annotated[int, Option("numbers in a token", minimum=1)] = 128,
    dropout: Annotated[float, Option("probability of setting a number to 0 in training", minimum=0, below=1)] = 0.1,
    version: Annotated[Version, Option("1.0: ReLU, head tied to the embedding; 1.1: gated GELU, its own head")] = "1.0",
    cross: Annotated[Cross, Option("layer of the encoder that a block of the decoder asks")] = "last",
    shared: Annotated[bool, Option("one block for all layers of a side")] = False,
) -> T5:
    """A T5 for texts to be restored, or written anew (Raffel et al. 2020)."""
    text, start = text_to_write(schema, "t5", "pad", "end", "begin")
    return T5(
        vocabulary_size=text.vocabulary_size,
        start_token=start,
        depth=depth,
        width=width,
        num_heads=num_heads,
        dropout=dropout,
        version=version,
        cross=cross,
        shared=shared,
    )
