"""Bias and variance seen in simulated data: many noisy copies of one problem, solved as one, with standard errors.

Legend: R repetitions, n rows, m test points, p the predictions of one repetition, f the signal.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.linear import inputs
from sightline.linear.bias_variance import Filter, best_predictions, checked_test_points, filtered


@dataclass(frozen=True)
class SimulatedErrors:
    """The parts of the mean squared error as found in R repetitions, each with its standard error.

    Attributes:
        noise: Var ε, taken as known.
        approximation: what the best weights still miss of the signal, exact.
        bias: estimated without the excess variance/R that the square of a mean carries; may be a little below zero.
        bias_standard_error: by the jackknife, which is a little too large where the bias is near zero.
        variance: spread of the predictions about their mean, divisor R − 1.
        variance_standard_error: from the repetitions' own spread.
        total: mean over the repetitions of the squared error against the signal, plus the noise.
        total_standard_error: from the repetitions' own spread.
        repetitions: R.
    """

    noise: float
    approximation: float
    bias: float
    bias_standard_error: float
    variance: float
    variance_standard_error: float
    total: float
    total_standard_error: float
    repetitions: int


def simulate_errors(
    X: Float[Tensor, "n d"],
    signal: Float[Tensor, " n"],
    estimator: Filter,
    noise: float,
    *,
    repetitions: int,
    generator: torch.Generator,
    X_test: Float[Tensor, "m d"] | None = None,
    signal_test: Float[Tensor, " m"] | None = None,
) -> SimulatedErrors:
    """The Monte Carlo twin of :func:`~sightline.linear.bias_variance.decompose_error`: Gaussian noise, one solve.

    With deviations δ = p − f of the predictions, ⟨δₐ, δ_b⟩/m averaged over pairs a ≠ b is an unbiased estimate of the
    squared bias: noise of different repetitions is independent. It equals ‖mean δ‖²/m − variance/R.

    Args:
        estimator: filter factors of one estimator from singular values.
        noise: Var ε ≥ 0.
        repetitions: R ≥ 3.
        generator: where the noise comes from.
        X_test, signal_test: other points in place of the training points; both or neither.

    Raises:
        DataError, ConfigurationError: see ``decompose_error``; also when R < 3 or the filter is a sweep.

    Source: the U-statistic of Hoeffding 1948; jackknife of Efron & Stein 1981.

    Lecture: F9

    Example:
        >>> X, signal = torch.ones(4, 1), torch.ones(4)
        >>> draw = torch.Generator().manual_seed(0)
        >>> found = simulate_errors(X, signal, torch.ones_like, 1.0, repetitions=1000, generator=draw)
        >>> abs(found.variance - 0.25) < 4 * found.variance_standard_error
        True
    """
    noise = inputs.number(noise, "noise", minimum=0)
    repetitions = inputs.count(repetitions, "repetitions", minimum=3)
    coordinates, factors = filtered(X, signal, estimator)
    if factors.ndim != 1:
        raise ConfigurationError(
            expected="the filter of one estimator",
            found=f"a sweep of {len(factors)}",
            do="simulate one estimator at a time, or use decompose_error for a sweep",
        )
    X, signal = inputs.matrix(X), inputs.vector(signal)
    alone = X_test is None and signal_test is None
    points, truth = (X, signal) if alone else checked_test_points(X_test, signal_test, coordinates.d)
    approximation = float(best_predictions(points, truth)[1])

    rank = coordinates.rank
    y = signal + sqrt(noise) * torch.randn(repetitions, len(X), generator=generator, dtype=torch.float64)
    w = (y @ coordinates.U[:, :rank]) * (factors / coordinates.nonzero) @ coordinates.V[:, :rank].mT
    deviations = w @ points.mT - truth

    m, total = len(points), deviations.sum(0)
    squares = deviations.square().sum(1)
    pairs = _over_pairs(total.square().sum(), squares.sum(), repetitions) / m
    without = _over_pairs((total - deviations).square().sum(1), squares.sum() - squares, repetitions - 1) / m
    jackknife = ((repetitions - 1) / repetitions * (without - without.mean()).square().sum()).sqrt()
    spread = (deviations - total / repetitions).square().mean(1) * repetitions / (repetitions - 1)
    errors = squares / m
    return SimulatedErrors(
        noise=noise,
        approximation=approximation,
        bias=float(pairs) - approximation,
        bias_standard_error=float(jackknife),
        variance=float(spread.mean()),
        variance_standard_error=float(spread.std()) / sqrt(repetitions),
        total=noise + float(errors.mean()),
        total_standard_error=float(errors.std()) / sqrt(repetitions),
        repetitions=repetitions,
    )


def _over_pairs(square_of_sum: Tensor, sum_of_squares: Tensor, count: int) -> Tensor:
    """The mean of ⟨δₐ, δ_b⟩ over a ≠ b, from ‖Σδ‖² and Σ‖δ‖²."""
    return (square_of_sum - sum_of_squares) / (count * (count - 1))
