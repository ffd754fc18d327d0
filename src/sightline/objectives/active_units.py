"""Which latent numbers tell something of the image: posterior collapse, dimension by dimension."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from sightline.core.errors import InputError
from sightline.nn.latent_gaussian import LatentGaussian

THRESHOLD = 0.01
"""Variance of a posterior mean over images from which a unit counts as active."""


@dataclass(frozen=True)
class LatentUse:
    """What each latent number tells.

    Args:
        variance: over the images, of the posterior's mean: 0 where it does not depend on the image.
        divergence: mean KL of the marginal posterior to N(0, 1), in nats: 0 where nothing is told.
        active: whether ``variance`` passes the threshold.
    """

    variance: Float[Tensor, " latent"]
    divergence: Float[Tensor, " latent"]
    active: Bool[Tensor, " latent"]

    @property
    def collapsed(self) -> bool:
        """Whether no number tells anything: the decoder works without its input."""
        return not bool(self.active.any())


def latent_use(posterior: LatentGaussian, threshold: float = THRESHOLD) -> LatentUse:
    """A_u = Var_x(E_q(z|x)[z_u]) and the mean divergence of each unit u; active where A_u > threshold.

    Args:
        posterior: q(z|x) of at least two images.
        threshold: of the variance.

    Raises:
        InputError: for fewer than two images.

    Source: Burda et al. 2016, "Importance Weighted Autoencoders", §5.2

    Lecture: X5

    Example:
        >>> import torch
        >>> posterior = LatentGaussian(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([[0.1, 1.0], [0.1, 1.0]]))
        >>> latent_use(posterior).active.tolist()
        [True, False]
    """
    if len(posterior.mean) < 2:
        raise InputError(expected="at least two images", found=f"{len(posterior.mean)}", do="encode more")
    variance = posterior.mean.var(0)
    return LatentUse(variance, posterior.divergence_by_dimension().mean(0), variance > threshold)
