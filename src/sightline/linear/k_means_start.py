"""Where k-means begins: k of the points, drawn evenly, or far from each other (k-means++)."""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear.points import centres_for, points
from sightline.linear.squared_distances import expanded


def drawn_points(X: Float[Tensor, "n d"], k: int, generator: torch.Generator | None = None) -> Float[Tensor, "k d"]:
    """k of the points, every set of k rows equally likely.

    Shapes:
        X: [n, d]; returns [k, d].

    Args:
        X: points.
        k: how many, 1 to n; no row is drawn twice, though rows may be equal.
        generator: source of chance; torch's own where none is given.

    Raises:
        DataError: when X is empty or not finite.
        ConfigurationError: when k is not in its range.

    Source: Forgy, Cluster analysis of multivariate data, 1965.

    Lecture: A4

    Example:
        >>> sorted(drawn_points(torch.arange(3.0)[:, None], k=3).flatten().tolist())
        [0.0, 1.0, 2.0]
    """
    X = points(X).detach()
    k = centres_for(len(X), k)
    device = generator.device if generator is not None else torch.device("cpu")
    return X[torch.randperm(len(X), generator=generator, device=device)[:k].to(X.device)]


def k_means_plus_plus(
    X: Float[Tensor, "n d"], k: int, generator: torch.Generator | None = None
) -> Float[Tensor, "k d"]:
    """k of the points: the first evenly, each further one with probability D²/Σ D², D its distance to those drawn.

    The expected inertia, before a single step of Lloyd's, is then at most 8(ln k + 2) times the least there is. One
    candidate is drawn for each centre; where all points left are equal to one drawn, up to rounding, any may be.

    Shapes:
        X: [n, d]; returns [k, d].

    Args:
        X: points.
        k: how many, 1 to n.
        generator: source of chance; torch's own where none is given.

    Raises:
        DataError: when X is empty or not finite.
        ConfigurationError: when k is not in its range.

    Source: Arthur & Vassilvitskii, k-means++: The Advantages of Careful Seeding, 2007, §2.2, theorem 3.1.

    Lecture: A4

    Example:
        >>> X = torch.tensor([[0.0], [0.0], [0.0], [5.0]])
        >>> sorted(k_means_plus_plus(X, k=2).flatten().tolist())
        [0.0, 5.0]
    """
    X = points(X).detach()
    k = centres_for(len(X), k)
    device = generator.device if generator is not None else torch.device("cpu")
    chances = torch.rand(k, generator=generator, device=device, dtype=torch.float64).tolist()
    moved = X - X.mean(0)
    rows = [min(int(chances[0] * len(X)), len(X) - 1)]
    left = torch.full((len(X),), torch.inf, dtype=torch.float64, device=X.device)
    for chance in chances[1:]:
        left = torch.minimum(left, expanded(moved, moved[rows[-1:]])[:, 0].double())
        rows.append(_drawn(left, chance))
    return X[rows]


def _drawn(weights: Float[Tensor, " n"], chance: float) -> int:
    """A row drawn with probability in proportion to its weight; evenly, where there is none."""
    total = weights.cumsum(0)
    if not total[-1] > 0:
        return min(int(chance * len(weights)), len(weights) - 1)
    row = int(torch.searchsorted(total, chance * total[-1], right=True))  # the first whose total is above: weight > 0
    return row if row < len(weights) else int(weights.nonzero()[-1])
