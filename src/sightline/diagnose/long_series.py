"""Series by update that stay within bounds, however long a run: what is thinned, and what is kept in any case."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isfinite, nan
from typing import TypeVar

from sightline.diagnose.passes import passes
from sightline.diagnose.record import LossSeen, Record

MOST = 4_096
"""Rates, and calls of loss functions, that a record holds; what is longer is thinned to half of it or less."""

T = TypeVar("T")


def add_rates(record: Record, rates: tuple[float, ...]) -> None:
    """The groups' lr at an update, where it is another than before."""
    if record.rates and record.rates[-1][1] == rates:
        return
    record.rates.append((record.steps, rates))
    if len(record.rates) > MOST:
        record.rates = thinned(
            record.rates, step=lambda point: point[0], value=lambda point: max(map(abs, point[1]), default=nan)
        )


def add_losses(record: Record, seen: Sequence[LossSeen]) -> None:
    """Calls of loss functions. Of too many those of one pass become one, with their mean; then passes are left out."""
    record.losses += seen
    if len(record.losses) <= MOST:
        return
    joined = _joined(record.losses)
    for grad in (False, True):
        alike = passes(loss for loss in joined if loss.grad == grad)
        if len(alike) > MOST // 2:
            kept = {each.step for each in thinned(alike, step=lambda each: each.step, value=lambda each: each.loss)}
            joined = [loss for loss in joined if loss.grad != grad or loss.step in kept]
    record.losses = joined


def thinned(points: Sequence[T], *, step: Callable[[T], int], value: Callable[[T], float]) -> list[T]:
    """Points spread evenly over the steps, ``MOST / 4`` to ``MOST / 2``; with them the first, last, lowest and highest.

    Of each 2ᵏ steps the first point stays, or the first that is NaN or infinite. So what is thinned again and again is
    what would be left of the whole at once.

    Args:
        points: in order of their steps.
        step: of a point.
        value: of a point.

    Example:
        >>> kept = thinned([(k, 0.0) for k in range(100_000)], step=lambda p: p[0], value=lambda p: p[1])
        >>> len(kept), kept[:3], kept[-1]
        (1564, [(0, 0.0), (64, 0.0), (128, 0.0)], (99999, 0.0))
    """
    values = [value(point) for point in points]
    stretch = 1
    while stretch * (MOST // 2) <= step(points[-1]) - step(points[0]):
        stretch *= 2
    found: dict[int, int] = {}
    for i, point in enumerate(points):
        place = step(point) // stretch
        if place not in found or (isfinite(values[found[place]]) and not isfinite(values[i])):
            found[place] = i
    numbers = [i for i, number in enumerate(values) if isfinite(number)]
    ends = {0, len(points) - 1}
    if numbers:
        ends |= {min(numbers, key=values.__getitem__), max(numbers, key=values.__getitem__)}
    return [points[i] for i in sorted(ends | set(found.values()))]


def _joined(losses: Sequence[LossSeen]) -> list[LossSeen]:
    """Calls of one function at one place after one update, with and without accuracy, become one: the mean."""
    found: dict[tuple[object, ...], list[LossSeen]] = {}
    for loss in losses:
        key = loss.step, loss.function, loss.grad, loss.training, loss.site, loss.accuracy is None
        found.setdefault(key, []).append(loss)
    return [seen[0] if len(seen) == 1 else _mean(seen) for seen in found.values()]


def _mean(seen: Sequence[LossSeen]) -> LossSeen:
    (mean,) = passes(seen)
    return replace(seen[0], value=mean.loss, accuracy=mean.accuracy, examples=mean.examples)
