"""Samplers of diffusion with the exact denoiser of a mixture of Gaussians: means, covariances and shares come back.

The data are Σ_k π_k N(m_k, C_k) in the plane. Given x_t, component k has probability ∝ π_k N(x_t; a m_k, a² C_k + s² I)
and E[x_0 | x_t, k] = m_k + a C_k (a² C_k + s² I)⁻¹ (x_t − a m_k). T steps instead of infinitely many make variances
smaller or larger; by how much is known in closed form for one Gaussian, and is compared with.

8,000 draws: shares have standard error √(π(1 − π)/8,000), means √(C/n), covariances at most √(2/n) of the larger
variance, for the n draws of a component; 4.5 of each are allowed, and a little for what components do to each other.
"""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from sightline.generate.ddim import DDIM
from sightline.generate.ddpm import DDPM
from sightline.generate.diffusion_sampling import DiffusionSampler
from sightline.generate.guidance import Guided
from sightline.objectives.noise_schedule import NoiseSchedule, at_times, linear_schedule

DRAWS = 8_000
SHARES = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
MEANS = torch.tensor([[1.2, 0.0], [-1.0, 1.0], [-0.6, -1.4]], dtype=torch.float64)
COVARIANCES = 0.02 * torch.tensor(
    [[[1.0, 0.5], [0.5, 1.0]], [[2.0, 0.0], [0.0, 0.5]], [[1.0, -0.3], [-0.3, 1.5]]], dtype=torch.float64
)


def clean(schedule: NoiseSchedule, x: Tensor, t: Tensor, shares: Tensor = SHARES) -> Tensor:
    """E[x_0 | x_t], where all examples have one time."""
    a = float(at_times(schedule.signal, t[:1], x[:1]))
    spread = a**2 * COVARIANCES + (1 - a**2) * torch.eye(2, dtype=torch.float64)
    away = x[:, None] - a * MEANS
    solved = torch.einsum("kij,nkj->nki", torch.linalg.inv(spread), away)
    scores = shares.log() - 0.5 * torch.linalg.slogdet(spread).logabsdet - 0.5 * (away * solved).sum(2)
    centres = MEANS + a * torch.einsum("kij,nkj->nki", COVARIANCES, solved)
    mean: Tensor = (scores.softmax(1)[:, :, None] * centres).sum(1)
    return mean


def draw(sampler: DiffusionSampler, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(DRAWS, 2, dtype=torch.float64, generator=generator)
    return sampler.sample(lambda x, t: clean(sampler.schedule, x, t), start, generator=generator)


LINEAR = linear_schedule(150, first=6e-4, last=0.13)
CASES = {
    "DDPM, posterior variance": DDPM(schedule=LINEAR, target="clean"),
    "DDPM, variance beta": DDPM(schedule=LINEAR, target="clean", variance="beta"),
    "DDIM, 50 steps": DDIM(schedule=LINEAR, target="clean", num_steps=50),
    "DDIM, 50 steps, half the chance": DDIM(schedule=LINEAR, target="clean", num_steps=50, eta=0.5),
}


def sampled_variance(sampler: DiffusionSampler, c: float) -> float:
    """What the sampler makes of N(0, c) in one dimension: every step is x_s = g x_t + σ z, the variance g² v + σ²."""
    eta = sampler.eta if isinstance(sampler, DDIM) else 1.0
    v = 1.0
    for t, s in pairwise(sampler.times()):
        at_t, at_s = float(sampler.schedule.alpha_bar[t]), float(sampler.schedule.alpha_bar[s])
        anew = eta**2 * (1 - at_s) / (1 - at_t) * (1 - at_t / at_s)
        of_clean = math.sqrt(at_t) * c / (at_t * c + 1 - at_t)  # E[x_0 | x_t] and E[ε | x_t], over x_t
        of_noise = math.sqrt(1 - at_t) / (at_t * c + 1 - at_t)
        gain = math.sqrt(at_s) * of_clean + math.sqrt(1 - at_s - anew) * of_noise
        wide = isinstance(sampler, DDPM) and sampler.variance == "beta" and s > 0
        v = gain**2 * v + (float(sampler.schedule.beta[t]) if wide else anew)
    return v


@pytest.mark.parametrize("case", CASES)
def test_a_mixture_comes_back(case: str) -> None:
    sampler = CASES[case]
    between = 0.1 if isinstance(sampler, DDIM) else 0.02  # long steps across what lies between components
    x = draw(sampler, seed=11)
    nearest = (x[:, None] - MEANS).square().sum(2).argmin(1)
    for k in range(3):
        mine = x[nearest == k]
        share, p = len(mine) / DRAWS, float(SHARES[k])
        assert abs(share - p) < 4.5 * math.sqrt(p * (1 - p) / DRAWS) + 0.005
        error = (COVARIANCES[k].diagonal() / len(mine)).sqrt()
        assert bool(((mine.mean(0) - MEANS[k]).abs() < 4.5 * error + 0.002).all())
        values, vectors = torch.linalg.eigh(COVARIANCES[k])
        given = torch.tensor([sampled_variance(sampler, c) for c in values.tolist()], dtype=torch.float64)
        wanted = vectors @ given.diag() @ vectors.T
        allowed = (4.5 * math.sqrt(2 / len(mine)) + between) * float(given.max())
        assert float((mine.T.cov() - wanted).abs().max()) < allowed


def test_more_steps_bring_the_variance_nearer() -> None:
    """In closed form, of N(0, 0.02): with 2,000 steps both samplers are within 4 %, and errors fall as 1/steps."""

    def error(num_steps: int, kind: type[DiffusionSampler]) -> float:
        schedule = linear_schedule(num_steps, first=0.1 / num_steps, last=20 / num_steps)
        sampler = DDPM(schedule=schedule) if kind is DDPM else DDIM(schedule=schedule, num_steps=num_steps)
        return abs(sampled_variance(sampler, 0.02) / 0.02 - 1)

    for kind in (DDPM, DDIM):
        few, many = error(500, kind), error(2000, kind)
        assert many < 0.04
        assert 2 < few / many < 6


def test_normal_data_come_back_in_mean_and_variance() -> None:
    """N(0, 1) with σ² = β_t is exact: x_{t−1} = √α_t x_t + √β_t z, at every step but the last, which adds nothing."""
    schedule = linear_schedule(100, first=1e-3, last=0.2)
    generator = torch.Generator().manual_seed(5)
    start = torch.randn(50_000, 1, dtype=torch.float64, generator=generator)
    x = DDPM(schedule=schedule, variance="beta").sample(
        lambda x, t: at_times(schedule.noise, t[:1], x[:1]) * x, start, generator=generator
    )
    assert abs(float(x.mean())) < 4.5 / math.sqrt(50_000)
    assert abs(float(x.var()) - (1 - 1e-3)) < 4.5 * math.sqrt(2 / 50_000)


def test_guidance_by_class_gives_that_class() -> None:
    """w = 0 draws component k alone, and all examples without a class have the shares of all."""
    sampler = DDIM(schedule=LINEAR, target="clean", num_steps=25)
    rows = torch.cat([torch.eye(3, dtype=torch.float64), SHARES[None]])

    def told(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        parts = torch.stack([clean(LINEAR, x, t, row) for row in rows])
        return parts[labels, torch.arange(len(x))]

    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(300) % 3
    start = torch.randn(300, 2, dtype=torch.float64, generator=generator)
    for weight in (0.0, 2.0):
        x = sampler.sample(Guided(told, labels, none=3, weight=weight), start)
        assert torch.equal((x[:, None] - MEANS).square().sum(2).argmin(1), labels)
