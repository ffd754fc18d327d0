"""Measuring a model that makes images: each figure's mean over a split, its standard error, and what is amiss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.progress import progress
from sightline.core.seeds import Seeds
from sightline.data import Split
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.measure import Measure
from sightline.objectives.standard_error import mean
from sightline.train.adversarial_examination import examine_players
from sightline.train.image_examination import Examination
from sightline.train.latent_examination import examine_latent

BATCH = 512

EXAMINERS: Mapping[str, Callable[[Any, Any, Split, Mapping[str, Measure]], Examination]] = {
    "adversarial": examine_players,
    "elbo": examine_latent,
}
"""What else is looked at, by the objective's name: model in evaluation mode, objective, images, its own figures."""


@dataclass(frozen=True)
class ImageFigures:
    """Figures of one model on one split of images.

    Args:
        loss: mean of what is minimised.
        metrics: value and standard error of each figure.
        worst: row and loss of the images of the highest loss, worst first.
        examination: what else was found of this kind of network; its figures are among ``metrics``.
    """

    loss: float
    metrics: Mapping[str, Measure]
    worst: list[tuple[int, float]]
    examination: Examination = field(default_factory=Examination)


def measure_images(model: nn.Module, objective: ImageObjective, split: Split, *, seed: int, worst: int) -> ImageFigures:
    """Measure an objective on every image once, in evaluation mode; then examine what this kind of network may suffer.

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
        metrics = {
            name: Measure(*mean(torch.cat(collected)), objective.units.get(name, ""))
            for name, collected in found.items()
        }
        with Seeds(seed).scope("evaluate", 1):
            examine = EXAMINERS.get(objective.name)
            examination = examine(model, objective, split, metrics) if examine else Examination()
    finally:
        model.train(was_training)
    every = torch.cat(losses)
    highest = every.argsort(descending=True, stable=True)[:worst].tolist()
    return ImageFigures(
        float(every.mean()),
        {**metrics, **examination.metrics},
        [(row, float(every[row])) for row in highest],
        examination,
    )
