"""Samplers of diffusion: DDIM with η = 1 is DDPM, targets and guidance make no difference that they should not make."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.generate.ddim import DDIM
from sightline.generate.ddpm import DDPM
from sightline.generate.diffusion_sampling import DiffusionSampler
from sightline.generate.guidance import Guided
from sightline.objectives.diffusion_target import Target, noise_of, target_of
from sightline.objectives.noise_schedule import at_times, cosine_schedule, linear_schedule

SHORT = linear_schedule(12, first=0.05, last=0.5)
START = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def any_noise(x: Tensor, t: Tensor) -> Tensor:
    """A denoiser that depends on example, place and time, and is nobody's optimum."""
    return torch.sin(2 * x) + 0.1 * x.flip(2) + 0.05 * t[:, None, None]


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("clip", [None, (-1.0, 1.5)])
@pytest.mark.parametrize("schedule", [SHORT, cosine_schedule(15)], ids=repr)
def test_ddim_with_all_chance_on_all_steps_is_ddpm(schedule: Any, clip: Any) -> None:
    """Mean and deviation of every step are equal, and so are the chains drawn by one generator."""
    full = DDIM(schedule=schedule, num_steps=schedule.num_steps, eta=1.0, clip=clip)
    ancestral = DDPM(schedule=schedule, variance="posterior", clip=clip)
    assert full.times() == ancestral.times()
    for t in range(1, schedule.num_steps + 1):
        clean = full.denoised(any_noise, START, t)
        (mean, deviation), (wanted, expected) = (
            full.move(START, clean, t, t - 1),
            ancestral.move(START, clean, t, t - 1),
        )
        torch.testing.assert_close(mean, wanted, rtol=1e-9, atol=1e-9)
        assert deviation == pytest.approx(expected, rel=1e-9, abs=1e-12)
    chains = [list(s.steps(any_noise, START, generator=seeded())) for s in (full, ancestral)]
    assert len(chains[0]) == schedule.num_steps
    for one, other in zip(*chains, strict=True):
        torch.testing.assert_close(one.x, other.x, rtol=1e-7, atol=1e-7)


def test_ddpm_is_algorithm_2_of_the_paper() -> None:
    """x_{t−1} = (x_t − β_t/√(1 − ᾱ_t) ε̂)/√α_t + σ_t z, by hand."""
    beta = SHORT.beta.tolist()
    for variance in ("beta", "posterior"):
        generator, x, bar = seeded(), START, float(SHORT.alpha_bar[12])
        for t in range(12, 0, -1):
            before = bar / (1 - beta[t])
            x_mean = (x - beta[t] / math.sqrt(1 - bar) * any_noise(x, torch.full((5,), t))) / math.sqrt(1 - beta[t])
            sigma = math.sqrt(beta[t] if variance == "beta" else (1 - before) / (1 - bar) * beta[t]) if t > 1 else 0
            z = torch.randn(x.shape, dtype=x.dtype, generator=generator) if t > 1 else 0
            x, bar = x_mean + sigma * z, before
        ours = DDPM(schedule=SHORT, variance=variance).sample(any_noise, START, generator=seeded())
        torch.testing.assert_close(ours, x, rtol=1e-9, atol=1e-9)


