"""Extreme eigenvalues of a symmetric matrix that is only known by its products: the Lanczos method.

Legend: A the matrix (P, P), q_1 … q_m an orthonormal basis, T = Qᵀ A Q tridiagonal, (ϑ, s) its eigenpairs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues found, the largest first, each with a bound of its error.

    Attributes:
        values: ϑ, [k], in the matrix's units.
        vectors: [k, P], of norm 1.
        bounds: |A y − ϑ y| ≤ this: an eigenvalue of A is at most so far from ϑ; [k].
        products: of A with a vector, that were computed.
        converged: whether every bound is within the tolerance.
    """

    values: Float[Tensor, " k"]
    vectors: Float[Tensor, "k P"]
    bounds: Float[Tensor, " k"]
    products: int
    converged: bool


def lanczos(
    product: Callable[[Tensor], Tensor],
    start: Float[Tensor, " P"],
    *,
    k: int = 1,
    tolerance: float = 1e-4,
    max_products: int = 100,
) -> Eigenpairs:
    """The k largest eigenvalues (algebraically) of a symmetric A, from products A v alone.

    Every new direction is made orthogonal to all before, twice: the plain three-term recurrence loses orthogonality
    and finds eigenvalues again. Memory: as many vectors as products. An eigenvalue whose eigenvector the start has no
    share of is not found; neither is the second of two equal ones.

    Args:
        product: v → A v.
        start: any vector that is not 0; a random one has a share of every eigenvector.
        k: eigenvalues wanted.
        tolerance: bound of each error over the largest |ϑ|.
        max_products: at most; what was found by then is given, ``converged`` tells.

    Raises:
        ConfigurationError: for k, a tolerance or a number of products out of range.
        InputError: for a start of 0, or products that are not finite.

    Source: Lanczos 1950; error bound and reorthogonalisation Parlett 1980, "The Symmetric Eigenvalue Problem", §13

    Lecture: U3

    Example:
        >>> A = torch.diag(torch.tensor([3.0, 1.0, -5.0], dtype=torch.float64))
        >>> lanczos(lambda v: A @ v, torch.ones(3, dtype=torch.float64)).values.round(decimals=6)
        tensor([3.], dtype=torch.float64)
    """
    size = start.numel()
    if not 1 <= k <= size or not tolerance > 0 or max_products < k:
        raise ConfigurationError(
            expected=f"k from 1 to {size:,}, a tolerance above 0 and at least k products",
            found=f"k = {k}, tolerance = {tolerance:g}, max_products = {max_products}",
            do="use k=1, tolerance=1e-4, max_products=100",
        )
    length = start.norm()
    if not float(length) > 0 or not bool(length.isfinite()):
        raise InputError(expected="a start of finite numbers, not all 0", found=f"norm {float(length)}", do="draw one")
    basis = [start / length]
    diagonal: list[float] = []
    beside: list[float] = []
    most = min(max_products, size)
    while True:
        q = basis[-1]
        w = product(q)
        if not bool(w.isfinite().all()):
            raise InputError(
                expected="finite products", found="some that are infinite or NaN", do="look at the loss first"
            )
        diagonal.append(float(q @ w))
        stacked = torch.stack(basis)
        for _ in range(2):
            w = w - stacked.T @ (stacked @ w)
        beside.append(float(w.norm()))
        number = len(diagonal)
        values, shares = torch.linalg.eigh(_tridiagonal(diagonal, beside[:-1]))
        scale = max(float(values.abs().max()), torch.finfo(start.dtype).tiny)
        bounds = (beside[-1] * shares[-1]).abs().flip(0)[:k]
        exhausted = beside[-1] <= size**0.5 * torch.finfo(start.dtype).eps * scale
        done = number >= k and (exhausted or bool((bounds <= tolerance * scale).all()))
        if done or exhausted or number == most:
            chosen = shares.flip(1)[:, :k].T.to(stacked)
            return Eigenpairs(values.flip(0)[:k], chosen @ stacked, bounds, number, done)
        basis.append(w / beside[-1])


def _tridiagonal(diagonal: list[float], beside: list[float]) -> Tensor:
    T = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if beside:
        off = torch.diag(torch.tensor(beside, dtype=torch.float64), 1)
        T = T + off + off.T
    return T
