"""Diffusion's objective: guess the noise in images that hold any amount of it."""

from typing import Annotated, Literal

from sightline.core.config import Option, check
from sightline.core.schema import Schema
from sightline.data.standardise import pixel_range
from sightline.objectives.denoiser_objective import DenoiserObjective, Images, Question, noise_like, random_times
from sightline.objectives.diffusion_target import Target, target_of
from sightline.objectives.forward_process import diffuse
from sightline.objectives.noise_schedule import NoiseSchedule, cosine_schedule, linear_schedule
from sightline.objectives.registry import OBJECTIVES

Course = Literal["linear", "cosine"]

TARGET = Option("what the network guesses: the noise ε, the clean image x_0, or the velocity v")
COURSE = Option("how noise grows over the steps: β linear, or the signal's share a cosine")
STEPS = Option("T, steps from the data to noise", minimum=2)
QUICK = 25
"""Steps back for the pictures through training."""

DROPPED = Option(
    "share of the labels that training hides, so that the network learns to do without", minimum=0, below=1
)


@OBJECTIVES.register("denoising-diffusion")
class DenoisingDiffusion(DenoiserObjective):
    """E ‖y(x_0, ε, t) − f(x_t, t)‖²/D, t uniform in 1 … T, x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε; y is ε, x_0 or v.

    One time and one noise are drawn for each image and look. Losses of different targets do not compare. Labels, where
    the network has classes, are hidden from it now and then, which guidance needs.

    Args:
        schema: the data set's.
        target: y.
        schedule: "linear" or "cosine".
        steps: T.
        dropped_labels: share of labels hidden.

    Raises:
        ConfigurationError: for data that are no images, or a number out of its range.

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", equation (14); Salimans & Ho 2022 (v); Ho &
        Salimans 2022, algorithm 1 (hidden labels)

    Lecture: X6

    Example:
        >>> schema = Schema("image", "none", (1, 8, 8), image_mean=(0.5,), image_std=(0.5,))
        >>> DenoisingDiffusion(schema, schedule="cosine", steps=10).process.num_steps
        10
    """

    name = "denoising-diffusion"

    def __init__(
        self,
        schema: Schema,
        *,
        target: Annotated[Target, TARGET] = "noise",
        schedule: Annotated[Course, COURSE] = "linear",
        steps: Annotated[int, STEPS] = 1000,
        dropped_labels: Annotated[float, DROPPED] = 0.1,
    ) -> None:
        super().__init__(schema)
        self.target: Target = check(target, Target, TARGET, None, "target")
        self.steps: int = check(steps, int, STEPS, None, "steps")
        self.dropped_labels: float = check(dropped_labels, float, DROPPED, None, "dropped_labels")
        course = check(schedule, Course, COURSE, None, "schedule")
        self.quick_steps = min(QUICK, self.steps)
        self.process: NoiseSchedule = process_of(course, self.steps)
        self.clip: tuple[float, float] | None = pixel_range(schema)
        """What samplers keep clean images within; none: nothing."""

    def question(self, x: Images) -> Question:
        """A time and a noise for each image."""
        times, noise = random_times(x, self.steps), noise_like(x)
        wanted = target_of(self.process, self.target, x, noise, times)
        return Question(diffuse(self.process, x, times, noise), times, wanted)


def process_of(course: Course, steps: int) -> NoiseSchedule:
    """The schedule of a name; a linear one of few steps has larger β, so that as little signal is left at its end.

    Args:
        course: "linear" or "cosine".
        steps: T.

    Lecture: X6

    Example:
        >>> process_of("linear", 1000).beta[-1].item()
        0.02
    """
    if course == "cosine":
        return cosine_schedule(steps)
    scale = 1000 / steps
    return linear_schedule(steps, first=min(1e-4 * scale, 0.999), last=min(0.02 * scale, 0.999))
