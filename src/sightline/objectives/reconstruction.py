"""Restoring images: from themselves, from noisy ones, or from what a mask leaves of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option, check
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.data.standardise import unstandardise
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.registry import OBJECTIVES

Corruption = Literal["none", "noise", "mask"]

CORRUPTION = Option("what is done to an image before it is restored: nothing, Gaussian noise, numbers set to 0")
DEVIATION = Option("σ of the noise, in standardised units", above=0)
MASKED = Option("share of an image's numbers that are set to 0", above=0, below=1)


@OBJECTIVES.register("reconstruction")
class Reconstruction(ImageObjective):
    """‖x − f(x′)‖²/D: the mean squared error of restoring x, of D standardised numbers, from x′.

    x′ is x itself; or x + σn with n standard normal (denoising); or x ⊙ m/(1 − p), where each number is masked with
    probability p and what is left is scaled up, as dropout does. A wide latent vector may learn the identity from x
    itself; from noisy or masked images the identity is not the best answer.

    Args:
        schema: the data set's.
        corruption: "none", "noise" or "mask".
        deviation: σ of the noise.
        masked: p.

    Raises:
        ConfigurationError: for data that are no images, or a number out of its range.

    Source: the lecture notes, lectures 15 and 16; Vincent et al. 2008, "Extracting and Composing Robust Features with
        Denoising Autoencoders"

    Lecture: A2

    Example:
        >>> schema = Schema("image", "none", (1, 2, 2), image_mean=(0.5,), image_std=(0.5,))
        >>> Reconstruction(schema, corruption="mask", masked=0.75).corruption
        'mask'
    """

    name = "reconstruction"
    suits = "autoencoder"
    units: ClassVar = {"squared_error": ""}

    def __init__(
        self,
        schema: Schema,
        *,
        corruption: Annotated[Corruption, CORRUPTION] = "none",
        deviation: Annotated[float, DEVIATION] = 0.5,
        masked: Annotated[float, MASKED] = 0.5,
    ) -> None:
        super().__init__(schema)
        self.corruption: Corruption = check(corruption, Corruption, CORRUPTION, None, "corruption")
        self.deviation = check(deviation, float, DEVIATION, None, "deviation")
        self.masked = check(masked, float, MASKED, None, "masked")

    def prepare(self, batch: Batch) -> Batch:
        """The corrupted images as the inputs, the whole ones as the target."""
        x = batch.inputs
        if self.corruption == "noise":
            seen = x + self.deviation * torch.randn(x.shape, dtype=x.dtype, device=x.device)
        elif self.corruption == "mask":
            seen = (
                x
                * torch.bernoulli(torch.full(x.shape, 1 - self.masked, dtype=x.dtype, device=x.device))
                / (1 - self.masked)
            )
        else:
            seen = x
        return replace(batch, inputs=seen, target=x)

    def parts(self, model: nn.Module, batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """The mean squared error of each image."""
        restored = model(batch.inputs).float()
        return {self.name: (restored - batch.target).square().flatten(1).mean(1)}

    def picture(
        self, outputs: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """The decoder's outputs as pixel values."""
        return unstandardise(outputs, self.schema)

    def figures(self, parts: Mapping[str, Float[Tensor, " batch"]]) -> Mapping[str, Float[Tensor, " batch"]]:
        """The mean squared error."""
        return {"squared_error": parts[self.name]}

    def figure_names(self) -> tuple[str, ...]:
        """See :meth:`figures`."""
        return ("squared_error",)
