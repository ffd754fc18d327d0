"""One-shot and staged denoising: what is asked, and why their samples have too little variance."""

import math

import pytest
import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.explain import EXPLANATIONS, problem
from sightline.generate import SAMPLERS, sample_images
from sightline.generate.ddpm import DDPM
from sightline.generate.failing_denoisers import means_only
from sightline.linear.gaussian_mixture import GaussianMixture
from sightline.linear.ring_of_gaussians import mode_coverage, ring_of_gaussians
from sightline.models.unet import UNet
from sightline.objectives import DenoiserObjective, OneShotDenoising, StagedDenoising
from sightline.objectives.denoising_diffusion import process_of
from sightline.objectives.noise_schedule import NoiseSchedule, at_times

SCHEMA = Schema("image", "none", (1, 2, 3), image_mean=(0.4,), image_std=(0.25,))
POINT = GaussianMixture(torch.zeros(1, 1, dtype=torch.float64), 1.0)
"""Gaussian data of variance 1."""


def stage_of(mixture: GaussianMixture, process: NoiseSchedule) -> nn.Module:
    """E[x_{t−1} | x_t] by steps written out: x_{t−1} given x_t and x_0 has a mean linear in x_0."""

    class Stage(nn.Module):
        def forward(self, x: Tensor, times: Tensor) -> Tensor:
            t = int(times[0])
            bar, before = float(process.alpha_bar[t]), float(process.alpha_bar[t - 1])
            clean = mixture.denoise(x, signal=math.sqrt(bar), noise=math.sqrt(1 - bar))
            beta, alpha = float(process.beta[t]), float(process.alpha[t])
            return (math.sqrt(before) * beta * clean + math.sqrt(alpha) * (1 - before) * x) / (1 - bar)

    return Stage()


class Lines(nn.Module):
    """The best denoiser of Gaussian images of variance 1: a number for each time."""

    num_classes = None
    makes_images = "denoiser"

    def __init__(self, factors: Tensor) -> None:
        super().__init__()
        self.factors = nn.Parameter(factors.float())

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return at_times(self.factors, t, x) * x


