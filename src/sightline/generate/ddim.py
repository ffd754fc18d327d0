"""DDIM: the same denoiser in fewer steps, with as much chance as one likes, none included."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.generate.diffusion_sampling import DiffusionSampler


@dataclass(frozen=True, kw_only=True)
class DDIM(DiffusionSampler):
    """x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε̂ + σ z, σ² = η² (1 − ᾱ_s)/(1 − ᾱ_t) · (1 − ᾱ_t/ᾱ_s).

    For any σ, x_s has the distribution that the forward process gives it, if x̂_0 and ε̂ are x_t's own; so the denoiser
    need not know the σ, nor the steps. With η = 0 the sample is a function of the start alone. η = 1 is DDPM with β̃,
    over the times that are visited: S = T gives DDPM itself.

    Args:
        schedule: the one the denoiser was trained with.
        target: what the denoiser predicts: "noise" (ε), "clean" (x_0) or "velocity" (v).
        clip: range that x̂_0 is kept in; none: as predicted.
        num_steps: S, from 1 to T; the times visited are ⌊iT/S⌋, i = S … 0.
        eta: η in [0, 1], the share of DDPM's standard deviation that is drawn anew.

    Raises:
        ConfigurationError: for another target, a range that is empty, or a number outside its range.

    Source: Song et al. 2021, "Denoising Diffusion Implicit Models", eqs. (12) and (16)

    Lecture: X6

    Example:
        >>> from sightline.objectives.noise_schedule import linear_schedule
        >>> DDIM(schedule=linear_schedule(1000), num_steps=4).times()
        [1000, 750, 500, 250, 0]
    """

    num_steps: int = 50
    eta: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        most = self.schedule.num_steps
        if not 1 <= self.num_steps <= most:
            raise ConfigurationError(
                expected=f"from 1 to {most} steps, as many as the schedule has",
                found=f"num_steps = {self.num_steps}",
                do=f"use {min(50, most)}",
            )
        if not 0 <= self.eta <= 1:
            raise ConfigurationError(
                expected="eta in [0, 1]", found=f"eta = {self.eta}", do="0 draws nothing anew, 1 is DDPM"
            )

    def times(self) -> list[int]:
        """T = ⌊ST/S⌋, …, ⌊T/S⌋, 0."""
        return [i * self.schedule.num_steps // self.num_steps for i in range(self.num_steps, -1, -1)]

    def move(
        self, x: Float[Tensor, "batch ..."], clean: Float[Tensor, "batch ..."], t: int, s: int
    ) -> tuple[Float[Tensor, "batch ..."], float]:
        """√ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε̂, and σ."""
        at_t, at_s = float(self.schedule.alpha_bar[t]), float(self.schedule.alpha_bar[s])
        variance = self.eta**2 * (1 - at_s) / (1 - at_t) * (1 - at_t / at_s)
        noise = (x - math.sqrt(at_t) * clean) / math.sqrt(1 - at_t)
        return math.sqrt(at_s) * clean + math.sqrt(max(1 - at_s - variance, 0.0)) * noise, math.sqrt(variance)
