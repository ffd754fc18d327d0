"""Pictures through training: what the model makes after each look at the validation split."""

import json
from collections.abc import Callable
from typing import Any

from torch import nn

from sightline.core.files import to_json
from sightline.core.run_folder import RunFolder
from sightline.core.seeds import Seeds
from sightline.data.image_grid import as_png, image_grid
from sightline.objectives import Objective
from sightline.objectives.image_objective import ImageObjective

RECORD = "samples/images.jsonl"
COUNT = 40
"""Images made after every look: those of the last look fill a page's width."""


class ImageSamples:
    """A follower of the engine: after each look it lets the model make the same images anew, and keeps the picture.

    Every line of ``samples/images.jsonl`` is ``{"step", "file"}``. Chance comes from the stream "sample", the same for
    every step: what is seen is how the same latent vectors, or the same noise, turn into better pictures.

    Args:
        folder: the run.
        seeds: the run's random streams.
        model: in evaluation mode while it samples, and back afterwards.
        objective: how its outputs become images.

    Lecture: X1
    """

    def __init__(self, *, folder: RunFolder, seeds: Seeds, model: nn.Module, objective: ImageObjective) -> None:
        self.folder, self.seeds, self.model, self.objective = folder, seeds, model, objective

    def __call__(self, step: int) -> None:
        """Make the images of so many updates; those of later ones, of a run that was set back, are forgotten.

        Raises:
            RunFolderError: when a file can't be written.
        """
        from sightline.generate.image_sampling import sample_images

        with self.seeds.scope("sample", 0):
            made = sample_images(
                self.model,
                self.objective,
                COUNT,
                seed=self.seeds.number("sample"),
                steps=self.objective.quick_steps,
            )
        file = f"samples/step-{step:09d}.png"
        self.folder.write(file, as_png(image_grid(made.pixels, columns=10)))
        rows = [row for row in read_image_samples(self.folder) if row["step"] < step]
        rows.append({"step": step, "file": file})
        self.folder.write(RECORD, "".join(to_json(row) + "\n" for row in rows))


def image_samples_of(
    folder: RunFolder, seeds: Seeds, model: nn.Module, objective: Objective
) -> list[Callable[[int], None]]:
    """What the engine is to call after each look: the maker of pictures, for a model that makes some."""
    if not isinstance(objective, ImageObjective):
        return []
    return [ImageSamples(folder=folder, seeds=seeds, model=model, objective=objective)]


def read_image_samples(folder: RunFolder) -> list[dict[str, Any]]:
    """The pictures there are, oldest first."""
    return [json.loads(line) for line in folder.text(RECORD).splitlines()] if folder.has(RECORD) else []
