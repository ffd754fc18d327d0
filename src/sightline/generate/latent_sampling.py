"""Images from latent vectors: draw z ~ N(0, I), decode; decode, encode and decode again."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.generate.image_sampling import SAMPLERS, Request
from sightline.models.autoencoder import Autoencoder
from sightline.models.gan import GAN
from sightline.models.variational_autoencoder import VAE
from sightline.objectives.adversarial import Adversarial
from sightline.objectives.evidence_lower_bound import EvidenceLowerBound
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.reconstruction import Reconstruction


@SAMPLERS.register("elbo")
def sample_latent(
    model: nn.Module, objective: ImageObjective, request: Request
) -> Float[Tensor, "count channels height width"]:
    """x = E[x | z], z ~ N(0, I): each pixel's mean given a latent vector drawn by chance.

    The notes' lecture 27 writes that the encoder generates; it is the decoder.

    Lecture: X5
    """
    assert isinstance(model, VAE)
    assert isinstance(objective, EvidenceLowerBound)
    return decoded(model, objective, _latents(model.latent, request), request.labels)


@SAMPLERS.register("adversarial")
def sample_generator(
    model: nn.Module, objective: ImageObjective, request: Request
) -> Float[Tensor, "count channels height width"]:
    """G(z), z ~ N(0, I).

    Lecture: X4
    """
    assert isinstance(model, GAN)
    assert isinstance(objective, Adversarial)
    return objective.picture(model(latents=_latents(model.latent, request), labels=request.labels))


@SAMPLERS.register("reconstruction")
def sample_plain_decoder(
    model: nn.Module, objective: ImageObjective, request: Request
) -> Float[Tensor, "count channels height width"]:
    """decoder(z), z ~ N(0, I), of a plain autoencoder: a road that fails, for nothing made its codes normal.

    Source: the lecture notes, lecture 25, §25.2.3.1

    Lecture: X3
    """
    assert isinstance(model, Autoencoder)
    assert isinstance(objective, Reconstruction)
    return objective.picture(model.decode(_latents(model.latent, request)))


def _latents(latent: int, request: Request) -> Float[Tensor, "count latent"]:
    """Standard normal vectors, drawn on the CPU: the same whatever device the network is on."""
    return torch.randn(request.count, latent, generator=request.generator).to(request.device)


def decoded(
    model: VAE,
    objective: EvidenceLowerBound,
    latents: Float[Tensor, "batch latent"],
    labels: Int[Tensor, " batch"] | None = None,
    *,
    rounds: int = 0,
) -> Float[Tensor, "batch channels height width"]:
    """Pixel means of latent vectors; with ``rounds`` they are coded by their mean and decoded again, so many times.

    A vector drawn by chance may lie where few images were coded; what is decoded from it is pulled towards images that
    the encoder knows. Once or twice helps; more makes all alike.

    Args:
        model: with the decoder.
        objective: says how outputs become pixels.
        latents: z.
        labels: classes, of a conditional network, on its device.
        rounds: times of coding and decoding again.

    Source: the lecture notes, lecture 27, §3.4

    Lecture: X5
    """
    pixels = objective.picture(model.decode(latents, labels))
    for _ in range(rounds):
        pixels = objective.picture(model.decode(model.encode(objective.seen(pixels), labels).mean, labels))
    return pixels
