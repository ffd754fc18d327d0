"""Interpolation between latent vectors: the arc where they are Gaussian, the straight line where nothing is known.

A vector of N(0, I) in k dimensions has a length near √k. Half way along the straight line between two of them the
length is near √(k/2): a place where the decoder saw next to nothing. The arc keeps the length. A plain autoencoder's
codes have no such shape; the line between them is as good as any path, and the shortest.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.generate.generation import evaluating
from sightline.generate.latent_coder import Labels, Pixels, latent_coder
from sightline.models.gan import GAN
from sightline.objectives.adversarial import Adversarial
from sightline.objectives.image_objective import ImageObjective

Vector = Float[Tensor, " latent"]


def line(first: Vector, last: Vector, steps: int) -> Float[Tensor, "steps latent"]:
    """(1 − s) a + s b, s = 0 … 1 in equal steps.

    Args:
        first: a.
        last: b.
        steps: vectors, both ends among them.

    Raises:
        ConfigurationError: for fewer than 2 steps.

    Lecture: X5

    Example:
        >>> line(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 3)[1]
        tensor([0.5000, 0.5000])
    """
    return torch.lerp(first, last, _shares(first, steps))


def interpolated(first: Vector, last: Vector, steps: int) -> Float[Tensor, "steps latent"]:
    """Vectors on the arc from one to another: directions at equal angles, lengths in equal steps.

    Normal vectors of many dimensions lie near a sphere; the straight line between two leaves it, the arc does not.
    Opposite or zero vectors have no arc; the line is taken.

    Args:
        first: where it begins.
        last: where it ends.
        steps: vectors, both ends among them.

    Raises:
        ConfigurationError: for fewer than 2 steps.

    Source: Shoemake 1985, "Animating rotation with quaternion curves"; White 2016, "Sampling Generative Networks", §2.1

    Lecture: X5

    Example:
        >>> interpolated(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 3)[1]
        tensor([0.7071, 0.7071])
    """
    share = _shares(first, steps)
    lengths = first.norm(), last.norm()
    cosine = (first @ last / (lengths[0] * lengths[1])).clamp(-1, 1)
    angle = cosine.arccos()
    if not torch.isfinite(angle) or angle.sin() < 1e-4:
        return torch.lerp(first, last, share)
    directions = (
        ((1 - share) * angle).sin() * first / lengths[0] + (share * angle).sin() * last / lengths[1]
    ) / angle.sin()
    found: Tensor = directions * torch.lerp(lengths[0], lengths[1], share)
    return found


@torch.no_grad()
def between_images(
    model: nn.Module, objective: ImageObjective, first: Pixels, last: Pixels, *, steps: int, labels: Labels = None
) -> Float[Tensor, "batch steps channels height width"]:
    """Decoded vectors between the codes of two images: on the arc for a variational autoencoder, else on the line.

    Args:
        model: with an encoder; in evaluation mode meanwhile.
        objective: what it was trained with.
        first: images in [0, 1], on the network's device.
        last: as many others.
        steps: images of each walk; the ends are reconstructions.
        labels: the classes of ``first``, of a conditional network; the whole walk is of that class, its last image
            coded as if it were.

    Returns:
        Pixel values in [0, 1].

    Raises:
        ConfigurationError: for a network without an encoder, or fewer than 2 steps.
        InputError: for images that differ in number or size.

    Lecture: X5

    Example:
        >>> from sightline.core.schema import Schema
        >>> from sightline.models.autoencoder import Autoencoder
        >>> from sightline.objectives.reconstruction import Reconstruction
        >>> schema = Schema("image", "none", (1, 4, 4), image_mean=(0.5,), image_std=(0.5,))
        >>> small, x = Autoencoder(input_shape=(1, 4, 4), latent=2, hidden=(8,)), torch.rand(3, 1, 4, 4)
        >>> between_images(small, Reconstruction(schema), x, x, steps=5).shape
        torch.Size([3, 5, 1, 4, 4])
    """
    if first.shape != last.shape:
        raise InputError(
            expected="two sets of images alike in number and size",
            found=f"shapes {tuple(first.shape)} and {tuple(last.shape)}",
            do="give one last image for each first one",
        )
    coder = latent_coder(model, objective)
    walk = interpolated if coder.gaussian else line
    with evaluating(model):
        ends = zip(coder.encode(first, labels), coder.encode(last, labels), strict=True)
        rows = [
            coder.decode(walk(a, b, steps), None if labels is None else labels[row : row + 1].expand(steps))
            for row, (a, b) in enumerate(ends)
        ]
    return torch.stack(rows).clamp(0, 1)


@torch.no_grad()
def between_chances(
    model: GAN,
    objective: Adversarial,
    latents: Float[Tensor, "ends latent"],
    *,
    steps: int,
    labels: Int[Tensor, " walks"] | None = None,
) -> Float[Tensor, "walks steps channels height width"]:
    """G(z) on the arc from each latent vector to the next.

    Args:
        model: the pair; in evaluation mode meanwhile.
        objective: what it was trained with.
        latents: z, two at least, on the network's device.
        steps: images of each walk.
        labels: the class of each walk, of a conditional network.

    Returns:
        Pixel values in [0, 1]; one walk fewer than there are vectors.

    Raises:
        ConfigurationError: for fewer than 2 steps.
        InputError: for fewer than 2 vectors.

    Lecture: X4

    Example:
        >>> from sightline.core.schema import Schema
        >>> schema = Schema("image", "none", (1, 8, 8), image_mean=(0.5,), image_std=(0.5,))
        >>> gan = GAN(input_shape=(1, 8, 8), latent=3, widths=(4, 6))
        >>> between_chances(gan, Adversarial(schema), torch.randn(3, 3), steps=4).shape
        torch.Size([2, 4, 1, 8, 8])
    """
    if len(latents) < 2:
        raise InputError(expected="two latent vectors at least", found=f"{len(latents)}", do="draw more")
    rows = []
    with evaluating(model):
        for row in range(len(latents) - 1):
            told = None if labels is None else labels[row : row + 1].expand(steps)
            outputs = model(latents=interpolated(latents[row], latents[row + 1], steps), labels=told)
            rows.append(objective.picture(outputs))
    return torch.stack(rows).clamp(0, 1)


def _shares(first: Tensor, steps: int) -> Float[Tensor, "steps 1"]:
    """0 … 1, a column."""
    if steps < 2:
        raise ConfigurationError(expected="at least 2 steps: both ends", found=f"{steps}", do="use 8")
    return torch.linspace(0, 1, steps, dtype=first.dtype, device=first.device)[:, None]
