"""Denoising in stages, each undoing a little noise by its mean: a road to new images that fails."""

from typing import Annotated

from sightline.core.config import Option, check
from sightline.core.schema import Schema
from sightline.objectives.denoiser_objective import DenoiserObjective, Images, Question, noise_like, random_times
from sightline.objectives.denoising_diffusion import COURSE, Course, process_of
from sightline.objectives.forward_process import diffuse_step
from sightline.objectives.noise_schedule import at_times
from sightline.objectives.registry import OBJECTIVES

STAGES = Option("T, stages from the data to noise", minimum=2)


@OBJECTIVES.register("staged-denoising")
class StagedDenoising(DenoiserObjective):
    """E ‖x_{t−1} − f(x_t, t)‖²/D, t uniform in 1 … T, x_t = √(1 − β_t) x_{t−1} + √β_t ε.

    New images are f(f(… f(x_T, T) …, 2), 1) of noise x_T, with nothing added between the stages. They are dull: the
    best f is the mean E[x_{t−1} | x_t], and a mean varies less than what it is a mean of. Of Gaussian data of
    variance 1, T stages leave ᾱ_T; ``sightline explain denoising`` has the numbers. DDPM adds the lost variance again.

    The notes have one autoencoder for each stage; here one network is told the stage. Ten stages by the cosine: with
    few stages each mean goes a long way, so that the network is not asked to repeat its input, and the cosine removes
    noise evenly, while in ten linear stages the last alone would have to undo nearly all.

    Args:
        schema: the data set's.
        schedule: "linear" or "cosine".
        steps: T.

    Raises:
        ConfigurationError: for data that are no images, or a number out of its range.

    Source: the lecture notes, lecture 26, equation (26.1)

    Lecture: X6

    Example:
        >>> schema = Schema("image", "none", (1, 8, 8), image_mean=(0.5,), image_std=(0.5,))
        >>> StagedDenoising(schema).process
        NoiseSchedule(num_steps=10, last alpha_bar=2.41e-05)
    """

    name = "staged-denoising"

    def __init__(
        self,
        schema: Schema,
        *,
        schedule: Annotated[Course, COURSE] = "cosine",
        steps: Annotated[int, STAGES] = 10,
    ) -> None:
        super().__init__(schema)
        self.process = process_of(
            check(schedule, Course, COURSE, None, "schedule"), check(steps, int, STAGES, None, "steps")
        )

    def question(self, x: Images) -> Question:
        """A stage for each image: what it starts from, and what it is to give."""
        times = random_times(x, self.process.num_steps)
        signal, noise = (at_times(table, times - 1, x) for table in (self.process.signal, self.process.noise))
        before = signal * x + noise * noise_like(x)
        return Question(diffuse_step(self.process, before, times, noise_like(x)), times, before)
