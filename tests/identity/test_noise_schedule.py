"""Noise schedules: the tables against loops over plain numbers, their formulas' ends, and what is refused."""

import math

import pytest
import torch

from sightline.core.errors import ConfigurationError, InputError
from sightline.objectives.noise_schedule import (
    LARGEST_BETA,
    NoiseSchedule,
    at_times,
    cosine_schedule,
    linear_schedule,
    require_times,
)

SCHEDULES = [linear_schedule(), cosine_schedule(), linear_schedule(7, first=0.1, last=0.6), cosine_schedule(1)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_tables_are_those_of_a_loop(schedule: NoiseSchedule) -> None:
    bar = 1.0
    assert schedule.beta[0] == 0
    assert schedule.alpha_bar[0] == schedule.signal[0] == 1
    assert schedule.noise[0] == 0
    assert schedule.signal_to_noise[0] == math.inf
    assert len(schedule.beta) == len(schedule.posterior_variance) == schedule.num_steps + 1
    for t in range(1, schedule.num_steps + 1):
        beta, before = float(schedule.beta[t]), bar
        bar *= 1 - beta
        wanted = [1 - beta, bar, math.sqrt(bar), math.sqrt(1 - bar), bar / (1 - bar), (1 - before) / (1 - bar) * beta]
        names = ["alpha", "alpha_bar", "signal", "noise", "signal_to_noise", "posterior_variance"]
        for name, value in zip(names, wanted, strict=True):
            assert float(getattr(schedule, name)[t]) == pytest.approx(value, rel=1e-10, abs=1e-15), name


def test_linear_is_that_of_the_paper() -> None:
    beta = linear_schedule().beta[1:]
    assert len(beta) == 1000
    assert (float(beta[0]), float(beta[-1])) == pytest.approx((1e-4, 0.02))
    torch.testing.assert_close(beta.diff(), torch.full((999,), 0.0199 / 999, dtype=torch.float64))
    shorter = linear_schedule(100, first=1e-3, last=0.2)  # ten times the β for a tenth of the steps
    assert 0.5 < float(shorter.alpha_bar[-1].log() / linear_schedule().alpha_bar[-1].log()) < 2


@pytest.mark.parametrize("offset", [0.008, 0.0, 0.1])
def test_cosine_is_the_wave_until_the_cut(offset: float) -> None:
    schedule = cosine_schedule(1000, offset=offset)
    wave = [math.cos((t / 1000 + offset) / (1 + offset) * math.pi / 2) ** 2 for t in range(1001)]
    cut = [t for t in range(1, 1001) if 1 - wave[t] / wave[t - 1] > LARGEST_BETA]
    assert cut == [1000]
    assert float(schedule.beta[1000]) == LARGEST_BETA
    for t in range(1000):
        assert float(schedule.alpha_bar[t]) == pytest.approx(wave[t] / wave[0], rel=1e-9)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_signal_falls_and_the_posterior_is_the_surer(schedule: NoiseSchedule) -> None:
    assert bool((schedule.signal_to_noise[1:].diff() < 0).all())
    assert bool((schedule.posterior_variance[1:] < schedule.beta[1:]).all())
    assert schedule.posterior_variance[1] == 0


def test_entries_of_each_example() -> None:
    schedule = linear_schedule(10)
    x = torch.zeros(3, 1, 2, 2)
    picked = at_times(schedule.alpha_bar, torch.tensor([10, 0, 5]), x)
    assert picked.shape == (3, 1, 1, 1)
    assert picked.dtype == torch.float32
    assert picked.flatten().tolist() == pytest.approx(schedule.alpha_bar[[10, 0, 5]].tolist())


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_is_no_schedule_is_refused() -> None:
    for beta in ([], [0.0], [1.0], [0.1, -0.1], [math.nan], [[0.1]]):
        with pytest.raises(ConfigurationError):
            NoiseSchedule(torch.tensor(beta))
    for build in (linear_schedule, cosine_schedule):
        with pytest.raises(ConfigurationError):
            build(0)
    with pytest.raises(ConfigurationError):
        cosine_schedule(offset=-0.1)
    with pytest.raises(ConfigurationError):
        linear_schedule(last=1.5)


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_is_no_time_is_refused() -> None:
    schedule, x = linear_schedule(10), torch.zeros(2, 3)
    for t in ([0, 1], [1, 11], [-1, 1], [1], [1.0, 2.0], [True, True], [[1, 2]]):
        with pytest.raises(InputError):
            require_times(schedule, torch.tensor(t), x)
    require_times(schedule, torch.tensor([1, 10]), x)
