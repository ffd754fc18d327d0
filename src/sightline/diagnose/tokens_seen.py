"""How often each token comes in what networks are given: in training and in evaluation, anywhere and at the start."""

from collections import Counter
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

MOST_TOKENS = 200_000
"""Tokens counted of each kind; later ones are not."""

MOST_VOCABULARY = 5_000
LEADING = 3
"""Places at the start of a text that are told apart."""

ENOUGH = 100
"""Texts, and tokens, of each kind below which nothing is said."""


@dataclass(frozen=True)
class TokenShift:
    """How far the tokens of evaluation are from those of training.

    Attributes:
        anywhere: ½ Σ |p − q| of the shares of each token, less what chance gives: 0 for one text, 1 for two alphabets.
        leading: the same at one place of the start, where it is greatest.
        place: which.
        unknown: share of evaluation's tokens at that place that hardly come there in training.
    """

    anywhere: float
    leading: float
    place: int
    unknown: float


class TokensSeen:
    """Counts of tokens, of training and of evaluation."""

    def __init__(self) -> None:
        kinds = (True, False)
        self._anywhere: dict[bool, Counter[int]] = {kind: Counter() for kind in kinds}
        self._last: dict[bool, Counter[int]] = {kind: Counter() for kind in kinds}
        self._leading: dict[bool, list[Counter[int]]] = {kind: [Counter() for _ in range(LEADING)] for kind in kinds}
        self._before: list[int] = []
        self._first: list[int] = []
        self._passed = False

    def note(self, x: Tensor, *, training: bool) -> None:
        """Texts (examples, places) that a network was called on; what it writes itself, token by token, is no data."""
        whole = not (x.is_floating_point() or x.is_complex() or x.dtype == torch.bool)
        full = self._anywhere[training].total() >= MOST_TOKENS
        if not whole or x.dim() != 2 or x.shape[1] < LEADING or not len(x) or x.is_cuda or full:
            return
        if not training and (self._passed or self._written(x) or self._again(x)):
            return
        self._anywhere[training].update(x.reshape(-1).tolist())
        self._last[training].update(x[:, -1].tolist())
        for place, seen in enumerate(self._leading[training]):
            seen.update(x[:, place].tolist())

    def _written(self, x: Tensor) -> bool:
        """Whether texts are prompts, all the same, or those of the call before and a token more."""
        before, self._before = self._before, x[0].tolist()
        known = self._before[:-1]
        grown = bool(before) and known in (before, before[1:], before[-len(known) :])
        return grown or bool((x == x[:1]).all())

    def _again(self, x: Tensor) -> bool:
        """Whether a second pass over the same texts begins, which tells nothing new."""
        start = x[0].tolist()
        self._passed = start == self._first
        self._first = self._first or start
        return self._passed

    def shift(self) -> TokenShift | None:
        """None where too little was seen of either, or the vocabulary is large."""
        few = min(counts[0].total() for counts in self._leading.values()) < ENOUGH
        every = self._anywhere[True] | self._anywhere[False]
        if few or len(every) > MOST_VOCABULARY or len(self._anywhere[True]) < 4:
            return None
        padding = {token for last in self._last.values() for token, n in last.items() if n > 0.3 * last.total()}
        padding |= {token for seen in self._anywhere.values() for token, n in seen.items() if n > 0.3 * seen.total()}
        padding |= self._dropped_in()
        trained, evaluated = (_without(self._anywhere[kind], padding) for kind in (True, False))
        starts = [[_without(counts, padding) for counts in self._leading[kind]] for kind in (True, False)]
        if min(counts.total() for counts in (trained, evaluated)) < ENOUGH:
            return None
        found = [_apart(a, b) for a, b in zip(*starts, strict=True)]
        place = max(range(LEADING), key=lambda i: found[i])
        own, other = starts[0][place], starts[1][place]
        m, n = max(1, own.total()), max(1, other.total())
        rare = sum(count for token, count in other.items() if own[token] / m < 0.02 * count / n)
        return TokenShift(round(_apart(trained, evaluated), 4), round(found[place], 4), place, round(rare / n, 4))

    def _dropped_in(self) -> set[int]:
        """The token that stands for words left out at random in training: as often at every place, never evaluated."""
        every, other = self._anywhere[True], self._anywhere[False]
        m, n = every.total(), max(1, other.total())
        often = {t: count / m for t, count in every.items() if count > 0.02 * m and other[t] / n < 0.1 * count / m}
        starts = self._leading[True]
        found = {t for t, p in often.items() if all(0.5 * p < seen[t] / seen.total() < 2 * p for seen in starts)}
        return found if len(found) == 1 else set()


def _without(counts: Counter[int], tokens: set[int]) -> Counter[int]:
    return Counter({token: n for token, n in counts.items() if token not in tokens})


def _apart(a: Counter[int], b: Counter[int]) -> float:
    """Total variation of two counts, less about what two samples of one law differ by."""
    m, n = a.total(), b.total()
    if min(m, n) < ENOUGH:
        return 0.0
    every = a.keys() | b.keys()
    apart = sum(abs(a[t] / m - b[t] / n) for t in every) / 2
    chance = sum(sqrt((a[t] + b[t]) / (m + n)) for t in every) * sqrt(1 / m + 1 / n) * 0.4
    return max(0.0, apart - chance)
