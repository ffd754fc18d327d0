"""Masked language: words are hidden from an encoder, which guesses them, and how two sentences are paired."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from sightline.core.config import Option, check
from sightline.core.errors import ConfigurationError
from sightline.core.schema import IGNORED, Schema, TextSchema
from sightline.core.words import one_of
from sightline.data.batch import Batch
from sightline.objectives.objective import Loss, Metrics, run, widened
from sightline.objectives.random_places import choose, text_of, together, unless_full
from sightline.objectives.registry import OBJECTIVES
from sightline.objectives.sentence_pair import Pairs, frame
from sightline.objectives.surrogate import cross_entropy
from sightline.objectives.token_objective import LanguageObjective, TokenScores

MASKED = Option("share of a text's tokens to be guessed", above=0, below=1)

BECOMES_MASK, BECOMES_RANDOM = 0.8, 0.1
"""What becomes of a token to be guessed; else it stays."""


@dataclass(frozen=True)
class PairBatch(Batch):
    """A batch of sentence pairs.

    Args:
        pair: 1 where the second sentence does not follow the first, else 0.
    """

    pair: Int[Tensor, " batch"] | None = None

    def to(self, device: torch.device | str) -> "PairBatch":
        """The same batch on a device."""
        moved = super().to(device)
        assert isinstance(moved, PairBatch)
        return replace(moved, pair=self.pair.to(device) if self.pair is not None else None)

    def _rows(self, rows: Int[Tensor, " rows"]) -> "PairBatch":
        cut = super(PairBatch, replace(self, pair=None))._rows(rows)
        assert isinstance(cut, PairBatch)
        return replace(cut, pair=self.pair[int(rows[0]) : int(rows[-1]) + 1] if self.pair is not None else None)


@OBJECTIVES.register("masked-language")
class MaskedLanguage(LanguageObjective):
    """Hidden tokens from those around them: ℓ = −(1/n) Σ log p(x_t | the text with n of its tokens hidden).

    Of each text's tokens a share, rounded to whole tokens and one at least, is to be guessed; every choice of so many
    is equally likely, special tokens are never chosen. Of those, 80 % become the mask, 10 % one drawn from all that are
    not special, 10 % stay. Where the vocabulary has ``[CLS]`` and ``[SEP]``, the text is put between them first. With
    pairs the loss is the sum of two means, over hidden tokens and over examples.

    Args:
        schema: the data set's; its vocabulary has a mask.
        masked: the share.
        pairs: "none": no second task; "next-sentence": half of the second sentences are replaced by another text's;
            "sentence-order": half of the pairs change places. A network for pairs gives two more outputs, when called
            with ``pairs=True``: 0 right, 1 wrong.

    Raises:
        ConfigurationError: when the vocabulary has no mask, or for pairs no ``[CLS]`` and ``[SEP]``.

    Source: Devlin et al. 2019, "BERT", §3.1; sentence order Lan et al. 2020, "ALBERT", §3.1

    Lecture: T6

    Example:
        >>> text = TextSchema(vocabulary_size=9, length=8, pad=0, mask=1)
        >>> objective = MaskedLanguage(Schema("text", "language", (8,), text=text))
        >>> tokens = torch.full((4, 8), 5)
        >>> batch = objective.prepare(Batch(tokens, tokens, torch.arange(4), 4))
        >>> objective.terms(batch)
        {'masked-language': 4}
    """

    name = "masked-language"
    suits = ("encoder",)

    def __init__(
        self,
        schema: Schema,
        *,
        masked: Annotated[float, MASKED] = 0.15,
        pairs: Annotated[Pairs, Option("what is to be told of two sentences")] = "none",
    ) -> None:
        super().__init__(schema)
        self.masked = check(masked, float, MASKED, None, "masked")
        self.pairs: Pairs = one_of(pairs, get_args(Pairs), "pairs")
        if self.text.mask is None:
            raise _lacks("a mask token", self.text)
        self.frames = self.text.classify is not None and self.text.separator is not None
        if self.pairs != "none" and not self.frames:
            raise _lacks("the tokens [CLS] and [SEP]", self.text)
        self.special = special_tokens(self.text)
        self.ordinary = (~self.special).nonzero()[:, 0]
        if not len(self.ordinary):
            raise _lacks("tokens that are not special", self.text)

    def prepare(self, batch: Batch) -> PairBatch:
        """Frame the texts, pair the sentences and hide the tokens; the target is ``IGNORED`` where none is hidden."""
        tokens, present, segments, pair = batch.inputs, batch.present, batch.segments, None
        self.special, self.ordinary = self.special.to(tokens.device), self.ordinary.to(tokens.device)
        if self.frames:
            assert self.text.classify is not None
            assert self.text.separator is not None
            kept = text_of(tokens, present) & (tokens != self.text.classify) & (tokens != self.text.separator)
            framed = frame(
                *together(tokens, kept),
                self.pairs,
                classify=self.text.classify,
                separator=self.text.separator,
                fill=self.text.pad or 0,
            )
            tokens, present, pair = framed.tokens, framed.present, framed.pair
            segments = None if pair is None else framed.segments
        inputs, hidden = self.hide(tokens, text_of(tokens, present))
        target = tokens.masked_fill(~hidden, IGNORED)
        return PairBatch(inputs, target, batch.indices, batch.global_size, None, unless_full(present), segments, pair)

    def hide(
        self, tokens: Int[Tensor, "batch length"], present: Bool[Tensor, "batch length"]
    ) -> tuple[Int[Tensor, "batch length"], Bool[Tensor, "batch length"]]:
        """The texts with some tokens hidden, and where those are."""
        assert self.text.mask is not None
        allowed = present & ~self.special[tokens]
        number = allowed.sum(1)
        hidden = choose(allowed, torch.minimum((number * self.masked).round().long().clamp(min=1), number))
        chance = torch.rand(tokens.shape).to(tokens.device)
        others = self.ordinary[torch.randint(len(self.ordinary), tokens.shape).to(tokens.device)]
        masks, randoms = chance < BECOMES_MASK, chance >= 1 - BECOMES_RANDOM
        changed = torch.where(randoms, others, tokens).masked_fill(masks, self.text.mask)
        return torch.where(hidden, changed, tokens), hidden

    def chosen(self, batch: Batch) -> Bool[Tensor, "batch length"]:
        """The hidden tokens."""
        return batch.target != IGNORED

    def terms(self, batch: Batch) -> Mapping[str, int]:
        """Hidden tokens; of pairs, examples."""
        return {**super().terms(batch), **({} if pair_of(batch) is None else {"pair": len(batch)})}

    def outputs(self, model: nn.Module, batch: Batch, chosen: Bool[Tensor, "batch length"] | None) -> Tensor:
        """Of the hidden tokens."""
        return self.both(model, batch, chosen)[0]

    def both(
        self, model: nn.Module, batch: Batch, chosen: Bool[Tensor, "batch length"] | None
    ) -> tuple[Tensor, Tensor | None]:
        """Outputs of the hidden tokens, (terms, num_outputs), and of the pairs, (batch, 2)."""
        if pair_of(batch) is None:
            return run(model, batch, select=chosen), None
        tokens, pairs = run(model, batch, select=chosen, pairs=True)
        return tokens, pairs

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        """The mean over the hidden tokens and, of pairs, the mean over the examples."""
        pair = pair_of(batch)
        if pair is None:
            return super().__call__(model, batch)
        self.require_kind(model)
        chosen = self.chosen(batch)
        tokens, pairs = self.both(model, batch, chosen)
        assert pairs is not None
        outputs, target = widened(tokens), batch.target[chosen]
        parts = {self.name: self._mean_loss(outputs, target, batch), "pair": cross_entropy(widened(pairs), pair).mean()}
        return Loss(total=parts[self.name] + parts["pair"], parts=parts, prediction=outputs, target=target)

    def scores(self, model: nn.Module, batch: Batch) -> TokenScores:
        """Losses and guesses of the hidden tokens and of the pairs."""
        pair = pair_of(batch)
        if pair is None:
            return super().scores(model, batch)
        self.require_kind(model)
        chosen = self.chosen(batch)
        tokens, pairs = self.both(model, batch, chosen)
        assert pairs is not None
        scores = self.scores_of(widened(tokens), batch.target[chosen], chosen.nonzero()[:, 0])
        return replace(scores, pairs_right=pairs.argmax(1) == pair)

    def metrics(self) -> Metrics:
        """Perplexity and accuracy of the hidden tokens; of pairs, the share told right."""
        from sightline.objectives.metrics import PairMetrics

        return super().metrics() if self.pairs == "none" else PairMetrics()

    def take(self, metrics: Metrics, scores: TokenScores) -> None:
        """Take scores into the metrics."""
        if scores.pairs_right is None:
            super().take(metrics, scores)
        else:
            metrics.update(scores.nats, scores.predicted == scores.target, scores.pairs_right)


def pair_of(batch: Batch) -> Tensor | None:
    """Which sentence pairs of a prepared batch are wrong, (batch,); none where there are no pairs."""
    return batch.pair if isinstance(batch, PairBatch) else None


def special_tokens(text: TextSchema) -> Bool[Tensor, " vocabulary"]:
    """True for the tokens that stand for no text of their own: filling, unknown, begin, mask, sentinels and such.

    Example:
        >>> special_tokens(TextSchema(vocabulary_size=5, length=8, pad=0, mask=4)).tolist()
        [True, False, False, False, True]
    """
    names = (text.pad, text.unknown, text.begin, text.end, text.mask, text.classify, text.separator, *text.sentinels)
    special = torch.zeros(text.vocabulary_size, dtype=torch.bool)
    special[[number for number in names if number is not None]] = True
    return special


def _lacks(what: str, text: TextSchema) -> ConfigurationError:
    """The vocabulary lacks a token that is needed."""
    return ConfigurationError(
        expected=f"a vocabulary with {what}, for the objective 'masked-language'",
        found=f"one of {text.vocabulary_size:,} tokens without",
        do="tokenise with --data.text.tokenizer wordpiece",
    )
