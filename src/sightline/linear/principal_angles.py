"""Principal angles between two subspaces, each given by any matrix whose columns span it.

Legend: A and B matrices of d rows, Q_A and Q_B orthonormal bases of their column spans, p ≥ q their dimensions,
θ₁ ≤ … ≤ θ_q the angles.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.svd_coordinates import decompose, numerical_rank


def orthonormal_basis(A: Float[Tensor, "d p"]) -> Float[Tensor, "d r"]:
    """Orthonormal columns that span what the columns of A span, as many as A's numerical rank.

    Raises:
        DataError: when A is empty, not finite, or all zeros.

    Source: Golub & Van Loan, Matrix Computations, 2.4.

    Example:
        >>> orthonormal_basis(torch.tensor([[3.0, 6.0], [0.0, 0.0]])).abs()
        tensor([[1.],
                [0.]], dtype=torch.float64)
    """
    A = inputs.matrix(A, "A")
    U, sigma, _ = decompose(A)
    rank = numerical_rank(sigma, max(A.shape))
    if not rank:
        raise DataError(
            expected="columns that span a subspace",
            found=f"a {A.shape[0]} by {A.shape[1]} matrix of zeros",
            do="give at least one column that is not zero",
        )
    return U[:, :rank]


def principal_angles(A: Float[Tensor, "d p"], B: Float[Tensor, "d q"]) -> Float[Tensor, " r"]:
    """θᵢ with cos θᵢ = σᵢ(Q_Aᵀ Q_B) and sin θᵢ = σᵢ(Q_B − Q_A Q_Aᵀ Q_B): how far two subspaces lean apart.

    A cosine loses half the digits of a small angle (cos 1e-9 is 1 in float64), a sine those of a large one. Each angle
    is the arctangent of both, right to about 1e-15 everywhere.

    Shapes:
        A: [d, p]; B: [d, q]; returns: as many angles as the smaller of the two subspaces has dimensions.

    Args:
        A, B: their columns span the subspaces; they need be neither orthogonal nor independent.

    Returns:
        Angles in radians from the smallest to the largest, within [0, π/2]; of two equal subspaces all are 0.

    Raises:
        DataError: when a matrix is empty, not finite or all zeros, or their rows differ in number.

    Source: Björck & Golub, Numerical methods for computing angles between linear subspaces, 1973; Knyazev &
        Argentati, Principal angles between subspaces in an A-based scalar product, 2002, §2.

    Lecture: A1

    Example:
        >>> tilted = torch.tensor([[1.0], [1e-12]], dtype=torch.float64)
        >>> principal_angles(torch.tensor([[1.0], [0.0]]), tilted)
        tensor([1.0000e-12], dtype=torch.float64)
    """
    larger, smaller = orthonormal_basis(A), orthonormal_basis(B)
    if len(larger) != len(smaller):
        raise DataError(
            expected="two subspaces of one space",
            found=f"columns of {len(larger)} entries and of {len(smaller)}",
            do="give two matrices with equally many rows",
        )
    if larger.shape[1] < smaller.shape[1]:
        larger, smaller = smaller, larger
    shared = larger.mT @ smaller
    cosines = torch.linalg.svdvals(shared)  # from the largest down
    sines = torch.linalg.svdvals(smaller - larger @ shared).flip(0)[: len(cosines)]  # from the smallest up
    return torch.atan2(sines, cosines)


def largest_principal_angle(A: Float[Tensor, "d p"], B: Float[Tensor, "d q"]) -> float:
    """The largest of :func:`principal_angles`, in radians: 0 when one subspace holds the other.

    Raises:
        DataError: see :func:`principal_angles`.

    Lecture: A1

    Example:
        >>> round(largest_principal_angle(torch.eye(3)[:, :2], torch.eye(3)[:, 1:]), 4)
        1.5708
    """
    return float(principal_angles(A, B)[-1])
