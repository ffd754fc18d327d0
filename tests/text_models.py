"""Tiny networks with the calls of those for text, each token's outputs a plain function of what it may see."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from sightline.core.schema import Schema, TextSchema

VOCABULARY = 23
TEXT = TextSchema(
    vocabulary_size=VOCABULARY,
    length=12,
    target_length=8,
    bytes_per_token=2.5,
    pad=0,
    unknown=1,
    begin=2,
    end=3,
    mask=4,
    classify=5,
    separator=6,
    sentinels=(22, 21, 20),
)
FIRST_WORD = 7
"""Tokens from here to 19 are words."""


def schema(task: str = "language", *, length: int = 12, classes: tuple[str, ...] = ()) -> Schema:
    return Schema("text", task, (length,), classes=classes, text=TEXT)  # type: ignore[arg-type]


def words(size: int, length: int = 12, seed: int = 0) -> Tensor:
    return torch.randint(FIRST_WORD, 20, (size, length), generator=torch.Generator().manual_seed(seed))


def filled_up(lengths: list[int], length: int = 12) -> Tensor:
    """Where texts of these lengths are."""
    return torch.arange(length) < torch.tensor(lengths)[:, None]


class Reader(nn.Module):
    """Token, place and the mean of the tokens seen, mixed by one hidden layer."""

    text_task: ClassVar[str]
    causal: ClassVar[bool]

    def __init__(self, num_outputs: int = VOCABULARY, width: int = 6) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.segments = nn.Embedding(2, width)
        self.mixed = nn.Linear(2 * width, width)
        self.head = nn.Linear(width, num_outputs)
        self.pair_head = nn.Linear(width, 2)

    def mix(self, tokens: Tensor, present: Tensor | None) -> Tensor:
        seen = self.embedding(tokens)
        weights = torch.ones_like(tokens) if present is None else present
        weights = weights.to(seen)[:, :, None]
        if self.causal:
            mean = (seen * weights).cumsum(1) / weights.cumsum(1).clamp(min=1)
        else:
            mean = ((seen * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1)).expand_as(seen)
        hidden: Tensor = self.mixed(torch.cat([seen, mean], 2)).tanh()
        return hidden

    def forward(
        self,
        tokens: Tensor,
        *,
        present: Tensor | None = None,
        segments: Tensor | None = None,
        select: Tensor | None = None,
        pairs: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        hidden = self.mix(tokens, present)
        if segments is not None:
            hidden = hidden + self.segments(segments)
        outputs: Tensor = self.head(hidden if select is None else hidden[select])
        return (outputs, self.pair_head(hidden[:, 0])) if pairs else outputs


class Decoder(Reader):
    text_task = "decoder"
    causal = True


class Encoder(Reader):
    text_task = "encoder"
    causal = False


class EncoderDecoder(nn.Module):
    """An encoder's mean is added to what a decoder has."""

    text_task: ClassVar[str] = "encoder-decoder"
    start_token = 3

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()

    def forward(
        self,
        tokens: Tensor,
        *,
        decoder_tokens: Tensor,
        present: Tensor | None = None,
        segments: Tensor | None = None,
        select: Tensor | None = None,
    ) -> Tensor:
        weights = (torch.ones_like(tokens) if present is None else present)[:, :, None]
        read = self.encoder.mix(tokens, present)
        mean = (read * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1)
        hidden = self.decoder.mix(decoder_tokens, None) + mean
        outputs: Tensor = self.decoder.head(hidden if select is None else hidden[select])
        return outputs
