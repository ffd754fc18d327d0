"""An encoder reads a text, a decoder writes another: the form that T5, BART and the transformer of 2017 share.

Legend: B batch, N tokens that are read, M tokens that are written, L blocks, D width, V vocabulary.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.kinds import with_article
from sightline.core.schema import Task
from sightline.core.words import one_of
from sightline.models.text_predictor import TextPredictor, TextTask
from sightline.models.text_to_write import WRITTEN
from sightline.nn.attention_mask import attention_mask
from sightline.nn.causal_mask import causal_triangle
from sightline.nn.context_mask import context_mask
from sightline.nn.key_value_cache import KeyValueCache
from sightline.nn.stack_cache import StackCache
from sightline.nn.transformer_block import TransformerBlock
from sightline.nn.transformer_stack import TransformerStack

Cross = Literal["last", "same"]


class EncoderDecoder(TextPredictor):
    """p(y_t | y_<t, x) = softmax(head(decoder(y_<t, encoder(x)))): one text read, another written token by token.

    The decoder's blocks ask the encoder's last layer, or each the layer of its own number (``cross="same"``). Both
    sides have one token embedding. A subclass says how tokens are embedded, what is added to the scores, and what
    follows the last block: :meth:`embed`, :meth:`score_bias` and :meth:`finish`.

    In training ``decoder_tokens`` are the target, moved on by one: ``start_token``, then the target without its last
    token. With a cache only the new ones are given; the encoder's keys and values are computed at its first use.

    Shapes:
        tokens (batch, num_context), decoder_tokens (batch, num_tokens) → (batch, num_tokens, V); with ``select``
        (selected, V)

    Args:
        vocabulary_size: V.
        width: D.
        context_length: most tokens in either text; none: any number.
        start_token: the first decoder token.
        depth: L, of both sides, or the encoder's and the decoder's.
        block: builds a block; told the width of the context that it asks, none in the encoder.
        norm: builds what follows the last block; none: nothing.
        cross: what the decoder asks: the encoder's last layer, or the layer of the same number.
        shared: one block for all layers of a side.

    Raises:
        ConfigurationError: for a size below 1, a start token that the vocabulary does not have, another word for
            ``cross``, or depths that differ where layers of the same number are asked.

    Source: Vaswani et al. 2017, "Attention Is All You Need", §3.1: the last layer

    Lecture: T4
    """

    text_task: ClassVar[TextTask] = "encoder-decoder"

    def __init__(
        self,
        *,
        vocabulary_size: int,
        width: int,
        context_length: int | None,
        start_token: int,
        depth: int | Sequence[int],
        block: Callable[[int | None], TransformerBlock],
        norm: Callable[[], nn.Module] | None,
        cross: Cross,
        shared: bool,
    ) -> None:
        super().__init__(vocabulary_size=vocabulary_size, width=width, context_length=context_length)
        if not 0 <= start_token < vocabulary_size:
            raise ConfigurationError(
                expected=f"a start token from 0 to {vocabulary_size - 1}, the vocabulary",
                found=f"start_token = {start_token}",
                do="use the tokenizer's begin, end or pad token",
            )
        encoder_depth, decoder_depth = _both(depth)
        self.cross = one_of(cross, get_args(Cross), "cross")
        if cross == "same" and encoder_depth != decoder_depth:
            raise ConfigurationError(
                expected="as many blocks in the encoder as in the decoder, each of which asks the layer of its number",
                found=f"{encoder_depth} and {decoder_depth}",
                do="use one depth, or cross='last'",
            )
        self.start_token = start_token

        def stack(depth: int, context_width: int | None) -> TransformerStack:
            last = None if norm is None else norm()
            return TransformerStack(depth=depth, block=lambda _: block(context_width), shared=shared, norm=last)

        self.encoder = stack(encoder_depth, None)
        self.decoder = stack(decoder_depth, width)

    def embed(
        self,
        tokens: Int[Tensor, "batch num_tokens"],
        positions: Int[Tensor, "#batch num_tokens"],
        *,
        decoding: bool,
    ) -> Float[Tensor, "batch num_tokens width"]:
        """What the first block of a side sees.

        Args:
            tokens: of the text that is read or written.
            positions: of the tokens in their text.
            decoding: whether it is the text that is written.
        """
        raise NotImplementedError

    def score_bias(
        self, num_tokens: int, num_keys: int, *, decoding: bool
    ) -> Float[Tensor, "1 heads num_tokens num_keys"] | None:
        """What is added to the scores of the self-attention, for the last N of M tokens; none: nothing."""
        return None

    def finish(self, tokens: Float[Tensor, "*batch width"], *, decoding: bool) -> Float[Tensor, "*batch width"]:
        """What the decoder asks, or what the head sees, of a side's normalised tokens."""
        return tokens

    def encode(
        self,
        tokens: Int[Tensor, "batch num_context"],
        present: Bool[Tensor, "batch num_context"] | None = None,
    ) -> Float[Tensor, "batch ... num_context width"]:
        """What the decoder asks: (B, N, D); all layers, (B, L, N, D), where it asks the layer of the same number.

        Args:
            tokens: the text that is read.
            present: true where a token is text and not filling; none: everywhere.

        Raises:
            InputError: for tokens that are no text for this network.
        """
        if self.cross == "last":
            return self._encode(tokens, present, None)
        layers: list[Tensor] = []
        last = self._encode(tokens, present, layers)
        norm = self.encoder.norm if self.encoder.norm is not None else nn.Identity()
        return torch.stack([*(self.finish(norm(layer), decoding=False) for layer in layers[1:-1]), last], 1)

    def features(
        self,
        tokens: Int[Tensor, "texts num_context"],
        *,
        decoder_tokens: Int[Tensor, "batch num_tokens"] | None = None,
        present: Bool[Tensor, "batch num_context"] | None = None,
        decoder_present: Bool[Tensor, "batch num_keys"] | None = None,
        cache: StackCache | None = None,
        encoded: Float[Tensor, "batch ... num_context width"] | None = None,
    ) -> Float[Tensor, "batch num_tokens width"]:
        """What the head sees; see :meth:`forward`."""
        if decoder_tokens is None:
            raise InputError(
                expected="decoder_tokens: the text to be written, moved on by one",
                found="only the text to be read",
                do=f"give the start token {self.start_token}, then the target without its last token",
            )
        return self._decode(tokens, decoder_tokens, present, decoder_present, cache, encoded, None)

    def forward(
        self,
        tokens: Int[Tensor, "texts num_context"],
        *,
        decoder_tokens: Int[Tensor, "batch num_tokens"] | None = None,
        present: Bool[Tensor, "batch num_context"] | None = None,
        decoder_present: Bool[Tensor, "batch num_keys"] | None = None,
        select: Bool[Tensor, "batch num_tokens"] | None = None,
        cache: StackCache | None = None,
        encoded: Float[Tensor, "batch ... num_context width"] | None = None,
    ) -> Float[Tensor, "... vocabulary_size"]:
        """Logits of the token that follows each decoder token.

        Args:
            tokens: the text that is read; not looked at where ``encoded`` is given, or the cache has it already.
            decoder_tokens: the text that is written so far; with a cache, its new tokens.
            present: true where a token that is read is text and not filling; none: everywhere.
            decoder_present: the same for the tokens that are written, those in the cache included. Filling after the
                text needs none: nothing looks at it.
            select: true for the decoder tokens whose logits are wanted; none: all.
            cache: what earlier decoder tokens left; these are added to it.
            encoded: what :meth:`encode` gave.

        Raises:
            InputError: for tokens that are no text for this network, no ``decoder_tokens``, or sizes that do not fit.
        """
        written = self.features(
            tokens,
            decoder_tokens=decoder_tokens,
            present=present,
            decoder_present=decoder_present,
            cache=cache,
            encoded=encoded,
        )
        return self.head_on(written, select)

    def hidden_states(
        self,
        tokens: Int[Tensor, "batch num_context"],
        *,
        present: Bool[Tensor, "batch num_context"] | None = None,
        segments: Int[Tensor, "batch num_context"] | None = None,
        decoder_tokens: Int[Tensor, "batch num_tokens"] | None = None,
    ) -> list[Float[Tensor, "batch _ width"]]:
        """The encoder's embedded tokens, then every block's, the last as the decoder asks it.

        Where ``decoder_tokens`` are given they are the decoder's, and the last is what the head sees.

        Args:
            tokens: the text that is read.
            present: true where a token is text and not filling; none: everywhere.
            segments: not told apart by these networks.
            decoder_tokens: the text that is written.
        """
        layers: list[Tensor] = []
        if decoder_tokens is None:
            last = self._encode(tokens, present, layers)
        else:
            last = self._decode(tokens, decoder_tokens, present, None, None, None, layers)
        return [*layers[:-1], last]

    def new_cache(self, capacity: int) -> StackCache:
        """An empty cache for so many decoder tokens; room for the context is made when it is known."""
        return self.decoder.new_cache(capacity=capacity)

    @classmethod
    def arguments_for(cls, task: Task, num_outputs: int | None) -> dict[str, Any]:
        """None are needed: texts are restored or written, and nothing else."""
        if task not in WRITTEN or num_outputs is not None:
            raise ConfigurationError(
                expected=f"a task in which a text is written, for {with_article(cls.__name__)}: {' or '.join(WRITTEN)}",
                found=f"task {task}" + ("" if num_outputs is None else f" with {num_outputs} outputs"),
                do="use a BERT for classes of texts and tokens, and for spans",
            )
        return {}

    def _encode(self, tokens: Tensor, present: Tensor | None, layers: list[Tensor] | None) -> Tensor:
        """What the decoder asks of the last layer; the embedded tokens and the layers are put into the list."""
        self.check_tokens(tokens, present=present)
        embedded = self.embed(tokens, self.token_positions(tokens, present=present), decoding=False)
        if layers is not None:
            layers.append(embedded)
        num_tokens = tokens.shape[1]
        mask = attention_mask(present, num_tokens=num_tokens, causal=False)
        mask, bias, _ = _together(mask, self.score_bias(num_tokens, num_tokens, decoding=False), causal=False)
        last = self.encoder(embedded, mask=mask, bias=bias, layers=layers)
        return self.finish(last, decoding=False)

    def _decode(
        self,
        tokens: Tensor,
        decoder_tokens: Tensor,
        present: Tensor | None,
        decoder_present: Tensor | None,
        cache: StackCache | None,
        encoded: Tensor | None,
        layers: list[Tensor] | None,
    ) -> Tensor:
        """What the head sees; the embedded tokens and the layers are put into the list."""
        earlier = 0 if cache is None else cache.length
        self.check_tokens(decoder_tokens, present=decoder_present, earlier=earlier)
        if cache is not None and cache.context and cache.context[0].length:
            context, num_context = None, cache.context[0].length
        else:
            encoded = self.encode(tokens, present) if encoded is None else encoded
            num_context = encoded.shape[-2]
            context = self._contexts(encoded, decoder_tokens.shape[0])
            if cache is not None:
                cache.context = [KeyValueCache(capacity=num_context) for _ in cache.own]
        positions = self.token_positions(decoder_tokens, present=decoder_present, earlier=earlier)
        embedded = self.embed(decoder_tokens, positions, decoding=True)
        if layers is not None:
            layers.append(embedded)
        num_tokens = decoder_tokens.shape[1]
        seen = attention_mask(decoder_present, num_tokens=num_tokens, causal=True)
        mask, bias, causal = _together(
            seen, self.score_bias(num_tokens, earlier + num_tokens, decoding=True), causal=seen is None
        )
        last = self.decoder(
            embedded,
            mask=mask,
            bias=bias,
            causal=causal,
            cache=cache,
            context=context,
            context_mask=context_mask(present, batch=decoder_tokens.shape[0], num_context=num_context),
            layers=layers,
        )
        return self.finish(last, decoding=True)

    def _contexts(self, encoded: Tensor, batch: int) -> Tensor | list[Tensor]:
        """One context for all blocks of the decoder, or one for each; torch would repeat a single example unasked."""
        layered = self.cross == "same"
        if (
            encoded.ndim != 3 + layered
            or encoded.shape[0] != batch
            or (layered and encoded.shape[1] != self.decoder.depth)
        ):
            layers = f", {self.decoder.depth}" if layered else ""
            raise InputError(
                expected=f"encoded of shape ({batch}{layers}, tokens, {self.width}), for {batch} texts to be written",
                found=f"shape {tuple(encoded.shape)}",
                do="encode as many texts as are written; repeat those of which several are",
            )
        return list(encoded.unbind(1)) if layered else encoded


def _together(mask: Tensor | None, bias: Tensor | None, *, causal: bool) -> tuple[Tensor | None, Tensor | None, bool]:
    """All in the bias, (B, H, N, M) numbers: once for all blocks, where each would do it for itself.

    Without a bias the mask stays one, and ``causal`` is left to the blocks, whose kernels know it.
    """
    if bias is None:
        return mask, None, causal
    num_tokens, num_keys = bias.shape[-2:]
    if causal and num_tokens > 1:
        triangle = causal_triangle(num_tokens, num_keys, device=bias.device)
        mask = triangle if mask is None else mask & triangle
    return None, bias if mask is None else bias.masked_fill(~mask, -torch.inf), False


def _both(depth: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(depth, int):
        return depth, depth
    if len(depth) != 2:
        raise ConfigurationError(
            expected="a depth of one number or two, the encoder's and the decoder's",
            found=f"{list(depth)}",
            do="give (encoder, decoder) in blocks",
        )
    return depth[0], depth[1]
