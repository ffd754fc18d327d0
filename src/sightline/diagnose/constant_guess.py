"""The loss of the best constant guess: what a network must beat to have learned anything from its inputs."""

from collections.abc import Mapping, Sequence
from math import inf, log
from statistics import fmean, median

ENOUGH = 64
"""Targets of several numbers, below which a guess for each place says little."""


def entropy(counts: Mapping[int, int]) -> float:
    """−Σ p ln p of class counts, in nats.

    Example:
        >>> round(entropy({0: 5, 1: 5}), 4)
        0.6931
    """
    total = sum(counts.values())
    return -sum(n / total * log(n / total) for n in counts.values() if n) if total else 0.0


def constant_guess(kind: str, classes: Mapping[int, int], values: Sequence[float]) -> float | None:
    """Mean loss of the best constant answer, by the kind of loss; None where the targets do not tell.

    Args:
        kind: name of the loss function, or that of one written by hand.
        classes: count by class.
        values: targets that are no classes.

    Example:
        >>> constant_guess("mse_loss", {}, [0.0, 2.0])
        1.0
    """
    kind = kind.removesuffix("_loss")
    if kind in ("cross_entropy", "nll", "cross-entropy") and classes:
        return entropy(classes)
    few = max(1, sum(classes.values()) // 10_000)
    numbers = list(values) or [float(c) for c, n in classes.items() for _ in range(-(-n // few))]
    if not numbers or not all(abs(v) < inf for v in numbers):
        return None
    if kind.startswith("binary_cross_entropy") and all(0 <= v <= 1 for v in numbers):
        p = fmean(numbers)
        return 0.0 if p in (0.0, 1.0) else -(p * log(p) + (1 - p) * log(1 - p))
    if kind == "mse":
        middle = fmean(numbers)
        return fmean((v - middle) ** 2 for v in numbers)
    if kind == "l1":
        middle = median(numbers)
        return fmean(abs(v - middle) for v in numbers)
    if kind in ("smooth_l1", "huber"):
        middle = _huber_middle(numbers)
        return fmean(s * s / 2 if (s := abs(v - middle)) < 1 else s - 0.5 for v in numbers)
    return None


def guess_by_place(kind: str, places: Sequence[Sequence[float]]) -> float | None:
    """Mean loss of the best constant answer of several numbers, each place with one of its own: a mean picture.

    It is a share of that of one answer for all these places, which may lie at the dark rim of pictures.

    Args:
        kind: name of the loss function, or that of one written by hand.
        places: targets, of each the numbers at the same places.

    Returns:
        None for few targets, and where the targets do not tell.

    Example:
        >>> round(guess_by_place("mse_loss", [[0.0, 9.0], [2.0, 9.0]] * 32), 3)
        0.031
    """
    if len(places) < ENOUGH:
        return None
    each = [constant_guess(kind, {}, column) for column in zip(*places, strict=True)]
    found = [guess for guess in each if guess is not None]
    one = constant_guess(kind, {}, [number for place in places for number in place])
    if not found or len(found) != len(each) or not one:
        return None
    return min(1.0, fmean(found) * len(places) / (len(places) - 1) / one)


def _huber_middle(numbers: Sequence[float]) -> float:
    """Where the slopes, differences cut off at ±1, cancel: found by halving."""
    low, high = min(numbers), max(numbers)
    for _ in range(40):
        middle = (low + high) / 2
        if sum(max(-1.0, min(1.0, v - middle)) for v in numbers) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
