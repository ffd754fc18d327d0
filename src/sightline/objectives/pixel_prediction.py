"""Predicting images pixel by pixel: the objective of autoregressive networks."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.config import Option, check
from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.data.standardise import unstandardise
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.pixel_likelihood import bits_per_dimension, pixel_negative_log_likelihood
from sightline.objectives.registry import OBJECTIVES

LEVELS = Option(
    "levels of a pixel, as many as the network's; of 2, each pixel is drawn black or white from its value,"
    " anew at every look",
    minimum=2,
    maximum=256,
)


@OBJECTIVES.register("pixel-prediction")
class PixelPrediction(ImageObjective):
    """−log p(x) = −Σ_t log p(x_t | x_1 … x_{t−1}): the exact likelihood of an image of L levels, in nats.

    With two levels a pixel is drawn: white with the probability that is its value, anew at every look (dynamic
    binarisation). With more, its value in [0, 1] is rounded to the nearest of L levels from 0 to 1.

    Args:
        schema: the data set's.
        levels: L.

    Raises:
        ConfigurationError: for data that are no images, a number of levels out of range, or a standardisation that
            can't be undone.

    Source: van den Oord et al. 2016, "Pixel Recurrent Neural Networks", equation (1); Salakhutdinov & Murray 2008
        (binarised digits)

    Lecture: X2

    Example:
        >>> schema = Schema("image", "none", (1, 2, 2), standardise="none", image_mean=(0.0,), image_std=(1.0,))
        >>> batch = Batch(torch.full((1, 1, 2, 2), 0.5), torch.zeros(1), torch.arange(1), 1)
        >>> PixelPrediction(schema, levels=3).prepare(batch).inputs.flatten().tolist()
        [1, 1, 1, 1]
    """

    name = "pixel-prediction"
    suits = "autoregressive network"
    units: ClassVar = {"negative_log_likelihood": "nats", "bits_per_dimension": "bits"}

    def __init__(self, schema: Schema, *, levels: Annotated[int, LEVELS] = 2) -> None:
        super().__init__(schema)
        self.levels: int = check(levels, int, LEVELS, None, "levels")

    def prepare(self, batch: Batch) -> Batch:
        """The images as levels."""
        return replace(batch, inputs=self.as_levels(unstandardise(batch.inputs, self.schema)))

    def as_levels(
        self, pixels: Float[Tensor, "batch channels height width"]
    ) -> Int[Tensor, "batch channels height width"]:
        """Pixel values in [0, 1] as levels; of two, drawn from torch's global generator."""
        values = pixels.clamp(0, 1)
        levels = torch.bernoulli(values.contiguous()) if self.levels == 2 else (values * (self.levels - 1)).round()
        return levels.long()

    def parts(self, model: nn.Module, batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """Nats an image.

        Raises:
            ConfigurationError: for a network of other levels.
        """
        inner = getattr(model, "module", model)
        if inner.levels != self.levels:
            raise ConfigurationError(
                expected=f"a network for {self.levels} levels",
                found=f"one for {inner.levels}",
                do="give --model.levels and --objective.levels the same number",
            )
        labels = {"labels": self.labels(batch)} if inner.num_classes else {}
        return {self.name: pixel_negative_log_likelihood(model(batch.inputs, **labels), batch.inputs)}

    def picture(
        self, levels: Int[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Levels as pixel values."""
        values: Tensor = levels.float() / (self.levels - 1)
        return values

    def figures(self, parts: Mapping[str, Float[Tensor, " batch"]]) -> Mapping[str, Float[Tensor, " batch"]]:
        """Nats an image, and bits a number."""
        nats = parts[self.name]
        bits = bits_per_dimension(nats, num_dimensions=math.prod(self.schema.input_shape))
        return {"negative_log_likelihood": nats, "bits_per_dimension": bits}

    def figure_names(self) -> tuple[str, ...]:
        """See :meth:`figures`."""
        return ("negative_log_likelihood", "bits_per_dimension")
