"""Views of a network that makes images, left in the run folder for its report."""

from torch import nn

from sightline.core.run_folder import RunFolder
from sightline.core.seeds import Seeds
from sightline.data import Split
from sightline.data.image_grid import as_png, image_grid
from sightline.generate.image_views import image_views
from sightline.generate.latent_coder import CODERS
from sightline.generate.latent_map import latent_map
from sightline.objectives import Objective
from sightline.objectives.image_objective import ImageObjective

VIEWS = "readings/image-views.json"
MAP = "readings/latent-map.json"


def write_image_views(folder: RunFolder, model: nn.Module, objective: Objective, split: Split, *, seed: int) -> None:
    """Write ``readings/image-views.json`` with a picture each, and of a network that codes images a map of its codes.

    A view is ``{"name", "title", "caption", "file"}``, the file in ``samples/views/``; the map is ``{"points",
    "labels", "classes", "explained", "split"}``. Chance comes from the stream "evaluate": the same weights give the
    same pictures, and no other stream moves.

    Args:
        folder: the run.
        model: with the weights to be shown.
        objective: what it was trained with; of one that makes no images nothing is written.
        split: of real images.
        seed: the run's.

    Raises:
        RunFolderError: when something can't be written.

    Lecture: X4, X5, X6
    """
    if not isinstance(objective, ImageObjective):
        return
    seeds = Seeds(seed)
    with seeds.scope("evaluate", 2):
        views = image_views(model, objective, split, seed=seeds.number("evaluate", 2))
        codes = latent_map(model, objective, split) if objective.name in CODERS and len(split) > 1 else None
    rows = []
    for view in views:
        file = f"samples/views/{view.name}.png"
        folder.write(file, as_png(image_grid(view.pixels, columns=view.columns)))
        rows.append({"name": view.name, "title": view.title, "caption": view.caption, "file": file})
    if rows:
        folder.write(VIEWS, rows)
    if codes is not None:
        labels = None if codes.labels is None else codes.labels.tolist()
        folder.write(
            MAP,
            {
                "points": [[float(f"{x:.4g}") for x in point] for point in codes.points.tolist()],
                "labels": labels,
                "classes": list(objective.schema.classes) if labels is not None else [],
                "explained": codes.explained.tolist(),
                "split": split.name,
            },
        )
