"""The forward process: steps make the jump, the posterior is Bayes' rule on a grid, targets turn into each other."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.objectives.diffusion_target import Target, clean_of, noise_of, target_of
from sightline.objectives.forward_process import diffuse, diffuse_step, posterior
from sightline.objectives.noise_schedule import NoiseSchedule, cosine_schedule, linear_schedule

SCHEDULES = [linear_schedule(), cosine_schedule(), linear_schedule(5, first=0.2, last=0.7)]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
TARGETS: tuple[Target, ...] = ("noise", "clean", "velocity")


def one(number: float) -> Tensor:
    return torch.tensor([[number]], dtype=torch.float64)


def normal(x: float | Tensor, mean: float | Tensor, variance: float) -> Tensor:
    return torch.exp(-torch.as_tensor(x - mean, dtype=torch.float64).square() / (2 * variance)) / math.sqrt(
        2 * math.pi * variance
    )


@every_schedule
def test_steps_make_the_jump_and_keep_variance_one(schedule: NoiseSchedule) -> None:
    """Both are linear in data and noise: factors are read off at (1, 0) and (0, 1) and carried along, for every t."""
    t = torch.arange(1, schedule.num_steps + 1)
    ones, zeros = torch.ones(2, len(t), 1, dtype=torch.float64) * torch.tensor([[[1.0]], [[0.0]]])
    keep, add = diffuse_step(schedule, ones, t, zeros), diffuse_step(schedule, zeros, t, ones)
    signal, noise = diffuse(schedule, ones, t, zeros), diffuse(schedule, zeros, t, ones)
    factor, of_noise, variance = 1.0, 0.0, 1.0
    for k, a, s, n in torch.cat([keep, signal, add, noise], 1).tolist():
        factor, of_noise, variance = k * factor, k**2 * of_noise + s**2, k**2 * variance + s**2
        assert (a, n**2) == pytest.approx((factor, of_noise), rel=1e-9)
        assert variance == pytest.approx(1, abs=1e-12)


@every_schedule
def test_a_step_keeps_the_data_and_adds_little(schedule: NoiseSchedule) -> None:
    """The mean is √(1 − β) x and the variance β; the lecture notes' form has √β x and 1 − β, and forgets x at once."""
    for t in (1, schedule.num_steps // 2, schedule.num_steps):
        beta, time = float(schedule.beta[t]), torch.tensor([t])
        assert float(diffuse_step(schedule, one(3), time, one(0))) == pytest.approx(3 * math.sqrt(1 - beta))
        assert float(diffuse_step(schedule, one(0), time, one(1))) == pytest.approx(math.sqrt(beta))


def test_after_one_small_step_the_data_are_still_there() -> None:
    x, noise = torch.randn(2, 1000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).unbind()
    moved = diffuse_step(linear_schedule(), x, torch.ones(1000, dtype=torch.int64), noise)
    correlation = float(torch.corrcoef(torch.cat([x, moved], 1).T)[0, 1])
    assert correlation > 0.999  # exchanged, it would be about √β = 0.01


@pytest.mark.parametrize("t", [1, 2, 4, 5])
@pytest.mark.parametrize(("x_0", "x_t"), [(0.7, -0.4), (-2.0, 1.5), (0.0, 0.0)])
def test_posterior_is_bayes_rule_on_a_grid(t: int, x_0: float, x_t: float) -> None:
    """q(x_{t−1} | x_t, x_0) ∝ q(x_t | x_{t−1}) q(x_{t−1} | x_0), summed over 200,001 points: it is tractable."""
    schedule = SCHEDULES[2]
    back = posterior(schedule, one(x_0), one(x_t), torch.tensor([t]))
    if t == 1:  # x_{t−1} is x_0
        assert (float(back.mean), float(back.variance)) == pytest.approx((x_0, 0.0), abs=1e-12)
        return
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    bar, beta = float(schedule.alpha_bar[t - 1]), float(schedule.beta[t])
    weights = normal(grid, math.sqrt(bar) * x_0, 1 - bar) * normal(x_t, math.sqrt(1 - beta) * grid, beta)
    weights /= weights.sum()
    mean = float((weights * grid).sum())
    variance = float((weights * (grid - mean).square()).sum())
    assert (float(back.mean), float(back.variance)) == pytest.approx((mean, variance), rel=1e-9, abs=1e-9)
    density = normal(grid, float(back.mean), float(back.variance)) * (24 / 200_000)
    torch.testing.assert_close(weights, density, rtol=1e-9, atol=1e-15)  # and it is Gaussian, everywhere


def test_without_the_data_a_step_back_is_a_mixture_and_not_gaussian() -> None:
    """Data −1 or 1. Bayes on a grid = posteriors weighed by q(x_0 | x_t); with small β it comes near a Gaussian."""
    kurtosis = []
    for beta in (0.5, 0.1, 0.01):
        before = 0.2  # variance of the noise so far
        schedule = NoiseSchedule(torch.tensor([before, beta], dtype=torch.float64))
        t, x_t = torch.tensor([2]), 0.1
        grid = torch.linspace(-8, 8, 200_001, dtype=torch.float64)
        signal = math.sqrt(1 - before)
        prior = (normal(grid, signal, before) + normal(grid, -signal, before)) / 2
        found = prior * normal(x_t, math.sqrt(1 - beta) * grid, beta)
        found /= found.sum()
        bar = float(schedule.alpha_bar[2])
        likely = torch.tensor([float(normal(x_t, math.sqrt(bar) * x, 1 - bar)) for x in (-1.0, 1.0)])
        mixture = torch.zeros_like(grid)
        for x_0, share in zip((-1.0, 1.0), (likely / likely.sum()).tolist(), strict=True):
            back = posterior(schedule, one(x_0), one(x_t), t)
            mixture += share * normal(grid, float(back.mean), float(back.variance)) * (16 / 200_000)
        torch.testing.assert_close(found, mixture, rtol=1e-6, atol=1e-12)
        mean = (found * grid).sum()
        variance = (found * (grid - mean).square()).sum()
        kurtosis.append(abs(float((found * (grid - mean).pow(4)).sum() / variance.square()) - 3))
    assert kurtosis[0] > 1  # two peaks: 3 less almost 2 for narrow ones
    assert kurtosis[2] < 0.03 * kurtosis[0]


@every_schedule
@pytest.mark.parametrize(("given", "wanted"), list(product(TARGETS, repeat=2)))
def test_targets_turn_into_each_other(schedule: NoiseSchedule, given: Target, wanted: Target) -> None:
    generator = torch.Generator().manual_seed(1)
    t = torch.tensor(sorted({1, 2, schedule.num_steps // 2, schedule.num_steps}))
    x_0, noise = torch.randn(2, len(t), 3, 2, dtype=torch.float64, generator=generator).unbind()
    x_t = diffuse(schedule, x_0, t, noise)
    told = target_of(schedule, given, x_0, noise, t)
    clean, dirt = clean_of(schedule, given, told, x_t, t), noise_of(schedule, given, told, x_t, t)
    again = target_of(schedule, wanted, clean, dirt, t)
    for found, true in ((clean, x_0), (dirt, noise), (again, target_of(schedule, wanted, x_0, noise, t))):
        torch.testing.assert_close(found, true, rtol=1e-8, atol=1e-8)  # x_0 from ε divides by √ᾱ_T, 5e-5 for the cosine


def test_velocity_by_hand() -> None:
    """ᾱ = 0.64: v = 0.8 ε − 0.6 x_0 (Salimans & Ho 2022): 1 for x_0 = 1 and ε = 2, and −0.6 for x_0 = 1 and ε = 0."""
    schedule, t = NoiseSchedule(torch.tensor([0.36], dtype=torch.float64)), torch.tensor([1])
    assert float(target_of(schedule, "velocity", one(1), one(2), t)) == pytest.approx(1.0)
    assert float(target_of(schedule, "velocity", one(1), one(0), t)) == pytest.approx(-0.6)
    assert float(clean_of(schedule, "velocity", one(-0.6), one(0.8), t)) == pytest.approx(1.0)
    assert float(noise_of(schedule, "velocity", one(-0.6), one(0.8), t)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_does_not_fit_is_refused() -> None:
    schedule, x, t = linear_schedule(10), torch.zeros(2, 3), torch.tensor([1, 2])
    for function in (diffuse, diffuse_step):
        with pytest.raises(InputError, match="noise of shape"):
            function(schedule, x, t, torch.zeros(3))
        with pytest.raises(InputError, match="times"):
            function(schedule, x, t - 1, x)
    with pytest.raises(InputError, match="x_0"):
        posterior(schedule, torch.zeros(1, 3), x, t)
    with pytest.raises(InputError, match="prediction"):
        clean_of(schedule, "noise", torch.zeros(2, 6), x, t)
    with pytest.raises(ConfigurationError, match="velocity"):
        noise_of(schedule, "velocty", x, x, t)  # type: ignore[arg-type]
