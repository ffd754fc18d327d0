"""A batch of Gaussians over latent vectors: drawing from them so that gradients pass, and their distance to N(0, I).

Legend: μ mean, Σ = LLᵀ covariance, k dimensions. L is diagonal, or lower triangular with a positive diagonal.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class LatentGaussian(NamedTuple):
    """N(μ, LLᵀ), one for each example of a batch.

    Args:
        mean: μ, (batch, latent).
        factor: L: (batch, latent) standard deviations of a diagonal one, or (batch, latent, latent).

    Lecture: X5

    Example:
        >>> standard = LatentGaussian(torch.zeros(1, 2), torch.ones(1, 2))
        >>> standard.divergence()
        tensor([0.])
    """

    mean: Float[Tensor, "batch latent"]
    factor: Float[Tensor, "batch latent"] | Float[Tensor, "batch latent latent"]

    def at(self, noise: Float[Tensor, "*draws batch latent"]) -> Float[Tensor, "*draws batch latent"]:
        """μ + Lε: a draw where ε is standard normal, differentiable in μ and L (the reparameterisation).

        Args:
            noise: ε.
        """
        if self.factor.ndim == 2:
            return self.mean + self.factor * noise
        return self.mean + torch.einsum("bij,...bj->...bi", self.factor, noise)

    def draw(self, generator: torch.Generator | None = None) -> Float[Tensor, "batch latent"]:
        """One vector from each.

        Args:
            generator: of the noise; none: torch's global one.
        """
        mean = self.mean
        return self.at(torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device))

    def log_determinant(self) -> Float[Tensor, " batch"]:
        """log det L = ½ log det Σ."""
        diagonal = self.factor if self.factor.ndim == 2 else self.factor.diagonal(dim1=1, dim2=2)
        return diagonal.log().sum(1)

    def divergence(self) -> Float[Tensor, " batch"]:
        """KL(N(μ, Σ) ‖ N(0, I)) = ½(tr Σ + μᵀμ − k − log det Σ), in nats.

        Source: the lecture notes, lecture 27, §3.2
        """
        trace = self.factor.square().flatten(1).sum(1)
        return 0.5 * (trace + self.mean.square().sum(1) - self.mean.shape[1]) - self.log_determinant()

    def divergence_by_dimension(self) -> Float[Tensor, "batch latent"]:
        """½(σ² + μ² − 1 − log σ²) of each dimension's marginal, in nats; of a diagonal Gaussian they sum to the whole.

        Source: Kingma & Welling 2014, "Auto-Encoding Variational Bayes", appendix B
        """
        variance = self.factor.square() if self.factor.ndim == 2 else self.factor.square().sum(2)
        return 0.5 * (variance + self.mean.square() - 1 - variance.log())

    def log_density(self, latents: Float[Tensor, "*draws batch latent"]) -> Float[Tensor, "*draws batch"]:
        """log N(z; μ, Σ).

        Args:
            latents: z.
        """
        offset = latents - self.mean
        if self.factor.ndim == 2:
            noise = offset / self.factor
        else:
            noise = torch.linalg.solve_triangular(self.factor, offset[..., None], upper=False)[..., 0]
        return log_density_standard(noise) - self.log_determinant()

    def estimated_divergence(
        self, draws: int, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """(1/n) Σ log q(z_i) − log p(z_i) over z_i ~ q: :meth:`divergence` by Monte Carlo, and its standard error.

        Args:
            draws: n, at least 2.
            generator: of the draws.
        """
        shape = (draws, *self.mean.shape)
        noise = torch.randn(shape, generator=generator, dtype=self.mean.dtype, device=self.mean.device)
        latents = self.at(noise)
        ratios = self.log_density(latents) - log_density_standard(latents)
        return ratios.mean(0), ratios.std(0) / math.sqrt(draws)


def log_density_standard(latents: Float[Tensor, "*batch latent"]) -> Float[Tensor, "*batch"]:
    """log N(z; 0, I) = −½‖z‖² − ½k log 2π, in nats.

    Lecture: X5

    Example:
        >>> round(float(log_density_standard(torch.zeros(2))), 4)  # −log 2π
        -1.8379
    """
    return -0.5 * latents.square().sum(-1) - 0.5 * latents.shape[-1] * math.log(2 * math.pi)
