"""Views of autoregressive networks: the lower halves of real images, drawn anew."""

import torch
from torch import nn

from sightline.data import Batch
from sightline.generate.completion import completed
from sightline.generate.image_views import VIEWERS, View, real_images, stacked
from sightline.models.pixel_predictor import PixelPredictor
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.pixel_prediction import PixelPrediction


@VIEWERS.register("pixel-prediction")
def completion_views(
    model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator
) -> list[View]:
    """Real images whose lower half the network draws, twice.

    Lecture: X2
    """
    assert isinstance(model, PixelPredictor)
    assert isinstance(objective, PixelPrediction)
    real, labels = real_images(model, objective, batch)
    rows = _whole_rows(model, *real.shape[2:])
    if not rows:
        return []
    height = real.shape[2]
    given = objective.picture(objective.as_levels(real))  # black or white once, the same for both draws
    drawn = [completed(model, objective, given, rows=rows, labels=labels, generator=generator) for _ in range(2)]
    covered = given.clone()
    covered[:, :, rows:] = 0.5
    caption = (
        f"Real images; their upper {rows} of {height} rows, which the network is given; two draws of the rest, pixel by"
        " pixel from left to right and down."
    )
    return [stacked("completions", "Lower halves drawn", caption, [given, covered, *drawn])]


def _whole_rows(model: PixelPredictor, height: int, width: int) -> int:
    """Upper rows, half of them at most, that come first in the network's order: whole patches."""
    order = model.pixel_order(height=height, width=width)
    fitting = (n for n in range(height // 2, 0, -1) if all(row < n for row, _ in order[: n * width]))
    return next(fitting, 0)
