"""Least squares: the w of least ‖Xw − y‖², and of all such w the shortest.

Legend: n rows, d columns, r = min(n, d), k outputs, X = U Σ Vᵀ, X⁺ = V Σ⁺ Uᵀ the pseudo-inverse, κ = σ₁/σᵣ,
ε = 2.2e-16. The error of w grows as ε·κ, and as ε·κ²·‖residual‖ where the fit is poor; normal equations would cost
ε·κ² even where it is perfect, so none are formed here.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.svd_coordinates import along, decompose, numerical_rank, svd_coordinates

Method = Literal["qr", "svd", "cholesky"]


@dataclass(frozen=True)
class Solution:
    """Weights, and how they were found.

    Attributes:
        w: the weights.
        method: "qr", "svd", or (ridge only) "cholesky".
        rank: numerical rank of the system solved: directions kept, min(n, d) at most.
        condition: σ₁/σ over the kept directions; with a ridge √((σ₁² + λ)/(σᵣ² + λ)). By "cholesky" it is estimated
            from below, mostly within a factor of 2; otherwise it comes from singular values.
        residual: ‖Xw − y‖², without any penalty, one value an output.
    """

    w: Float[Tensor, "d *k"]
    method: Method
    rank: int
    condition: float
    residual: Float[Tensor, "*k"]


def least_squares(X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"]) -> Solution:
    """argmin ‖Xw − y‖² of least ‖w‖: ordinary least squares where that is unique, X⁺y always.

    A tall X is factored as QR, a wide one as (QR)ᵀ. R has the singular values of X. Where all of them count by the
    rank rule of :func:`~sightline.linear.svd_coordinates.numerical_rank`, a triangular solve ends it ("qr");
    otherwise the SVD of R leaves out the directions that do not count ("svd").

    Shapes:
        X: [n, d], any shape and rank; y: [n] or [n, k].

    Returns:
        The :class:`Solution`; each output is solved for by itself.

    Raises:
        DataError: when X or y is empty or not finite, or their rows differ in number.

    Source: Golub & Van Loan, Matrix Computations, 5.3, 5.5, 5.6.

    Lecture: F6

    Example:
        >>> X = torch.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
        >>> found = least_squares(X, torch.tensor([1.0, 3.0, 5.0]))
        >>> found.w.round(decimals=6), found.method, found.rank
        (tensor([1., 2.], dtype=torch.float64), 'qr', 2)
    """
    X, y = inputs.problem(X, y)
    wide = X.shape[0] < X.shape[1]
    Q, R = torch.linalg.qr(X.mT if wide else X)
    sigma = torch.linalg.svdvals(R)
    rank = numerical_rank(sigma, max(X.shape))
    columns = y.reshape(len(y), -1)
    if rank == len(sigma):
        method: Method = "qr"
        if wide:  # X = RᵀQᵀ
            w = Q @ torch.linalg.solve_triangular(R.mT, columns, upper=False)
        else:
            w = torch.linalg.solve_triangular(R, Q.mT @ columns, upper=True)
    else:
        method = "svd"
        U, sigma, Vh = decompose(R.mT if wide else R)
        reached = U[:, :rank].mT @ (columns if wide else Q.mT @ columns)
        w = Vh[:rank].mT @ (reached / sigma[:rank, None])
        if wide:
            w = Q @ w
    condition = float(sigma[0] / sigma[rank - 1]) if rank else 1.0
    return solution(X, y, w.reshape(-1, *y.shape[1:]), method, rank, condition)


def minimum_norm(X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"]) -> Solution:
    """V Σ⁺ Uᵀ y: what :func:`least_squares` finds, written out by the singular value decomposition of X itself.

    Shapes:
        X: [n, d], any shape and rank; y: [n] or [n, k].

    Returns:
        The :class:`Solution`, always by "svd".

    Raises:
        DataError: see :func:`least_squares`.

    Source: Golub & Van Loan, Matrix Computations, 5.5.

    Lecture: F6

    Example:
        >>> minimum_norm(torch.tensor([[1.0, 1.0]]), torch.tensor([2.0])).w.round(decimals=6)
        tensor([1., 1.], dtype=torch.float64)
    """
    X, y = inputs.problem(X, y)
    problem = svd_coordinates(X, y)
    rank = problem.rank
    w_tilde = torch.zeros_like(problem.y_tilde)
    reached = problem.y_tilde[:rank]
    w_tilde[:rank] = reached / along(problem.nonzero, reached)
    return solution(X, y, problem.weights(w_tilde), "svd", rank, problem.condition)


def solution(
    X: Float[Tensor, "n d"],
    y: Float[Tensor, "n *k"],
    w: Float[Tensor, "d *k"],
    method: Method,
    rank: int,
    condition: float,
) -> Solution:
    """Weights with their squared residual on (X, y)."""
    return Solution(w=w, method=method, rank=rank, condition=condition, residual=(X @ w - y).square().sum(0))
