"""A least-squares problem in the coordinates where its directions do not meet: X = U Σ Vᵀ, w̃ = Vᵀw, ỹ = Uᵀy.

Legend: n rows (examples), d columns (features), r = min(n, d), k outputs (none for a vector y),
σ singular values from the largest down, ~ a quantity in SVD coordinates.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs


@dataclass(frozen=True)
class SVDCoordinates:
    """A matrix's singular value decomposition, and its targets turned into it.

    Attributes:
        U: left singular vectors, in columns.
        sigma: singular values, from the largest down.
        V: right singular vectors, in columns.
        y_tilde: ỹ = Uᵀy, the part of y that some w can reach.
        unreachable: ‖y − U ỹ‖², the squared error no w can remove, one value an output.
    """

    U: Float[Tensor, "n r"]
    sigma: Float[Tensor, " r"]
    V: Float[Tensor, "d r"]
    y_tilde: Float[Tensor, "r *k"]
    unreachable: Float[Tensor, "*k"]

    @property
    def n(self) -> int:
        """Rows of X."""
        return len(self.U)

    @property
    def d(self) -> int:
        """Columns of X."""
        return len(self.V)

    @cached_property
    def rank(self) -> int:
        """Numerical rank: singular values above max(n, d) · ε · σ₁, with ε of float64."""
        return numerical_rank(self.sigma, max(self.n, self.d))

    @property
    def nonzero(self) -> Float[Tensor, " rank"]:
        """The singular values that the rank counts."""
        return self.sigma[: self.rank]

    @property
    def condition(self) -> float:
        """σ₁/σᵣ over the nonzero singular values; 1 for a matrix of zeros."""
        return float(self.nonzero[0] / self.nonzero[-1]) if self.rank else 1.0

    def weights(self, w_tilde: Float[Tensor, "r *k"]) -> Float[Tensor, "d *k"]:
        """w = V w̃: back to the features' coordinates, nothing outside the row space."""
        return self.V @ w_tilde

    def coordinates(self, w: Float[Tensor, "d *k"]) -> Float[Tensor, "r *k"]:
        """w̃ = Vᵀ w."""
        return self.V.mT @ w

    def beside(self, w: Float[Tensor, "d *k"]) -> Float[Tensor, "d *k"]:
        """w − V Vᵀ w: the part of w outside the row space, which no gradient of ‖Xw − y‖² ever moves."""
        return w - self.weights(self.coordinates(w))


def svd_coordinates(X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"]) -> SVDCoordinates:
    """Turn a least-squares problem into SVD coordinates: Xw ≈ y becomes σᵢ w̃ᵢ ≈ ỹᵢ, one equation a direction.

    Shapes:
        X: [n, d]; y: [n] or [n, k].

    Returns:
        The thin decomposition, r = min(n, d), zero singular values kept.

    Raises:
        DataError: when X or y is empty or not finite, or their rows differ in number.

    Source: Golub & Van Loan, Matrix Computations, 2.4. The vectors are the columns of U and V.

    Lecture: F7

    Example:
        >>> X = torch.tensor([[3.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
        >>> found = svd_coordinates(X, torch.tensor([3.0, 4.0, 5.0]))
        >>> found.sigma, float(found.unreachable)
        (tensor([3., 2.], dtype=torch.float64), 25.0)
    """
    X, y = inputs.problem(X, y)
    U, sigma, Vh = decompose(X)
    y_tilde = U.mT @ y
    unreachable = (y - U @ y_tilde).square().sum(0)
    return SVDCoordinates(U=U, sigma=sigma, V=Vh.mT, y_tilde=y_tilde, unreachable=unreachable)


def decompose(
    X: Float[Tensor, "*batch n d"],
) -> tuple[Float[Tensor, "*batch n r"], Float[Tensor, "*batch r"], Float[Tensor, "*batch r d"]]:
    """The thin singular value decomposition U, σ, Vᵀ.

    Raises:
        DataError: when the numbers are so large that it does not converge.
    """
    try:
        U, sigma, Vh = torch.linalg.svd(X, full_matrices=False)
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise DataError(
            expected="a matrix whose singular values can be found in float64",
            found=f"no convergence; its entries reach {float(X.abs().max()):.3g}",
            do="rescale the columns to numbers near 1",
        ) from error
    return U, sigma, Vh


def numerical_rank(sigma: Float[Tensor, " r"], larger_side: int) -> int:
    """How many singular values are above larger_side · ε · σ₁, the usual measure of what float64 can tell from zero.

    Example:
        >>> numerical_rank(torch.tensor([1.0, 0.5, 1e-20], dtype=torch.float64), 3)
        2
    """
    tolerance = larger_side * torch.finfo(torch.float64).eps * sigma[0]
    return int((sigma > tolerance).sum())


def along(values: Float[Tensor, " r"], like: Float[Tensor, "r *k"]) -> Float[Tensor, "r *ones"]:
    """One value a direction, shaped to multiply a quantity that may have a column for each output."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
