"""Kernel ridge regression: ridge with one coefficient an example, and inner products in place of features.

Legend: K the kernel's value between every two of the n examples, α dual coefficients. With K = XXᵀ the primal weights
are w = Xᵀα, and w is that of ridge on X with the same λ.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.svd_coordinates import numerical_rank


def kernel_ridge(K: Float[Tensor, "n n"], y: Float[Tensor, "n *k"], ridge: float) -> Float[Tensor, "n *k"]:
    """α = (K + λI)⁻¹y: the minimiser α of ‖Kα − y‖² + λ αᵀKα.

    K + λI is factored by Cholesky. Where the factor shows it to be singular in float64 (tiny λ, K of low rank), the
    eigenvectors of K are used instead, and the directions with σ² + λ beyond the numerical rank are left at 0.

    Shapes:
        K: [n, n]; y: [n] or [n, k].

    Args:
        K: kernel of the examples with each other: symmetric, no eigenvalue below 0.
        y: targets.
        ridge: λ ≥ 0, in units of K.

    Returns:
        The dual coefficients; predict with :func:`kernel_ridge_predict`.

    Raises:
        DataError: when K is not square, not symmetric, has negative eigenvalues that λ does not lift, is empty or not
            finite, or y does not fit it.
        ConfigurationError: when λ < 0 or not finite.

    Source: Saunders, Gammerman & Vovk, Ridge regression learning algorithm in dual variables, 1998.

    Lecture: F6

    Example:
        >>> X, y = torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 3.0])
        >>> X.double().mT @ kernel_ridge(linear_kernel(X, X), y, ridge=2.0)
        tensor([1.], dtype=torch.float64)
    """
    K = inputs.matrix(K, "K")
    y = inputs.targets(y, len(K)).to(K.device)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    _refuse_asymmetry(K)
    n, eps = len(K), torch.finfo(K.dtype).eps
    columns = y.reshape(n, -1)
    factor, failed = torch.linalg.cholesky_ex(K + ridge * torch.eye(n, dtype=K.dtype, device=K.device))
    pivots = factor.diagonal().square()
    if not failed and pivots.min() > n * eps * pivots.max():
        return torch.cholesky_solve(columns, factor).reshape(y.shape)
    squares, U = torch.linalg.eigh((K + K.mT) / 2)
    if float(squares[0]) < -10 * n * eps * float(squares.abs().max()):
        raise DataError(
            expected="a kernel matrix without negative eigenvalues",
            found=f"an eigenvalue of {float(squares[0]):.3g} beside a largest of {float(squares[-1]):.3g}",
            do="use a positive semi-definite kernel",
        )
    shifted, U = (squares.clamp_min(0) + ridge).flip(0), U.flip(1)
    rank = numerical_rank(shifted, n)
    kept = U[:, :rank]
    alpha: Tensor = kept @ ((kept.mT @ columns) / shifted[:rank, None])
    return alpha.reshape(y.shape)


def kernel_ridge_predict(K_new: Float[Tensor, "m n"], alpha: Float[Tensor, "n *k"]) -> Float[Tensor, "m *k"]:
    """f(x) = Σᵢ αᵢ k(x, xᵢ): the kernel of new examples with the training examples, times α.

    Raises:
        DataError: when K_new is not a finite matrix, or α has not one row for each of its columns.

    Source: Saunders, Gammerman & Vovk, 1998.

    Lecture: F6

    Example:
        >>> kernel_ridge_predict(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0, 4.0]))
        tensor([11.], dtype=torch.float64)
    """
    K_new = inputs.matrix(K_new, "K_new")
    return K_new @ inputs.targets(alpha, K_new.shape[1], "alpha").to(K_new.device)


def linear_kernel(X: Float[Tensor, "n d"], Z: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """k(x, z) = xᵀz.

    Raises:
        DataError: when X or Z is empty or not finite, or their columns differ in number.

    Lecture: F6

    Example:
        >>> linear_kernel(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
        tensor([[11.]], dtype=torch.float64)
    """
    X, Z = _two(X, Z)
    return X @ Z.mT


def polynomial_kernel(
    X: Float[Tensor, "n d"], Z: Float[Tensor, "m d"], *, degree: int, offset: float = 1.0
) -> Float[Tensor, "n m"]:
    """k(x, z) = (xᵀz + c)ᵖ: the inner product of all monomials up to degree p (of exactly p where c = 0).

    Args:
        X, Z: rows to compare.
        degree: p ≥ 1.
        offset: c ≥ 0.

    Raises:
        DataError: see :func:`linear_kernel`.
        ConfigurationError: when p < 1 or c < 0.

    Source: Schölkopf & Smola, Learning with Kernels, 2.1.

    Lecture: F6

    Example:
        >>> polynomial_kernel(torch.tensor([[1.0]]), torch.tensor([[2.0]]), degree=2)
        tensor([[9.]], dtype=torch.float64)
    """
    degree = inputs.count(degree, "degree", minimum=1)
    offset = inputs.number(offset, "offset", minimum=0)
    return (linear_kernel(X, Z) + offset) ** degree


def rbf_kernel(X: Float[Tensor, "n d"], Z: Float[Tensor, "m d"], *, length_scale: float) -> Float[Tensor, "n m"]:
    """k(x, z) = exp(−‖x − z‖²/(2ℓ²)), the radial basis function or Gaussian kernel.

    Args:
        X, Z: rows to compare.
        length_scale: ℓ > 0, in the features' units; scikit-learn's gamma is 1/(2ℓ²).

    Raises:
        DataError: see :func:`linear_kernel`.
        ConfigurationError: when ℓ ≤ 0.

    Source: Schölkopf & Smola, Learning with Kernels, 2.3.

    Lecture: F6

    Example:
        >>> rbf_kernel(torch.tensor([[0.0]]), torch.tensor([[0.0], [2.0]]), length_scale=2.0)
        tensor([[1.0000, 0.6065]], dtype=torch.float64)
    """
    length_scale = inputs.number(length_scale, "length_scale", above=0)
    X, Z = _two(X, Z)
    distances = torch.cdist(X / length_scale, Z / length_scale, compute_mode="donot_use_mm_for_euclid_dist")
    return (-distances.square() / 2).exp()


def _two(X: Tensor, Z: Tensor) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
    X = inputs.matrix(X)
    Z = inputs.matrix(Z, "Z").to(X.device)
    if X.shape[1] != Z.shape[1]:
        raise DataError(
            expected="X and Z to have the same columns",
            found=f"{X.shape[1]} and {Z.shape[1]} columns",
            do="give both the same features in the same order",
        )
    return X, Z


def _refuse_asymmetry(K: Float[Tensor, "n m"]) -> None:
    if K.shape[0] != K.shape[1]:
        raise DataError(
            expected="K to be square, the kernel of the training examples with each other",
            found=f"a matrix of shape {tuple(K.shape)}",
            do="give kernel(X, X); the kernel with new examples goes to kernel_ridge_predict",
        )
    asymmetry = float((K - K.mT).abs().max())
    if asymmetry > 1e-10 * float(K.abs().max()):
        raise DataError(
            expected="K to be symmetric",
            found=f"entries that differ by {asymmetry:.3g} from their mirror images",
            do="give kernel(X, X) in float64",
        )
