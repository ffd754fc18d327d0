"""Pictures of what a network that makes images has learnt, each kind of network by views of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.registry import Registry
from sightline.data import Batch, Split
from sightline.data.standardise import unstandardise
from sightline.generate.generation import evaluating
from sightline.objectives.image_objective import ImageObjective

ACROSS = 10
"""Images in a row."""


@dataclass(frozen=True)
class View:
    """One picture of many images, with its words.

    Args:
        name: short, of letters and hyphens; the file is called so.
        title: what it shows, in a few words.
        caption: how to read it, in a sentence.
        pixels: the images in [0, 1], row by row.
        columns: images in a row.
    """

    name: str
    title: str
    caption: str
    pixels: Float[Tensor, "count channels height width"]
    columns: int


Viewer = Callable[[nn.Module, ImageObjective, Batch, torch.Generator], list[View]]
"""From a network, its objective and some real images, standardised, to views."""

VIEWERS: Registry[Viewer] = Registry("viewer")
"""By the objective's name."""


@torch.no_grad()
def image_views(model: nn.Module, objective: ImageObjective, split: Split, *, seed: int = 0) -> list[View]:
    """What there is to be seen of a network; nothing of one for whose objective no views are known.

    Some of the pictures begin with real images, taken evenly from the split. The cost is that of sampling some forty
    images. Chance comes from the seed and from torch's global generator.

    Args:
        model: in evaluation mode meanwhile.
        objective: what it was trained with.
        split: of real images.
        seed: of the draws.

    Lecture: X4, X5, X6

    Example:
        >>> import sightline
        >>> from sightline.models.autoencoder import Autoencoder
        >>> from sightline.objectives.reconstruction import Reconstruction
        >>> data = sightline.load("digits")
        >>> small = Autoencoder(input_shape=(1, 8, 8), latent=3, hidden=(8,))
        >>> [view.name for view in image_views(small, Reconstruction(data.schema), data.test)]
        ['reconstructions', 'interpolation']
    """
    objective.require_kind(model)
    if objective.name not in VIEWERS or not len(split):
        return []
    rows = torch.linspace(0, len(split) - 1, min(ACROSS, len(split))).long()
    batch = next(iter(split.batches(batch_size=ACROSS, order=rows, device=next(model.parameters()).device)))
    with evaluating(model):
        return VIEWERS[objective.name](model, objective, batch, torch.Generator().manual_seed(seed))


def stacked(
    name: str, title: str, caption: str, rows: Sequence[Float[Tensor, "columns channels height width"]]
) -> View:
    """A view of images below one another that belong together.

    Args:
        name: see :class:`View`.
        title: see :class:`View`.
        caption: see :class:`View`.
        rows: pixel values, one tensor a row.
    """
    return View(name, title, caption, torch.cat(list(rows)).clamp(0, 1).cpu(), len(rows[0]))


def real_images(
    model: nn.Module, objective: ImageObjective, batch: Batch
) -> tuple[Float[Tensor, "batch channels height width"], Int[Tensor, " batch"] | None]:
    """A batch's pixel values in [0, 1], and its classes for a network that wants some.

    Args:
        model: the network.
        objective: knows how images were standardised.
        batch: standardised.
    """
    labels = objective.labels(batch) if getattr(model, "num_classes", 0) else None
    return unstandardise(batch.inputs, objective.schema).clamp(0, 1), labels
