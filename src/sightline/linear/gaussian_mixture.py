"""A mixture of equal Gaussians: drawn from, seen through noise, and denoised in closed form as well as can be.

Legend: x_0 data, μ_k centres, K of them, σ deviation about each, x = a x_0 + s ε the data as they are seen, a signal,
s noise, ε standard normal. Seen through signal and noise the mixture is another one, with centres a μ_k and variance
v = a²σ² + s².
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.linear import inputs
from sightline.linear.points import points
from sightline.linear.soft_assignment import soft_assignment


@dataclass(frozen=True)
class GaussianMixture:
    """p(x_0) = (1/K) Σ_k N(x_0; μ_k, σ² I).

    With σ = 0 it is a set of points, each as likely as the others: a data set itself.

    Args:
        centres: μ_k.
        deviation: σ ≥ 0.

    Raises:
        DataError: when the centres are empty or not finite.
        ConfigurationError: when σ is negative.

    Lecture: X6

    Example:
        >>> mixture = GaussianMixture(torch.tensor([[-1.0], [1.0]]), deviation=0.1)
        >>> mixture.denoise(torch.zeros(1, 1), signal=0.5, noise=1.0).tolist()  # halfway: either is as likely
        [[0.0]]
    """

    centres: Float[Tensor, "modes d"]
    deviation: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "centres", points(self.centres, "centres"))  # whole numbers become float64
        inputs.number(self.deviation, "deviation", minimum=0)

    @property
    def variance(self) -> float:
        """E‖x_0 − E x_0‖², all columns together."""
        return float(self.centres.double().var(0, correction=0).sum()) + self.centres.shape[1] * self.deviation**2

    def draw(self, count: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "count d"]:
        """Independent points.

        Args:
            count: how many, at least 1.
            generator: of the draws, where the centres are; none: torch's own.

        Raises:
            ConfigurationError: for no point.
        """
        count = inputs.count(count, "count", minimum=1)
        like, device = self.centres, self.centres.device
        mode = torch.randint(len(like), (count,), generator=generator, device=device)
        noise = torch.randn(count, like.shape[1], generator=generator, dtype=like.dtype, device=device)
        return like[mode] + self.deviation * noise

    def seen(self, *, signal: float, noise: float) -> "GaussianMixture":
        """The distribution of a x_0 + s ε: centres a μ_k, variance a²σ² + s².

        Args:
            signal: a.
            noise: s ≥ 0.

        Raises:
            ConfigurationError: when s is negative, or a number is not finite.
        """
        a, s = _checked(signal, noise)
        return GaussianMixture(a * self.centres, math.hypot(a * self.deviation, s))

    def denoise(self, x: Float[Tensor, "n d"], *, signal: float, noise: float) -> Float[Tensor, "n d"]:
        """E[x_0 | x] = Σ_k ρ_k (μ_k + (aσ²/v)(x − a μ_k)), ρ_k the probability that x came from mode k.

        No denoiser has a smaller mean squared error. By Tweedie's formula it is (x + s² ∇ log p(x))/a.

        Shapes:
            x [n, d] → [n, d]

        Args:
            x: data seen through signal and noise.
            signal: a.
            noise: s; it and σ may not both be 0.

        Raises:
            DataError: when x is empty or not finite, or has other columns than the centres.
            ConfigurationError: for numbers out of range.

        Source: Efron 2011, "Tweedie's Formula and Selection Bias", eq. (1.4)

        Lecture: X6
        """
        a, s = _checked(signal, noise)
        variance = (a * self.deviation) ** 2 + s**2
        if not variance:
            raise ConfigurationError(
                expected="noise, or modes of some width", found="signal alone", do="give noise above 0"
            )
        share = soft_assignment(x, a * self.centres, 1 / (2 * variance))
        kept = a * self.deviation**2 / variance
        return kept * x + (1 - a * kept) * (share @ self.centres.to(share))


def _checked(signal: float, noise: float) -> tuple[float, float]:
    return inputs.number(signal, "signal"), inputs.number(noise, "noise", minimum=0)
