"""Images completed: an autoregressive network is given the upper rows and draws the rest in its own order."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.generate.raster_scan import sample_pixels
from sightline.models.pixel_predictor import PixelPredictor
from sightline.objectives.pixel_prediction import PixelPrediction


def completed(
    model: PixelPredictor,
    objective: PixelPrediction,
    pixels: Float[Tensor, "batch channels height width"],
    *,
    rows: int,
    labels: Int[Tensor, " batch"] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch channels height width"]:
    """x_t ~ p(x_t | x_1 … x_{t−1}) for every pixel below the given rows: a draw of the rest given the beginning.

    Args:
        model: an autoregressive network of images.
        objective: what it was trained with.
        pixels: images in [0, 1]; with two levels, black or white is drawn of each given pixel from torch's generator.
        rows: upper rows that are given; the image below them is not looked at.
        labels: the class of each image, of a conditional network.
        generator: of the pixels that are drawn; none: torch's own.

    Returns:
        Pixel values in [0, 1].

    Raises:
        ConfigurationError: for rows that are no part of the image, or end within a patch.

    Lecture: X2

    Example:
        >>> from sightline.core.schema import Schema
        >>> from sightline.models.pixelcnn import PixelCNN
        >>> schema = Schema("image", "none", (1, 4, 4), image_mean=(0.5,), image_std=(0.5,))
        >>> whole = completed(PixelCNN(width=8, depth=1), PixelPrediction(schema), torch.ones(2, 1, 4, 4), rows=2)
        >>> whole[:, :, :2].min().item()
        1.0
    """
    height, width = pixels.shape[2:]
    if not 0 < rows < height:
        raise ConfigurationError(
            expected=f"from 1 to {height - 1} rows of images of {height}", found=f"{rows}", do=f"use {height // 2}"
        )
    given = objective.as_levels(pixels[:, :, :rows])
    levels = sample_pixels(
        model, count=len(pixels), image_size=(height, width), labels=labels, given=given, generator=generator
    )
    return objective.picture(levels)
