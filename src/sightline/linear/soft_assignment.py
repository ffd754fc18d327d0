"""Soft assignment: how much of a point belongs to each centre, α_j = exp(−γ‖x − r_j‖²) / Σ_l exp(−γ‖x − r_l‖²).

Legend: x a point, r_j centres, R their matrix, D_j = ‖x − r_j‖², γ the inverse temperature. γ → ∞ is the nearest
centre, γ → 0 an equal share for all. (The lecture notes call γ a temperature: it is one over a temperature.)
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.points import points, points_and_centres
from sightline.linear.squared_distances import expanded


def soft_assignment(X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"], gamma: float) -> Float[Tensor, "n k"]:
    """α_j = softmax(−γ‖x − r_j‖²): the probability of each centre in a mixture of equal Gaussians of variance 1/(2γ).

    torch's autograd goes through it.

    Shapes:
        X: [n, d]; centres: [k, d]; returns [n, k], rows that sum to 1.

    Args:
        X: points.
        centres: the centres r_j.
        gamma: γ > 0, in units of 1/X².

    Raises:
        DataError: when X or the centres are empty or not finite, or they differ in their number of coordinates.
        ConfigurationError: when γ is not positive.

    Lecture: A4

    Example:
        >>> soft_assignment(torch.tensor([[0.0]]), torch.tensor([[1.0], [-1.0], [30.0]]), gamma=0.5)
        tensor([[0.5000, 0.5000, 0.0000]])
    """
    X, R = points_and_centres(X, centres)
    origin = R.detach().mean(0)
    return assignment_parts(X - origin, R - origin, gamma)[2]


def assignment_parts(
    X: Float[Tensor, "n d"], R: Float[Tensor, "k d"], gamma: float
) -> tuple[Float[Tensor, "n 1"], Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """min_j D_j, γ(D_j − min D) and α_j, without checks of the tensors.

    Raises:
        ConfigurationError: when γ is not positive.
    """
    distances = expanded(X, R)
    least = distances.amin(1, keepdim=True)
    scaled = inverse_temperature(gamma, X) * (distances - least)
    return least, scaled, torch.softmax(-scaled, dim=1)


def inverse_temperature(gamma: float, like: Tensor) -> float:
    """γ as a number that the tensors' format holds.

    Raises:
        ConfigurationError: when γ is not positive.
    """
    return min(inputs.number(gamma, "gamma γ", above=0), torch.finfo(like.dtype).max)


def critical_gamma(X: Float[Tensor, "n d"]) -> float:
    """1/(2λ₁), λ₁ the largest eigenvalue of the points' covariance Σ (x − x̄)(x − x̄)ᵀ/n.

    Below it, :func:`~sightline.linear.soft_k_means.soft_k_means` draws all centres together in the mean of the points;
    above it they part, first along the first principal axis.

    Args:
        X: points.

    Returns:
        γ in units of 1/X²; ∞ where all points are one.

    Raises:
        DataError: when X is empty or not finite.

    Source: Rose, Gurewitz & Fox, Statistical mechanics and phase transitions in clustering, 1990: T_c = 2λ₁.

    Lecture: A4

    Example:
        >>> round(critical_gamma(torch.tensor([[-2.0], [2.0]])), 6)
        0.125
    """
    X = points(X).detach().double()
    moved = X - X.mean(0)
    largest = float(torch.linalg.svdvals(moved)[0]) ** 2 / len(X)
    return 1 / (2 * largest) if largest else torch.inf
