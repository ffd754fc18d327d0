"""The chains that are shown are those of the process and of the sampler themselves."""

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.generate.ddim import DDIM
from sightline.generate.ddpm import DDPM
from sightline.generate.diffusion_chain import forward_chain, reverse_chain
from sightline.generate.diffusion_sampling import DiffusionSampler
from sightline.objectives.forward_process import diffuse_step
from sightline.objectives.noise_schedule import linear_schedule

SCHEDULE = linear_schedule(12, first=0.05, last=0.4)


def denoiser(x: Tensor, t: Tensor) -> Tensor:
    return torch.tanh(x) * (1 + t[:, None] / 12)


def test_the_forward_chain_is_the_process_step_by_step() -> None:
    x = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)
    found = forward_chain(SCHEDULE, x, range(13), generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    torch.randn(x.shape, generator=generator, dtype=x.dtype)  # of time 0, where nothing is added
    assert torch.equal(found[0], x)
    for t in range(1, 13):
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        x = diffuse_step(SCHEDULE, x, torch.full((2,), t), noise)
        assert torch.allclose(found[t], x, atol=1e-6)


@pytest.mark.parametrize("times", [[], [3, 2], [1, 1], [-1, 3], [0, 13]])
def test_times_must_rise_within_the_process(times: list[int]) -> None:
    with pytest.raises(ConfigurationError, match="rising times from 0 to 12"):
        forward_chain(SCHEDULE, torch.zeros(1, 2), times)


@pytest.mark.parametrize("sampler", [DDPM(schedule=SCHEDULE), DDIM(schedule=SCHEDULE, num_steps=6, eta=0.5)])
@pytest.mark.parametrize("moments", [2, 4, 40])
def test_the_reverse_chain_is_the_samplers_own(sampler: DiffusionSampler, moments: int) -> None:
    start = torch.randn(3, 2, generator=torch.Generator().manual_seed(1))
    first, second, third = (torch.Generator().manual_seed(2) for _ in range(3))
    found = reverse_chain(sampler, denoiser, start, moments=moments, generator=first)
    steps = list(sampler.steps(denoiser, start, generator=second))
    places = {sampler.times()[0]: start, **{step.time: step.x for step in steps}}
    assert len(found.times) == min(moments, len(places))
    assert found.times == sorted(found.times, reverse=True)
    assert (found.times[0], found.times[-1]) == (12, 0)
    leading = dict(zip(sampler.times()[:-1], (step.clean for step in steps), strict=True))
    for time, x, clean in zip(found.times, found.x, found.clean, strict=True):
        assert torch.equal(x, places[time])
        assert torch.equal(clean, leading.get(time, places[0]))
    assert torch.equal(found.x[-1], sampler.sample(denoiser, start, generator=third))


def test_one_moment_is_no_chain() -> None:
    with pytest.raises(ConfigurationError, match="at least 2 moments"):
        reverse_chain(DDPM(schedule=SCHEDULE), denoiser, torch.randn(1, 2), moments=1)
