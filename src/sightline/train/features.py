"""Vectors of texts from a network's hidden states: encoded, filled up, run by length, mixed and pooled."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline.core.errors import CheckpointError, ConfigurationError, DataError
from sightline.core.progress import progress
from sightline.understand.hidden_states import mix_layers, pool_tokens

if TYPE_CHECKING:
    from sightline.data.frame import Frame
    from sightline.data.tokenizer import Tokenizer


def text_features(
    model: nn.Module,
    tokenizer: "Tokenizer",
    texts: Sequence[str],
    *,
    mix: str | int = "last",
    pool: str = "mean",
    cut: bool = False,
    batch_size: int = 32,
) -> Float[Tensor, "texts width"]:
    """One vector a text, in order, float32 on the CPU.

    Texts of like length are run together; what fills a batch up changes nothing. An encoder gets the tokens that it
    was trained to find around a text: [CLS] or the begin token before it, [SEP] or the end token after it.

    Args:
        model: with ``hidden_states(tokens, present=…)``, as every text predictor has.
        tokenizer: the one it was trained with.
        texts: at least one.
        mix: of layers; see :func:`~sightline.understand.hidden_states.mix_layers`.
        pool: over tokens; see :func:`~sightline.understand.hidden_states.pool_tokens`.
        cut: cut texts that are longer than the model's context instead of refusing them.
        batch_size: texts run together.

    Raises:
        ConfigurationError: for a network without hidden states, or a mix or pooling that there is not.
        DataError: for no text, one without tokens, or one longer than the context.
        CheckpointError: for features that are not finite.

    Lecture: W4

    Example:
        >>> from sightline.data.train_tokenizer import train_tokenizer
        >>> from sightline.models.gpt import GPT
        >>> letters = train_tokenizer("characters", ["abc"], vocabulary_size=None)
        >>> model = GPT(vocabulary_size=letters.vocabulary_size, context_length=8, depth=2, width=8, num_heads=2)
        >>> text_features(model, letters, ["abc", "b"], mix="sum", pool="max").shape
        torch.Size([2, 8])
    """
    if not callable(getattr(model, "hidden_states", None)):
        raise ConfigurationError(
            expected="a network on text, with hidden states", found=type(model).__name__, do="give a run on text"
        )
    if not texts:
        raise DataError(expected="at least one text", found="none", do="give some")
    rows = _framed(model, tokenizer, texts, cut)
    order = sorted(range(len(rows)), key=lambda row: -len(rows[row]))
    filling = tokenizer.special("pad") or 0
    device = next(model.parameters()).device
    was_training = model.training
    found: list[tuple[int, Tensor]] = []
    model.eval()
    try:
        with torch.no_grad(), progress("reading texts", len(rows), "texts") as bar:
            for part in _parts(order, batch_size):
                tokens, present = filled([rows[row] for row in part], filling)
                tokens, present = tokens.to(device), present.to(device)
                states = _hidden_states(model, tokens, None if bool(present.all()) else present)
                vectors = pool_tokens(mix_layers(states, mix), present, pool=pool).float().cpu()
                found += zip(part, vectors, strict=True)
                bar.advance(len(part))
    finally:
        model.train(was_training)
    vectors = torch.stack([vector for _, vector in sorted(found, key=lambda pair: pair[0])])
    wrong = (~vectors.isfinite().all(1)).nonzero()[:, 0]
    if len(wrong):
        raise CheckpointError(
            expected="finite features",
            found=f"NaN or infinity in those of text {int(wrong[0]) + 1}",
            do="the network's weights are not finite: take an earlier checkpoint",
        )
    return vectors


def _hidden_states(model: Any, tokens: Tensor, present: Tensor | None) -> Sequence[Tensor]:
    states: Sequence[Tensor] = model.hidden_states(tokens, present=present)
    return states


def _parts(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _framed(model: nn.Module, tokenizer: "Tokenizer", texts: Sequence[str], cut: bool) -> list[list[int]]:
    """Each text's tokens with those that stand around it."""
    frame = _frame(model, tokenizer)
    rows = []
    for number, tokens in enumerate(tokenizer.encode_batch(list(texts)), start=1):
        if not len(tokens):
            raise DataError(
                expected="text in every line",
                found=f"no token in text {number}: {texts[number - 1]!r}",
                do="leave it out",
            )
        if len(tokens) > frame.room and not cut:
            raise DataError(
                expected=f"texts of at most {frame.room} tokens, the model's context",
                found=f"{len(tokens)} in text {number}: {texts[number - 1][:40]!r}…",
                do="shorten it, or let long texts be cut (--cut)",
            )
        rows.append([*frame.before, *map(int, tokens[: frame.room]), *frame.after])
    return rows


def _frame(model: nn.Module, tokenizer: "Tokenizer") -> "Frame":
    """What stands around a text that a model reads as a whole; nothing for one that goes on writing."""
    from sightline.data.frame import Frame, class_frame, source_frame

    context = getattr(model, "context_length", None)
    most = sys.maxsize if context is None else int(context)
    task = getattr(model, "text_task", "decoder")
    if task == "decoder":
        return Frame((), (), most)
    return class_frame(tokenizer, most) if task == "encoder" else source_frame(tokenizer, most)


def filled(rows: Sequence[Sequence[int]], pad: int) -> tuple[Int[Tensor, "rows longest"], Bool[Tensor, "rows longest"]]:
    """Rows of different lengths as one array, filled up at the right, and where they are text.

    Example:
        >>> tokens, present = filled([[5, 6], [7]], 0)
        >>> tokens.tolist(), present.tolist()
        ([[5, 6], [7, 0]], [[True, True], [True, False]])
    """
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(row, dtype=torch.int64) for row in rows], batch_first=True, padding_value=pad
    )
    return tokens, torch.arange(tokens.shape[1]) < lengths[:, None]


def nearest_texts(
    vectors: Float[Tensor, "texts width"], count: int
) -> tuple[Int[Tensor, "texts count"], Float[Tensor, "texts count"]]:
    """Of every vector the nearest others by the cosine of their angle, nearest first, and those cosines.

    Args:
        vectors: of texts.
        count: how many; fewer where there are fewer others.

    Example:
        >>> which, cosine = nearest_texts(torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 3.0]]), 1)
        >>> which.tolist()
        [[1], [0], [1]]
    """
    directions = F.normalize(vectors.double(), dim=1)
    cosine = directions @ directions.T
    cosine.fill_diagonal_(-2)  # below every cosine: none is its own neighbour
    found = cosine.topk(min(count, len(vectors) - 1), 1)
    return found.indices, found.values.to(vectors.dtype)
