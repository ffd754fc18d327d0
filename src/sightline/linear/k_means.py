"""k-means by Lloyd's algorithm: every point goes to its nearest centre, every centre to the mean of its points.

Legend: x_i points, r_j centres, c_i = argmin_j ‖x_i − r_j‖² the label of a point. The inertia Σ_i ‖x_i − r_c‖²
falls with both halves of every iteration, to a local minimum that depends on the start.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.words import one_of
from sightline.linear import inputs
from sightline.linear.k_means_start import drawn_points, k_means_plus_plus
from sightline.linear.points import centres_for, points, points_and_centres
from sightline.linear.squared_distances import labelled_blocks, nearest, nearest_centres

Start = Literal["k-means++", "points"]

STARTS = {"k-means++": k_means_plus_plus, "points": drawn_points}


@dataclass(frozen=True)
class KMeans:
    """Centres, and the points they were found from.

    Attributes:
        centres: the centres r_j.
        labels: index of each point's nearest centre.
        inertia: Σ ‖x − r_c‖², in squared units of X.
        iterations: of Lloyd's algorithm, in the run that is kept.
        converged: whether the centres came to rest before the iterations were used up.
    """

    centres: Float[Tensor, "k d"]
    labels: Int[Tensor, " n"]
    inertia: float
    iterations: int
    converged: bool

    @property
    def counts(self) -> Int[Tensor, " k"]:
        """Points of each cluster; 0 for a centre that there was no distinct point for."""
        return self.labels.bincount(minlength=len(self.centres))

    def predict(self, X: Float[Tensor, "m d"]) -> Int[Tensor, " m"]:
        """The nearest centre of each point, of those seen or of new ones.

        Raises:
            DataError: when X is empty or not finite, or has another number of coordinates.
        """
        return nearest_centres(X, self.centres).labels


def k_means(
    X: Float[Tensor, "n d"],
    k: int,
    *,
    start: Start = "k-means++",
    restarts: int = 10,
    max_iterations: int = 300,
    tolerance: float = 1e-4,
    generator: torch.Generator | None = None,
) -> KMeans:
    """k clusters: Lloyd's algorithm from several drawn starts; the one with the least inertia is kept.

    Shapes:
        X: [n, d].

    Args:
        X: points; columns in units that may be compared (standardise them otherwise).
        k: number of centres, 1 to n.
        start: "k-means++", or "points" drawn evenly.
        restarts: runs, ≥ 1, each from a start of its own.
        max_iterations, tolerance: of each run; see :func:`lloyd`.
        generator: source of chance; torch's own where none is given.

    Returns:
        The best :class:`KMeans`, the earliest of equals.

    Raises:
        DataError: when X is empty or not finite.
        ConfigurationError: when a number or the word is out of its range.

    Source: Lloyd, Least Squares Quantization in PCM, 1982; Arthur & Vassilvitskii 2007.

    Lecture: A4

    Example:
        >>> X = torch.tensor([[0.0], [1.0], [9.0], [10.0], [11.0]])
        >>> found = k_means(X, k=2)
        >>> found.inertia, sorted(found.centres.flatten().tolist())
        (2.5, [0.5, 10.0])
        >>> bool(found.predict(torch.tensor([[8.0]])) == found.labels[3])
        True
    """
    X = points(X).detach()
    k, restarts = centres_for(len(X), k), inputs.count(restarts, "restarts", minimum=1)
    draw = STARTS[one_of(start, get_args(Start), "start")]
    most, tolerance = _stopping(max_iterations, tolerance)
    middle = X.mean(0)
    moved = X - middle
    best: KMeans | None = None
    for _ in range(restarts):
        found = _lloyd(moved, draw(moved, k, generator), most, tolerance)
        if best is None or found.inertia < best.inertia:
            best = found
    assert best is not None
    return KMeans(best.centres + middle, best.labels, best.inertia, best.iterations, best.converged)


def lloyd(
    X: Float[Tensor, "n d"], start: Float[Tensor, "k d"], *, max_iterations: int = 300, tolerance: float = 1e-4
) -> KMeans:
    """Lloyd's algorithm from given centres: :func:`lloyd_step` until they rest, then the labels.

    Stops once Σ_j ‖r_j' − r_j‖² ≤ tolerance × the mean variance of a column; 0: once no centre moves at all. Costs
    O(n k d) an iteration. Labels and inertia are those of the centres returned.

    Shapes:
        X: [n, d]; start: [k, d].

    Args:
        X: points.
        start: the first centres, at most n of them.
        max_iterations: ≥ 1.
        tolerance: ≥ 0, a share of the variance.

    Raises:
        DataError: when X or the start is empty or not finite, or they differ in their number of coordinates.
        ConfigurationError: when a number is out of its range, or there are more centres than points.

    Source: Lloyd, Least Squares Quantization in PCM, 1982.

    Lecture: A4

    Example:
        >>> found = lloyd(torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([[0.0], [1.0]]))
        >>> found.centres.flatten().tolist(), found.iterations
        ([0.5, 9.0], 3)
    """
    X, R = points_and_centres(X, start, fixed=True)
    centres_for(len(X), len(R), "the number of centres")
    most, tolerance = _stopping(max_iterations, tolerance)
    middle = X.mean(0)
    found = _lloyd(X - middle, R - middle, most, tolerance)
    return KMeans(found.centres + middle, found.labels, found.inertia, found.iterations, found.converged)


def lloyd_step(X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Float[Tensor, "k d"]:
    """One iteration: r_j ← mean of the points whose nearest centre is r_j.

    A centre without points is put on the point that is farthest from its own centre, which that centre then gives up
    (several: the farthest points, in turn). A centre that no distinct point is left for stays where it is.

    Shapes:
        X: [n, d]; centres: [k, d]; returns [k, d].

    Args:
        X: points.
        centres: the centres r_j, at most n of them.

    Raises:
        DataError, ConfigurationError: see :func:`lloyd`.

    Lecture: A4

    Example:
        >>> lloyd_step(torch.tensor([[0.0], [2.0], [9.0]]), torch.tensor([[3.0], [7.0]])).flatten().tolist()
        [1.0, 9.0]
    """
    X, R = points_and_centres(X, centres, fixed=True)
    centres_for(len(X), len(R), "the number of centres")
    middle = X.mean(0)
    return _step(X - middle, R - middle) + middle


def _stopping(max_iterations: int, tolerance: float) -> tuple[int, float]:
    most = inputs.count(max_iterations, "max_iterations", minimum=1)
    return most, inputs.number(tolerance, "tolerance", minimum=0)


def _lloyd(X: Float[Tensor, "n d"], R: Float[Tensor, "k d"], max_iterations: int, tolerance: float) -> KMeans:
    """Lloyd's algorithm on points whose mean is the origin."""
    limit = tolerance * float(torch.linalg.vector_norm(X, dtype=torch.float64)) ** 2 / X.numel()
    iteration, converged = 0, False
    while iteration < max_iterations and not converged:
        before, R = R, _step(X, R)
        iteration += 1
        converged = float((R - before).square().sum()) <= limit
    found = nearest(X, R)
    return KMeans(R, found.labels, float(found.squared.sum(dtype=torch.float64)), iteration, converged)


