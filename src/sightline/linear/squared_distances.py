"""Squared distances of points to centres by one matrix product, and the nearest centre.

Legend: x a point, r_j a centre, R their matrix; ‖x − r‖² = ‖x‖² − 2 x·r + ‖r‖².
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.linear.points import points_and_centres

BLOCK = 2**17
"""Distances that are held at a time, a megabyte in float64: they stay in a core's own cache."""


@dataclass(frozen=True)
class Nearest:
    """The nearest centre of every point.

    Attributes:
        labels: its index; of centres equally near up to rounding, any.
        squared: the squared distance to it, from the difference itself: exactly 0 on a centre.
    """

    labels: Int[Tensor, " n"]
    squared: Float[Tensor, " n"]


def squared_distances(X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
    """‖x_i − r_j‖² for every point and centre, as ‖x‖² − 2 x·r + ‖r‖² with the origin moved to the centres' mean.

    The three terms cancel where a point is near a centre: the error is a few ε(‖x‖² + ‖r‖²), both measured from that
    mean, and what it makes negative is 0. torch's autograd goes through it.

    Shapes:
        X: [n, d]; centres: [k, d]; returns [n, k].

    Args:
        X: points.
        centres: what they are measured from.

    Raises:
        DataError: when either is empty or not finite, or they differ in their number of coordinates.

    Lecture: A4

    Example:
        >>> squared_distances(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[25.,  1.]])
    """
    X, R = points_and_centres(X, centres)
    origin = R.detach().mean(0)
    return expanded(X - origin, R - origin)


def expanded(X: Float[Tensor, "n d"], R: Float[Tensor, "k d"]) -> Float[Tensor, "n k"]:
    """:func:`squared_distances` without checks, around the origin as it is."""
    norms = X.square().sum(1, keepdim=True) + R.square().sum(1)
    return torch.addmm(norms, X, R.mT, alpha=-2).clamp(min=0)


def nearest_centres(X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Nearest:
    """argmin_j ‖x − r_j‖² for every point: what k-means says of a point, seen before or new.

    Shapes:
        X: [n, d]; centres: [k, d].

    Args:
        X: points, as many as one likes: they are looked at in blocks.
        centres: the centres r_j.

    Raises:
        DataError: see :func:`squared_distances`.

    Lecture: A4

    Example:
        >>> nearest_centres(torch.tensor([[0.0], [9.0]]), torch.tensor([[1.0], [7.0]])).labels
        tensor([0, 1])
    """
    X, R = points_and_centres(X, centres, fixed=True)
    origin = R.mean(0)
    return nearest(X - origin, R - origin)


def nearest(X: Float[Tensor, "n d"], R: Float[Tensor, "k d"]) -> Nearest:
    """:func:`nearest_centres` without checks, around the origin as it is."""
    found = [(labels, (x - R[labels]).square().sum(1)) for x, labels in labelled_blocks(X, R)]
    return Nearest(torch.cat([labels for labels, _ in found]), torch.cat([squared for _, squared in found]))


def labelled_blocks(
    X: Float[Tensor, "n d"], R: Float[Tensor, "k d"]
) -> Iterator[tuple[Float[Tensor, "b d"], Int[Tensor, " b"]]]:
    """Points, a block at a time, each with the index of its nearest centre.

    torch's argmin goes through the distances one by one, with a branch each. Here they are compared with their minimum,
    all at once, and ranked k, k − 1, …, 1: the highest rank among the equal ones is the lowest index.
    """
    k, norms = len(R), R.square().sum(1, keepdim=True)
    ranks = torch.arange(k, 0, -1, dtype=R.dtype, device=R.device)[:, None]
    parts = blocks(X, k)
    room = torch.empty(k * len(parts[0]), dtype=R.dtype, device=R.device)  # a fresh megabyte each time costs as much
    for x in parts:
        distances = torch.addmm(norms, R, x.mT, alpha=-2, out=room[: k * len(x)].view(k, len(x)))  # all but ‖x‖²
        first = distances.eq_(distances.amin(0)).mul_(ranks).amax(0)
        yield x, (k - first).long()


def blocks(rows: Tensor, k: int) -> tuple[Tensor, ...]:
    """Rows in blocks whose distances to k centres are about :data:`BLOCK` numbers.

    Example:
        >>> [len(block) for block in blocks(torch.zeros(5000, 2), 50)]
        [2621, 2379]
    """
    parts: tuple[Tensor, ...] = rows.split(max(64, BLOCK // k))
    return parts
