"""The loss of the best constant guess: what a network must beat to have learned anything from its inputs."""

from collections.abc import Mapping, Sequence
from math import inf, log
from statistics import fmean, median


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
    numbers = list(values) or [float(c) for c, n in classes.items() for _ in range(min(n, 1_000))]
    if not numbers or not all(abs(v) < inf for v in numbers):
        return None
    if kind.startswith("binary_cross_entropy") and all(0 <= v <= 1 for v in numbers):
        p = fmean(numbers)
        return 0.0 if p in (0.0, 1.0) else -(p * log(p) + (1 - p) * log(1 - p))
    middle = fmean(numbers) if kind == "mse" else median(numbers)
    if kind == "mse":
        return fmean((v - middle) ** 2 for v in numbers)
    if kind in ("l1", "smooth_l1", "huber"):
        sizes = [abs(v - middle) for v in numbers]
        return fmean(sizes) if kind == "l1" else fmean(s * s / 2 if s < 1 else s - 0.5 for s in sizes)
    return None
