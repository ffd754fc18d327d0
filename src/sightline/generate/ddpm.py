"""DDPM: ancestral sampling, the forward process undone step by step."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.words import one_of
from sightline.generate.diffusion_sampling import DiffusionSampler
from sightline.objectives.forward_process import posterior

Variance = Literal["beta", "posterior"]
"""β_t or β̃_t."""


@dataclass(frozen=True, kw_only=True)
class DDPM(DiffusionSampler):
    """x_{t−1} = μ̃_t(x_t, x̂_0) + σ_t z for t = T … 1: the posterior given x_0, with what the denoiser takes for x_0.

    The last step adds no noise. σ_t² = β̃_t would be exact if all data were one point, σ_t² = β_t if they were standard
    normal; the variance of x_{t−1} given x_t is between the two, and they differ only while ᾱ_t is near 1.

    Args:
        schedule: the one the denoiser was trained with.
        target: what the denoiser predicts: "noise" (ε), "clean" (x_0) or "velocity" (v).
        clip: range that x̂_0 is kept in; none: as predicted.
        variance: σ_t²: "beta" or "posterior" (β̃_t).

    Raises:
        ConfigurationError: for another target or variance, or a range that is empty.

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", algorithm 2 and §3.2

    Lecture: X6

    Example:
        >>> from sightline.objectives.noise_schedule import linear_schedule
        >>> sampler = DDPM(schedule=linear_schedule(10), target="clean")
        >>> sampler.sample(lambda x, t: torch.ones_like(x), torch.randn(2, 3)).tolist()  # all data are 1
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """

    variance: Variance = "posterior"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.variance, get_args(Variance), "variance")

    def times(self) -> list[int]:
        """T, T − 1, …, 0."""
        return list(range(self.schedule.num_steps, -1, -1))

    def move(
        self, x: Float[Tensor, "batch ..."], clean: Float[Tensor, "batch ..."], t: int, s: int
    ) -> tuple[Float[Tensor, "batch ..."], float]:
        """μ̃_t and σ_t."""
        mean = posterior(self.schedule, clean, x, torch.full((len(x),), t, device=x.device)).mean
        table = self.schedule.beta if self.variance == "beta" else self.schedule.posterior_variance
        return mean, math.sqrt(float(table[t])) if s > 0 else 0.0
