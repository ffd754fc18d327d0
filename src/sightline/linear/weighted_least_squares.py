"""Weighted least squares: rows that count more, rows that count less, rows of unequal noise.

A row scaled by s counts s² times, because the error is squared. So a row multiplied by 10 counts as 100 copies of
itself, not as 10; and a row whose noise has variance 0.01 (standard deviation 0.1) beside others of variance 1 is
multiplied by 10, which is weight 100.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.least_squares import Solution, least_squares
from sightline.linear.svd_coordinates import along


def weighted_least_squares(X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], weights: Float[Tensor, " n"]) -> Solution:
    """argmin Σ mᵢ (xᵢᵀw − yᵢ)², the shortest w where there are many: least squares on the rows scaled by √mᵢ.

    Shapes:
        X: [n, d]; y: [n] or [n, k]; weights: [n].

    Args:
        X: one row an example.
        y: its targets.
        weights: mᵢ ≥ 0, how often a row counts; 0 leaves it out. Their common scale does not change w.

    Returns:
        The :class:`~sightline.linear.least_squares.Solution`; its residual is the weighted Σ mᵢ (xᵢᵀw − yᵢ)², its rank
        and condition those of the scaled matrix.

    Raises:
        DataError: when X, y, weights do not fit each other or are not finite, when a weight is negative, or all are 0.

    Source: Aitken, On least squares and linear combination of observations, 1935.

    Lecture: F6

    Example:
        >>> X, y = torch.ones(2, 1), torch.tensor([0.0, 1.0])
        >>> weighted_least_squares(X, y, torch.tensor([1.0, 3.0])).w.round(decimals=6)
        tensor([0.7500], dtype=torch.float64)
    """
    X, y = inputs.problem(X, y)
    weights = inputs.vector(weights, len(X), "weights").to(X.device)
    if bool((weights < 0).any()) or not bool(weights.any()):
        raise DataError(
            expected="weights ≥ 0, at least one of them above 0",
            found=f"{int((weights < 0).sum())} negative, {int((weights > 0).sum())} positive of {len(weights)}",
            do="give 0 to a row that should not count, and a positive weight to the others",
        )
    scale = weights.sqrt()
    return least_squares(along(scale, X) * X, along(scale, y) * y)


def weights_from_variances(variances: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """mᵢ = 1/vᵢ: the weights that make weighted least squares the maximum-likelihood fit under Gaussian noise.

    Args:
        variances: vᵢ > 0 of each row's noise, in squared units of y. A standard deviation must be squared first.

    Raises:
        DataError: when the variances are not a finite vector of positive numbers.

    Source: Aitken, 1935; with equal variances all weights are equal.

    Lecture: F6

    Example:
        >>> standard_deviations = torch.tensor([1.0, 0.1], dtype=torch.float64)
        >>> weights_from_variances(standard_deviations**2).round(decimals=6)
        tensor([  1., 100.], dtype=torch.float64)
    """
    variances = inputs.vector(variances, name="variances")
    weights = 1 / variances
    if bool((variances <= 0).any()) or not bool(torch.isfinite(weights).all()):
        raise DataError(
            expected="variances above 0, and not so small that 1/v overflows",
            found=f"a smallest variance of {float(variances.min()):g}",
            do="give every row a positive noise variance; leave rows known exactly to an equality constraint",
        )
    return weights
