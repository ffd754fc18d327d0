"""What is said of any data set: class balance, classes a split lacks, target statistics."""

import torch
from torch import Tensor

from sightline.core.errors import DataError
from sightline.data.splits import SPLIT_NAMES, SplitRows
from sightline.data.target import Target


def balance(target: Target, rows: SplitRows) -> dict[str, dict[str, int]]:
    """Examples of each class in each split; empty for regression."""
    if target.task != "classification":
        return {}
    return {n: dict(zip(target.classes, _counts(target, rows.of(n)), strict=True)) for n in SPLIT_NAMES}


def class_notes(target: Target, rows: SplitRows) -> list[str]:
    """Classes with one example, and classes some split has no example of.

    Raises:
        DataError: for a class that is validated or tested but never trained.
    """
    if target.task != "classification":
        return []
    train, validation, test = (_counts(target, rows.of(n)) for n in SPLIT_NAMES)
    total = [sum(counts) for counts in zip(train, validation, test, strict=True)]
    for name, trained, n in zip(target.classes, train, total, strict=True):
        if trained == 0 and n > 0:
            raise DataError(
                expected="training examples of each class",
                found=f"{n} examples of {name!r} in validation or test, none in training",
                do=f"add training examples of {name!r}, or take its examples away",
            )
    single = [name for name, n in zip(target.classes, total, strict=True) if n == 1]
    notes = [f"a single example of {_listed(single)}: it is in training"] if single else []
    for split, counts in (("validation", validation), ("test", test)):
        absent = [name for name, n in zip(target.classes, counts, strict=True) if n == 0]
        if absent:
            notes.append(f"{split} has no example of {_listed(absent)}")
    return notes


def target_statistics(target: Target, rows: SplitRows) -> tuple[float, float]:
    """Training mean and standard deviation of a regression target; 0 and 1 for classes."""
    if target.task != "regression":
        return 0.0, 1.0
    values = target.values[rows.train].double()
    std = float(values.std(correction=0))
    return float(values.mean()), std if std > 0 else 1.0


def _counts(target: Target, rows: Tensor) -> list[int]:
    counts: list[int] = torch.bincount(target.values[rows], minlength=len(target.classes)).tolist()
    return counts


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
