"""The parts of the error along a sweep, λ of ridge or steps of gradient descent, from one decomposition."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.linear import inputs
from sightline.linear.bias_variance import ErrorDecomposition, decompose_error
from sightline.linear.early_stopping import descent_filter
from sightline.linear.ridge import filter_factors


def sweep_ridge(
    X: Float[Tensor, "n d"], signal: Float[Tensor, " n"], ridges: Sequence[float], noise: float
) -> ErrorDecomposition:
    """The four parts of the error at the training points for many λ, from one decomposition.

    Raises:
        DataError, ConfigurationError: see :func:`decompose_error`; also when there is no λ or one is negative.

    Lecture: F9

    Example:
        >>> sweep_ridge(torch.eye(2), torch.ones(2), [0.0, 1.0], noise=1.0).total
        tensor([2.0000, 1.5000], dtype=torch.float64)
    """
    penalties = [inputs.number(ridge, "ridge λ", minimum=0) for ridge in ridges]
    if not penalties:
        raise ConfigurationError(expected="one ridge λ or more", found="none", do="give the values to sweep over")

    def factors(sigma: Tensor) -> Tensor:
        if not len(sigma):  # a matrix of zeros has no direction to filter
            return sigma.new_zeros(len(penalties), 0)
        return torch.stack([filter_factors(sigma, ridge) for ridge in penalties])

    return decompose_error(X, signal, factors, noise)


def sweep_steps(
    X: Float[Tensor, "n d"], signal: Float[Tensor, " n"], rate: float, steps: Sequence[int], noise: float
) -> ErrorDecomposition:
    """The four parts of the error at the training points after k descent steps from zero, for many k.

    Args:
        rate: η > 0 of w ← w + 2ηXᵀ(y − Xw).

    Raises:
        DataError, ConfigurationError: see :func:`decompose_error`; also when the rate is not above 0,
            or there are no steps or negative ones.

    Lecture: F9

    Example:
        >>> sweep_steps(torch.eye(2), torch.ones(2), rate=0.25, steps=[0, 1], noise=0.0).bias
        tensor([1.0000, 0.2500], dtype=torch.float64)
    """
    counts = [inputs.count(step, "steps") for step in steps]
    if not counts:
        raise ConfigurationError(expected="one number of steps or more", found="none", do="give the steps to look at")
    rate = inputs.number(rate, "rate η", above=0)

    def factors(sigma: Tensor) -> Tensor:
        return descent_filter(sigma, rate, counts) if len(sigma) else sigma.new_zeros(len(counts), 0)

    return decompose_error(X, signal, factors, noise)
