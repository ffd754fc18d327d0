"""Least squares on the first N of many features, for many N and many repetitions together.

While N ≤ n one QR decomposition of the first n columns holds every width: the model of N features needs its leading
block alone. Beyond, the Gram matrix ZZᵀ grows by the columns that join, and a Cholesky factor of it gives the minimum
norm. Near N = n that would square a large condition number: there the solution is refined with residuals taken
through Z itself, and past a limit QR of Zᵀ takes over.

Legend: R repetitions, n rows, m test rows, k outputs, N features, Z [R, n, N] features without their 1/√N,
K = ZZᵀ, C = Z_test Zᵀ, λ ridge, e eigenvalues of K/N.
"""

from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

LARGEST_CONDITION = 1e8
"""Of a Gram matrix, as its Cholesky factor's diagonal shows it; past it QR of the features is taken."""
REFINED = 1e3
"""Condition of a Gram matrix, shown the same way, from which the solution is refined by its residual."""

POOR = 1e-4
"""Where the smallest eigenvalue is below this share of the largest, a Gram matrix has lost four of its digits."""

Gains = Callable[[Tensor], Tensor]
"""From eigenvalues e [R, n] to g(e) [R, v, n], one row a variant, where w = Φᵀ U g(e) Uᵀ y; for ridge 1/(e + λ)."""


class Fit(NamedTuple):
    """One width in every repetition.

    Attributes:
        fitted: predictions at the training rows, for each of v variants of the estimator.
        predicted: predictions at the test rows.
        norm: ‖w‖² over all outputs.
    """

    fitted: Float[Tensor, "R n v k"]
    predicted: Float[Tensor, "R m v k"]
    norm: Float[Tensor, "R v"]


def minimum_norm_fits(
    Z: Float[Tensor, "R n N"], Z_test: Float[Tensor, "R m N"], y: Float[Tensor, "R n k"], widths: Sequence[int]
) -> Iterator[Fit]:
    """The minimum-norm least-squares fit of each width, in rising order."""
    n = Z.shape[1]
    narrow = [N for N in widths if n >= N]
    if narrow:
        yield from _nested_fits(Z[:, :, : narrow[-1]], Z_test, y, narrow)
    gram = _GrowingGram(Z, Z_test)
    for N in widths[len(narrow) :]:
        yield _interpolating_fit(gram.at(N), Z[:, :, :N], Z_test, y)


def _interpolating_fit(products: tuple[Tensor, Tensor], Z: Tensor, Z_test: Tensor, y: Tensor) -> Fit:
    """The minimum norm for N > n: Kα = y, predictions Cα, ‖w‖² = αᵀKα."""
    K, C = products
    N = Z.shape[2]
    factor, failed = torch.linalg.cholesky_ex(K)
    diagonal = factor.diagonal(dim1=-2, dim2=-1)
    condition = (diagonal.amax(1) / diagonal.amin(1)).square()
    poor = (failed != 0) | ~(condition < LARGEST_CONDITION)
    alpha = torch.cholesky_solve(y, factor)
    rough = ~(condition < REFINED)
    if rough.any():
        missing = torch.cholesky_solve(y - Z @ (Z.mT @ alpha), factor)
        alpha = torch.where(
            rough[:, None, None], alpha + missing, alpha
        )  # each by its own condition, not its company's
    fitted = K @ alpha
    fit = Fit(fitted[:, :, None], (C @ alpha)[:, :, None], N * (alpha * fitted).sum((1, 2))[:, None])
    if poor.any():
        exact = _applied(_by_qr(Z[poor], y[poor]), Z[poor], Z_test[poor], N)
        for part, better in zip(fit, exact, strict=True):
            part[poor] = better
    return fit


def ridge_fits(
    Z: Float[Tensor, "R n N"],
    Z_test: Float[Tensor, "R m N"],
    y: Float[Tensor, "R n k"],
    widths: Sequence[int],
    ridge: float,
) -> Iterator[Fit]:
    """Ridge on Φ = Z/√N of each width: Cholesky of the smaller of ΦᵀΦ + λI and ΦΦᵀ + λI, or QR of [Φ √λI]."""
    n = Z.shape[1]
    gram = _GrowingGram(Z, Z_test)
    for N in widths:
        Zn, penalty = Z[:, :, :N], ridge * N  # (ZZᵀ/N + λI)⁻¹ = N(ZZᵀ + NλI)⁻¹
        K = Zn.mT @ Zn if n > N else gram.at(N)[0]
        side = min(n, N)
        largest = float(K.diagonal(dim1=-2, dim2=-1).sum(1).max())
        if largest > LARGEST_CONDITION * penalty:
            eye = sqrt(penalty) * torch.eye(n, dtype=Z.dtype).expand(len(Z), n, n)
            w = _by_qr(torch.cat([Zn, eye], 2), y)[:, :N]
        else:
            factor = torch.linalg.cholesky(K + penalty * torch.eye(side, dtype=Z.dtype))
            w = torch.cholesky_solve(Zn.mT @ y, factor) if n > N else Zn.mT @ torch.cholesky_solve(y, factor)
        yield _applied(w, Z, Z_test, N)


def spectral_fits(
    Z: Float[Tensor, "R n N"],
    Z_test: Float[Tensor, "R m N"],
    y: Float[Tensor, "R n k"],
    widths: Sequence[int],
    gains: Gains,
) -> Iterator[Fit]:
    """Any filter on the eigenvalues of K/N, or v variants of it from one decomposition."""
    gram = _GrowingGram(Z, Z_test)
    for N in widths:
        K, C = gram.at(N)
        e, U, lost = _spectrum(K / N, Z[:, :, :N] / sqrt(N))
        g = gains(e.clamp(min=0)).masked_fill(lost[:, None], 0.0)
        alpha = U @ (g.mT[..., None] * (U.mT @ y)[:, :, None]).flatten(2)
        fitted, predicted, alpha = (at.unflatten(2, (g.shape[1], -1)) for at in (K @ alpha / N, C @ alpha / N, alpha))
        yield Fit(fitted, predicted, (alpha * fitted).sum((1, 3)))


