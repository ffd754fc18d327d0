"""Early stopping: when it stops, and that it continues from a checkpoint as if never interrupted."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import ConfigurationError
from sightline.optim import EarlyStopping


def test_stops_after_patience_looks_without_a_better_one() -> None:
    stopping = EarlyStopping(patience=3, mode="max")
    history = []
    for value in (0.5, 0.7, 0.6, 0.7, 0.8, 0.1, 0.2, 0.3):
        history.append((stopping.update(value), stopping.stop))
    assert [improved for improved, _ in history] == [True, True, False, False, True, False, False, False]
    assert [stop for _, stop in history] == [False] * 7 + [True]
    assert stopping.best == 0.8


def test_smaller_is_better_where_so_asked() -> None:
    stopping = EarlyStopping(patience=1, mode="min")
    assert [stopping.update(v) for v in (3.0, 2.0, 2.5)] == [True, True, False]
    assert stopping.stop


def test_small_gains_do_not_count() -> None:
    stopping = EarlyStopping(patience=9, mode="max", min_delta=0.1)
    assert [stopping.update(v) for v in (0.5, 0.55, 0.59, 0.61, 0.7)] == [True, False, False, True, False]


def test_a_smaller_loss_breaks_a_tie() -> None:
    stopping = EarlyStopping(patience=2, mode="max")
    looks = [(0.9, 0.5), (0.9, 0.4), (0.9, 0.4), (0.8, 0.1), (0.9, math.nan)]
    assert [stopping.update(value, loss) for value, loss in looks] == [True, True, False, False, False]
    assert stopping.stop


def test_nan_is_never_better() -> None:
    for mode in ("max", "min"):
        stopping = EarlyStopping(patience=3, mode=mode)
        assert [stopping.update(v) for v in (math.nan, 1.0, math.nan, math.nan)] == [False, True, False, False]
        assert stopping.best == 1.0
        stopping.update(math.nan)
        assert stopping.stop


@given(
    values=st.lists(st.floats(), max_size=30),
    cut=st.integers(0, 30),
    mode=st.sampled_from(["max", "min"]),
    patience=st.integers(1, 5),
)
def test_continues_from_its_state(values: list[float], cut: int, mode: str, patience: int) -> None:
    whole, first, second = (EarlyStopping(patience=patience, mode=mode) for _ in range(3))
    expected = [(whole.update(v), whole.stop) for v in values]
    found = [(first.update(v), first.stop) for v in values[:cut]]
    second.load_state_dict(first.state_dict())
    found += [(second.update(v), second.stop) for v in values[cut:]]
    assert found == expected
    known = [v for v in values if not math.isnan(v)]
    assert whole.best == ((max if mode == "max" else min)(known) if known else None)


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"mode": "best"}, {"min_delta": -1.0}, {"min_delta": math.nan}])
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        EarlyStopping(**{"patience": 2, "mode": "max", **wrong})
