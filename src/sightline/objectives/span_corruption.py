"""Span corruption: stretches of a text give way to sentinels, and what they were is written down (T5).

Legend: B batch, L length. A text of n tokens loses m = round(density · n) of them in k = round(m / mean length) spans.
"""

from functools import cache
from typing import Annotated

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from sightline.core.config import Option, check
from sightline.core.errors import ConfigurationError
from sightline.core.schema import IGNORED, Schema
from sightline.data.batch import Batch
from sightline.objectives.random_places import random_parts, together, words_of
from sightline.objectives.registry import OBJECTIVES
from sightline.objectives.token_objective import LanguageObjective, write

DENSITY = Option("share of a text's tokens that are left out", above=0, below=1)
MEAN_LENGTH = Option("mean length of the spans left out", "tokens", minimum=1)


@OBJECTIVES.register("span-corruption")
class SpanCorruption(LanguageObjective):
    """T5's denoising: "Thank you <X> me to your party <Y> week" → "<X> for inviting <Y> last".

    Sentinels stand in the same order in both texts, and the end token ends both. Every division of the text into as
    many spans and stretches between them is equally likely; it begins with a stretch and ends with a span. Texts of
    fewer than two tokens lose none and count nowhere. Special tokens in a text, such as an end between two documents,
    are dropped first; unknown words stay.

    Args:
        schema: the data set's; its vocabulary has an end and as many sentinels as there are spans.
        density: share of the tokens left out.
        mean_length: of the spans, in tokens.

    Raises:
        ConfigurationError: when the vocabulary has no end or too few sentinels.

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning", §3.1.4 and §3.3.4

    Lecture: T6

    Example:
        >>> from sightline.core.schema import TextSchema
        >>> text = TextSchema(vocabulary_size=20, length=10, pad=0, end=1, sentinels=(19, 18))
        >>> objective = SpanCorruption(Schema("text", "language", (10,), text=text))
        >>> tokens = torch.arange(2, 12)[None]
        >>> batch = objective.prepare(Batch(tokens, tokens, torch.arange(1), 1))
        >>> batch.inputs.shape, batch.target.shape  # 2 of 10 tokens left out in 1 span; the ends
        (torch.Size([1, 10]), torch.Size([1, 4]))
    """

    name = "span-corruption"
    suits = ("encoder-decoder",)

    def __init__(
        self,
        schema: Schema,
        *,
        density: Annotated[float, DENSITY] = 0.15,
        mean_length: Annotated[float, MEAN_LENGTH] = 3.0,
    ) -> None:
        super().__init__(schema)
        self.density = check(density, float, DENSITY, None, "density")
        self.mean_length = check(mean_length, float, MEAN_LENGTH, None, "mean_length")
        if self.text.end is None:
            raise ConfigurationError(
                expected="a vocabulary with an end token, for the objective 'span-corruption'",
                found=f"one of {self.text.vocabulary_size:,} tokens without",
                do="train another tokenizer with the data",
            )
        self.sentinels = torch.tensor(self.text.sentinels, dtype=torch.int64)
        self.require_sentinels(self.text.length)

    def require_sentinels(self, length: int) -> None:
        """Refuse texts of so many tokens when there are fewer sentinels than spans.

        Raises:
            ConfigurationError: when that is so.
        """
        _, spans = lost_and_spans(length, self.density, self.mean_length)
        if spans[length] > len(self.sentinels):
            raise ConfigurationError(
                expected=f"{spans[length]} sentinels, one for each span left out of {length} tokens",
                found=f"{len(self.sentinels)} in the vocabulary",
                do="train a tokenizer with more (data.text.sentinels), or choose longer spans or a smaller density",
            )

    def prepare(self, batch: Batch) -> Batch:
        """The text with sentinels as the inputs, what they stand for as the target."""
        assert self.text.end is not None
        tokens, lengths = together(batch.inputs, words_of(batch.inputs, batch.present, self.text))
        length = tokens.shape[1]
        self.require_sentinels(length)
        self.sentinels = self.sentinels.to(tokens.device)
        losses, counts = lost_and_spans(length, self.density, self.mean_length)
        most_lost, most_spans = int(losses[length]), int(counts[length])
        lost, spans = losses.to(tokens.device)[lengths], counts.to(tokens.device)[lengths]
        noise = span_mask(
            random_parts(lengths - lost, spans, longest=length, most=max(1, most_spans)),
            random_parts(lost, spans, longest=length, most=max(1, most_spans)),
            length,
        )
        end, ends = self.text.end, most_spans + 1
        inputs, present = with_sentinels(
            tokens, lengths, noise, self.sentinels, end=end, fill=self.text.pad or 0, width=length - most_lost + ends
        )
        target, _ = behind_sentinels(tokens, noise, self.sentinels, end=end, fill=IGNORED, width=most_lost + ends)
        full = most_spans > 0 and bool((lengths == length).all())
        return Batch(
            inputs,
            target.masked_fill((spans == 0)[:, None], IGNORED),
            batch.indices,
            batch.global_size,
            present=None if full else present,
        )

    def chosen(self, batch: Batch) -> Bool[Tensor, "batch length"] | None:
        """All where the texts were full: they are of one length then, and so is what they lost."""
        return None if batch.present is None else super().chosen(batch)

    def outputs(self, model: nn.Module, batch: Batch, chosen: Bool[Tensor, "batch length"] | None) -> Tensor:
        """What the decoder writes."""
        return write(model, batch, chosen, self.text)


