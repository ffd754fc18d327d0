"""Principal component analysis by the SVD of the data, with or without taking the mean away.

Legend: X one row an example, X = U Σ Vᵀ, vᵢ the i-th column of V, k components kept, V_k = [v₁ … v_k].
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs
from sightline.linear.svd_coordinates import decompose, numerical_rank


@dataclass(frozen=True)
class PrincipalComponents:
    """The directions in which data spreads the most, and what is left when only k of them are kept.

    Attributes:
        components: v₁ … v_r in columns, orthonormal; of each, the entry of largest size is positive.
        sigma: singular values of X (less its mean, where centred), from the largest down.
        mean: what was taken from every row; zeros where the data was not centred.
        n: number of rows.
        centred: whether the mean was taken away.
    """

    components: Float[Tensor, "d r"]
    sigma: Float[Tensor, " r"]
    mean: Float[Tensor, " d"]
    n: int
    centred: bool

    @property
    def explained_variance(self) -> Float[Tensor, " r"]:
        """σᵢ²/(n − 1) of centred data: the variance along each component; σᵢ²/n, a mean square, otherwise."""
        return self.sigma.square() / (self.n - 1 if self.centred else self.n)

    @property
    def explained_share(self) -> Float[Tensor, " r"]:
        """σᵢ²/Σ σⱼ²; of data that is all zeros, zeros."""
        squares = self.sigma.square()
        return squares / squares.sum().clamp(min=torch.finfo(squares.dtype).tiny)

    def subspace(self, k: int) -> Float[Tensor, "d k"]:
        """V_k, an orthonormal basis of the subspace that k components span, in columns.

        Raises:
            ConfigurationError: when there are fewer components, or k < 1.
        """
        return self.components[:, : self._checked(k)]

    def encode(self, X: Float[Tensor, "m d"], k: int) -> Float[Tensor, "m k"]:
        """Y = (X − x̄) V_k: k numbers an example.

        Raises:
            ConfigurationError: see :meth:`subspace`. DataError: when X has other columns than the data.
        """
        return (self._of(X) - self.mean) @ self.subspace(k)

    def decode(self, Y: Float[Tensor, "m k"]) -> Float[Tensor, "m d"]:
        """Y V_kᵀ + x̄: back from k numbers an example, the nearest point of the subspace.

        Raises:
            ConfigurationError: when Y has more columns than there are components.
        """
        Y = inputs.matrix(Y, "Y")
        return Y @ self.subspace(Y.shape[1]).mT + self.mean

    def reconstruct(self, X: Float[Tensor, "m d"], k: int) -> Float[Tensor, "m d"]:
        """The projection of every row on the subspace, (X − x̄) V_k V_kᵀ + x̄.

        Raises:
            ConfigurationError, DataError: see :meth:`encode`.
        """
        return self.decode(self.encode(X, k))

    def residual(self, k: int) -> float:
        """Σ_{i>k} σᵢ²: the squared error of the data's own reconstruction, the least of any k-dimensional subspace."""
        return float(self.sigma[self._checked(k) :].square().sum())

    def gap(self, k: int) -> float:
        """σ_k − σ_{k+1}, with σ = 0 beyond the last; infinite where k = d leaves nothing outside."""
        k = self._checked(k)
        if k == len(self.components):
            return torch.inf
        return float(self.sigma[k - 1] - (self.sigma[k] if k < len(self.sigma) else 0.0))

    def is_unique(self, k: int) -> bool:
        """Whether one k-dimensional subspace alone has the least residual: σ_k > σ_{k+1}.

        Where the two are equal, any direction between v_k and v_{k+1} does as well. (The lecture notes call the
        solution unique always.) Equal is what float64 can't tell apart: a gap up to max(n, d) · ε · σ₁.
        """
        tolerance = max(self.n, len(self.components)) * torch.finfo(self.sigma.dtype).eps * float(self.sigma[0])
        return self.gap(k) > tolerance

    @property
    def rank(self) -> int:
        """Numerical rank of the data."""
        return numerical_rank(self.sigma, max(self.n, len(self.components)))

    def _checked(self, k: int) -> int:
        k = inputs.count(k, "k", minimum=1)
        if k > len(self.sigma):
            raise ConfigurationError(
                expected=f"at most {len(self.sigma)} components, the smaller of the data's rows and columns",
                found=f"k = {k}",
                do="keep fewer components, or give more rows",
            )
        return k

    def _of(self, X: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        X = inputs.matrix(X)
        if X.shape[1] != len(self.components):
            raise DataError(
                expected=f"rows of {len(self.components)} entries, as the components have",
                found=f"{X.shape[1]}",
                do="give the columns that the components were found on",
            )
        return X


def principal_components(X: Float[Tensor, "n d"], *, centre: bool = False) -> PrincipalComponents:
    """argmin over k-dimensional subspaces S of Σ ‖xᵢ − P_S xᵢ‖², for every k at once: the first columns of V.

    The examples are rows here. For examples in columns, X = U Σ Vᵀ, they are the first columns of U; never rows.

    Shapes:
        X: [n, d]; components: [d, min(n, d)].

    Args:
        X: one row an example.
        centre: take the mean of each column away first. The lectures do not: the subspace then goes through 0.

    Raises:
        DataError: when X is empty or not finite, or a single row is to be centred.

    Source: Eckart & Young, The approximation of one matrix by another of lower rank, 1936; Pearson 1901 for centred
        data.

    Lecture: A1; erratum 18

    Example:
        >>> found = principal_components(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
        >>> found.subspace(1), found.residual(1), found.is_unique(1)
        (tensor([[0.],
                [1.]], dtype=torch.float64), 9.0, True)
    """
    X = inputs.matrix(X)
    if centre and len(X) < 2:
        raise DataError(
            expected="at least two rows, to have a mean and a spread about it",
            found="one",
            do="give more rows, or leave the mean in",
        )
    mean = X.mean(0) if centre else torch.zeros_like(X[0])
    _, sigma, Vh = decompose(X - mean)
    largest = Vh.gather(1, Vh.abs().argmax(1, keepdim=True))
    return PrincipalComponents((Vh * largest.sign()).mT.contiguous(), sigma, mean, len(X), centre)
