"""Scores of a network's next token with a cache: after the prompt every step costs one token, not all of them again."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.nn.stack_cache import StackCache


class FullScores:
    """Scores of a network's next token, all tokens read again at every step: the plain twin of :class:`CachedScores`.

    With ``window`` only the last W tokens are read, which is how a network goes on past its context length: positions
    are counted from the window's first token, so nothing read before can be kept. A step costs a pass over W tokens.

    Shapes:
        tokens, present (batch, num_tokens) → (batch, vocabulary)

    Args:
        model: a network of next tokens, or an encoder-decoder together with its source.
        window: W; none: all tokens.
        source: what an encoder-decoder reads, (batch, source tokens).
        source_present: true where the source is text.

    Lecture: X8

    Example:
        >>> from sightline.models.gpt import GPT
        >>> model = GPT(vocabulary_size=7, context_length=8, depth=1, width=8, num_heads=2).eval()
        >>> tokens = torch.tensor([[1, 2, 3]])
        >>> FullScores(model)(tokens, tokens > 0).shape
        torch.Size([1, 7])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        window: int | None = None,
        source: Int[Tensor, "batch num_source"] | None = None,
        source_present: Bool[Tensor, "batch num_source"] | None = None,
    ) -> None:
        self.model, self.window = model, window
        self._source = None if source is None else _Source(model, source, source_present)

    def __call__(
        self, tokens: Int[Tensor, "batch num_tokens"], present: Bool[Tensor, "batch num_tokens"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """Logits of the next token of every row."""
        if self.window is not None:
            tokens, present = tokens[:, -self.window :], present[:, -self.window :]
        if self._source is not None:
            return self._source.scores(self.model, tokens, None)
        options = {} if bool(present.all()) else {"present": present}
        scores: Tensor = self.model(tokens, select=_last(tokens), **options)
        return scores

    def select(self, rows: Int[Tensor, " chosen"]) -> None:
        """Keep these rows of the source."""
        if self._source is not None:
            self._source.select(rows)


class CachedScores:
    """Scores of a network's next token, with the keys and values of earlier tokens kept.

    The first call reads the prompts; every later one reads the tokens that have come since. The head runs for the last
    token only. An encoder-decoder encodes its source once. Scores are those of :class:`FullScores`.

    Shapes:
        tokens, present (batch, num_tokens) → (batch, vocabulary)

    Args:
        model: a network of next tokens, or an encoder-decoder together with its source.
        capacity: most tokens there will be in a row, filling included.
        source: what an encoder-decoder reads, (batch, source tokens).
        source_present: true where the source is text.

    Raises:
        ConfigurationError: for a network that has no cache.

    Lecture: X8, T7

    Example:
        >>> from sightline.models.gpt import GPT
        >>> model = GPT(vocabulary_size=7, context_length=8, depth=1, width=8, num_heads=2).eval()
        >>> scores = CachedScores(model, capacity=8)
        >>> tokens = torch.tensor([[1, 2, 3, 4]])
        >>> first = scores(tokens[:, :3], tokens[:, :3] > 0)
        >>> scores(tokens, tokens > 0).shape, scores.length
        (torch.Size([1, 7]), 4)
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        capacity: int,
        source: Int[Tensor, "batch num_source"] | None = None,
        source_present: Bool[Tensor, "batch num_source"] | None = None,
    ) -> None:
        if not hasattr(model, "new_cache"):
            raise ConfigurationError(
                expected="a network that decodes with a cache", found=type(model).__name__, do="use FullScores"
            )
        self.model = model
        self._source = None if source is None else _Source(model, source, source_present)
        self._cache: StackCache = model.new_cache(capacity)  # type: ignore[operator]
        self._seen: Tensor | None = None
        self._family = torch.empty(0)
        self._filled = False

    @property
    def length(self) -> int:
        """Tokens read so far, filling included."""
        return self._cache.length

    def __call__(
        self, tokens: Int[Tensor, "batch num_tokens"], present: Bool[Tensor, "batch num_tokens"]
    ) -> Float[Tensor, "batch vocabulary"]:
        """Logits of the next token of every row; tokens read before must be the same as they were."""
        new = tokens[:, self.length :]
        if self._seen is None:
            self._family = torch.arange(len(tokens), device=tokens.device)
            self._filled = not bool(present.all())
        self._seen = tokens
        if self._source is not None:
            return self._source.scores(self.model, new, self._cache)
        options: dict[str, Any] = {"present": present} if self._filled else {}
        scores: Tensor = self.model(new, select=_last(new), cache=self._cache, **options)
        return scores

    def select(self, rows: Int[Tensor, " chosen"]) -> None:
        """Keep these rows, in this order.

        Beams of one prompt hold the same numbers as far back as their tokens agree: where rows only change places with
        others of their prompt, no more is copied than what came after.
        """
        assert self._seen is not None, "rows are selected after they were scored"
        places = torch.arange(len(self._family), device=rows.device)
        if torch.equal(rows, places):
            return
        if torch.equal(self._family[rows], self._family):
            self._move(rows, (rows != places).nonzero()[:, 0], self._seen)
        else:
            self._cache.select(rows)
            if self._source is not None:
                self._source.select(rows)
            self._family = self._family[rows]
        self._seen = self._seen[rows]

    def _move(self, rows: Tensor, moved: Tensor, seen: Tensor) -> None:
        """Overwrite the moved rows, from the first token in which any of them differs from what it becomes."""
        source = rows[moved]
        differs = (seen[source] != seen[moved]).any(0)
        if not bool(differs.any()):
            return
        first = int(differs.int().argmax())
        for cache in self._cache.own:
            for held in cache.contents():
                held[moved, :, first:] = held[source, :, first:]


class _Source:
    """What an encoder-decoder reads: encoded once, then asked at every step."""

    def __init__(self, model: Any, tokens: Tensor, present: Tensor | None) -> None:
        self.tokens = tokens
        self.present = None if present is None or bool(present.all()) else present
        self.encoded: Tensor = model.encode(tokens, **self._options())

    def scores(self, model: nn.Module, decoder_tokens: Tensor, cache: StackCache | None) -> Tensor:
        """Logits after the last of the decoder's tokens."""
        scores: Tensor = model(
            self.tokens,
            decoder_tokens=decoder_tokens,
            select=_last(decoder_tokens),
            encoded=self.encoded,
            cache=cache,
            **self._options(),
        )
        return scores

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order."""
        self.tokens, self.encoded = self.tokens[rows], self.encoded[rows]
        self.present = None if self.present is None else self.present[rows]

    def _options(self) -> dict[str, Tensor]:
        return {} if self.present is None else {"present": self.present}


def _last(tokens: Tensor) -> Tensor:
    """True at each row's last token."""
    last = torch.zeros_like(tokens, dtype=torch.bool)
    last[:, -1] = True
    return last
