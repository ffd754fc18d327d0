"""Schedules: values by hand, and what holds for all of them."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.config import build, resolve
from sightline.core.errors import ConfigurationError
from sightline.optim import SCHEDULES, Constant, Cosine, InverseTime, Linear, Milestones, Schedule, Step, set_lr


def values(schedule: Schedule, total: int) -> list[float]:
    return [schedule.factor(step, total) for step in range(total)]


def test_values_by_hand() -> None:
    assert values(Constant(), 3) == [1, 1, 1]
    assert values(Step(every=0.25, gamma=0.5), 8) == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    assert values(InverseTime(decay=0.5), 4) == pytest.approx([1, 1 / 1.5, 1 / 2, 1 / 2.5])
    assert values(Cosine(), 4) == pytest.approx([1, (2 + math.sqrt(2)) / 4, 0.5, (2 - math.sqrt(2)) / 4])
    assert values(Cosine(final=0.5), 2) == pytest.approx([1, 0.75])
    assert values(Linear(), 4) == pytest.approx([1, 0.75, 0.5, 0.25])
    assert values(Linear(warmup=0.5, final=0.2), 8) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 0.8, 0.6, 0.4])


def test_warm_up_rises_linearly_and_then_the_course_starts_at_its_beginning() -> None:
    assert values(Constant(warmup=0.4), 10) == pytest.approx([0.2, 0.4, 0.6, 0.8] + [1] * 6)
    warm = values(Cosine(warmup=0.5), 8)
    assert warm[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert warm[4:] == pytest.approx(values(Cosine(), 4))
    assert values(Constant(warmup=1.0), 3) == pytest.approx([0.25, 0.5, 0.75])


def test_drops_fall_where_they_are_asked_for_whatever_the_rounding() -> None:
    for total in (10, 30, 100, 469 * 7):
        factors = values(Step(every=0.1, gamma=0.5), total)
        drops = [k for k in range(1, total) if factors[k] < factors[k - 1]]
        assert drops == [math.ceil(round(i * total / 10, 6)) for i in range(1, 10)]
    assert 0.07 * 100 > 7
    assert Step(every=0.07, gamma=0.5).factor(7, 100) == 0.5


def test_milestones_drop_where_they_stand() -> None:
    assert values(Milestones(at=(0.5, 0.75), gamma=0.5), 8) == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25]
    assert values(Milestones(at=(0.9, 0.2, 0.2), gamma=0.5), 10) == [1, 1] + [0.25] * 7 + [0.125]
    assert values(Milestones(at=()), 3) == [1, 1, 1]
    assert values(Milestones(at=(0.5,), gamma=0.5, warmup=0.5), 8) == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 1, 0.5, 0.5]
    )
    for total in (10, 30, 100, 469 * 7):
        factors = values(Milestones(at=(0.1, 0.3, 0.7), gamma=0.5), total)
        drops = [k for k in range(1, total) if factors[k] < factors[k - 1]]
        assert drops == [math.ceil(round(i * total / 10, 6)) for i in (1, 3, 7)]
    assert 0.07 * 100 > 7
    assert Milestones(at=(0.07,), gamma=0.5).factor(7, 100) == 0.5


def test_milestones_are_torchs() -> None:
    """64,000 updates as in He et al. 2016, a thousandth of them."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    reference = torch.optim.lr_scheduler.MultiStepLR(optimizer, [32, 48], gamma=0.1)
    found = set()
    for step in range(64):
        rate = 0.1 * Milestones().factor(step, 64)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"])
        found.add(round(rate, 6))
        optimizer.step()
        reference.step()
    assert found == {0.1, 0.01, 0.001}


def test_cosine_is_torchs() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.1)
    for step in range(20):
        assert Cosine(final=0.1).factor(step, 20) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


def test_the_registry_holds_all() -> None:
    assert list(SCHEDULES) == ["constant", "cosine", "inverse-time", "linear", "milestones", "step"]


@given(
    name=st.sampled_from(sorted(SCHEDULES)),
    warmup=st.floats(0, 1),
    total=st.integers(0, 3000),
    step=st.integers(0, 4000),
)
def test_every_factor_lies_between_0_and_1(name: str, warmup: float, total: int, step: int) -> None:
    schedule: Schedule = build(resolve({"name": name, "warmup": warmup}, SCHEDULES, ""), SCHEDULES)
    factor = schedule.factor(step, total)
    assert 0 <= factor <= 1
    rise = round(warmup * total)
    if step >= rise:  # after the rise nothing rises again
        assert schedule.factor(step + 1, total) <= factor
    else:
        assert schedule.factor(step + 1, total) > factor


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("constant", "warmup", 1.5),
        ("step", "every", 0.0),
        ("step", "gamma", 2.0),
        ("milestones", "at", (0.5, 1.5)),
        ("milestones", "gamma", 0.0),
        ("inverse-time", "decay", -1.0),
        ("cosine", "final", 1.1),
    ],
)
def test_options_out_of_range_are_refused(name: str, field: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=field):
        resolve({"name": name, field: value}, SCHEDULES, "schedule")


def test_set_lr_scales_each_groups_own_rate_and_forgets_nothing() -> None:
    first, second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [first], "lr": 0.8}, {"params": [second], "lr": 0.2}])
    for factor in (0.5, 0.0, 0.25):
        set_lr(optimizer, factor)
        assert [group["lr"] for group in optimizer.param_groups] == [0.8 * factor, 0.2 * factor]
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.8, 0.2]