def test_ddim_is_equation_12_of_the_paper() -> None:
    """Without chance, three steps, by hand: x_s = √ᾱ_s (x − √(1 − ᾱ_t) ε̂)/√ᾱ_t + √(1 − ᾱ_s) ε̂."""
    x = START
    for t, s in ((12, 8), (8, 4), (4, 0)):
        at_t, at_s = float(SHORT.alpha_bar[t]), float(SHORT.alpha_bar[s])
        told = any_noise(x, torch.full((5,), t))
        x = math.sqrt(at_s / at_t) * (x - math.sqrt(1 - at_t) * told) + math.sqrt(1 - at_s) * told
    torch.testing.assert_close(DDIM(schedule=SHORT, num_steps=3).sample(any_noise, START), x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_ddim_step_lands_where_the_forward_process_would(eta: float) -> None:
    """If x̂_0 and ε̂ are x_t's own, x_s has mean √ᾱ_s x_0 and variance 1 − ᾱ_s, whatever η and however long the step."""
    x_0, noise = START, torch.randn(START.shape, dtype=torch.float64, generator=seeded(1))
    sampler = DDIM(schedule=SHORT, num_steps=3, eta=eta)
    for t, s in ((12, 8), (8, 4), (4, 1), (12, 0)):
        x_t = float(SHORT.signal[t]) * x_0 + float(SHORT.noise[t]) * noise
        mean, deviation = sampler.move(x_t, x_0, t, s)
        of_noise = (mean - float(SHORT.signal[s]) * x_0) / noise
        torch.testing.assert_close(of_noise, torch.full_like(noise, float(of_noise[0, 0, 0])))
        total = float(of_noise[0, 0, 0]) ** 2 + deviation**2
        assert total == pytest.approx(1 - float(SHORT.alpha_bar[s]), rel=1e-8, abs=1e-12)
        assert (deviation > 0) == (eta > 0 and s > 0)


def test_eta_is_the_share_of_the_deviation_and_times_are_spread_evenly() -> None:
    full, half = (DDIM(schedule=SHORT, num_steps=5, eta=eta) for eta in (1.0, 0.5))
    assert full.times() == [12, 9, 7, 4, 2, 0]
    assert half.move(START, START, 9, 7)[1] == pytest.approx(full.move(START, START, 9, 7)[1] / 2)


@pytest.mark.parametrize("sampler", [DDPM, DDIM])
def test_what_the_denoiser_predicts_makes_no_difference(sampler: Any) -> None:
    options = {"schedule": SHORT} if sampler is DDPM else {"schedule": SHORT, "num_steps": 5, "eta": 0.7}

    def predict(target: Target) -> Any:
        def denoiser(x: Tensor, t: Tensor) -> Tensor:
            noise = any_noise(x, t)
            clean = (x - at_times(SHORT.noise, t, x) * noise) / at_times(SHORT.signal, t, x)
            return target_of(SHORT, target, clean, noise, t)

        return denoiser

    wanted = sampler(**options).sample(any_noise, START, generator=seeded())
    for target in ("clean", "velocity"):
        found = sampler(**options, target=target).sample(predict(target), START, generator=seeded())
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)


def test_without_chance_the_start_decides_and_no_numbers_are_drawn() -> None:
    generator = seeded()
    state = generator.get_state()
    sampler = DDIM(schedule=SHORT, num_steps=4)
    first = sampler.sample(any_noise, START, generator=generator)
    assert torch.equal(generator.get_state(), state)
    assert torch.equal(sampler.sample(any_noise, START, generator=seeded(99)), first)
    assert not torch.equal(sampler.sample(any_noise, START + 0.1), first)
    by_chance = DDIM(schedule=SHORT, num_steps=4, eta=0.3)
    one, other = (by_chance.sample(any_noise, START, generator=seeded(seed)) for seed in (1, 2))
    assert not torch.equal(one, other)
    assert torch.equal(by_chance.sample(any_noise, START, generator=seeded(1)), one)


def test_without_chance_many_steps_follow_the_flow() -> None:
    """Data N(m, c): the flow takes x_T to m + √(c/(ᾱ_T c + 1 − ᾱ_T)) (x_T − √ᾱ_T m), errors falling with S."""
    schedule, m, c = linear_schedule(), 0.5, 0.3
    start = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    bar = float(schedule.alpha_bar[-1])
    wanted = m + math.sqrt(c / (bar * c + 1 - bar)) * (start - math.sqrt(bar) * m)

    def exact(x: Tensor, t: Tensor) -> Tensor:
        a = at_times(schedule.signal, t, x)
        return m + a * c / (a.square() * c + 1 - a.square()) * (x - a * m)

    errors = []
    for num_steps in (10, 100, 1000):
        sampler = DDIM(schedule=schedule, num_steps=num_steps, target="clean")
        errors.append(float((sampler.sample(exact, start) - wanted).abs().max()))
    assert errors[1] < errors[0] / 5
    assert errors[2] < errors[1] / 5
    assert errors[2] < 5e-3


