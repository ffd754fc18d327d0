"""What networks are called on, until it is known whether it was trained on: it was if a backward pass follows.

A cell that a loop steps through a sequence by hand is called once a place, and given again what it made itself. All
those calls are one batch of sequences, however long: the mark of an example is then a weighted sum over its places.
"""

import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import modf

from torch import Tensor

from sightline.diagnose.examples_seen import Drawn, ExamplesSeen

MOST_WAITING = 65_536
"""Examples that may wait for a backward pass; the oldest of more than these were evaluated, with gradients on."""

MOST_STATES = 8
"""Tensors of an answer that are looked for among what the network is given next."""


@dataclass
class _Batch:
    marks: list[float]
    runs: tuple[int, ...]
    grad: bool
    training: bool
    calls: int = 1

    @property
    def drawn(self) -> Drawn:
        """What was drawn, all calls together."""
        return Drawn(self.marks, self.runs)

    def takes(self, marks: Sequence[float], grad: bool, training: bool) -> bool:
        """Whether a call can be the next of the same sequences."""
        return (self.grad, self.training) == (grad, training) and len(marks) <= len(self.marks)

    def go_on(self, marks: Sequence[float]) -> None:
        """The next place of the same sequences; those that have ended are left as they are."""
        weight = modf(self.calls * 0.6180339887498949)[0] + 0.5  # of each place another
        self.calls += 1
        for i, mark in enumerate(marks):
            self.marks[i] += weight * mark


class ExamplesDrawn:
    """Sort batches into those trained on and those evaluated.

    Args:
        seen: is told of them.
    """

    def __init__(self, seen: ExamplesSeen) -> None:
        self._seen = seen
        self._waiting: deque[_Batch] = deque()
        self._count = 0
        self._last: dict[str, _Batch] = {}
        self._made: dict[str, list[weakref.ref[Tensor]]] = {}

    def fed_back(self, network: str, given: Iterable[Tensor]) -> list[Tensor]:
        """Those of the tensors given to a network that it made itself in its call before: its state."""
        states = [state for made in self._made.get(network, ()) if (state := made()) is not None]
        return [x for x in given if any(x is state for state in states)]

    def made(self, network: str, answer: Iterable[Tensor]) -> None:
        """What a network's call came to."""
        self._made[network] = [weakref.ref(x) for x in islice(answer, MOST_STATES)]

    def add(self, network: str, drawn: Drawn, *, goes_on: bool, grad: bool, training: bool) -> None:
        """A network was called on a batch.

        Args:
            network: its name.
            drawn: the batch.
            goes_on: whether it was given its own state too.
            grad: whether gradients were followed.
            training: its mode.
        """
        last = self._last.get(network)
        if goes_on and last is not None and last.takes(drawn.marks, grad, training):
            last.go_on(drawn.marks)
            return
        if last is not None and not last.grad:
            self._seen.evaluate(last.drawn, grad=False)
        batch = self._last[network] = _Batch(drawn.marks, drawn.runs, grad, training)
        if grad:
            self._waiting.append(batch)
            self._count += len(drawn.marks)
            while self._count > MOST_WAITING and len(self._waiting) > 1:
                oldest = self._waiting.popleft()
                self._count -= len(oldest.marks)
                self._seen.evaluate(oldest.drawn, grad=True)

    def sort(self, *, trained: bool) -> None:
        """Those since the last backward pass were trained on, as far as the network was in the mode it was in last."""
        for last in self._last.values():
            if not last.grad:
                self._seen.evaluate(last.drawn, grad=False)
        mode = self._waiting[-1].training if self._waiting else True
        for batch in self._waiting:
            if trained and batch.training == mode:
                self._seen.train(batch.drawn)
            else:
                self._seen.evaluate(batch.drawn, grad=True)
        self._waiting.clear()
        self._last.clear()
        self._count = 0
