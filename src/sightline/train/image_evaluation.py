"""Measuring a model that makes images: each figure's mean over the images of a split, with its standard error."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.core.progress import progress
from sightline.core.seeds import Seeds
from sightline.data import Split
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.measure import Measure

BATCH = 512


@dataclass(frozen=True)
class ImageFigures:
    """Figures of one model on one split of images.

    Args:
        loss: mean of what is minimised.
        metrics: value and standard error of each figure.
        worst: row and loss of the images of the highest loss, worst first.
    """

    loss: float
    metrics: Mapping[str, Measure]
    worst: list[tuple[int, float]]


def measure_images(model: nn.Module, objective: ImageObjective, split: Split, *, seed: int, worst: int) -> ImageFigures:
    """Measure an objective on every image once, in evaluation mode.

    Whatever chance the objective and the model draw comes from the seed alone: the same model gives the same figures.

    Args:
        model: on the device where it is to be measured.
        objective: of images.
        split: the images.
        seed: of the run.
        worst: how many images of high loss to name.

    Lecture: X5
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    losses: list[Tensor] = []
    found: dict[str, list[Tensor]] = {name: [] for name in objective.figure_names()}
    try:
        with (
            torch.no_grad(),
            Seeds(seed).scope("evaluate", 0),
            progress(f"measuring on {split.name}", len(split), "images") as bar,
        ):
            for batch in split.batches(batch_size=BATCH, device=device):
                parts = objective.parts(model, objective.prepare(batch))
                losses.append(objective.total(parts).double().cpu())
                for name, values in objective.figures(parts).items():
                    found[name].append(values.double().cpu())
                bar.advance(len(batch))
    finally:
        model.train(was_training)
    every = torch.cat(losses)
    metrics = {}
    for name, collected in found.items():
        each = torch.cat(collected)
        error = float(each.std()) / math.sqrt(len(each)) if len(each) > 1 else math.nan
        metrics[name] = Measure(float(each.mean()), error, objective.units.get(name, ""))
    highest = every.argsort(descending=True, stable=True)[:worst].tolist()
    return ImageFigures(float(every.mean()), metrics, [(row, float(every[row])) for row in highest])
