"""Denoising: stretches of a text give way to one mask each, and the whole text is written (BART).

Legend: B batch, L length. Of a text of n tokens m = round(share · n) are covered by spans of Poisson lengths.
"""

from typing import Annotated

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from sightline.core.config import Option, check
from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import IGNORED, Schema
from sightline.data.batch import Batch
from sightline.objectives.random_places import random_rank, together, unless_full, words_of
from sightline.objectives.registry import OBJECTIVES
from sightline.objectives.token_objective import LanguageObjective, write

SHARE = Option("share of a text's tokens that masks stand for", above=0, below=1)
MEAN_LENGTH = Option("mean length of the spans before the last is cut to the share", "tokens", above=0)


@OBJECTIVES.register("denoising")
class Denoising(LanguageObjective):
    """BART's text infilling: "Thank you <mask> me to <mask> your party" → the whole text; a mask may stand for nothing.

    Span lengths are drawn from Poisson(λ) until they come to m tokens; the last is cut to that. Should m spans not do,
    the m-th takes what is missing, so that no text grows. Every arrangement of the spans among the tokens that stay is
    equally likely. Special tokens in a text are dropped first; unknown words stay. Where the vocabulary has a begin and
    an end, they stand around both texts.

    Args:
        schema: the data set's; its vocabulary has a mask.
        share: of the tokens that masks stand for.
        mean_length: λ.

    Raises:
        ConfigurationError: when the vocabulary has no mask.

    Source: Lewis et al. 2020, "BART", §2.2

    Lecture: T6

    Example:
        >>> from sightline.core.schema import TextSchema
        >>> text = TextSchema(vocabulary_size=20, length=10, pad=0, end=1, mask=2)
        >>> objective = Denoising(Schema("text", "language", (10,), text=text))
        >>> tokens = torch.arange(3, 13)[None]
        >>> batch = objective.prepare(Batch(tokens, tokens, torch.arange(1), 1))
        >>> batch.target.tolist(), bool((batch.inputs == 2).any())
        ([[3, 4, 5, 6, 7, 8, 9, 10, 11, 1]], True)
    """

    name = "denoising"
    suits = ("encoder-decoder",)

    def __init__(
        self,
        schema: Schema,
        *,
        share: Annotated[float, SHARE] = 0.3,
        mean_length: Annotated[float, MEAN_LENGTH] = 3.0,
    ) -> None:
        super().__init__(schema)
        self.share = check(share, float, SHARE, None, "share")
        self.mean_length = check(mean_length, float, MEAN_LENGTH, None, "mean_length")
        if self.text.mask is None:
            raise ConfigurationError(
                expected="a vocabulary with a mask token, for the objective 'denoising'",
                found=f"one of {self.text.vocabulary_size:,} tokens without",
                do="train another tokenizer with the data",
            )

    def prepare(self, batch: Batch) -> Batch:
        """The text with masks as the inputs, the whole text as the target."""
        assert self.text.mask is not None
        begin, end = ([] if token is None else [token] for token in (self.text.begin, self.text.end))
        text, lengths = together(batch.inputs, words_of(batch.inputs, batch.present, self.text))
        room = text.shape[1] - len(begin) - len(end)
        if room < 1:
            raise DataError(
                expected="examples of at least 3 tokens",
                found=f"{text.shape[1]} tokens",
                do="raise the data's text.length",
            )
        text, lengths = text[:, :room], lengths.clamp(max=room)
        most = max(1, round(room * self.share))
        covered = (lengths * self.share).round().long().clamp(1, most)
        spans = poisson_spans(torch.where(lengths > 0, covered, 0), self.mean_length, most=most)
        noisy, lengths_noisy = infill(text, lengths, spans, self.text.mask)
        fill = self.text.pad or 0
        inputs, present = _enclosed(noisy, lengths_noisy, begin, end, fill)
        target, asked = _enclosed(text, lengths, begin, end, fill)
        return Batch(
            inputs,
            target.masked_fill(~asked | (lengths == 0)[:, None], IGNORED),
            batch.indices,
            batch.global_size,
            present=unless_full(present),
        )

    def outputs(self, model: nn.Module, batch: Batch, chosen: Bool[Tensor, "batch length"] | None) -> Tensor:
        """What the decoder writes."""
        return write(model, batch, chosen, self.text)


def poisson_spans(covered: Int[Tensor, " batch"], mean_length: float, *, most: int) -> Int[Tensor, "batch most"]:
    """Lengths of the spans that cover so many tokens, in the order they were drawn; −1 where there is no more.

    Args:
        covered: m, of each text; there are m spans at most.
        mean_length: λ.
        most: the largest m.

    Example:
        >>> lengths = poisson_spans(torch.tensor([6]), 3.0, most=6)
        >>> lengths.clamp(min=0).sum().item()
        6
    """
    lengths = torch.poisson(torch.full((len(covered), most), mean_length)).long().to(covered.device)
    number = torch.arange(most, device=covered.device)
    before = lengths.cumsum(1) - lengths
    missing = covered[:, None] - before
    there = (missing > 0) & (number < covered[:, None])
    last = there & ((lengths >= missing) | (number == covered[:, None] - 1))
    return torch.where(last, missing, lengths).masked_fill(~there, -1)


def infill(
    text: Int[Tensor, "batch length"], lengths: Int[Tensor, " batch"], spans: Int[Tensor, "batch most"], mask: int
) -> tuple[Int[Tensor, "batch length"], Int[Tensor, " batch"]]:
    """The texts with a mask for each span, the spans at random places that do not overlap; and their lengths.

    A text of n tokens with k spans of m tokens in all has n − m + k slots; each choice of k of them for the spans is
    equally likely, and so is each order of the spans.

    Args:
        text: each row's tokens at its front.
        lengths: n.
        spans: their lengths, −1 where there is none; k ≤ m.
        mask: the token that stands for a span.
    """
    count = (spans >= 0).sum(1)
    slots = lengths - spans.clamp(min=0).sum(1) + count
    places = torch.arange(text.shape[1], device=text.device)
    inside = places < slots[:, None]
    rank = random_rank(inside)
    masked = inside & (rank < count[:, None])
    width = torch.where(masked, spans.gather(1, rank.clamp(max=spans.shape[1] - 1)), 1)
    source = (width.cumsum(1) - width).clamp(0, text.shape[1] - 1)
    return text.gather(1, source).masked_fill(masked, mask), slots


def _enclosed(
    text: Int[Tensor, "batch length"], lengths: Int[Tensor, " batch"], begin: list[int], end: list[int], fill: int
) -> tuple[Int[Tensor, "batch all"], Bool[Tensor, "batch all"]]:
    """The texts between their special tokens, then filling; and where they are not filling."""
    first = text.new_tensor(begin).expand(len(text), -1)
    whole = torch.cat([first, text, text.new_full((len(text), len(end)), fill)], 1)
    places = torch.arange(whole.shape[1], device=text.device)
    stop = lengths[:, None] + len(begin) + len(end)
    whole = whole.masked_fill(places >= stop - len(end), fill)
    if end:
        whole = whole.masked_fill(places == stop - 1, end[0])
    return whole, places < stop
