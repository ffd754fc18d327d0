"""Seeded, stratified splits with exact counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import DataError

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitRows:
    """Which examples form each split, ascending.

    Args:
        train: rows the model is fitted to.
        validation: rows choices are made by.
        test: rows looked at once, at the end.
    """

    train: Int[Tensor, " train"]
    validation: Int[Tensor, " validation"]
    test: Int[Tensor, " test"]

    def of(self, name: SplitName) -> Tensor:
        """The rows of one split."""
        rows: Tensor = getattr(self, name)
        return rows


def hold_out(
    labels: Int[Tensor, " n"] | None, count: int, fraction: float, seed: int
) -> tuple[Int[Tensor, " kept"], Int[Tensor, " held"]]:
    """Hold out ``round(fraction · count)`` examples, each class in proportion (largest remainder).

    A class with two or more examples gives at least one where the number allows it, and keeps at least
    one; a class of one example is kept. With ``labels`` none, the examples are drawn without strata.

    Shapes:
        returns the kept and the held-out rows, each ascending; together 0 … count-1.

    Args:
        labels: class of each example.
        count: number of examples.
        fraction: share to hold out, in (0, 1).
        seed: of the draw; the same seed always gives the same rows.

    Lecture: F2

    Example:
        >>> kept, held = hold_out(torch.tensor([0, 0, 0, 0, 1, 1]), 6, 0.5, seed=0)
        >>> len(kept), torch.tensor([0, 0, 0, 0, 1, 1])[held].tolist()
        (3, [0, 0, 1])
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    groups = [np.arange(count)] if labels is None else [np.flatnonzero(labels.numpy() == c) for c in labels.unique()]
    wanted = min(max(round(fraction * count), 1), count - 1) if count > 1 else 0
    held: list[np.ndarray] = []
    for group, share in zip(groups, _shares([len(g) for g in groups], wanted, fraction), strict=True):
        held.append(generator.permutation(group)[:share])
    mask = np.zeros(count, dtype=bool)
    mask[np.concatenate([*held, np.zeros(0, dtype=np.int64)])] = True
    return torch.from_numpy(np.flatnonzero(~mask)), torch.from_numpy(np.flatnonzero(mask))


def _shares(sizes: Sequence[int], wanted: int, fraction: float) -> list[int]:
    """How many each class gives: proportional, within [1, size - 1] as far as ``wanted`` goes."""
    most = [max(size - 1, 0) for size in sizes]
    wanted = min(wanted, sum(most))
    exact = [fraction * size for size in sizes]
    shares = [min(int(e), m) for e, m in zip(exact, most, strict=True)]
    if sum(m > 0 for m in most) <= wanted:
        shares = [max(s, min(1, m)) for s, m in zip(shares, most, strict=True)]
    while sum(shares) != wanted:
        step = 1 if sum(shares) < wanted else -1
        least = 1 if sum(m > 0 for m in most) <= wanted else 0
        able = [
            i for i, (s, m) in enumerate(zip(shares, most, strict=True)) if (s < m if step > 0 else s > min(least, m))
        ]
        best = max(able, key=lambda i: (step * (exact[i] - shares[i]), -i))
        shares[best] += step
    return shares


def assign(
    given: Sequence[str] | None,
    target: Int[Tensor, " n"] | Float[Tensor, " n"],
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
) -> SplitRows:
    """Splits as given, the missing ones held out of the training examples.

    Args:
        given: for each example "train", "validation" or "test"; none: all are to be split.
        target: class numbers (the split is stratified) or numbers (it is not).
        validation_fraction: share of the training examples that validates.
        test_fraction: share of the training examples that tests.
        seed: of the draws.

    Raises:
        DataError: when there are too few examples for three splits.

    Lecture: F2
    """
    names = np.array(given if given is not None else ["train"] * len(target))
    rows = {name: torch.from_numpy(np.flatnonzero(names == name)) for name in SPLIT_NAMES}
    strata = None if target.is_floating_point() else target
    shares: tuple[tuple[SplitName, float], ...] = (("test", test_fraction), ("validation", validation_fraction))
    for name, fraction in shares:
        if len(rows[name]) == 0:
            train = rows["train"]
            kept, held = hold_out(None if strata is None else strata[train], len(train), fraction, seed)
            rows["train"], rows[name] = train[kept], train[held]
    if any(len(r) == 0 for r in rows.values()):
        sizes = ", ".join(f"{name} {len(r)}" for name, r in rows.items())
        raise DataError(
            expected="examples enough for training, validation and test",
            found=f"{len(target)} usable examples, which split into {sizes}",
            do="add examples: at least three"
            + (", and two or more a class" if strata is not None and len(strata.unique()) > 1 else ""),
        )
    return SplitRows(rows["train"], rows["validation"], rows["test"])
