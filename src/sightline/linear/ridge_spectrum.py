"""The one decomposition that the ridge regressions of every λ share.

Legend: n rows, d columns, r = min(n, d), X = U Σ Vᵀ, D = 1/(σ² + λ), m values of λ, k outputs,
H = X(XᵀX + λI)⁻¹Xᵀ the hat matrix (ŷ = Hy), hᵢᵢ the leverage of row i.

Three ways to it, by shape and by conditioning. A Gram matrix gives σ² with an error of ε·σ₁², so a relative error of
ε·κ² in σ² + λ, κ² = (σ₁² + λ)/(σᵣ² + λ) for the smallest λ. Where that is below
:data:`~sightline.linear.ridge.NORMAL_EQUATIONS_ERROR`, a Gram matrix serves, otherwise the SVD of X:

- tall X: XᵀX = V Σ² Vᵀ, then w = V D Vᵀ(Xᵀy) and 1 − hᵢᵢ = 1 − Σⱼ (XV)ᵢⱼ² Dⱼ;
- wide X: XXᵀ = U Σ² Uᵀ, then w = Xᵀ U D Uᵀy;
- the SVD: w = V Σ D Uᵀy.

Where U is known, residuals are (y − UUᵀy) + U λD Uᵀy and 1 − hᵢᵢ = (1 − Σⱼ Uᵢⱼ²) + Σⱼ Uᵢⱼ² λDⱼ: sums of what is
left over, not differences from what is fitted, so that they hold as λ → 0.

With a free intercept all this is done on n − 1 rows, see :func:`~sightline.linear.centring.reflect_mean`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear.centring import reflect_mean
from sightline.linear.ridge import NORMAL_EQUATIONS_ERROR, ridge_gains, squared_condition
from sightline.linear.svd_coordinates import svd_coordinates

ENTRIES_AT_ONCE = 2**24
"""Tables of rows × λ × outputs are made in parts of at most this many entries (128 MiB)."""


@dataclass(frozen=True)
class Spectrum(ABC):
    """What every λ needs; subclasses know one side's singular vectors or both.

    Attributes:
        X, y: the problem; one row less than was given where an intercept is fitted.
        sigma: σ in the order of the vectors; 0 where it is beyond the numerical rank.
        intercept: whether the rows are reflected ones, a mean apart.
    """

    X: Float[Tensor, "n d"]
    y: Float[Tensor, "n k"]
    sigma: Float[Tensor, " r"]
    intercept: bool

    @abstractmethod
    def weights(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "d m k"]:
        """w for each λ."""

    @abstractmethod
    def residuals(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "n m k"]:
        """y − Xw for each λ."""

    @abstractmethod
    def unfitted(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "rows m"]:
        """1 − hᵢᵢ for each λ and each row as it was given, the intercept's 1/n in hᵢᵢ."""

    def degrees_left(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        """tr(I − H) = (n − r) + Σ λ/(σ² + λ)."""
        return len(self.y) - len(self.sigma) + self.left_over(ridges).sum(0)

    def left_over(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "r m"]:
        """λD = λ/(σ² + λ), the share of each direction that is not fitted."""
        return 1 / (1 + (self.sigma[:, None] / ridges.sqrt()).square())

    def squared_residuals(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "m k"]:
        """‖y − Xw‖² for each λ."""
        return torch.cat([self.residuals(part).square().sum(0) for part in self.parts(ridges)])

    def left_out_residuals(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "rows m k"]:
        """(y − Xw)ᵢ/(1 − hᵢᵢ): the error on row i of the fit without row i."""
        return self.as_given(self.residuals(ridges)) / self.unfitted(ridges)[..., None]

    def parts(self, ridges: Float[Tensor, " m"]) -> Iterator[Tensor]:
        """The λ in groups whose tables fit :data:`ENTRIES_AT_ONCE`."""
        yield from ridges.split(max(1, ENTRIES_AT_ONCE // self.y.numel()))

    def as_given(self, rows: Float[Tensor, "n *columns"]) -> Float[Tensor, "rows *columns"]:
        """Rows of the fit as rows of the problem that was given."""
        return reflect_mean(torch.cat([rows[:1] * 0, rows])) if self.intercept else rows

    @property
    def leverage_of_intercept(self) -> float:
        """1/n, or 0 without an intercept."""
        return 1 / (len(self.y) + 1) if self.intercept else 0.0


@dataclass(frozen=True)
class RightSpectrum(Spectrum):
    """A tall problem through the eigenvectors V of XᵀX.

    Attributes:
        V: eigenvectors, in columns.
        z: VᵀXᵀy.
    """

    V: Float[Tensor, "d r"]
    z: Float[Tensor, "r k"]

    def weights(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "d m k"]:
        """V D Vᵀ(Xᵀy)."""
        return _times(self.V, self.z[:, None] / (self.sigma.square()[:, None] + ridges)[..., None])

    def residuals(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "n m k"]:
        """y − Xw."""
        return self.y[:, None] - _times(self.X, self.weights(ridges))

    def unfitted(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "rows m"]:
        """1 − Σⱼ (XV)ᵢⱼ² Dⱼ."""
        return 1 - self.leverage_of_intercept - self._squared_scores @ (1 / (self.sigma.square()[:, None] + ridges))

    @cached_property
    def _squared_scores(self) -> Float[Tensor, "rows r"]:
        return self.as_given(self.X @ self.V).square()


@dataclass(frozen=True)
class LeftSpectrum(Spectrum):
    """A problem through its left singular vectors U.

    Attributes:
        U: left singular vectors, in columns.
        y_tilde: Uᵀy.
        beyond: y − UUᵀy.
        V: right singular vectors, or None where XᵀU = VΣ takes their place.
    """

    U: Float[Tensor, "n r"]
    y_tilde: Float[Tensor, "r k"]
    beyond: Float[Tensor, "n k"]
    V: Float[Tensor, "d r"] | None

    def weights(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "d m k"]:
        """V Σ D Uᵀy = Xᵀ U D Uᵀy."""
        if self.V is None:
            shrunk = self.y_tilde[:, None] / (self.sigma.square()[:, None] + ridges)[..., None]
            return _times(self.X.mT, _times(self.U, shrunk))
        gain = torch.stack([ridge_gains(self.sigma, ridge) for ridge in ridges.tolist()], dim=1)
        return _times(self.V, gain[..., None] * self.y_tilde[:, None])

    def residuals(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "n m k"]:
        """(y − UUᵀy) + U λD Uᵀy."""
        return self.beyond[:, None] + _times(self.U, self.left_over(ridges)[..., None] * self.y_tilde[:, None])

    def squared_residuals(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "m k"]:
        """‖y − UUᵀy‖² + Σ (λ/(σ² + λ))² ỹ², the same in SVD coordinates."""
        return self.beyond.square().sum(0) + self.left_over(ridges).square().mT @ self.y_tilde.square()

    def unfitted(self, ridges: Float[Tensor, " m"]) -> Float[Tensor, "rows m"]:
        """(1 − Σⱼ Uᵢⱼ²) + Σⱼ Uᵢⱼ² λDⱼ; the first term is exactly 0 where U is square."""
        squared = self._squared_vectors
        outside = (1 - self.leverage_of_intercept - squared.sum(1, keepdim=True)).clamp_min(0)
        if self.U.shape[0] == self.U.shape[1]:
            outside = torch.zeros_like(outside)
        return outside + squared @ self.left_over(ridges)

    @cached_property
    def _squared_vectors(self) -> Float[Tensor, "rows r"]:
        return self.as_given(self.U).square()


def ridge_spectrum(X: Float[Tensor, "n d"], y: Float[Tensor, "n k"], smallest: float, intercept: bool) -> Spectrum:
    """Decompose a checked problem once, by the cheapest way that is exact enough for the smallest λ.

    Raises:
        DataError: when the SVD does not converge, or an intercept is asked of a single row.
    """
    if intercept:
        X, y = reflect_mean(X)[1:], reflect_mean(y)[1:]
    wide = X.shape[0] < X.shape[1]
    gram = X @ X.mT if wide else X.mT @ X
    if bool(torch.isfinite(gram).all()) and _well_conditioned(gram, smallest):
        squares, vectors = torch.linalg.eigh(gram)
        exact = float((squares[-1] + smallest) / (squares[0].clamp_min(0) + smallest))
        if torch.finfo(X.dtype).eps * exact < NORMAL_EQUATIONS_ERROR:
            sigma = squares.clamp_min(0).sqrt()
            if wide:
                return LeftSpectrum(X, y, sigma, intercept, vectors, vectors.mT @ y, torch.zeros_like(y), None)
            return RightSpectrum(X, y, sigma, intercept, vectors, vectors.mT @ (X.mT @ y))
    found = svd_coordinates(X, y)
    counted = torch.arange(len(found.sigma), device=X.device) < found.rank
    sigma = torch.where(counted, found.sigma, 0.0)
    return LeftSpectrum(X, y, sigma, intercept, found.U, found.y_tilde, y - found.U @ found.y_tilde, found.V)


def _well_conditioned(gram: Float[Tensor, "r r"], smallest: float) -> bool:
    """Whether the Gram matrix may serve, by an estimate from below that costs a tenth of its eigenvalues."""
    regularised = gram + smallest * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    factor, failed = torch.linalg.cholesky_ex(regularised)
    if failed:
        return False
    return torch.finfo(gram.dtype).eps * squared_condition(regularised, factor) < NORMAL_EQUATIONS_ERROR


def _times(matrix: Float[Tensor, "a b"], columns: Float[Tensor, "b m k"]) -> Float[Tensor, "a m k"]:
    return (matrix @ columns.flatten(1)).reshape(len(matrix), *columns.shape[1:])
