"""Which examples a loop has drawn: told apart by a number each, so that repeats and overlaps show."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from sightline.diagnose.text_seen import TextSeen

PLACES = 256
"""Numbers of an example that its mark is made from."""

MOST = 300_000
"""Marks kept of each kind; later examples are only counted."""


def marks(x: Tensor) -> list[float]:
    """One number an example, the same for the same example: a weighted sum of at most ``PLACES`` of its numbers.

    Example:
        >>> first, second, third = marks(torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]]))
        >>> first == third, first == second
        (True, False)
    """
    flat = x.detach().reshape(len(x), -1)
    some = flat[:, :: flat.shape[1] // PLACES | 1 if flat.shape[1] > PLACES else 1][:, :PLACES]
    found = (some.double().contiguous() * _weights(some.shape[1], x.device)).sum(1)
    plain = (some == some[:, :1]).all(1)  # nothing seen but background: of these all numbers count
    if some.shape[1] < flat.shape[1] and bool(plain.any()):
        found[plain] += 0.618 * flat[plain].double().sum(1)
    return found.tolist()


@lru_cache(maxsize=8)
def _weights(count: int, device: torch.device) -> Tensor:
    """Numbers that no simple relation joins; the same in every process."""
    return torch.frac(torch.arange(1, count + 1, dtype=torch.float64, device=device).sqrt() * 7.31) + 0.5


@dataclass(frozen=True)
class Drawn:
    """A batch: marks of its examples, and of some runs of tokens where it is text."""

    marks: list[float]
    runs: tuple[int, ...] = ()


class ExamplesSeen:
    """Sets of marks of the examples trained on and of those evaluated.

    Attributes:
        text: the same of stretches of text.
        trained, evaluated: examples.
        evaluated_with_gradients: those of the latter that were seen with gradients on.
    """

    def __init__(self) -> None:
        self.text = TextSeen()
        self._trained: Counter[float] = Counter()
        self._evaluated: set[float] = set()
        self._batches: list[list[float]] = []
        self.trained = 0
        self.evaluated = 0
        self.evaluated_with_gradients = 0

    def look(self, x: Tensor, others: Sequence[Tensor] = ()) -> Drawn:
        """What is kept of a network's input, and of what else it is given for each example."""
        found = marks(x)
        for place, other in enumerate(others, start=2):
            found = [mark + place**0.5 * more for mark, more in zip(found, marks(other), strict=True)]
        return Drawn(found, self.text.runs(x))

    def train(self, drawn: Drawn) -> None:
        """A batch was trained on."""
        batch = drawn.marks
        self.text.train(drawn.runs)
        self.trained += len(batch)
        if len(self._trained) < MOST:
            self._trained.update(batch)

    def evaluate(self, drawn: Drawn, *, grad: bool = False) -> None:
        """A batch was evaluated, with gradients followed or without."""
        batch = drawn.marks
        self.text.evaluate(drawn.runs)
        self.evaluated += len(batch)
        self.evaluated_with_gradients += grad * len(batch)
        if len(self._evaluated) < MOST:
            self._evaluated.update(batch)
            self._batches.append(batch)

    @property
    def repeated(self) -> float:
        """Share of the different examples trained on that come about twice as often as the usual one: duplicates."""
        if not self._trained:
            return 0.0
        usual = sorted(self._trained.values())[len(self._trained) // 2]
        return sum(n >= 1.6 * usual for n in self._trained.values()) / len(self._trained)

    @property
    def most_drawn(self) -> tuple[float, float]:
        """Shares of the examples trained on that the most frequent one and the second most frequent are."""
        counts = [count for _, count in self._trained.most_common(2)] + [0, 0]
        every = max(1, self._trained.total())
        return counts[0] / every, counts[1] / every

    @property
    def distinct(self) -> int:
        """Different examples trained on."""
        return len(self._trained)

    @property
    def distinct_evaluated(self) -> int:
        """Different examples evaluated."""
        return len(self._evaluated)

    @property
    def shared(self) -> int:
        """Different examples of evaluation that were trained on."""
        return sum(mark in self._trained for mark in self._evaluated)

    @property
    def batches(self) -> tuple[int, int, int]:
        """Batches evaluated of which no example, some, all were trained on at some time."""
        none = some = every = 0
        for batch in self._batches:
            share = sum(mark in self._trained for mark in batch) / max(1, len(batch))
            none, some, every = none + (share == 0), some + (0 < share < 1), every + (share == 1)
        return none, some, every
