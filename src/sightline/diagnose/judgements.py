"""Accuracy that a loop counts itself: the class of the highest score against the truth, by no loss function."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.diagnose.readable import readable

MOST_KNOWN = 4_096
"""Tensors followed at a time: of a loop that gathers its answers first and counts at the end."""

CHOOSING = frozenset([torch.argmax, Tensor.argmax, torch.max, Tensor.max, torch.topk, Tensor.topk]) | {
    *(torch.round, Tensor.round, torch.gt, Tensor.gt, Tensor.__gt__, torch.ge, Tensor.ge, Tensor.__ge__)
}
"""Functions that make choices of scores: a class, or one side of a threshold."""

DATA = Tensor.data.__get__  # type: ignore[attr-defined]
"""The old way to take a tensor out of the graph."""

PASSING = (
    frozenset([torch.softmax, Tensor.softmax, F.softmax, torch.log_softmax, Tensor.log_softmax, F.log_softmax])
    | {torch.sigmoid, Tensor.sigmoid, F.sigmoid, torch.squeeze, Tensor.squeeze, torch.flatten, Tensor.flatten}
    | {Tensor.view, torch.reshape, Tensor.reshape, torch.t, Tensor.t, Tensor.__getitem__, DATA}
    | {Tensor.float, Tensor.long, Tensor.int, Tensor.to, Tensor.type, Tensor.cpu, Tensor.detach, torch.cat}
)
"""Functions whose result is scores where they are given scores, and choices where they are given choices."""

EQUAL = frozenset([torch.eq, Tensor.eq, Tensor.__eq__])

JUDGING = CHOOSING | PASSING | EQUAL
"""Functions that are of interest here."""

Told = Callable[[Tensor, Tensor], None]


class Judgements:
    """Follow a network's answers in evaluation to where they are compared with the truth.

    Args:
        judged: told (which are right, the truth).

    Example:
        >>> told = []
        >>> judgements = Judgements(lambda right, truth: told.append(right.tolist()))
        >>> scores, truth = torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1])
        >>> judgements.answered(scores)
        >>> choices = scores.argmax(1)
        >>> judgements.called(Tensor.argmax, (scores, 1), choices)
        >>> judgements.called(Tensor.eq, (choices, truth), choices == truth)
        >>> told
        [[True, False]]
    """

    def __init__(self, judged: Told) -> None:
        self._judged = judged
        self._known: dict[int, tuple[weakref.ref[Tensor], bool]] = {}

    def answered(self, scores: Tensor) -> None:
        """A network's answer in evaluation."""
        self._keep(scores, chosen=False)

    def called(self, func: Any, args: Sequence[Any], result: Any) -> None:
        """One of ``JUDGING`` was called."""
        if not self._known:
            return
        given = [x for x in args if isinstance(x, Tensor)]
        if func is torch.cat and args and isinstance(args[0], (list, tuple)):
            given = [x for x in args[0] if isinstance(x, Tensor)]
        known = [self._kind(x) for x in given]
        if func in EQUAL:
            self._compare(given, known, result)
        elif known and known[0] is not None:
            # of the largest values those places that they stand at
            made = result if isinstance(result, Tensor) else getattr(result, "indices", None)
            if isinstance(made, Tensor):
                self._keep(made, chosen=known[0] or func in CHOOSING)

    def _compare(self, given: Sequence[Tensor], known: Sequence[bool | None], result: Any) -> None:
        if len(given) != 2 or not isinstance(result, Tensor) or (known[0] is None) == (known[1] is None):
            return
        choice, truth = (0, 1) if known[0] is not None else (1, 0)
        counted = result.dtype == torch.bool and readable(given[truth])
        if known[choice] and counted and given[choice].numel() == given[truth].numel() == result.numel():
            self._judged(result, given[truth])

    def _kind(self, tensor: Tensor) -> bool | None:
        """Whether a tensor holds choices; None for what no answer led to."""
        found = self._known.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def _keep(self, tensor: Tensor, *, chosen: bool) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known = {key: value for key, value in self._known.items() if value[0]() is not None}
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
        self._known[id(tensor)] = (weakref.ref(tensor), chosen)