@pytest.mark.parametrize(
    "sampler",
    [DDPM(schedule=SHORT, target="clean", clip=(0.0, 0.5)), DDIM(schedule=SHORT, num_steps=3, clip=(0.0, 0.5))],
)
def test_clean_data_stay_in_their_range_and_the_chain_is_told(sampler: DiffusionSampler) -> None:
    chain = list(sampler.steps(any_noise, START, generator=seeded()))
    assert [step.time for step in chain] == sampler.times()[1:]
    assert all(bool(((step.clean >= 0) & (step.clean <= 0.5)).all()) for step in chain)
    assert any(bool((step.clean == 0.5).any()) for step in chain)
    assert not bool(((chain[0].x >= 0) & (chain[0].x <= 0.5)).all())
    torch.testing.assert_close(chain[-1].x, chain[-1].clean)  # the last step ends in what the denoiser takes for data
    assert torch.equal(sampler.sample(any_noise, START, generator=seeded()), chain[-1].x)


def test_a_clipped_step_uses_the_noise_that_belongs_to_it() -> None:
    """ε̂ = (x_t − √ᾱ_t x̂_0)/√(1 − ᾱ_t) with the clipped x̂_0: the step leads on a line from x_t to it."""
    sampler = DDIM(schedule=SHORT, num_steps=3, clip=(-0.1, 0.1))
    first = next(iter(sampler.steps(any_noise, START)))
    times = torch.full((5,), 12)
    dirt = noise_of(SHORT, "clean", first.clean, START, times)
    torch.testing.assert_close(first.x, float(SHORT.signal[8]) * first.clean + float(SHORT.noise[8]) * dirt)


def test_no_gradients_are_kept_and_the_number_format_stays() -> None:
    weight = torch.tensor(0.5, requires_grad=True)
    start = torch.randn(2, 3, generator=seeded())
    for sampler in (DDPM(schedule=SHORT), DDIM(schedule=SHORT, num_steps=3, eta=0.5)):
        found = sampler.sample(lambda x, t: weight * x, start)
        assert not found.requires_grad
        assert found.dtype == torch.float32
        assert torch.is_grad_enabled()


@pytest.mark.parametrize("target", ["noise", "clean", "velocity"])
def test_guidance_is_the_same_for_all_targets(target: Target) -> None:
    """(1 + w) p_c − w p_u turns into (1 + w) ε_c − w ε_u, and w = 0 and w = −1 are one denoiser each."""
    t = torch.tensor([1, 3, 7, 11, 12])
    labels = torch.tensor([0, 1, 2, 0, 1])

    def of_noise(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return any_noise(x, t) * (1 + labels[:, None, None])

    def told(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        noise = of_noise(x, t, labels)
        clean = (x - at_times(SHORT.noise, t, x) * noise) / at_times(SHORT.signal, t, x)
        return target_of(SHORT, target, clean, noise, t)

    conditional, unconditional = of_noise(START, t, labels), of_noise(START, t, torch.full((5,), 3))
    for w, wanted in (
        (0.0, conditional),
        (-1.0, unconditional),
        (2.0, 3 * conditional - 2 * unconditional),
        (0.5, unconditional + 1.5 * (conditional - unconditional)),
    ):
        found = Guided(told, labels, none=3, weight=w)(START, t)
        torch.testing.assert_close(noise_of(SHORT, target, found, START, t), wanted, rtol=1e-8, atol=1e-8)


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_cannot_be_is_refused() -> None:
    short: list[dict[str, Any]] = [{"num_steps": 0}, {"num_steps": 13}, {"eta": -0.1}, {"eta": 1.1}, {"clip": (1, 1)}]
    for options in short:
        with pytest.raises(ConfigurationError):
            DDIM(schedule=SHORT, **{"num_steps": 3, **options})
    full: list[dict[str, Any]] = [{"target": "x"}, {"variance": "none"}, {"clip": (math.nan, 1.0)}]
    for options in full:
        with pytest.raises(ConfigurationError):
            DDPM(schedule=SHORT, **options)
    for start in (torch.zeros(2, 3, dtype=torch.int64), torch.zeros(3)):
        with pytest.raises(InputError):
            DDPM(schedule=SHORT).sample(any_noise, start)
    with pytest.raises(InputError, match="prediction"):  # one that gives variances, too
        DDPM(schedule=SHORT).sample(lambda x, t: torch.cat([x, x], 1), START)
    with pytest.raises(InputError, match="label"):
        Guided(lambda x, t, labels: x, torch.tensor([1]), none=2, weight=1.0)(START, torch.ones(5, dtype=torch.int64))
    with pytest.raises(ConfigurationError):
        Guided(lambda x, t, labels: x, torch.tensor([1]), none=2, weight=math.inf)