def _spectrum(K: Float[Tensor, "R n n"], Z: Float[Tensor, "R n N"]) -> tuple[Tensor, Tensor, Tensor]:
    """Eigenvalues e of ZZᵀ from the smallest up, eigenvectors, and which e are rounding: directions no row reaches.

    From K where all that count are well above its rounding, ε·e₁; from the singular values of Z where they are not.
    """
    eps = torch.finfo(K.dtype).eps
    e, U = torch.linalg.eigh(K)
    lost = e <= e.shape[1] * eps * e[:, -1:]
    small = min(K.shape[1], Z.shape[2])  # more directions than this there are not
    poor = e[:, -small] < POOR * e[:, -1]
    if poor.any():
        left, sigma, _ = torch.linalg.svd(Z[poor], full_matrices=False)
        r = sigma.shape[1]
        squares = torch.zeros_like(e[poor])
        squares[:, -r:] = sigma.square().flip(1)
        unseen = torch.ones_like(lost[poor])
        unseen[:, -r:] = (sigma <= max(Z.shape[1:]) * eps * sigma[:, :1]).flip(1)
        vectors = torch.zeros_like(U[poor])
        vectors[:, :, -r:] = left.flip(2)
        e[poor], U[poor], lost[poor] = squares, vectors, unseen
    return e, U, lost


class _GrowingGram:
    """K = ZZᵀ and C = Z_test Zᵀ of the first N columns, from those of fewer."""

    def __init__(self, Z: Float[Tensor, "R n N"], Z_test: Float[Tensor, "R m N"]) -> None:
        self.Z, self.Z_test, self.N = Z, Z_test, 0
        self.K = torch.zeros(len(Z), Z.shape[1], Z.shape[1], dtype=Z.dtype)
        self.C = torch.zeros(len(Z), Z_test.shape[1], Z.shape[1], dtype=Z.dtype)

    def at(self, N: int) -> tuple[Float[Tensor, "R n n"], Float[Tensor, "R m n"]]:
        if N > self.N:
            joined = self.Z[:, :, self.N : N]
            self.K.baddbmm_(joined, joined.mT)
            self.C.baddbmm_(self.Z_test[:, :, self.N : N], joined.mT)
            self.N = N
        return self.K, self.C


def _nested_fits(Z: Tensor, Z_test: Tensor, y: Tensor, widths: Sequence[int]) -> Iterator[Fit]:
    """Widths N ≤ n from one decomposition; where columns depend on each other, that repetition by its own SVD.

    A feature that is zero in every training row (a dead unit) has weight zero. It is moved behind the others, so that
    their decomposition stays whole.
    """
    alive = (Z != 0).any(1)
    all_alive = bool(alive.all())
    moved, moved_test = Z, Z_test[:, :, : Z.shape[2]]
    if not all_alive:
        order = alive.logical_not().byte().argsort(dim=1, stable=True)[:, None]
        moved, moved_test = (at.gather(2, order.expand_as(at)) for at in (moved, moved_test))
    Q, T = torch.linalg.qr(moved)
    z = Q.mT @ y
    diagonal = T.diagonal(dim1=-2, dim2=-1).abs()
    for N in widths:
        used = torch.arange(N) < alive[:, :N].sum(1, keepdim=True)
        block = T[:, :N, :N]
        if not all_alive:
            block = torch.where(used[:, :, None] & used[:, None, :], block, torch.eye(N, dtype=T.dtype))
        size = diagonal[:, :N]
        dependent = ~(size.where(used, size[:, :1]).amin(1) > 1e-11 * size.amax(1))
        w = torch.linalg.solve_triangular(block, z[:, :N] * used[:, :, None], upper=True)
        fit = _applied(w, moved, moved_test, N)
        if dependent.any():
            w = torch.linalg.lstsq(Z[dependent, :, :N], y[dependent], driver="gelsd").solution
            for part, better in zip(fit, _applied(w, Z[dependent], Z_test[dependent], N), strict=True):
                part[dependent] = better
        yield fit


def _by_qr(Z: Float[Tensor, "R n N"], y: Float[Tensor, "R n k"]) -> Float[Tensor, "R N k"]:
    """Minimum norm for N ≥ n: Zᵀ = QT, w = Q T⁻ᵀ y; where rows depend on each other, by SVD."""
    Q, T = torch.linalg.qr(Z.mT)
    w: Tensor = Q @ torch.linalg.solve_triangular(T.mT, y, upper=False)
    diagonal = T.diagonal(dim1=-2, dim2=-1).abs()
    dependent = ~(diagonal.amin(1) > 1e-11 * diagonal.amax(1))
    if dependent.any():
        w[dependent] = torch.linalg.lstsq(Z[dependent], y[dependent], driver="gelsd").solution
    return w


def _applied(w: Float[Tensor, "R N k"], Z: Tensor, Z_test: Tensor, N: int) -> Fit:
    """Predictions of the weights of unscaled features; the weights of Φ = Z/√N are √N times as large."""
    fitted, predicted = Z[:, :, :N] @ w, Z_test[:, :, :N] @ w
    return Fit(fitted[:, :, None], predicted[:, :, None], N * w.square().sum((1, 2))[:, None])
