"""Diffusion's objective: guess the noise in images that hold any amount of it."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option, check
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.data.standardise import unstandardise
from sightline.objectives.diffusion_target import Target, target_of
from sightline.objectives.forward_process import diffuse
from sightline.objectives.image_objective import ImageObjective
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
class DenoisingDiffusion(ImageObjective):
    """E ‖y(x_0, ε, t) − f(x_t, t)‖²/D, t uniform in 1 … T, x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε; y is ε, x_0 or v.

    One time and one noise are drawn for each image and look, so the loss is a noisy figure; it compares between looks,
    which draw the same, and not between targets. Labels, where the network has classes, are hidden from it now and
    then, which guidance needs.

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
    suits = "denoiser"
    units: ClassVar = {}

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

    def parts(self, model: nn.Module, batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """The mean squared error of each image, at a time and with a noise drawn for it."""
        x = batch.inputs
        times = torch.randint(1, self.steps + 1, (len(batch),), device=x.device)
        noise = torch.randn(x.shape, dtype=x.dtype, device=x.device)  # the same whatever the layout in memory
        inner: Any = getattr(model, "module", model)
        told: dict[str, Tensor] = {}
        labels = self.labels(batch)
        if inner.num_classes and labels is not None:
            hidden = torch.rand(len(batch), device=x.device) < self.dropped_labels
            told["labels"] = torch.where(hidden, inner.none, labels) if inner.training else labels
        prediction = model(diffuse(self.process, x, times, noise), times, **told).float()
        wanted = target_of(self.process, self.target, x, noise, times)
        return {self.name: (prediction - wanted).square().flatten(1).mean(1)}

    def picture(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Standardised images as pixel values."""
        return unstandardise(images, self.schema)

    def figures(self, parts: Mapping[str, Float[Tensor, " batch"]]) -> Mapping[str, Float[Tensor, " batch"]]:
        """The mean squared error."""
        return {"squared_error": parts[self.name]}

    def figure_names(self) -> tuple[str, ...]:
        """See :meth:`figures`."""
        return ("squared_error",)


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
