"""BERT: an encoder, in which every token looks at every other."""

from typing import Annotated, Any, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError, InputError
from sightline.core.schema import Schema, Task
from sightline.core.words import one_of
from sightline.models.fitness import require_text
from sightline.models.masked_language_head import EPS, MaskedLanguageHead
from sightline.models.normal_start import start_normal
from sightline.models.registry import model
from sightline.models.text_predictor import TextPredictor
from sightline.nn.attention_mask import attention_mask
from sightline.nn.positions import LearnedPositions
from sightline.nn.stochastic_depth import checked_probability
from sightline.nn.transformer_block import BlockForm, TransformerBlock
from sightline.nn.transformer_stack import TransformerStack

TASKS: tuple[Task, ...] = ("language", "classification", "regression", "token-classification", "span", "none")

SIZES: dict[str, tuple[int, int, int]] = {
    # blocks, width, heads
    "bert-base": (12, 768, 12),
    "bert-large": (24, 1024, 16),
}
"""Devlin et al. 2019, §3."""


class BERT(TextPredictor):
    """x = norm(E[tokens] + P[positions] + S[segments]), norm-last blocks with GELU, a head for the task.

    The head is made for ``task``: "language" tells which token stands at each place (masked language);
    "classification" and "regression" see tanh(W x₁ + b) of the first token x₁, the pooler; "token-classification" and
    "span" see every token, "span" with two outputs, whether the answer begins and whether it ends there; "none" has no
    head and gives the tokens' vectors. Weights start normal with deviation 0.02, biases at 0. Dropout follows the
    embedding, each branch and what a classifier sees, and acts on attention weights.

    Shapes:
        tokens (batch, num_tokens) int64 → (batch, num_tokens, num_outputs), with ``select`` (selected, num_outputs);
        the class of a text (batch, num_outputs); with ``pairs=True`` that and (batch, 2)

    Args:
        vocabulary_size: different tokens.
        context_length: most tokens in a text.
        num_segments: sentences that are told apart.
        depth: blocks.
        width: numbers in a token.
        num_heads: heads of the attention, a divisor of the width.
        mlp_width: hidden units of a block's second branch; none: 4 times the width.
        dropout: probability of setting a number to 0 in training, in [0, 1).
        shared: one block for all layers, as in ALBERT.
        task: what is predicted.
        num_outputs: classes; none where the task says how many.
        pairs: a second head on the pooler, which tells what kind of pair two sentences are, by two logits.

    Raises:
        ConfigurationError: for heads that don't divide the width, a probability outside [0, 1), a size below 1, or a
            number of outputs that does not go with the task.
        InputError: when called with tokens or segments that it does not have, or more tokens than the context length.

    Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", §3

    Lecture: T4, T6

    Example:
        >>> small = BERT(vocabulary_size=9, context_length=8, depth=1, width=8, num_heads=2)
        >>> small(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 9])
    """

    text_task = "encoder"
    task_parts = ("head.", "pooler.", "pair_head.")

    def __init__(
        self,
        *,
        vocabulary_size: int,
        context_length: int = 512,
        num_segments: int = 2,
        depth: int = 12,
        width: int = 768,
        num_heads: int = 12,
        mlp_width: int | None = None,
        dropout: float = 0.1,
        shared: bool = False,
        task: Task = "language",
        num_outputs: int | None = None,
        pairs: bool = False,
    ) -> None:
        super().__init__(vocabulary_size=vocabulary_size, width=width, context_length=context_length)
        num_outputs = _counted(task, num_outputs)
        if num_segments < 1:
            raise ConfigurationError(
                expected="num_segments of at least 1", found=f"num_segments = {num_segments}", do="use 2"
            )
        self.task, self.pairs, self.num_segments = task, pairs, num_segments
        self.positions = LearnedPositions(num_positions=context_length, width=width)
        self.segment_embedding = nn.Embedding(num_segments, width)
        self.embedding_norm = nn.LayerNorm(width, eps=EPS)
        self.dropout = nn.Dropout(checked_probability(dropout, "dropout"))
        form = BlockForm(norm_first=False, eps=EPS)
        self.stack = TransformerStack(
            depth=depth,
            block=lambda drop: TransformerBlock(
                width=width,
                num_heads=num_heads,
                mlp_width=4 * width if mlp_width is None else mlp_width,
                form=form,
                dropout=dropout,
                hidden_dropout=0.0,
                attention_dropout=dropout,
                drop_probability=drop,
            ),
            shared=shared,
        )
        self.pooler = nn.Linear(width, width) if pairs or self.pools else None
        self.pair_head = nn.Linear(width, 2) if pairs else None
        if task == "language":
            self.head: nn.Module = MaskedLanguageHead(self.embedding)
        else:
            self.head = nn.Identity() if num_outputs is None else nn.Linear(width, num_outputs)
        start_normal(self)

    @property
    def pools(self) -> bool:
        """Whether the outputs are those of whole texts."""
        return self.task in ("classification", "regression")

    def forward(  # type: ignore[override]  # with pairs it gives two
        self,
        tokens: Int[Tensor, "batch num_tokens"],
        *,
        present: Bool[Tensor, "batch num_tokens"] | None = None,
        segments: Int[Tensor, "batch num_tokens"] | None = None,
        select: Bool[Tensor, "batch num_tokens"] | None = None,
        pairs: bool = False,
    ) -> Float[Tensor, "... num_outputs"] | tuple[Float[Tensor, "... num_outputs"], Float[Tensor, "batch 2"]]:
        """The outputs of each token, or of each text; with ``pairs`` the logits of the pair beside them.

        Args:
            tokens: the texts.
            present: true where a token is text and not filling; none: everywhere. Positions count text alone.
            segments: the number of the sentence each token is in; none: 0 everywhere.
            select: true for tokens whose outputs are asked for; none: all.
            pairs: give the logits of the pair too.
        """
        mixed = self._mix(tokens, present, segments, None)
        outputs = self.head_on(self._seen(mixed), select)
        return (outputs, self._pair_logits(mixed)) if pairs else outputs

    def features(
        self,
        tokens: Int[Tensor, "batch num_tokens"],
        *,
        present: Bool[Tensor, "batch num_tokens"] | None = None,
        segments: Int[Tensor, "batch num_tokens"] | None = None,
    ) -> Float[Tensor, "batch ... width"]:
        """What the head sees: every token of the last block, or what the pooler makes of the first."""
        return self._seen(self._mix(tokens, present, segments, None))

    def hidden_states(
        self,
        tokens: Int[Tensor, "batch num_tokens"],
        *,
        present: Bool[Tensor, "batch num_tokens"] | None = None,
        segments: Int[Tensor, "batch num_tokens"] | None = None,
    ) -> list[Float[Tensor, "batch num_tokens width"]]:
        """The embedding's vectors, then each block's."""
        layers: list[Tensor] = []
        self._mix(tokens, present, segments, layers)
        return layers

    def _mix(
        self, tokens: Tensor, present: Tensor | None, segments: Tensor | None, layers: list[Tensor] | None
    ) -> Tensor:
        self.check_tokens(tokens, present=present)
        x = self.embedding(tokens) + self._segment_vectors(tokens, segments)
        x = self.positions(x, self.token_positions(tokens, present=present))
        x = self.dropout(self.embedding_norm(x))
        if layers is not None:
            layers.append(x)
        mask = attention_mask(present, num_tokens=tokens.shape[1], causal=False)
        mixed: Tensor = self.stack(x, mask=mask, layers=layers)
        return mixed

    def _segment_vectors(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        if segments is None:
            return self.segment_embedding.weight[0]
        known = True
        if (segments.is_cpu or not self.training) and segments.numel() and not torch.compiler.is_compiling():
            known = bool(((segments >= 0) & (segments < self.num_segments)).all())
        if segments.shape != tokens.shape or not known:
            raise InputError(
                expected=f"segments of shape {tuple(tokens.shape)}, numbers below {self.num_segments}",
                found=f"shape {tuple(segments.shape)}" + ("" if known else f" with {segments.unique().tolist()[:9]}"),
                do="number the sentences of a text 0 and 1, or build the network with more num_segments",
            )
        vectors: Tensor = self.segment_embedding(segments)
        return vectors

    def _seen(self, mixed: Tensor) -> Tensor:
        if self.task in ("language", "span", "none"):
            return mixed
        seen: Tensor = self.dropout(self._pooled(mixed) if self.pools else mixed)
        return seen

    def _pooled(self, mixed: Tensor) -> Tensor:
        assert self.pooler is not None
        return torch.tanh(self.pooler(mixed[:, 0]))

    def _pair_logits(self, mixed: Tensor) -> Tensor:
        if self.pair_head is None:
            raise ConfigurationError(
                expected="a BERT with a head for pairs of sentences", found="one without", do="build it with pairs=True"
            )
        logits: Tensor = self.pair_head(self._pooled(mixed))
        return logits

    @classmethod
    def arguments_for(cls, task: Task, num_outputs: int | None) -> dict[str, Any]:
        """Any task but that of writing another text; a head for pairs is left out."""
        _counted(task, num_outputs)
        return {"task": task, "num_outputs": num_outputs, "pairs": False}


def _counted(task: Task, num_outputs: int | None) -> int | None:
    """The outputs of a linear head; none where there is no such head."""
    one_of(task, (name for name in get_args(Task) if name in TASKS), "task")
    fixed = {"language": None, "none": None, "regression": 1, "span": 2}
    if task not in fixed:
        if num_outputs is None or num_outputs < 1:
            raise ConfigurationError(
                expected=f"the number of classes for {task}",
                found=f"num_outputs = {num_outputs}",
                do="give num_outputs",
            )
        return num_outputs
    if num_outputs not in (None, fixed[task]):
        raise ConfigurationError(
            expected=f"num_outputs = {fixed[task]} for the task {task}",
            found=f"num_outputs = {num_outputs}",
            do="leave it out",
        )
    return fixed[task]


def bert_base(*, vocabulary_size: int = 30522, context_length: int = 512) -> BERT:
    """BERT base: 12 blocks, width 768, 12 heads (Devlin et al. 2019, §3).

    Lecture: T6
    """
    return _sized("bert-base", vocabulary_size, context_length)


def bert_large(*, vocabulary_size: int = 30522, context_length: int = 512) -> BERT:
    """BERT large: 24 blocks, width 1024, 16 heads (Devlin et al. 2019, §3).

    Lecture: T6
    """
    return _sized("bert-large", vocabulary_size, context_length)


def _sized(name: str, vocabulary_size: int, context_length: int) -> BERT:
    depth, width, num_heads = SIZES[name]
    return BERT(
        vocabulary_size=vocabulary_size,
        context_length=context_length,
        depth=depth,
        width=width,
        num_heads=num_heads,
        pairs=True,
    )


@model("bert")
def bert(
    schema: Schema,
    *,
    depth: Annotated[int, Option("blocks", "blocks", minimum=1)] = 4,
    width: Annotated[int, Option("numbers in a token", minimum=1)] = 128,
    num_heads: Annotated[int, Option("heads of the attention, a divisor of the width", "heads", minimum=1)] = 4,
    dropout: Annotated[float, Option("probability of setting a number to 0 in training", minimum=0, below=1)] = 0.1,
    shared: Annotated[bool, Option("one block for all layers")] = False,
    pairs: Annotated[bool, Option("a second head, which tells what kind of pair two sentences are")] = False,
) -> BERT:
    """An encoder for masked words, classes of texts or tokens, and spans (Devlin et al. 2019)."""
    text = require_text(schema, "bert", tuple(task for task in TASKS if task != "none"))
    counted = schema.task in ("classification", "token-classification")
    return BERT(
        vocabulary_size=text.vocabulary_size,
        context_length=text.length,
        depth=depth,
        width=width,
        num_heads=num_heads,
        dropout=dropout,
        shared=shared,
        task=schema.task,
        num_outputs=schema.num_outputs if counted else None,
        pairs=pairs,
    )
