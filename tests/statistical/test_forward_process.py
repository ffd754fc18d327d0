"""The forward process by chance: variance 1 at every t, and steps equal to the jump in distribution.

400,000 draws: a variance of 1 has standard error √(2/400,000) = 0.0022; 0.01 is 4.5 of them.
"""

import math

import torch
from scipy.stats import ks_2samp
from torch import Tensor

from sightline.objectives.forward_process import diffuse, diffuse_step
from sightline.objectives.noise_schedule import cosine_schedule, linear_schedule

DRAWS = 400_000


def standardised(generator: torch.Generator) -> Tensor:
    """Far from normal: −0.5 four times in five, else 2. Mean 0, variance 1."""
    rare = torch.rand(DRAWS, 1, generator=generator) < 0.2
    return torch.where(rare, 2.0, -0.5)


def test_variance_stays_one_at_every_time_in_one_jump() -> None:
    generator = torch.Generator().manual_seed(0)
    x_0, noise = standardised(generator), torch.randn(DRAWS, 1, generator=generator)
    for schedule, times in ((linear_schedule(), range(1, 1001)), (cosine_schedule(), range(10, 1001, 10))):
        for t in times:
            if t % 100:  # as diffuse does, without a table entry for each draw
                x_t = float(schedule.signal[t]) * x_0 + float(schedule.noise[t]) * noise
            else:
                x_t = diffuse(schedule, x_0, torch.full((DRAWS,), t), noise)
            assert abs(float(x_t.var()) - 1) < 0.01


def test_variance_stays_one_at_every_time_step_by_step_and_steps_make_the_jump() -> None:
    """Kolmogorov-Smirnov at level 1e-4 for each of three times, 20,000 draws a side."""
    generator = torch.Generator().manual_seed(1)
    schedule = linear_schedule(40, first=0.0025, last=0.5)
    x_0 = x = standardised(generator)
    for t in range(1, 41):
        times = torch.full((DRAWS,), t)
        x = diffuse_step(schedule, x, times, torch.randn(DRAWS, 1, generator=generator))
        assert abs(float(x.var()) - 1) < 0.01
        assert abs(float(x.mean())) < 4.5 / math.sqrt(DRAWS)
        if t in (3, 8, 20):
            jump = diffuse(schedule, x_0, times, torch.randn(DRAWS, 1, generator=generator))
            half = DRAWS // 2  # other data on either side
            assert ks_2samp(x[:20_000, 0].numpy(), jump[half : half + 20_000, 0].numpy()).pvalue > 1e-4
            together = (x * x_0).mean() - (jump * x_0).mean()  # and they remember x_0 equally
            assert abs(float(together)) < 4.5 * math.sqrt(2 / DRAWS)