def _step(X: Float[Tensor, "n d"], R: Float[Tensor, "k d"]) -> Float[Tensor, "k d"]:
    sums = torch.zeros(R.shape, dtype=torch.float64, device=R.device)
    counts = torch.zeros(len(R), dtype=torch.int64, device=R.device)
    for x, labels in labelled_blocks(X, R):
        sums += torch.zeros_like(R).index_add_(0, labels, x)
        counts += labels.bincount(minlength=len(R))
    if not bool(counts.all()):
        _fill_empty(X, R, sums, counts)
    means = sums / counts.clamp(min=1)[:, None]
    return torch.where(counts[:, None] > 0, means.to(R), R)


def _fill_empty(
    X: Float[Tensor, "n d"], R: Float[Tensor, "k d"], sums: Float[Tensor, "k d"], counts: Int[Tensor, " k"]
) -> None:
    """Give centres without points the farthest points, in place; none that is its own centre up to rounding."""
    found = nearest(X, R)
    empty = (counts == 0).nonzero()[:, 0]
    far = found.squared.topk(len(empty)).indices
    own = found.labels[far]
    rounding = 2 * torch.finfo(X.dtype).eps * counts[own] * X[far].norm(dim=1)
    kept = found.squared[far].sqrt() > rounding
    far, own, empty = far[kept], own[kept], empty[: int(kept.sum())]
    taken = X[far].to(sums)
    sums.index_add_(0, own, -taken)
    counts.index_add_(0, own, -torch.ones_like(own))
    sums[empty], counts[empty] = taken, torch.ones_like(empty)