def images(count: int = 20_000) -> Batch:
    x = torch.randn(count, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    return Batch(x, torch.zeros(count), torch.arange(count), count)


def test_one_shot_asks_for_the_image_of_noise() -> None:
    """Of Gaussian data the best answer is √ᾱ_T x_T, with a loss of 1 − ᾱ_T; 120,000 numbers, 5 standard errors."""
    objective = OneShotDenoising(SCHEMA, signal=0.3)
    x = images().inputs
    torch.manual_seed(0)
    question = objective.question(x)
    assert torch.equal(question.wanted, x)
    assert (question.times == 1).all()
    noise = (question.seen - math.sqrt(0.3) * x) / math.sqrt(0.7)
    assert abs(float(noise.var()) - 1) < 5 * math.sqrt(2 / x.numel())
    assert abs(float((noise * x).mean())) < 5 / math.sqrt(x.numel())
    loss = objective(Lines(torch.tensor([0.0, math.sqrt(0.3)])), images()).total.item()
    assert abs(loss - 0.7) < 5 * 0.7 * math.sqrt(2 / x.numel())
    assert objective(Lines(torch.zeros(2)), images()).total.item() > loss + 0.2


def test_stages_ask_for_the_image_a_stage_before() -> None:
    """Each stage's question has the notes' joint distribution, and Gaussian data the loss β_t (5 standard errors)."""
    objective = StagedDenoising(SCHEMA, steps=4)
    process, x = objective.process, images(40_000).inputs
    torch.manual_seed(0)
    seen, times, wanted = objective.question(x)
    assert sorted(times.unique().tolist()) == [1, 2, 3, 4]
    for t in range(1, 5):
        own = times == t
        count = int(own.sum()) * 6
        assert abs(count / 6 / len(x) - 0.25) < 5 * math.sqrt(0.25 * 0.75 / len(x))
        beta, bar = float(process.beta[t]), float(process.alpha_bar[t - 1])
        added = (seen[own] - math.sqrt(1 - beta) * wanted[own]) / math.sqrt(beta)
        before = wanted[own] - math.sqrt(bar) * x[own]
        assert abs(float(added.var()) - 1) < 5 * math.sqrt(2 / count)
        assert abs(float((added * wanted[own]).mean())) < 5 / math.sqrt(count)
        assert abs(float(before.var()) - (1 - bar)) < 5 * (1 - bar) * math.sqrt(2 / count) + 1e-12
        if t == 1:
            torch.testing.assert_close(wanted[own], x[own])
    best = objective(Lines(process.alpha.sqrt()), images())
    assert abs(best.total.item() - float(process.beta[1:].mean())) < 0.01


def test_gaussian_stages_lose_all_variance_and_ddpm_keeps_it() -> None:
    """Exact denoisers of N(0, 1): Π(1 − β_t) = ᾱ_T is left, of one start as of many; DDPM adds back. 1e-10."""
    told = {row[0]: row[1:] for row in EXPLANATIONS["denoising"](problem(), steps=5, points=20).tables[0].rows}
    for steps in (10, 100):
        process = process_of("linear", steps)
        bar = float(process.alpha_bar[-1])
        start = torch.randn(4, 1, dtype=torch.float64)
        left = means_only(stage_of(POINT, process), start, steps)
        torch.testing.assert_close(left, math.sqrt(bar) * start, rtol=1e-10, atol=1e-14)
        shot = POINT.denoise(start, signal=float(process.signal[-1]), noise=float(process.noise[-1]))
        torch.testing.assert_close(shot, left, rtol=1e-10, atol=1e-14)
        assert told[steps][0] == pytest.approx(bar, rel=1e-10)
        assert told[steps][1] == pytest.approx(bar, rel=1e-10)
        assert told[steps][3] == pytest.approx(float(process.alpha[1]), rel=1e-12)


@pytest.mark.parametrize("variance", ["posterior", "beta"])
def test_ddpm_makes_the_variance_that_is_told(variance: str) -> None:
    """20,000 points: a variance's standard error is √(2/20,000) = 0.01 of it; 4.5 of them."""
    process = process_of("linear", 10)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(20_000, 1, dtype=torch.float64, generator=generator)
    sampler = DDPM(schedule=process, target="clean", variance=variance)  # type: ignore[arg-type]
    made = sampler.sample(lambda x, t: at_times(process.signal, t, x) * x, start, generator=generator)
    (row,) = [r for r in EXPLANATIONS["denoising"](problem(), steps=5, points=20).tables[0].rows if r[0] == 10]
    expected = float(row[3 if variance == "posterior" else 4])
    assert abs(float(made.var()) - expected) < 4.5 * 0.01 * expected


def test_on_a_ring_means_lose_the_modes_and_ddpm_finds_them() -> None:
    """Exact denoisers, 1,000 points of each kind; the share near a mode of the ring's own is 0.989 ± 0.003."""
    ring = ring_of_gaussians(radius=math.sqrt(2 * 0.99))
    found = EXPLANATIONS["denoising"](problem(), steps=200, points=1000)
    rows = {row[0]: [float(cell) for cell in row[1:]] for row in found.tables[1].rows}
    assert rows["one shot"][0] < 1e-3
    assert rows["one shot"][1:] == [0.0, 0.0, 0.0]
    assert rows["10 stages"][1] < 0.5  # most are between the modes
    assert rows["T = 200 stages"][3] < 0.1  # or in far too narrow modes
    for name in ("10 stages", "T = 200 stages"):
        assert rows[name][0] < rows["DDPM"][0] - 0.05
    assert abs(rows["DDPM"][0] - 1) < 0.03
    assert rows["DDPM"][1] > 0.96
    assert rows["DDPM"][2] == 8
    assert rows["DDPM"][3] > 0.7  # 200 steps narrow them a little too: 0.95 are the data's
    process = process_of("cosine", 10)
    start = torch.randn(1000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    by_hand = mode_coverage(means_only(stage_of(ring, process), start, 10), ring)
    assert rows["10 stages"][0] == pytest.approx(by_hand.variance, abs=0.1)


@pytest.mark.parametrize("name", ["one-shot-denoising", "staged-denoising"])
def test_samples_are_the_stages_one_after_the_other(name: str) -> None:
    objective: DenoiserObjective = OneShotDenoising(SCHEMA) if name.startswith("one") else StagedDenoising(SCHEMA)
    unet = UNet(in_channels=1, widths=(4,), attention=(False,), num_groups=2)
    with torch.no_grad():
        for parameter in unet.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)) / 4)
    made = sample_images(unet, objective, 3, seed=1).pixels
    asked: list[int] = []

    def spy(module: nn.Module, args: tuple[Tensor, Tensor]) -> None:
        asked.append(int(args[1][0]))

    with unet.register_forward_pre_hook(spy):
        again = sample_images(unet, objective, 3, seed=1).pixels
    assert torch.equal(made, again)
    assert asked == list(range(objective.process.num_steps, 0, -1))
    assert name in SAMPLERS
    with pytest.raises(ConfigurationError, match="no steps"):
        sample_images(unet, objective, 3, steps=2)


def test_settings_out_of_range_are_refused() -> None:
    for make in (
        lambda: OneShotDenoising(SCHEMA, signal=0.0),
        lambda: OneShotDenoising(SCHEMA, signal=1.0),
        lambda: StagedDenoising(SCHEMA, steps=1),
    ):
        with pytest.raises(ConfigurationError):
            make()
