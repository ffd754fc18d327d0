"""Both halves of a network with a latent vector, between pixel values and vectors, whatever its kind."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.registry import Registry
from sightline.data.standardise import standardise
from sightline.generate.generation import evaluating
from sightline.generate.latent_sampling import decoded
from sightline.models.autoencoder import Autoencoder
from sightline.models.variational_autoencoder import VAE
from sightline.objectives.evidence_lower_bound import EvidenceLowerBound
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.reconstruction import Reconstruction

Pixels = Float[Tensor, "batch channels height width"]
Latents = Float[Tensor, "batch latent"]
Labels = Int[Tensor, " batch"] | None


@dataclass(frozen=True)
class LatentCoder:
    """An encoder and a decoder.

    Args:
        encode: from pixel values in [0, 1], and classes where the network has some, to latent vectors.
        decode: from latent vectors, and classes, to pixel values, which may leave [0, 1] a little.
        gaussian: whether training brought the vectors near N(0, I).
    """

    encode: Callable[[Tensor, Labels], Tensor]
    decode: Callable[[Tensor, Labels], Tensor]
    gaussian: bool


CODERS: Registry[Callable[[nn.Module, ImageObjective], LatentCoder]] = Registry("latent coder")
"""By the objective's name."""


def latent_coder(model: nn.Module, objective: ImageObjective) -> LatentCoder:
    """The encoder and the decoder of a network that has both; of a variational one, the encoder's mean.

    Args:
        model: the network.
        objective: what it was trained with.

    Raises:
        ConfigurationError: for a network without an encoder, or of another kind than the objective's.

    Lecture: X5, A2
    """
    objective.require_kind(model)
    if objective.name not in CODERS:
        raise ConfigurationError(
            expected=f"a network that codes images, with one of the objectives {', '.join(CODERS)}",
            found=f"one trained with {objective.name!r}",
            do="train an autoencoder or a VAE",
        )
    return CODERS[objective.name](model, objective)


@CODERS.register("elbo")
def variational_coder(model: nn.Module, objective: ImageObjective) -> LatentCoder:
    """μ(x), and each pixel's mean given z."""
    assert isinstance(model, VAE)
    assert isinstance(objective, EvidenceLowerBound)

    def encode(pixels: Tensor, labels: Labels) -> Tensor:
        return model.encode(objective.seen(pixels), labels if model.num_classes else None).mean

    def decode(latents: Tensor, labels: Labels) -> Tensor:
        return decoded(model, objective, latents, labels if model.num_classes else None)

    return LatentCoder(encode, decode, gaussian=True)


@CODERS.register("reconstruction")
def plain_coder(model: nn.Module, objective: ImageObjective) -> LatentCoder:
    """The code of the whole image, uncorrupted, and the decoder's outputs."""
    assert isinstance(model, Autoencoder)
    assert isinstance(objective, Reconstruction)

    def encode(pixels: Tensor, labels: Labels) -> Tensor:
        return model.features(standardise(pixels, objective.schema))

    def decode(latents: Tensor, labels: Labels) -> Tensor:
        return objective.picture(model.decode(latents))

    return LatentCoder(encode, decode, gaussian=False)


@torch.no_grad()
def reconstructed(
    model: nn.Module, objective: ImageObjective, pixels: Pixels, labels: Labels = None, *, rounds: int = 1
) -> Pixels:
    """decoder(encoder(x)): what is left of images behind the bottleneck; with more rounds, coded and decoded again.

    Args:
        model: with an encoder; in evaluation mode meanwhile.
        objective: what it was trained with.
        pixels: images in [0, 1], on the network's device.
        labels: classes, of a conditional network.
        rounds: times of coding and decoding, at least 1.

    Raises:
        ConfigurationError: for a network without an encoder, or fewer than 1 round.

    Source: the lecture notes, lecture 27, §3.4 (rounds)

    Lecture: X5

    Example:
        >>> from sightline.core.schema import Schema
        >>> schema = Schema("image", "none", (1, 4, 4), standardise="none", image_mean=(0.0,), image_std=(1.0,))
        >>> vae = VAE(input_shape=(1, 4, 4), latent=2, hidden=(8,))
        >>> reconstructed(vae, EvidenceLowerBound(schema), torch.zeros(3, 1, 4, 4)).shape
        torch.Size([3, 1, 4, 4])
    """
    if rounds < 1:
        raise ConfigurationError(expected="at least 1 round", found=f"{rounds}", do="use 1")
    coder = latent_coder(model, objective)
    with evaluating(model):
        for _ in range(rounds):
            pixels = coder.decode(coder.encode(pixels, labels), labels).clamp(0, 1)
    return pixels
