"""Two sentences in one example: [CLS] A [SEP] B [SEP], and whether B really follows A.

Legend: B batch, L length. Of a text of n tokens the first ⌊n/2⌋ are the first sentence, the others the second.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sightline.core.errors import DataError

Pairs = Literal["none", "next-sentence", "sentence-order"]


@dataclass(frozen=True)
class Part:
    """A stretch of each row's sentence, maybe from another row.

    Shapes:
        all (batch,)

    Args:
        row: the text it is cut from.
        first: its first token there.
        length: its tokens.
    """

    row: Int[Tensor, " batch"]
    first: Int[Tensor, " batch"]
    length: Int[Tensor, " batch"]

    def of(self, rows: Int[Tensor, " batch"]) -> "Part":
        """The parts of other rows."""
        return Part(self.row[rows], self.first[rows], self.length[rows])

    def where(self, condition: Bool[Tensor, " batch"], other: "Part") -> "Part":
        """This part where the condition holds, the other elsewhere."""
        row, first, length = (
            torch.where(condition, own, its)
            for own, its in ((self.row, other.row), (self.first, other.first), (self.length, other.length))
        )
        return Part(row, first, length)


@dataclass(frozen=True)
class Framed:
    """Texts between their special tokens.

    Args:
        tokens: [CLS] A [SEP] B [SEP], or [CLS] A [SEP] alone, then filling.
        present: false at the filling.
        segments: 0 up to the first [SEP], then 1.
        pair: 1 where the second sentence does not follow the first, else 0; none without a second.
    """

    tokens: Int[Tensor, "batch length"]
    present: Bool[Tensor, "batch length"]
    segments: Int[Tensor, "batch length"]
    pair: Int[Tensor, " batch"] | None


def sentences(text: Int[Tensor, "batch length"], lengths: Int[Tensor, " batch"], pairs: Pairs) -> tuple[Part, Part]:
    """The two sentences of each text, as far as there is room for the special tokens; alone, the second is empty."""
    size, width = text.shape
    room = width - (2 if pairs == "none" else 3)
    if room < 2:
        raise DataError(
            expected="examples of at least 5 tokens", found=f"{width} tokens", do="raise the data's text.length"
        )
    lengths = lengths.clamp(max=room)
    half = lengths if pairs == "none" else lengths // 2
    rows = torch.arange(size, device=text.device)
    return Part(rows, torch.zeros_like(rows), half), Part(rows, half, lengths - half)


def next_sentence(first: Part, second: Part) -> tuple[Part, Part, Int[Tensor, " batch"]]:
    """In half of the pairs, by chance, the second sentence gives way to that of another text, any with equal chance.

    A batch of one text has no other: its sentence stays.

    Source: Devlin et al. 2019, "BERT", §3.1 (the lecture notes have the two sentences change places instead: that is
        :func:`sentence_order`)

    Lecture: T6
    """
    size = len(first.row)
    replaced = (torch.rand(size) < 0.5).to(first.row.device) & (size > 1)
    others = (first.row + torch.randint(1, max(size, 2), (size,)).to(first.row.device)) % size
    return first, second.of(others).where(replaced, second), replaced.long()


def sentence_order(first: Part, second: Part) -> tuple[Part, Part, Int[Tensor, " batch"]]:
    """In half of the pairs, by chance, the two sentences change places.

    Source: Lan et al. 2020, "ALBERT", §3.1

    Lecture: T6
    """
    swapped = (torch.rand(len(first.row)) < 0.5).to(first.row.device)
    return second.where(swapped, first), first.where(swapped, second), swapped.long()


def frame(
    text: Int[Tensor, "batch length"],
    lengths: Int[Tensor, " batch"],
    pairs: Pairs,
    *,
    classify: int,
    separator: int,
    fill: int,
) -> Framed:
    """Put texts between [CLS] and [SEP], in two sentences where pairs are asked for.

    Args:
        text: each row's tokens at its front.
        lengths: how many they are; what there is no room for is cut off.
        pairs: "none": one sentence; "next-sentence", "sentence-order": which pairs are wrong, and how.
        classify: the token [CLS].
        separator: the token [SEP].
        fill: stands after the text.

    Raises:
        DataError: where there is no room for a token of each sentence.

    Lecture: T6

    Example:
        >>> torch.manual_seed(0)
        <torch._C.Generator object at ...>
        >>> framed = frame(
        ...     torch.tensor([[5, 6, 7, 8, 9]]), torch.tensor([5]), "next-sentence", classify=1, separator=2, fill=0
        ... )
        >>> framed.tokens.tolist(), framed.segments.tolist(), framed.pair.tolist()
        ([[1, 5, 2, 6, 2]], [[0, 0, 0, 1, 1]], [0])
    """
    first, second = sentences(text, lengths, pairs)
    pair = None
    if pairs != "none":
        first, second, pair = (next_sentence if pairs == "next-sentence" else sentence_order)(first, second)
    places = torch.arange(text.shape[1], device=text.device)[None]
    middle = first.length[:, None] + 1  # the first [SEP]
    last = middle if pairs == "none" else middle + second.length[:, None] + 1
    behind = places > middle
    row = torch.where(behind, second.row[:, None], first.row[:, None])
    place = torch.where(behind, second.first[:, None] + places - middle - 1, first.first[:, None] + places - 1)
    tokens = text[row, place.clamp(0, text.shape[1] - 1)]
    tokens[:, 0] = classify
    tokens = tokens.masked_fill((places == middle) | (places == last), separator)
    return Framed(
        tokens.masked_fill(places > last, fill),
        places <= last,
        (behind & (places <= last)).long(),
        pair,
    )
