"""GPT: a decoder alone, which guesses every next token from those before it."""

from typing import Annotated, Any, Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema, Task
from sightline.core.words import one_of
from sightline.models.fitness import require_text
from sightline.models.normal_start import start_normal
from sightline.models.registry import model
from sightline.models.text_predictor import TextPredictor, tied_head
from sightline.nn.attention_mask import attention_mask
from sightline.nn.positions import LearnedPositions, SinusoidalPositions
from sightline.nn.rotary import RotaryPositions
from sightline.nn.stack_cache import StackCache
from sightline.nn.stochastic_depth import checked_probability
from sightline.nn.transformer_block import BlockForm, TransformerBlock
from sightline.nn.transformer_stack import TransformerStack

Positions = Literal["learned", "sinusoidal", "rotary"]

SIZES: dict[str, tuple[int, int, int]] = {
    # blocks, width, heads
    "gpt2": (12, 768, 12),
    "gpt2-medium": (24, 1024, 16),
    "gpt2-large": (36, 1280, 20),
    "gpt2-xl": (48, 1600, 25),
}
"""Radford et al. 2019, table 2; heads of width 64, as in the published weights."""


class GPT(TextPredictor):
    """x = E[tokens] + P, norm-first blocks with causal attention, a norm, logits = x Eᵀ: the layout of GPT-2.

    Each block's second branch is four times as wide as a token, its activation GELU by tanh. Weights start normal with
    deviation 0.02, those that end a branch with 0.02/√(2L); biases start at 0. Dropout follows the embedding and each
    branch, and acts on attention weights.

    With ``num_outputs`` it tells the class of a whole text instead: a linear head on the last token that is text.

    Shapes:
        tokens (batch, num_tokens) int64 → (batch, num_tokens, vocabulary_size), with ``select`` (selected,
        vocabulary_size); with ``num_outputs`` (batch, num_outputs)

    Args:
        vocabulary_size: different tokens.
        context_length: most tokens in a text; none: any number, which learned positions don't allow.
        depth: L, blocks.
        width: numbers in a token.
        num_heads: heads of the attention, a divisor of the width.
        num_kv_heads: heads of keys and values, a divisor of ``num_heads``; none: as many.
        dropout: probability of setting a number to 0 in training, in [0, 1).
        positions: "learned" or "sinusoidal", added to the embedding; "rotary", turning queries and keys.
        query_norm: normalise each query, with a learned scale and without a bias.
        shared: one block for all layers.
        bias: whether linear layers and norms have one; the head of next tokens has none.
        num_outputs: classes of a text; none: the next token is predicted.

    Raises:
        ConfigurationError: for heads that don't divide the width, a probability outside [0, 1), a size below 1, or
            learned positions without a context length.
        InputError: when called with tokens that it does not have, or more of them than the context length.

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", §2.3

    Lecture: T4, T6

    Example:
        >>> small = GPT(vocabulary_size=9, context_length=8, depth=1, width=8, num_heads=2)
        >>> small(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 9])
    """

    text_task = "decoder"

    def __init__(
        self,
        *,
        vocabulary_size: int,
        context_length: int | None = 1024,
        depth: int = 12,
        width: int = 768,
        num_heads: int = 12,
        num_kv_heads: int | None = None,
        dropout: float = 0.0,
        positions: Positions = "learned",
        query_norm: bool = False,
        shared: bool = False,
        bias: bool = True,
        num_outputs: int | None = None,
    ) -> None:
        super().__init__(vocabulary_size=vocabulary_size, width=width, context_length=context_length)
        if num_outputs is not None and num_outputs < 1:
            raise ConfigurationError(
                expected="num_outputs of at least 1", found=f"num_outputs = {num_outputs}", do="count the classes"
            )
        form = BlockForm(activation="gelu-tanh", bias=bias, query_norm=query_norm, eps=1e-5)
        self.positions = _added_positions(positions, context_length, width)
        self.embedding_dropout = nn.Dropout(checked_probability(dropout, "dropout"))
        self.stack = TransformerStack(
            depth=depth,
            block=lambda drop: TransformerBlock(
                width=width,
                num_heads=num_heads,
                mlp_width=4 * width,
                num_kv_heads=num_kv_heads,
                form=form,
                dropout=dropout,
                hidden_dropout=0.0,
                attention_dropout=dropout,
                drop_probability=drop,
            ),
            shared=shared,
            norm=form.make_norm(width),
        )
        self.rotary = RotaryPositions(head_width=width // num_heads) if positions == "rotary" else None
        self.num_outputs = num_outputs
        self.head = tied_head(self.embedding) if num_outputs is None else nn.Linear(width, num_outputs, bias=bias)
        start_normal(self, residual_depth=depth)

    def forward(
        self,
        tokens: Int[Tensor, "batch num_tokens"],
        *,
        present: Bool[Tensor, "batch num_keys"] | None = None,
        segments: Int[Tensor, "batch num_tokens"] | None = None,
        select: Bool[Tensor, "batch num_tokens"] | None = None,
        cache: StackCache | None = None,
    ) -> Float[Tensor, "... num_outputs"]:
        """Logits of what follows each token, or of each text's class.

        Args:
            tokens: the texts; with a cache, the tokens that come next.
            present: true where a token is text and not filling, those in the cache included; none: everywhere.
                Positions count text alone.
            segments: the number of the sentence each token is in, of which this network takes no notice.
            select: true for tokens whose next one is asked for; none: all.
            cache: keys and values of the tokens before; those of these are added to it.
        """
        return self.head_on(self.features(tokens, present=present, cache=cache), select)

    def features(
        self,
        tokens: Int[Tensor, "batch num_tokens"],
        *,
        present: Bool[Tensor, "batch num_keys"] | None = None,
        segments: Int[Tensor, "batch num_tokens"] | None = None,
        cache: StackCache | None = None,
    ) -> Float[Tensor, "batch ... width"]:
        """What the head sees: every token after the last norm; for the class of a text its last one's."""
        mixed = self._mix(tokens, present, cache, None)
        return mixed if self.num_outputs is None else _last_present(mixed, present)

    def hidden_states(
        self,
        tokens: Int[Tensor, "batch num_tokens"],
        *,
        present: Bool[Tensor, "batch num_tokens"] | None = None,
        segments: Int[Tensor, "batch num_tokens"] | None = None,
    ) -> list[Float[Tensor, "batch num_tokens width"]]:
        """The embedding's vectors, then each block's; the last block's after the last norm."""
        layers: list[Tensor] = []
        last = self._mix(tokens, present, None, layers)
        return [*layers[:-1], last]

    def new_cache(self, capacity: int) -> StackCache:
        """Room for the keys and values of so many tokens."""
        return self.stack.new_cache(capacity=capacity)

    def _mix(
        self, tokens: Tensor, present: Tensor | None, cache: StackCache | None, layers: list[Tensor] | None
    ) -> Tensor:
        earlier = 0 if cache is None else cache.length
        self.check_tokens(tokens, present=present, earlier=earlier)
        where = self.token_positions(tokens, present=present, earlier=earlier)
        x = self.embedding(tokens)
        if self.positions is not None:
            x = self.positions(x, where)
        x = self.embedding_dropout(x)
        if layers is not None:
            layers.append(x)
        mask = attention_mask(present, num_tokens=tokens.shape[1], causal=True)
        mixed: Tensor = self.stack(
            x,
            mask=mask,
            causal=mask is None,
            rotate=self.rotary.at(where) if self.rotary is not None else None,
            cache=cache,
            layers=layers,
        )
        return mixed

    @classmethod
    def arguments_for(cls, task: Task, num_outputs: int | None) -> dict[str, Any]:
        """The next token, or the class of a text, or a number."""
        if task == "language" and num_outputs is None:
            return {"num_outputs": None}
        if task == "regression":
            return {"num_outputs": 1}
        if task == "classification" and num_outputs is not None:
            return {"num_outputs": num_outputs}
        return super().arguments_for(task, num_outputs)


def _added_positions(positions: Positions, context_length: int | None, width: int) -> nn.Module | None:
    """What adds positions to the embedding; none where queries and keys are turned."""
    one_of(positions, get_args(Positions), "positions")
    if positions == "rotary":
        return None
    if positions == "sinusoidal":
        return SinusoidalPositions(width=width)
    if context_length is None:
        raise ConfigurationError(
            expected="a context length for learned positions", found="none", do="give one, or use rotary positions"
        )
    return LearnedPositions(num_positions=context_length, width=width)


def _last_present(tokens: Tensor, present: Tensor | None) -> Tensor:
    """Each text's last token that is no filling, (B, D); a text of filling only has its first."""
    if present is None:
        return tokens[:, -1]
    places = torch.arange(tokens.shape[1], device=tokens.device) * present[:, -tokens.shape[1] :]
    return tokens[torch.arange(len(tokens), device=tokens.device), places.amax(1)]


def gpt2(*, vocabulary_size: int = 50257, context_length: int = 1024) -> GPT:
    """GPT-2, the smallest: 12 blocks, width 768, 12 heads; 124.4 million parameters (Radford et al. 2019, table 2).

    Lecture: T6
    """
    return _sized("gpt2", vocabulary_size, context_length)


def gpt2_medium(*, vocabulary_size: int = 50257, context_length: int = 1024) -> GPT:
    """GPT-2 medium: 24 blocks, width 1024, 16 heads; 354.8 million parameters (Radford et al. 2019, table 2).

    Lecture: T6
    """
    return _sized("gpt2-medium", vocabulary_size, context_length)


def gpt2_large(*, vocabulary_size: int = 50257, context_length: int = 1024) -> GPT:
    """GPT-2 large: 36 blocks, width 1280, 20 heads; 774.0 million parameters (Radford et al. 2019, table 2).

    Lecture: T6
    """
    return _sized("gpt2-large", vocabulary_size, context_length)


def gpt2_xl(*, vocabulary_size: int = 50257, context_length: int = 1024) -> GPT:
    """GPT-2: 48 blocks, width 1600, 25 heads; 1557.6 million parameters (Radford et al. 2019, table 2).

    Lecture: T6
    """
    return _sized("gpt2-xl", vocabulary_size, context_length)


def _sized(name: str, vocabulary_size: int, context_length: int) -> GPT:
    depth, width, num_heads = SIZES[name]
    return GPT(
        vocabulary_size=vocabulary_size, context_length=context_length, depth=depth, width=width, num_heads=num_heads
    )


@model("gpt")
def gpt(
    schema: Schema,
    *,
    depth: Annotated[int, Option("blocks", "blocks", minimum=1)] = 4,
    width: Annotated[int, Option("numbers in a token", minimum=1)] = 128,
    num_heads: Annotated[int, Option("heads of the attention, a divisor of the width", "heads", minimum=1)] = 4,
    num_kv_heads: Annotated[
        int | None,
        Option("heads of keys and values, a divisor of num_heads; none: as many", "heads", minimum=1),
    ] = None,
    dropout: Annotated[float, Option("probability of setting a number to 0 in training", minimum=0, below=1)] = 0.0,
    positions: Annotated[Positions, Option("how a token's place is told")] = "learned",
    query_norm: Annotated[bool, Option("normalise the queries")] = False,
    shared: Annotated[bool, Option("one block for all layers")] = False,
    bias: Annotated[bool, Option("whether linear layers and norms have a bias")] = True,
) -> GPT:
    """A decoder that guesses the next token, or tells a text's class (Radford et al. 2019)."""
    text = require_text(schema, "gpt", ("language", "classification", "regression"))
    return GPT(
        vocabulary_size=text.vocabulary_size,
        context_length=text.length,
        depth=depth,
        width=width,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        dropout=dropout,
        positions=positions,
        query_norm=query_norm,
        shared=shared,
        bias=bias,
        num_outputs=None if schema.task == "language" else schema.num_outputs,
    )
