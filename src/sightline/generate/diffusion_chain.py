"""The chains of diffusion, to be looked at: an image that becomes noise, and noise that becomes an image.

Legend: as in :mod:`~sightline.objectives.forward_process` and :mod:`~sightline.generate.diffusion_sampling`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.generate.diffusion_sampling import Denoiser, DiffusionSampler
from sightline.objectives.noise_schedule import NoiseSchedule


@dataclass(frozen=True)
class ReverseChain:
    """Some moments of the way from noise to data.

    Args:
        times: t of each moment, falling: T first, 0 last.
        x: x_t of each, (moments, batch, …).
        clean: x̂_0, what the denoiser takes for the data under x_t; the last is x_0 itself.
    """

    times: list[int]
    x: Float[Tensor, "moments batch ..."]
    clean: Float[Tensor, "moments batch ..."]


def forward_chain(
    schedule: NoiseSchedule,
    x_0: Float[Tensor, "batch ..."],
    times: Sequence[int],
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "moments batch ..."]:
    """One path of the forward process: x_s = √(ᾱ_s/ᾱ_t) x_t + √(1 − ᾱ_s/ᾱ_t) ε from each time t to the next, s.

    Each moment is noisier than the one before by noise of its own, as in the process itself; noise drawn anew for every
    moment would show images of the right distributions, but no path.

    Args:
        schedule: of the noise.
        x_0: data, standardised.
        times: rising, from 0 (the data) to T.
        generator: of the noise; none: torch's own. The numbers are drawn where it lives.

    Raises:
        ConfigurationError: for times that don't rise, or lie outside.

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", eqs. (2) and (4)

    Lecture: X6

    Example:
        >>> schedule = NoiseSchedule(torch.tensor([0.36, 0.5]))
        >>> forward_chain(schedule, torch.ones(1, 2), [0, 1, 2]).shape
        torch.Size([3, 1, 2])
    """
    most = schedule.num_steps
    if not times or list(times) != sorted(set(times)) or not 0 <= times[0] <= times[-1] <= most:
        raise ConfigurationError(
            expected=f"rising times from 0 to {most}", found=f"{list(times)}", do=f"use [0, {most // 2}, {most}]"
        )
    device = x_0.device if generator is None else generator.device
    bar = schedule.alpha_bar.double().tolist()
    x, before, moments = x_0, 1.0, []
    for time in times:
        kept = bar[time] / before
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=device).to(x.device)
        x = kept**0.5 * x + max(0.0, 1 - kept) ** 0.5 * noise
        before = bar[time]
        moments.append(x)
    return torch.stack(moments)


def reverse_chain(
    sampler: DiffusionSampler,
    denoiser: Denoiser,
    start: Float[Tensor, "batch ..."],
    *,
    moments: int = 10,
    generator: torch.Generator | None = None,
) -> ReverseChain:
    """Moments of a sampler's own path, evenly over its steps: what it ends in is what ``sampler.sample`` gives.

    Args:
        sampler: DDPM or DDIM.
        denoiser: in evaluation mode, if it is a network.
        start: x_T, standard normal.
        moments: how many are kept, both ends among them; at most one more than the sampler has steps.
        generator: of the noise that the steps add.

    Raises:
        ConfigurationError: for fewer than 2 moments.
        InputError: what the sampler refuses.

    Lecture: X6

    Example:
        >>> from sightline.generate.ddim import DDIM
        >>> sampler = DDIM(schedule=NoiseSchedule(torch.full((8,), 0.3)), target="clean", num_steps=4)
        >>> reverse_chain(sampler, lambda x, t: torch.ones_like(x), torch.randn(1, 2), moments=3).times
        [8, 4, 0]
    """
    if moments < 2:
        raise ConfigurationError(expected="at least 2 moments: both ends", found=f"{moments}", do="use 10")
    times = sampler.times()
    count = len(times)
    kept = {place * (count - 1) // (moments - 1) for place in range(moments)} if moments < count else set(range(count))
    x, seen, clean = start, [], []
    for place, step in enumerate(sampler.steps(denoiser, start, generator=generator)):
        if place in kept:  # x_t beside the guess that leads on from it
            seen.append(x)
            clean.append(step.clean)
        x = step.x
    return ReverseChain([times[place] for place in sorted(kept)], torch.stack([*seen, x]), torch.stack([*clean, x]))
