"""Denoising in one shot, from almost nothing but noise: a road to new images that fails."""

from typing import Annotated

import torch

from sightline.core.config import Option, check
from sightline.core.schema import Schema
from sightline.objectives.denoiser_objective import DenoiserObjective, Images, Question, noise_like, random_times
from sightline.objectives.forward_process import diffuse
from sightline.objectives.noise_schedule import NoiseSchedule
from sightline.objectives.registry import OBJECTIVES

SIGNAL = Option("ᾱ_T, the share of the variance that is still the image's", above=0, below=1)


@OBJECTIVES.register("one-shot-denoising")
class OneShotDenoising(DenoiserObjective):
    """E ‖x_0 − f(x_T)‖²/D, x_T = √ᾱ_T x_0 + √(1 − ᾱ_T) ε: one step takes the image to noise.

    A new image is f(x_T) of noise x_T. All are nearly the same: the best f is the mean E[x_0 | x_T], and where x_T says
    next to nothing of x_0 that is the mean of the data. ``sightline explain denoising`` has the numbers.

    The network is told t = 1, always.

    Args:
        schema: the data set's.
        signal: ᾱ_T; by default about what 1,000 linear steps of diffusion leave.

    Raises:
        ConfigurationError: for data that are no images, or a number out of its range.

    Source: the lecture notes, lecture 26, §26.3.1

    Lecture: X6

    Example:
        >>> schema = Schema("image", "none", (1, 8, 8), image_mean=(0.5,), image_std=(0.5,))
        >>> OneShotDenoising(schema).process
        NoiseSchedule(num_steps=1, last alpha_bar=4e-05)
    """

    name = "one-shot-denoising"

    def __init__(self, schema: Schema, *, signal: Annotated[float, SIGNAL] = 4e-5) -> None:
        super().__init__(schema)
        left = check(signal, float, SIGNAL, None, "signal")
        self.process = NoiseSchedule(torch.tensor([1 - left], dtype=torch.float64))

    def question(self, x: Images) -> Question:
        """The images themselves, asked of almost pure noise."""
        times = random_times(x, 1)
        return Question(diffuse(self.process, x, times, noise_like(x)), times, x)
