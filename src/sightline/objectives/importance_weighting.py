"""How likely a latent-variable model thinks an image: the importance-weighted estimate of log p(x)."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.models.variational_autoencoder import VAE
from sightline.nn.latent_gaussian import log_density_standard
from sightline.objectives.evidence_lower_bound import EvidenceLowerBound


def importance_weighted_log_likelihood(
    model: VAE,
    objective: EvidenceLowerBound,
    images: Float[Tensor, "batch channels height width"],
    *,
    draws: int,
    labels: Int[Tensor, " batch"] | None = None,
    at_once: int = 16,
) -> Float[Tensor, " batch"]:
    """log (1/K) Σ_k p(x|z_k) p(z_k)/q(z_k|x), z_k ~ q(z|x): in expectation below log p(x), nearer to it as K grows.

    With K = 1 its expectation is the evidence lower bound itself. Chance comes from torch's global generator.

    Args:
        model: in evaluation mode.
        objective: says how pixels are distributed.
        images: prepared by the objective.
        draws: K.
        labels: classes, of a conditional network.
        at_once: draws that are decoded side by side; memory grows with it, nothing else.

    Returns:
        The estimate for each image, in nats.

    Raises:
        ConfigurationError: for no draws.

    Source: Burda et al. 2016, "Importance Weighted Autoencoders", equation (8)

    Lecture: X5

    Example:
        >>> from sightline.core.schema import Schema
        >>> schema = Schema("image", "none", (1, 2, 2), standardise="none", image_mean=(0.0,), image_std=(1.0,))
        >>> vae = VAE(input_shape=(1, 2, 2), latent=2, hidden=(4,))
        >>> importance_weighted_log_likelihood(vae, EvidenceLowerBound(schema), torch.zeros(3, 1, 2, 2), draws=5).shape
        torch.Size([3])
    """
    if draws < 1 or at_once < 1:
        raise ConfigurationError(
            expected="at least 1 draw", found=f"draws = {draws}, at_once = {at_once}", do="use 500 for a good estimate"
        )
    given = labels if model.num_classes else None
    gaussian = model.encode(images, given)
    found: list[Tensor] = []
    for start in range(0, draws, at_once):
        count = min(at_once, draws - start)
        latents = gaussian.at(torch.randn(count, *gaussian.mean.shape, dtype=images.dtype, device=images.device))
        repeated = None if given is None else given.repeat(count)
        restored = model.decode(latents.flatten(0, 1), repeated)
        costs = objective.reconstruction(restored, images.repeat(count, 1, 1, 1)).reshape(count, len(images))
        found.append(log_density_standard(latents) - gaussian.log_density(latents) - costs)
    return torch.cat(found).logsumexp(0) - math.log(draws)
