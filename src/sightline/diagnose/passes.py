"""Losses that were computed after the same update, put together: one pass over a split, or over a training batch."""

from collections.abc import Iterable
from dataclasses import dataclass

from sightline.diagnose.record import LossSeen


@dataclass(frozen=True)
class Pass:
    """One look at a split, or at a training batch.

    Attributes:
        step: updates made before.
        loss: mean.
        accuracy: of classes; None where there are none.
        examples: how many.
    """

    step: int
    loss: float
    accuracy: float | None
    examples: int


def passes(losses: Iterable[LossSeen]) -> tuple[Pass, ...]:
    """Means over examples, by update.

    Example:
        >>> rows = [(0.5, 1.0, 30), (1.0, 0.6, 10)]
        >>> seen = [LossSeen(7, "cross_entropy", loss, False, False, right, n, "?:0") for loss, right, n in rows]
        >>> passes(seen)
        (Pass(step=7, loss=0.625, accuracy=0.9, examples=40),)
    """
    found: dict[int, list[LossSeen]] = {}
    for loss in losses:
        found.setdefault(loss.step, []).append(loss)
    return tuple(_joined(step, seen) for step, seen in sorted(found.items()))


def _joined(step: int, seen: list[LossSeen]) -> Pass:
    n = sum(each.examples for each in seen)
    mean = sum(each.value * each.examples for each in seen) / max(1, n)
    right = [(each.accuracy, each.examples) for each in seen if each.accuracy is not None]
    return Pass(step, mean, sum(a * k for a, k in right) / sum(k for _, k in right) if right else None, n)
