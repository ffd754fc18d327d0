"""Soft k-means: every point pulls every centre, by its share α_j = softmax(−γ‖x − r_j‖²).

Legend: x_i points, r_j centres, R their matrix, D_j = ‖x − r_j‖², α_j the shares, γ the inverse temperature.

Two quantities can be minimised. The lecture's is :class:`SoftDistance`, Σ_j α_j D_j with the gradient through α. With
α held fixed in the derivative, the gradient is that of another, :class:`FreeEnergy`; its fixed points are weighted
means, and :func:`soft_k_means` goes there without a rate. Both become the inertia of k-means as γ → ∞.
"""

from dataclasses import dataclass
from math import log

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.points import centres_for, points_and_centres
from sightline.linear.soft_assignment import assignment_parts, inverse_temperature, soft_assignment
from sightline.linear.squared_distances import blocks, nearest_centres

UNDERFLOW = 1e3
"""From here on exp(−z) is 0, in float32 and in float64."""


@dataclass(frozen=True)
class SoftDistance:
    """L = Σ_i Σ_j α_ij ‖x_i − r_j‖²: the expected squared distance of a point to a centre drawn by its shares.

    Args:
        gamma: γ > 0, in units of 1/X².

    Raises:
        ConfigurationError: when γ is not positive.

    Lecture: A4

    Example:
        >>> objective = SoftDistance(gamma=1.0)
        >>> float(objective.loss(torch.tensor([[0.0]]), torch.tensor([[1.0], [-1.0]])))
        1.0
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
            least, scaled, alpha = assignment_parts(x, R, self.gamma)
            above = (alpha * scaled.clamp(max=UNDERFLOW)).sum(1) / inverse_temperature(self.gamma, X)
            total = total + least.sum() + above.sum()
        return total

    def gradient(self, X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Float[Tensor, "k d"]:
        """∂L/∂r_j = 2 Σ_i α_j (1 − γ(D_j − Σ_l α_l D_l)) (r_j − x_i).

        A centre whose D is above the expected one by more than 1/γ is pushed away: a smaller share lowers L too.

        Raises:
            DataError: see :meth:`loss`.
        """
        X, R = around_mean(X, centres, fixed=True)
        total = torch.zeros_like(R)
        for x in blocks(X, len(R)):
            _, scaled, alpha = assignment_parts(x, R, self.gamma)
            scaled = scaled.clamp(max=UNDERFLOW)  # where it is more, α is 0, and 0 · ∞ would be NaN
            pull = alpha * (1 - scaled + (alpha * scaled).sum(1, keepdim=True))
            total += pull.sum(0)[:, None] * R - pull.mT @ x
        return 2 * total


@dataclass(frozen=True)
class FreeEnergy:
    """F = −(1/γ) Σ_i log Σ_j exp(−γ‖x_i − r_j‖²) = Σ_i Σ_j α_ij (D_ij + log(α_ij)/γ): at most the soft distance.

    γF is the negative log likelihood of a mixture of k equal Gaussians of variance 1/(2γ), up to a constant.

    Args:
        gamma: γ > 0, in units of 1/X².

    Raises:
        ConfigurationError: when γ is not positive.

    Source: Rose, Deterministic annealing for clustering, compression, classification, regression, and related
        optimization problems, 1998, (11).

    Lecture: A4

    Example:
        >>> objective = FreeEnergy(gamma=1.0)
        >>> round(float(objective.loss(torch.tensor([[0.0]]), torch.tensor([[1.0], [-1.0]]))), 4)  # 1 − log 2
        0.3069
    """

    gamma: float

    def __post_init__(self) -> None:
        inputs.number(self.gamma, "gamma γ", above=0)

    def loss(self, X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Float[Tensor, ""]:
        """F, a sum over the points, in squared units of X; torch's autograd goes through it.

        Raises:
            DataError: when X or the centres are empty or not finite, or they differ in their number of coordinates.
        """
        X, R = around_mean(X, centres)
        total = X.new_zeros(())
        for x in blocks(X, len(R)):
            least, scaled, _ = assignment_parts(x, R, self.gamma)
            total = total + least.sum() - torch.logsumexp(-scaled, 1).sum() / inverse_temperature(self.gamma, X)
        return total

    def gradient(self, X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Float[Tensor, "k d"]:
        """∂F/∂r_j = 2 Σ_i α_j (r_j − x_i): that of Σ α_j D_j with α held fixed.

        Raises:
            DataError: see :meth:`loss`.
        """
        X, R = around_mean(X, centres, fixed=True)
        sums, mass = weighted_sums(X, R, self.gamma)
        return 2 * (mass[:, None] * R - sums)


@dataclass(frozen=True)
class SoftKMeans:
    """Centres found by :func:`soft_k_means`.

    Attributes:
        centres: the centres r_j.
        gamma: γ they were found with.
        free_energy: F at the centres, in squared units of X.
        iterations: taken.
        converged: whether the centres came to rest before the iterations were used up.
    """

    centres: Float[Tensor, "k d"]
    gamma: float
    free_energy: float
    iterations: int
    converged: bool

    def assign(self, X: Float[Tensor, "m d"]) -> Float[Tensor, "m k"]:
        """α of each point; see :func:`~sightline.linear.soft_assignment.soft_assignment`."""
        return soft_assignment(X, self.centres, self.gamma)

    def predict(self, X: Float[Tensor, "m d"]) -> Int[Tensor, " m"]:
        """The centre with the largest share in each point: the nearest one.

        Raises:
            DataError: when X is empty or not finite, or has another number of coordinates.
        """
        return nearest_centres(X, self.centres).labels


def soft_k_means(
    X: Float[Tensor, "n d"],
    start: Float[Tensor, "k d"],
    gamma: float,
    *,
    max_iterations: int = 300,
    tolerance: float = 1e-4,
) -> SoftKMeans:
    """r_j ← Σ_i α_ij x_i / Σ_i α_ij, again and again: Lloyd's algorithm with shares; it lowers F at every step.

    It is expectation maximisation for k equal Gaussians of variance 1/(2γ), and Lloyd's algorithm as γ → ∞. Below
    :func:`~sightline.linear.soft_assignment.critical_gamma` all centres meet in the mean. Stops once
    Σ_j ‖r_j' − r_j‖² ≤ tolerance × the mean variance of a column. A centre that no point has a share in stays put.

    Shapes:
        X: [n, d]; start: [k, d].

    Args:
        X: points.
        start: the first centres, at most n of them, no two equal: equal ones stay so.
        gamma: γ > 0, in units of 1/X².
        max_iterations: ≥ 1.
        tolerance: ≥ 0, a share of the variance.

    Raises:
        DataError: when X or the start is empty or not finite, or they differ in their number of coordinates.
        ConfigurationError: when a number is out of its range, or there are more centres than points.

    Source: MacKay, Information Theory, Inference, and Learning Algorithms, 2003, §20.2 (his β is γ for half squares).

    Lecture: A4

    Example:
        >>> X = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
        >>> found = soft_k_means(X, torch.tensor([[-0.5], [0.5]]), gamma=1.0, tolerance=1e-20)
        >>> found.centres.flatten()  # c = tanh(2γc)
        tensor([-0.9575,  0.9575], dtype=torch.float64)
    """
    X, R = points_and_centres(X, start, fixed=True)
    centres_for(len(X), len(R), "the number of centres")
    most = inputs.count(max_iterations, "max_iterations", minimum=1)
    tolerance = inputs.number(tolerance, "tolerance", minimum=0)
    inverse_temperature(gamma, X)
    middle = X.mean(0)
    X, R = X - middle, R - middle
    limit = tolerance * float(torch.linalg.vector_norm(X, dtype=torch.float64)) ** 2 / X.numel()
    iteration, converged = 0, False
    while iteration < most and not converged:
        sums, mass = weighted_sums(X, R, gamma)
        before, R = R, torch.where(mass[:, None] > 0, sums / mass[:, None], R)
        iteration += 1
        converged = float((R - before).square().sum()) <= limit
    free = float(FreeEnergy(gamma).loss(X.double(), R.double()))
    return SoftKMeans(R + middle, float(gamma), free, iteration, converged)


def around_mean(
    X: Tensor, centres: Tensor, *, fixed: bool = False
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "k d"]]:
    """Points and centres, checked, with the origin moved to the points' mean: distances lose no digits to an offset.

    Raises:
        DataError: see :func:`~sightline.linear.points.points_and_centres`.
    """
    X, R = points_and_centres(X, centres, fixed=fixed)
    origin = X.detach().mean(0)
    return X - origin, R - origin


def weighted_sums(
    X: Float[Tensor, "n d"], R: Float[Tensor, "k d"], gamma: float
) -> tuple[Float[Tensor, "k d"], Float[Tensor, " k"]]:
    """Σ_i α_ij x_i and Σ_i α_ij, without checks of the tensors; never more than a block of α at a time.

    ‖x‖² is in every D_j and falls out of α. The largest score need only be taken off where exp might overflow.
    """
    scale, norms = inverse_temperature(gamma, X), R.square().sum(1)
    far, out = float(X.square().sum(1).amax()) ** 0.5, float(norms.amax()) ** 0.5
    safe = scale * (2 * far * out + out**2) < log(torch.finfo(X.dtype).max) / 2
    room = torch.empty(0, dtype=X.dtype, device=X.device)
    sums, mass = X.new_zeros(R.shape[1], len(R)), torch.zeros_like(norms)
    for x in blocks(X, len(R)):
        if not len(room):
            room = torch.empty(len(x), len(R), dtype=X.dtype, device=X.device)
        scores = torch.addmm(norms, x, R.mT, beta=-1, alpha=2, out=room[: len(x)])
        if not safe:
            scores.sub_(scores.amax(1, keepdim=True))
        alpha = scores.mul_(scale).exp_()
        share = 1 / alpha.sum(1)
        sums += (x * share[:, None]).mT @ alpha
        mass += share @ alpha
    return sums.mT, mass
