"""t-SNE, exact: points on a plane whose neighbours are those that rows have among each other.

Legend: p_{j|i} how likely row i takes j for its neighbour, P = (p_{j|i} + p_{i|j})/2N; y_i points,
q_ij ∝ 1/(1 + |y_i − y_j|²), Q summing to 1; KL = Σ P ln(P/Q) is what descends.
"""

from dataclasses import dataclass
from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.understand.projections import principal_view

EXAGGERATION, EXAGGERATED_STEPS = 12.0, 250
"""At first P is taken so many times as large, for so many steps: clusters form and pass through each other."""


@dataclass(frozen=True)
class NeighbourMap:
    """Where rows are put.

    Attributes:
        points: [N, 2], float64; only who is near whom tells something, not how far clusters are apart.
        divergence: KL(P‖Q) at the end, in nats.
    """

    points: Float[Tensor, "N 2"]
    divergence: float


def neighbour_probabilities(rows: Float[Tensor, "N D"], perplexity: float) -> Float[Tensor, "N N"]:
    """p_{j|i} ∝ exp(−β_i |x_i − x_j|²), β_i such that every row has exp(entropy) = perplexity neighbours.

    β is found by bisection on its logarithm, all rows at once. Costs 64 passes over N² numbers.

    Raises:
        ConfigurationError: for a perplexity that is not in 1 to N − 1.
        InputError: for rows that are not finite.

    Source: van der Maaten & Hinton 2008, "Visualizing Data using t-SNE", §2

    Lecture: F15

    Example:
        >>> P = neighbour_probabilities(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), 2.0)
        >>> torch.special.entr(P).sum(1).exp().round(decimals=6).tolist()
        [2.0, 2.0, 2.0, 2.0]
    """
    N = len(rows)
    if not 1 <= perplexity < N - 1:
        raise ConfigurationError(
            expected=f"a perplexity of at least 1 and below {N - 1}, for {N} rows",
            found=f"perplexity = {perplexity:g}",
            do="use 30, or a third of the rows where these are few",
        )
    X = rows.detach().double()
    if not bool(X.isfinite().all()):
        raise InputError(
            expected="rows of finite numbers", found="some that are not", do="look at the layer's statistics first"
        )
    squares = torch.cdist(X, X, compute_mode="donot_use_mm_for_euclid_dist").square()
    squares.fill_diagonal_(torch.inf)
    scale = squares[squares.isfinite()].mean().clamp(min=torch.finfo(X.dtype).tiny)
    low, high = X.new_full((N, 1), -30.0), X.new_full((N, 1), 30.0)
    for _ in range(64):
        middle = (low + high) / 2
        P = torch.softmax(-squares * (middle.exp() / scale), 1)
        wide = torch.special.entr(P).sum(1, keepdim=True) > log(perplexity)
        low, high = torch.where(wide, middle, low), torch.where(wide, high, middle)
    return P


def tsne(rows: Float[Tensor, "N D"], *, perplexity: float = 30.0, steps: int = 1000) -> NeighbourMap:
    """A map of rows, begun at their first two principal components: no chance in it.

    Descent with momentum 0.5, then 0.8, and a gain for every coordinate, as published; the rate is N/48, at least
    50. Costs steps × N² × some ten operations, and memory of a few N² numbers of 8 bytes: for some thousands of rows.

    Args:
        rows: one an example, at least 3; more than 50 columns gain from :func:`principal_view` first.
        perplexity: neighbours each row looks at, 5 to 50.
        steps: the first 250 exaggerated.

    Raises:
        ConfigurationError: for a perplexity that is not in 1 to N − 1, or no step.
        InputError: for rows that are not finite.

    Source: van der Maaten & Hinton 2008; rate Belkina et al. 2019, "Automated optimized parameters for t-SNE"

    Lecture: F15

    Example:
        >>> X = torch.cat([torch.eye(4), torch.eye(4) + 9])
        >>> found = tsne(X, perplexity=2.0, steps=300).points
        >>> bool(torch.cdist(found[:4], found[4:]).min() > torch.cdist(found[:4], found[:4]).max())
        True
    """
    if steps < 1:
        raise ConfigurationError(expected="at least one step", found=f"steps = {steps}", do="use steps=1000")
    P = neighbour_probabilities(rows, perplexity)
    P = (P + P.T) / (2 * len(P))
    tiny = torch.finfo(P.dtype).eps
    start = principal_view(rows, min(2, *rows.shape)).points
    y = torch.zeros(len(P), 2, dtype=P.dtype, device=P.device)
    y[:, : start.shape[1]] = start / start[:, 0].std(correction=0).clamp(min=tiny) * 1e-4
    early = min(steps, EXAGGERATED_STEPS)
    y = _descend(y, EXAGGERATION * P, early, momentum=0.5)
    y = _descend(y, P, steps - early, momentum=0.8)
    closeness = _closeness(y)
    Q = closeness / closeness.sum()
    divergence = torch.special.xlogy(P, P.clamp(min=tiny) / Q.clamp(min=tiny)).sum()
    return NeighbourMap(y - y.mean(0), float(divergence))


def _descend(y: Tensor, P: Tensor, steps: int, *, momentum: float) -> Tensor:
    """Steps from rest, each coordinate's gain at 1: kept from the exaggerated steps they would be far too large."""
    rate = max(len(P) / EXAGGERATION / 4, 50.0)
    velocity, gains = torch.zeros_like(y), torch.ones_like(y)
    for _ in range(steps):
        closeness = _closeness(y)
        pull = (P - closeness / closeness.sum()) * closeness
        gradient = 4 * (pull.sum(1, keepdim=True) * y - pull @ y)
        gains = torch.where(gradient * velocity < 0, gains + 0.2, gains * 0.8).clamp(min=0.01)
        velocity = momentum * velocity - rate * gains * gradient
        y = y + velocity
    return y


def _closeness(y: Tensor) -> Tensor:
    """1/(1 + |y_i − y_j|²), and 0 to itself."""
    return (1 / (1 + torch.cdist(y, y, compute_mode="donot_use_mm_for_euclid_dist").square())).fill_diagonal_(0)
