"""What a watch keeps of a long run: bounded, with all that must not be lost; of a short one everything."""

from collections.abc import Sequence
from itertools import pairwise
from math import cos, inf, isfinite, isnan, nan, pi

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sightline.diagnose import Record, Watch, findings
from sightline.diagnose.course import Course
from sightline.diagnose.long_series import MOST, add_losses, add_rates, thinned
from sightline.diagnose.reading import Reading
from sightline.diagnose.record import LossSeen

UPDATES = 200_000


def loss(step: int, value: float, *, grad: bool = False, accuracy: float | None = 0.5, n: int = 4) -> LossSeen:
    return LossSeen(step, "cross_entropy", value, grad, grad, accuracy, n, "train.py:9")


def warmed_up(step: int) -> float:
    """A rate that rises for 500 updates, then follows a cosine, below a fiftieth of its peak from the middle on."""
    return step / 500 if step < 500 else max(0.001, (1 + cos(pi * min(1.0, step / 100_000))) / 2)


def test_a_rate_that_changes_at_every_update_stays_bounded_and_keeps_its_shape() -> None:
    record = Record()
    longest = 0
    for step in range(UPDATES):
        record.steps = step
        add_rates(record, (warmed_up(step) + 1e-9 * step, 0.5 * warmed_up(step)))
        longest = max(longest, len(record.rates))
    assert longest <= MOST + 1
    steps = [step for step, _ in record.rates]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, UPDATES - 1)
    assert max(rates[0] for _, rates in record.rates) == max(warmed_up(step) + 1e-9 * step for step in range(UPDATES))
    assert max(b - a for a, b in pairwise(steps)) <= 4 * UPDATES / (MOST // 2)
    assert all(rates[1] == 0.5 * warmed_up(step) for step, rates in record.rates)


def test_validation_at_every_tenth_update_stays_bounded_and_keeps_what_matters() -> None:
    record = Record()
    longest = 0
    lowest, broken = 123_470, range(150_000, 150_030)
    for step in range(0, UPDATES, 10):
        value = -5.0 if step == lowest else nan if step in broken else 2.0 + cos(step)
        add_losses(record, [loss(step, value), loss(step, value, n=12, accuracy=0.9)])
        longest = max(longest, len(record.losses))
    assert longest <= MOST + 2
    passes = Reading(record).validation_passes
    steps = [step for step, _, _ in passes]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, UPDATES - 10)
    assert min(value for _, value, _ in passes if isfinite(value)) == -5.0
    assert [step for step, value, _ in passes if isnan(value)] == [150_000, 150_020]  # the first of each 128 updates
    assert [right for _, _, right in passes] == pytest.approx([(4 * 0.5 + 12 * 0.9) / 16] * len(passes))


def test_one_long_pass_is_one_mean() -> None:
    record = Record()
    values = [float(k % 7) for k in range(3 * MOST)]
    for value in values:
        add_losses(record, [loss(5, value)])
    assert len(record.losses) <= MOST
    ((step, mean, right),) = Reading(record).validation_passes
    assert (step, right) == (5, 0.5)
    assert mean == pytest.approx(sum(values) / len(values))
    assert sum(seen.examples for seen in record.losses) == 4 * len(values)


def test_a_run_below_the_bound_is_kept_as_it_is() -> None:
    record = Record()
    seen = [loss(k // 2, float(k), grad=k % 2 == 0, accuracy=None if k % 3 else 0.1) for k in range(MOST)]
    for each in seen:
        add_losses(record, [each])
    for step in range(MOST):
        record.steps = step
        add_rates(record, (1.0 / (1 + step),))
    assert record.losses == seen
    assert record.rates == [(step, (1.0 / (1 + step),)) for step in range(MOST)]
    add_rates(record, record.rates[-1][1])
    assert len(record.rates) == MOST


def test_training_losses_and_validation_do_not_crowd_each_other_out() -> None:
    record = Record()
    for step in range(20_000):
        add_losses(record, [loss(step, 1.0), *([loss(step, 9.0, grad=True)] if step % 1000 == 0 else [])])
    course = Course.of(record)
    assert [each.step for each in course.training] == list(range(0, 20_000, 1000))
    assert MOST // 4 < len(course.validation) <= MOST


@pytest.mark.parametrize("values", [[nan] * 9_000, [inf, *[1.0] * 8_999], [1.0] * 9_000])
def test_what_is_no_number_does_not_stop_it(values: Sequence[float]) -> None:
    kept = thinned(list(enumerate(values)), step=lambda point: point[0], value=lambda point: point[1])
    assert len(kept) <= MOST // 2 + 4
    assert isfinite(kept[0][1]) == isfinite(values[0])


def test_a_schedule_that_is_spent_early_is_still_found() -> None:
    short, long = Record(steps=2_000), Record(steps=UPDATES)
    for record in (short, long):
        for value in [1.0] * 50:
            record.loss.add(value)
        whole, record.steps = record.steps, 0
        for step in range(whole):
            record.steps = step
            add_rates(record, (0.9 ** (100 * step / whole),))
        record.steps = whole
    told = [[f for f in findings(record) if f.cause == "scheduler-rhythm"] for record in (short, long)]
    assert [len(each) for each in told] == [1, 1]


def test_a_watch_bounds_a_long_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("long_series", "loss_watch"):
        monkeypatch.setattr(f"sightline.diagnose.{place}.MOST", 8)
    net = nn.Linear(2, 2)
    with Watch(net) as w, torch.no_grad():
        for k in range(40):
            F.cross_entropy(net(torch.full((3, 2), float(k))), torch.tensor([0, 1, 0]))
            assert len(w._losses._open) + len(w.record.losses) <= 16
    assert sum(seen.examples for seen in w.record.losses) == 120
