"""Which latent numbers tell something of the image: posterior collapse, dimension by dimension."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sightline.core.errors import InputError
from sightline.nn.latent_gaussian import LatentGaussian
from sightline.objectives.standard_error import Estimate

THRESHOLD = 0.01
"""Variance of a posterior mean over images from which a unit counts as active."""


@dataclass(frozen=True)
class LatentUse:
    """What each latent number tells.

    Args:
        variance: over the images, of the posterior's mean: 0 where it does not depend on the image.
        divergence: mean KL of the marginal posterior to N(0, 1), in nats: 0 where nothing is told.
        active: whether ``variance`` passes the threshold.
        count: how many are active; its standard error takes a unit near the threshold for one that may be either.
    """

    variance: Float[Tensor, " latent"]
    divergence: Float[Tensor, " latent"]
    active: Bool[Tensor, " latent"]
    count: Estimate

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
    return latent_use_of(posterior.mean, posterior.divergence_by_dimension(), threshold)


def latent_use_of(
    means: Float[Tensor, "images latent"], divergences: Float[Tensor, "images latent"], threshold: float = THRESHOLD
) -> LatentUse:
    """The same from what is kept of posteriors, for images too many to hold whole posteriors of.

    The standard error of the count is √Σ p(1 − p), p = Φ((A_u − threshold)/s_u) the chance that unit u is above, with
    s_u the standard error of a variance, √((m₄ − A_u²)/n), m₄ the fourth central moment.

    Args:
        means: E_q(z|x)[z].
        divergences: of the marginal posteriors, in nats.
        threshold: of the variance.

    Raises:
        InputError: for fewer than two images.

    Lecture: X5

    Example:
        >>> import torch
        >>> latent_use_of(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.zeros(2, 2)).count
        Estimate(value=1.0, standard_error=0.0)
    """
    if len(means) < 2:
        raise InputError(expected="at least two images", found=f"{len(means)}", do="encode more")
    variance = means.var(0)
    active = variance > threshold
    spread = means.double() - means.double().mean(0)
    error = ((spread.pow(4).mean(0) - spread.square().mean(0).square()).clamp(min=0) / len(means)).sqrt()
    distance = variance.double() - threshold
    above = torch.where(error > 0, torch.special.ndtr(distance / error.clamp(min=1e-30)), (distance > 0).double())
    count = Estimate(float(active.sum()), float((above * (1 - above)).sum().sqrt()))
    return LatentUse(variance, divergences.mean(0), active, count)
