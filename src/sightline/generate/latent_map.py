"""The map of a latent space: where a network puts images, in the plane of the two directions of largest spread."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import DataError
from sightline.data import Split
from sightline.data.standardise import unstandardise
from sightline.generate.generation import evaluating
from sightline.generate.latent_coder import latent_coder
from sightline.linear.pca import principal_components
from sightline.objectives.image_objective import ImageObjective

BATCH = 512
MOST_POINTS = 2000


@dataclass(frozen=True)
class LatentMap:
    """Places of images in the plane of the first two principal components of their codes.

    Args:
        points: one an image; of a latent vector of one number, 0 beside it.
        labels: their classes; none where they have none.
        explained: share of the codes' variance along each of the two axes.
    """

    points: Float[Tensor, "images 2"]
    labels: Int[Tensor, " images"] | None
    explained: Float[Tensor, "2"]


@torch.no_grad()
def latent_map(model: nn.Module, objective: ImageObjective, split: Split, *, most: int = MOST_POINTS) -> LatentMap:
    """(Z − z̄) [v₁ v₂], Z the codes of images, v their principal components; of a variational network, codes are means.

    Args:
        model: with an encoder; in evaluation mode meanwhile.
        objective: what it was trained with.
        split: the images, two at least.
        most: images used; of more, some evenly between the first and the last.

    Raises:
        ConfigurationError: for a network without an encoder.
        DataError: for fewer than two images, or codes that are not finite.

    Source: the lecture notes, lectures 15 and 27

    Lecture: X5, A1

    Example:
        >>> import sightline
        >>> from sightline.models.autoencoder import Autoencoder
        >>> from sightline.objectives import Reconstruction
        >>> data = sightline.load("digits")
        >>> small = Autoencoder(input_shape=(1, 8, 8), latent=3, hidden=(8,))
        >>> latent_map(small, Reconstruction(data.schema), data.test, most=50).points.shape
        torch.Size([50, 2])
    """
    if len(split) < 2 or most < 2:
        raise DataError(
            expected="two images at least, to have a spread", found=f"{min(len(split), most)}", do="give more images"
        )
    coder = latent_coder(model, objective)
    device = next(model.parameters()).device
    rows = torch.linspace(0, len(split) - 1, min(most, len(split))).long()
    codes, labels = [], []
    with evaluating(model):
        for batch in split.batches(batch_size=BATCH, order=rows, device=device):
            told = objective.labels(batch)
            codes.append(coder.encode(unstandardise(batch.inputs, objective.schema).clamp(0, 1), told).cpu())
            if told is not None:
                labels.append(told.cpu())
    found = principal_components(torch.cat(codes), centre=True)
    kept = min(2, len(found.sigma))
    points = torch.zeros(len(rows), 2, dtype=torch.float64)
    explained = torch.zeros(2, dtype=torch.float64)
    points[:, :kept] = found.encode(torch.cat(codes), kept)
    explained[:kept] = found.explained_share[:kept]
    return LatentMap(points, torch.cat(labels) if labels else None, explained)
