"""The Fréchet distance of two sets of feature vectors, each taken for a Gaussian.

Legend: μ mean, Σ covariance of a set's rows; A = the rows less their mean, divided by √(n − 1), so that Σ = AᵀA.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import InputError


def frechet_distance(a: Float[Tensor, "n features"], b: Float[Tensor, "m features"]) -> float:
    """‖μ_a − μ_b‖² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^{1/2}): the squared Wasserstein-2 distance of two Gaussians.

    The eigenvalues of Σ_a Σ_b = AᵀA BᵀB are those of (A Bᵀ)(A Bᵀ)ᵀ, so tr (Σ_a Σ_b)^{1/2} is the sum of the singular
    values of A Bᵀ, or of R_a R_bᵀ for A = Q_a R_a and B = Q_b R_b. No covariance is formed and no root is taken, so
    nothing is lost where there are fewer rows than features.

    The distance of two finite sets of one distribution is above 0: about d(d + 5)/(2n) times the variance, for n rows
    each of d independent features of equal variance. Compare only figures from equally many rows.

    Shapes:
        a: [n, features]; b: [m, features].

    Args:
        a: a row an example; at least 2. The covariance divides by n − 1.
        b: the other set.

    Returns:
        The distance in squared units of the features, computed in float64.

    Raises:
        InputError: for fewer than 2 rows, other numbers of features, or values that are not finite.

    Source: Dowson & Landau 1982, "The Fréchet distance between multivariate normal distributions"; Heusel et al.
        2017, "GANs Trained by a Two Time-Scale Update Rule", (6)

    Lecture: X4, X6

    Example:
        >>> a = torch.tensor([[-1.0], [0.0], [1.0]])
        >>> round(frechet_distance(a, 2 * a + 3), 6)  # (0 − 3)² + (1 − 2)²
        10.0
    """
    first, second = _rows(a, "a"), _rows(b, "b")
    if first.shape[1] != second.shape[1]:
        raise InputError(
            expected="two sets of vectors in one space",
            found=f"{first.shape[1]} features in a, {second.shape[1]} in b",
            do="take both from the same layer",
        )
    A, B = _centred(first), _centred(second)
    between = (first.mean(0) - second.mean(0)).square().sum()
    overlap = torch.linalg.svdvals(_triangle(A) @ _triangle(B).mT).sum()
    distance = between + A.square().sum() + B.square().sum() - 2 * overlap
    return float(distance.clamp(min=0))  # of equal sets the terms cancel up to rounding


def _rows(features: Tensor, name: str) -> Float[Tensor, "n features"]:
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) < 2 or features.shape[1] < 1:
        found = f"shape {tuple(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
        raise InputError(
            expected=f"{name}: a tensor of at least 2 rows, one an example: a single one has no covariance",
            found=found,
            do="give the features of more examples",
        )
    if not bool(torch.isfinite(features).all()):
        raise InputError(
            expected=f"{name}: numbers that are finite",
            found="NaN or infinity",
            do="look at what the network made of its inputs",
        )
    return features.detach().cpu().double()


def _centred(rows: Float[Tensor, "n features"]) -> Float[Tensor, "n features"]:
    """A, with AᵀA the covariance."""
    centred: Tensor = (rows - rows.mean(0)) / (len(rows) - 1) ** 0.5
    return centred


def _triangle(centred: Float[Tensor, "n features"]) -> Float[Tensor, "rank features"]:
    """R of A = QR, min(n, features) rows: all that singular values of A Bᵀ depend on."""
    triangle: Tensor = torch.linalg.qr(centred, mode="r").R
    return triangle
