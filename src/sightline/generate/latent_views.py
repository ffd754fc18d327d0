"""Views of networks with a latent vector: reconstructions, walks between images, draws decoded again and again."""

import torch
from torch import nn

from sightline.data import Batch
from sightline.generate.image_views import ACROSS, VIEWERS, View, real_images, stacked
from sightline.generate.interpolation import between_chances, between_images
from sightline.generate.latent_coder import reconstructed
from sightline.models.gan import GAN
from sightline.models.variational_autoencoder import VAE
from sightline.objectives.adversarial import Adversarial
from sightline.objectives.evidence_lower_bound import EvidenceLowerBound
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.reconstruction import Reconstruction

WALKS = 4


@VIEWERS.register("reconstruction")
def autoencoder_views(
    model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator
) -> list[View]:
    """Reconstructions, also of corrupted images, and walks along straight lines.

    Lecture: A2
    """
    assert isinstance(objective, Reconstruction)
    real, _ = real_images(model, objective, batch)
    if objective.corruption == "none":
        rows = [real, reconstructed(model, objective, real)]
        caption = "Real images, and below each what the decoder makes of its code."
    else:
        seen = objective.prepare(batch).inputs
        rows = [real, objective.picture(seen), objective.picture(model(seen))]
        caption = "Real images; below each what the network is given of it, and what it restores."
    return [
        stacked("reconstructions", "Reconstructions", caption, rows),
        *_walks(model, objective, batch, "the straight line between their codes: nothing is known of the codes' shape"),
    ]


@VIEWERS.register("elbo")
def variational_views(
    model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator
) -> list[View]:
    """Reconstructions, walks along arcs, and draws that are coded and decoded again.

    Lecture: X5
    """
    assert isinstance(model, VAE)
    assert isinstance(objective, EvidenceLowerBound)
    real, labels = real_images(model, objective, batch)
    drawn = torch.randn(len(real), model.latent, generator=generator).to(real.device)
    first = objective.picture(model.decode(drawn, labels)).clamp(0, 1)
    again = [reconstructed(model, objective, first, labels, rounds=rounds) for rounds in (1, 3)]
    return [
        stacked(
            "reconstructions",
            "Reconstructions",
            "Real images, and below each what the decoder makes of its posterior mean.",
            [real, reconstructed(model, objective, real, labels)],
        ),
        *_walks(
            model,
            objective,
            batch,
            "the arc between their posterior means, which keeps to the lengths that training showed",
        ),
        stacked(
            "rounds",
            "Decode, encode, decode",
            "Latent vectors drawn by chance, decoded; below, coded and decoded again once, and three times: pulled to"
            " images that the encoder knows.",
            [first, *again],
        ),
    ]


@VIEWERS.register("adversarial")
def generator_views(
    model: nn.Module, objective: ImageObjective, batch: Batch, generator: torch.Generator
) -> list[View]:
    """Walks between latent vectors drawn by chance.

    Lecture: X4
    """
    assert isinstance(model, GAN)
    assert isinstance(objective, Adversarial)
    device = batch.inputs.device
    latents = torch.randn(WALKS + 1, model.latent, generator=generator).to(device)
    labels = torch.arange(WALKS, device=device) % model.num_classes if model.num_classes else None
    walks = between_chances(model, objective, latents, steps=ACROSS, labels=labels)
    caption = (
        "From one latent vector drawn by chance (left) to another (right) on the arc, which keeps the length that"
        " Gaussian vectors have; each row goes on from the end of the one above"
        + (", of another class." if labels is not None else ".")
    )
    return [View("interpolation", "Interpolation", caption, walks.flatten(0, 1).cpu(), ACROSS)]


def _walks(model: nn.Module, objective: ImageObjective, batch: Batch, path: str) -> list[View]:
    """Rows from one real image to another, both ends the real ones."""
    real, labels = real_images(model, objective, batch)
    half = min(WALKS, len(real) // 2)
    if not half:
        return []
    first, last = real[:half], real[-half:]
    between = between_images(
        model, objective, first, last, steps=ACROSS - 2, labels=None if labels is None else labels[:half]
    )
    rows = torch.cat([first[:, None], between, last[:, None]], 1)
    caption = f"Between two real images (left and right): decoded vectors on {path}."
    return [View("interpolation", "Interpolation", caption, rows.flatten(0, 1).clamp(0, 1).cpu(), ACROSS)]
