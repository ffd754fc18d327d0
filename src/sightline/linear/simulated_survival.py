"""Survival and contamination of ridge on drawn Gaussian examples, the twin of the deterministic equivalent."""

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.deterministic_equivalent import spectrum_of
from sightline.linear.survival import survival_of


@dataclass(frozen=True)
class SimulatedSurvival:
    """Survival, contamination and test error over repetitions, one value each: averages and errors are theirs.

    Attributes:
        survival: SU of each repetition.
        contamination: CN² of each repetition.
        error: expected squared error on a new example of each repetition, the noise included.
    """

    survival: Float[Tensor, " R"]
    contamination: Float[Tensor, " R"]
    error: Float[Tensor, " R"]


def simulate_survival(
    eigenvalues: Float[Tensor, " d"],
    w: Float[Tensor, " d"],
    *,
    samples: int,
    noise: float,
    ridge: float = 0.0,
    repetitions: int,
    generator: torch.Generator,
) -> SimulatedSurvival:
    """The Monte Carlo twin of :func:`expected_errors`: Gaussian examples and noise, all repetitions in one solve.

    Raises:
        DataError, ConfigurationError: see :func:`expected_errors`; also when R < 2.

    Lecture: F9

    Example:
        >>> draw = torch.Generator().manual_seed(0)
        >>> found = simulate_survival(torch.ones(4), torch.ones(4), samples=9, noise=0.0, repetitions=5, generator=draw)
        >>> bool((found.error < 1e-20).all())
        True
    """
    spectrum = spectrum_of(eigenvalues)
    truth = inputs.vector(w, len(spectrum)).to(spectrum)
    noise = inputs.number(noise, "noise", minimum=0)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    n = inputs.count(samples, "samples", minimum=1)
    R = inputs.count(repetitions, "repetitions", minimum=2)
    positive = spectrum > 0
    X = torch.randn(R, n, len(spectrum), generator=generator, dtype=torch.float64) * spectrum.sqrt()
    y = X @ truth + sqrt(noise) * torch.randn(R, n, generator=generator, dtype=torch.float64)
    estimate = torch.zeros(R, len(spectrum), dtype=torch.float64)
    estimate[:, positive] = _solve(X[:, :, positive], y[:, :, None], ridge)[..., 0]
    found = survival_of(estimate, truth, torch.diag(spectrum))
    return SimulatedSurvival(found.survival, found.contamination, found.error(noise))


def _solve(X: Float[Tensor, "R n d"], y: Float[Tensor, "R n 1"], ridge: float) -> Float[Tensor, "R d 1"]:
    """Ridge by QR of [X; √λI] where X is tall, of [X √λI]ᵀ where it is wide; minimum norm for λ = 0."""
    R, n, d = X.shape
    if n >= d:
        below = sqrt(ridge) * torch.eye(d, dtype=X.dtype).expand(R, d, d)
        Q, T = torch.linalg.qr(torch.cat([X, below], 1) if ridge else X)
        tall: Tensor = torch.linalg.solve_triangular(T, Q[:, :n].mT @ y, upper=True)
        return tall
    beside = sqrt(ridge) * torch.eye(n, dtype=X.dtype).expand(R, n, n)
    Q, T = torch.linalg.qr(torch.cat([X.mT, beside], 1) if ridge else X.mT)
    wide: Tensor = Q[:, :d] @ torch.linalg.solve_triangular(T.mT, y, upper=False)
    return wide
