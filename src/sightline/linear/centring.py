"""An intercept that no penalty touches: take the mean of each column away, fit, and put it back.

min over b and w of ‖Xw + b − y‖² + λ‖w‖² has b = ȳ − x̄ᵀw, and its w is that of the centred columns.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs


@dataclass(frozen=True)
class Centred:
    """A problem whose columns have mean zero.

    Attributes:
        X, y: the centred copies.
        X_mean, y_mean: what was taken away.
    """

    X: Float[Tensor, "n d"]
    y: Float[Tensor, "n *k"]
    X_mean: Float[Tensor, " d"]
    y_mean: Float[Tensor, "*k"]

    def intercept(self, w: Float[Tensor, "d *k"]) -> Float[Tensor, "*k"]:
        """b = ȳ − x̄ᵀw for the columns as they were, before centring."""
        return self.y_mean - self.X_mean @ w


def centred(X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"]) -> Centred:
    """Columns less their means: a fit to the result is a fit to (X, y) with a free intercept.

    Shapes:
        X: [n, d]; y: [n] or [n, k].

    Raises:
        DataError: when X or y is empty or not finite, or their rows differ in number.

    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, exercise 3.5.

    Lecture: F6

    Example:
        >>> found = centred(torch.tensor([[0.0], [2.0]]), torch.tensor([1.0, 7.0]))
        >>> float(found.intercept(torch.tensor([3.0], dtype=torch.float64)))
        1.0
    """
    X, y = inputs.problem(X, y)
    X_mean, y_mean = X.mean(0), y.mean(0)
    return Centred(X - X_mean, y - y_mean, X_mean, y_mean)


def reflect_mean(columns: Float[Tensor, "n *k"]) -> Float[Tensor, "n *k"]:
    """The Householder reflection that swaps the direction of equal entries with the first axis; its own inverse.

    After it, the first row is −√n times the mean, and the other n − 1 rows are the centred column in coordinates
    that have no room for a mean. So n rows with a free intercept are n − 1 rows without one.

    Raises:
        DataError: with fewer than two rows.

    Source: Golub & Van Loan, Matrix Computations, 5.1.2.

    Example:
        >>> reflect_mean(torch.tensor([3.0, 3.0, 3.0, 3.0]).double())
        tensor([-6.,  0.,  0.,  0.], dtype=torch.float64)
    """
    n = len(columns)
    if n < 2:
        raise DataError(
            expected="at least 2 rows to fit an intercept and weights",
            found=f"{n} row",
            do="give more rows, or fit without an intercept",
        )
    normal = torch.full((n, *[1] * (columns.ndim - 1)), 1 / sqrt(n), dtype=columns.dtype, device=columns.device)
    normal[0] += 1
    return columns - normal * ((normal * columns).sum(0) / (1 + 1 / sqrt(n)))
