"""The expected centre: a point is rebuilt as Σ_j α_j r_j, and the centres are moved so that this is near the point.

Legend: x_i points, r_j centres, R their matrix, α_j = softmax(−γ‖x − r_j‖²), m = Σ_j α_j r_j, e = x − m.

It is attention: x is the query, the centres are keys and values. As −γ‖x − r_j‖² = 2γ x·r_j − γ‖r_j‖² − γ‖x‖², and the
last term is in every score, the scores are dot products times 2γ with a bias −γ‖r_j‖², which centres of equal length
share. It is k-means where clusters are far apart on the scale of 1/√γ. Where they are near, it is not:
Σ_j α_j ‖x − r_j‖² = ‖x − m‖² + Σ_j α_j ‖r_j − m‖², and the last term, which keeps centres in their clusters, is not
there. A mixture of far centres rebuilds x as well as one near centre does, so that centres leave the clusters: two of
them, at ±c on a line, rebuild x as c tanh(2γcx), and the points ±1 exactly with c beyond them: c ≈ 1/√(2γ) as γ → 0.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.soft_assignment import assignment_parts, inverse_temperature, soft_assignment
from sightline.linear.soft_k_means import around_mean
from sightline.linear.squared_distances import blocks


def expected_centre(X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"], gamma: float) -> Float[Tensor, "n d"]:
    """m = Σ_j α_j r_j: attention of every point over the centres; torch's autograd goes through it.

    Shapes:
        X: [n, d]; centres: [k, d]; returns [n, d].

    Args:
        X: points.
        centres: the centres r_j.
        gamma: γ > 0, in units of 1/X².

    Raises:
        DataError: when X or the centres are empty or not finite, or they differ in their number of coordinates.
        ConfigurationError: when γ is not positive.

    Lecture: A4, T1

    Example:
        >>> expected_centre(torch.tensor([[0.0], [3.0]]), torch.tensor([[4.0], [-4.0]]), gamma=1.0)
        tensor([[0.],
                [4.]])
    """
    alpha = soft_assignment(X, centres, gamma)
    return alpha @ centres.to(alpha)


@dataclass(frozen=True)
class ExpectedCentre:
    """L = Σ_i ‖x_i − Σ_j α_ij r_j‖²: the squared error of the points rebuilt.

    Args:
        gamma: γ > 0, in units of 1/X².

    Raises:
        ConfigurationError: when γ is not positive.

    Lecture: A4

    Example:
        >>> objective = ExpectedCentre(gamma=1.0)
        >>> float(objective.loss(torch.tensor([[0.0]]), torch.tensor([[1.0], [-1.0]])))  # SoftDistance says 1
        0.0
    """

    gamma: float

    def __post_init__(self) -> None:
        inputs.number(self.gamma, "gamma γ", above=0)

    def loss(self, X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Float[Tensor, ""]:
        """L, a sum over the points, in squared units of X; torch's autograd goes through it.

        Raises:
            DataError: when X or the centres are empty or not finite, or they differ in their number of coordinates.
        """
        X, R = around_mean(X, centres)
        total = X.new_zeros(())
        for x in blocks(X, len(R)):
            total = total + (x - assignment_parts(x, R, self.gamma)[2] @ R).square().sum()
        return total

    def gradient(self, X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Float[Tensor, "k d"]:
        """∂L/∂r_j = −2 Σ_i α_j (e + 2γ (e·(r_j − m)) (x_i − r_j)).

        The first part moves the values, the second the keys: a centre on the side where the error points comes nearer.

        Raises:
            DataError: see :meth:`loss`.
        """
        X, R = around_mean(X, centres, fixed=True)
        scale, total = inverse_temperature(self.gamma, X), torch.zeros_like(R)
        for x in blocks(X, len(R)):
            alpha = assignment_parts(x, R, self.gamma)[2]
            e = x - alpha @ R
            along = e @ R.mT
            turn = 2 * scale * (alpha * (along - (alpha * along).sum(1, keepdim=True)))
            total += alpha.mT @ e + turn.mT @ x - turn.sum(0)[:, None] * R
        return -2 * total
