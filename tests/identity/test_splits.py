"""Splits have exact counts, keep the classes' proportions and depend on their seed alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.errors import DataError
from sightline.data.splits import SPLIT_NAMES, assign, hold_out


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 1000),
)
def test_hold_out(sizes: list[int], fraction: float, seed: int) -> None:
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))[torch.randperm(sum(sizes))]
    kept, held = hold_out(labels, len(labels), fraction, seed)
    assert torch.equal(torch.cat([kept, held]).sort().values, torch.arange(len(labels)))
    assert torch.equal(kept, kept.sort().values)
    assert torch.equal(held, held.sort().values)
    can_give = sum(size - 1 for size in sizes)
    wanted = min(max(round(fraction * len(labels)), 1), len(labels) - 1) if len(labels) > 1 else 0
    assert len(held) == min(wanted, can_give)
    gave = torch.bincount(labels[held], minlength=len(sizes)).tolist()
    divisible = [i for i, size in enumerate(sizes) if size > 1]
    for i, size in enumerate(sizes):
        assert gave[i] < size, "each class keeps one"
        if len(divisible) <= len(held) and i in divisible:
            assert gave[i] >= 1, "each class that can gives one"
    if min(sizes) >= 2 / min(fraction, 1 - fraction):
        assert all(abs(g - fraction * s) <= 1 for g, s in zip(gave, sizes, strict=True))
    again = hold_out(labels, len(labels), fraction, seed)
    assert torch.equal(again[1], held)


def test_another_seed_holds_out_others() -> None:
    labels = torch.arange(100) % 4
    assert not torch.equal(hold_out(labels, 100, 0.2, 0)[1], hold_out(labels, 100, 0.2, 1)[1])


def test_without_strata() -> None:
    kept, held = hold_out(None, 10, 0.3, 0)
    assert (len(kept), len(held)) == (7, 3)


def fractions(given_: list[str] | None, target: torch.Tensor) -> list[int]:
    rows = assign(given_, target, validation_fraction=0.25, test_fraction=0.2, seed=0)
    whole = torch.cat([rows.of(n) for n in SPLIT_NAMES])
    assert torch.equal(whole.sort().values, torch.arange(len(target)))
    return [len(rows.of(n)) for n in SPLIT_NAMES]


def test_only_missing_splits_are_held_out() -> None:
    labels = torch.arange(100) % 2
    assert fractions(None, labels) == [60, 20, 20]
    assert fractions(["train"] * 80 + ["test"] * 20, labels) == [60, 20, 20]
    assert fractions(["train"] * 50 + ["validation"] * 50, labels) == [40, 50, 10]
    assert fractions(["train"] * 90 + ["validation"] * 5 + ["test"] * 5, labels) == [90, 5, 5]
    assert fractions(None, torch.randn(100)) == [60, 20, 20]


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_examples(count: int) -> None:
    with pytest.raises(DataError, match="training, validation and test"):
        assign(None, torch.randn(count), validation_fraction=0.1, test_fraction=0.2, seed=0)