@cache
def lost_and_spans(
    longest: int, density: float, mean_length: float
) -> tuple[Int[Tensor, " lengths"], Int[Tensor, " lengths"]]:
    """How many tokens a text of n = 0, 1 … longest tokens loses, and in how many spans; neither falls as n grows.

    m = round(density · n), from 1 to n − 1; k = round(m / mean length), at least 1, with a token between any two spans.
    Halves are rounded to the even number. Texts of fewer than two tokens lose none.

    Example:
        >>> [numbers.tolist()[-1] for numbers in lost_and_spans(512, 0.15, 3.0)]
        [77, 26]
    """
    lengths = torch.arange(longest + 1)
    lost = torch.minimum((lengths * density).double().round().long().clamp(min=1), (lengths - 1).clamp(min=0))
    spans = (lost.double() / mean_length).round().long().clamp(min=1)
    return lost, torch.minimum(spans, torch.minimum(lost, lengths - lost))


def span_mask(
    kept: Int[Tensor, "batch spans"], lost: Int[Tensor, "batch spans"], length: int
) -> Bool[Tensor, "batch {length}"]:
    """True where a token is left out, of texts made of a stretch kept, a span lost, a stretch kept, and so on.

    Args:
        kept: tokens of each stretch; 0 after the last.
        lost: tokens of each span; 0 after the last.
        length: L.

    Example:
        >>> span_mask(torch.tensor([[2, 1]]), torch.tensor([[1, 2]]), 7).int().tolist()
        [[0, 0, 1, 0, 1, 1, 0]]
    """
    ends = torch.stack([kept, lost], 2).flatten(1).cumsum(1)
    turns = torch.zeros(len(kept), length + 1, dtype=torch.int64, device=kept.device)
    turns.scatter_(1, ends[:, :-1], 1)
    inside = torch.arange(length, device=kept.device) < ends[:, -1:]
    return (turns[:, :length].cumsum(1) % 2 == 1) & inside


def with_sentinels(
    tokens: Int[Tensor, "batch length"],
    lengths: Int[Tensor, " batch"],
    noise: Bool[Tensor, "batch length"],
    sentinels: Int[Tensor, " sentinels"],
    *,
    end: int,
    fill: int,
    width: int,
) -> tuple[Int[Tensor, "batch {width}"], Bool[Tensor, "batch {width}"]]:
    """The texts with a sentinel for each span left out, their end, then filling; and where they are text.

    Example:
        >>> noise = torch.tensor([[False, True, True, False, True]])
        >>> with_sentinels(
        ...     torch.tensor([[5, 6, 7, 8, 9]]),
        ...     torch.tensor([5]),
        ...     noise,
        ...     torch.tensor([90, 91]),
        ...     end=1,
        ...     fill=0,
        ...     width=6,
        ... )[0].tolist()
        [[5, 90, 8, 91, 1, 0]]
    """
    starts = _starts(noise)
    stays = (torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]) & (~noise | starts)
    return _closed_up(torch.where(starts, _sentinels(starts, sentinels), tokens), stays, end, fill, width)


def behind_sentinels(
    tokens: Int[Tensor, "batch length"],
    noise: Bool[Tensor, "batch length"],
    sentinels: Int[Tensor, " sentinels"],
    *,
    end: int,
    fill: int,
    width: int,
) -> tuple[Int[Tensor, "batch {width}"], Bool[Tensor, "batch {width}"]]:
    """What is left out, each span behind its sentinel, the end, then filling; and where that is text.

    Example:
        >>> noise = torch.tensor([[False, True, True, False, True]])
        >>> behind_sentinels(torch.tensor([[5, 6, 7, 8, 9]]), noise, torch.tensor([90, 91]), end=1, fill=0, width=6)[0]
        tensor([[90,  6,  7, 91,  9,  1]])
    """
    starts = _starts(noise)
    values = torch.stack([_sentinels(starts, sentinels), tokens], 2).flatten(1)
    return _closed_up(values, torch.stack([starts, noise], 2).flatten(1), end, fill, width)


def _starts(noise: Bool[Tensor, "batch length"]) -> Bool[Tensor, "batch length"]:
    """The first token of each span."""
    before = torch.zeros_like(noise)
    before[:, 1:] = noise[:, :-1]
    return noise & ~before


def _sentinels(
    starts: Bool[Tensor, "batch length"], sentinels: Int[Tensor, " sentinels"]
) -> Int[Tensor, "batch length"]:
    """At each place the sentinel of the latest span; the first one before any."""
    if not len(sentinels):
        return torch.zeros_like(starts, dtype=torch.int64)
    return sentinels[(starts.cumsum(1) - 1).clamp(min=0)]


def _closed_up(
    values: Int[Tensor, "batch slots"], stays: Bool[Tensor, "batch slots"], end: int, fill: int, width: int
) -> tuple[Int[Tensor, "batch {width}"], Bool[Tensor, "batch {width}"]]:
    """What stays, without gaps, then the end, then filling; and where it is not filling."""
    count = stays.sum(1, keepdim=True)
    places = torch.where(stays, stays.cumsum(1) - 1, width)  # what goes is put behind, and cut off
    closed = torch.full((len(values), width + 1), fill, dtype=torch.int64, device=values.device)
    closed.scatter_(1, places, values).scatter_(1, count, end)
    return closed[:, :width], torch.arange(width, device=values.device) <= count
