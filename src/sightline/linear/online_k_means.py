"""Online k-means: points come one by one, or a few at a time, and move the centre nearest to them.

Legend: x a point, r its nearest centre, η the rate. One step down the gradient of ‖x − r‖² is r ← r + 2η(x − r).
"""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.points import centres_for, points, points_and_centres
from sightline.linear.squared_distances import nearest_centres


@runtime_checkable
class CentreRate(Protocol):
    """How far points move their nearest centre."""

    def move(
        self,
        centres: Float[Tensor, "k d"],
        counts: Int[Tensor, " k"],
        x: Float[Tensor, "b d"],
        ones: Float[Tensor, "b k"],
    ) -> Float[Tensor, "k d"]:
        """The centres after points that came one after another, each to its centre.

        Args:
            centres: before the points.
            counts: points that each centre has had before.
            x: the points, in the order they came.
            ones: 1 in the column of each point's centre, 0 elsewhere.
        """
        ...


@dataclass(frozen=True)
class RunningMean:
    """2η = 1/count, a rate of each centre's own: a centre is the mean of all points it has had.

    The first point that comes to a centre replaces it.

    Source: MacQueen, Some methods for classification and analysis of multivariate observations, 1967.

    Lecture: A4

    Example:
        >>> OnlineKMeans.start(torch.tensor([[5.0]])).update(torch.tensor([[1.0], [3.0]])).centres
        tensor([[2.]])
    """

    def move(
        self,
        centres: Float[Tensor, "k d"],
        counts: Int[Tensor, " k"],
        x: Float[Tensor, "b d"],
        ones: Float[Tensor, "b k"],
    ) -> Float[Tensor, "k d"]:
        """r ← r + Σ (x − r)/(count + m) for the m points that came to r."""
        came = ones.sum(0)[:, None]
        return centres + (ones.mT @ x - came * centres) / (counts[:, None] + came).clamp(min=1)


@dataclass(frozen=True)
class ConstantRate:
    """r ← r + 2η(x − r) with one η: a centre is an average that forgets, and never comes to rest.

    After many points of one cluster of variance σ² the centre's own variance is σ² η/(1 − η).

    Args:
        rate: η in (0, 1); from ½ on a step goes beyond the point.

    Raises:
        ConfigurationError: when η is not in its range.

    Lecture: A4

    Example:
        >>> OnlineKMeans.start(torch.tensor([[0.0]])).update(torch.tensor([[8.0]]), ConstantRate(0.25)).centres
        tensor([[4.]])
    """

    rate: float

    def __post_init__(self) -> None:
        inputs.number(self.rate, "rate η", above=0, below=1)

    def move(
        self,
        centres: Float[Tensor, "k d"],
        counts: Int[Tensor, " k"],
        x: Float[Tensor, "b d"],
        ones: Float[Tensor, "b k"],
    ) -> Float[Tensor, "k d"]:
        """r ← (1 − 2η)^m r + 2η Σ (1 − 2η)^later x: every later point of r takes 2η of what is there."""
        kept = 1 - 2 * self.rate
        came = ones.sum(0)
        later = (ones * (came - ones.cumsum(0))).sum(1)
        weights = 2 * self.rate * ones * (kept**later)[:, None]
        return (kept**came)[:, None] * centres + weights.mT @ x


RUNNING_MEAN = RunningMean()


@dataclass(frozen=True)
class OnlineKMeans:
    """Centres that learn from a stream; every update is a new one.

    Attributes:
        centres: the centres r_j.
        counts: points that each has had.

    Example:
        >>> stream = [torch.tensor([[0.0], [9.0]]), torch.tensor([[2.0], [11.0]])]
        >>> found = OnlineKMeans.start(torch.tensor([[1.0], [8.0]]))
        >>> for batch in stream:
        ...     found = found.update(batch)
        >>> found.centres.flatten().tolist(), found.predict(torch.tensor([[7.0]])).tolist()
        ([1.0, 10.0], [1])
    """

    centres: Float[Tensor, "k d"]
    counts: Int[Tensor, " k"]

    @classmethod
    def start(cls, centres: Float[Tensor, "k d"]) -> "OnlineKMeans":
        """Centres that have seen no point."""
        R = points(centres, "centres").detach()
        return cls(R, torch.zeros(len(R), dtype=torch.int64, device=R.device))

    def update(self, x: Float[Tensor, "b d"], rate: CentreRate = RUNNING_MEAN) -> "OnlineKMeans":
        """The centres after a batch: all of it is assigned first, then its points move their centres in their order.

        A batch of one point is a step of stochastic gradient descent on ‖x − r‖², r the nearest centre.

        Args:
            x: points.
            rate: :class:`RunningMean` or :class:`ConstantRate`.

        Raises:
            DataError: when the points are empty or not finite, or have another number of coordinates.

        Source: Sculley, Web-Scale K-Means Clustering, 2010, algorithm 1.

        Lecture: A4
        """
        x, R = points_and_centres(x, self.centres, fixed=True)
        x, R = x.to(self.centres), self.centres
        ones = torch.nn.functional.one_hot(nearest_centres(x, R).labels, len(R)).to(R)
        return replace(self, centres=rate.move(R, self.counts, x, ones), counts=self.counts + ones.sum(0).long())

    def predict(self, X: Float[Tensor, "m d"]) -> Int[Tensor, " m"]:
        """The nearest centre of each point.

        Raises:
            DataError: when X is empty or not finite, or has another number of coordinates.
        """
        return nearest_centres(X, self.centres).labels


def online_k_means(
    X: Float[Tensor, "n d"],
    start: Float[Tensor, "k d"],
    *,
    rate: CentreRate = RUNNING_MEAN,
    batch_size: int = 1,
    passes: int = 1,
    generator: torch.Generator | None = None,
) -> OnlineKMeans:
    """k-means by stochastic gradient descent: passes over the points in random order, a batch at a time.

    Each batch waits for the one before: n/batch_size small steps a pass, of about 0.1 ms. A few hundred points a batch
    are as good as one where clusters hold many, and much faster.

    Shapes:
        X: [n, d]; start: [k, d].

    Args:
        X: points.
        start: the first centres, such as :func:`~sightline.linear.k_means_start.drawn_points`.
        rate: :class:`RunningMean` or :class:`ConstantRate`.
        batch_size: points assigned at a time, ≥ 1; 1 is the plain method.
        passes: over all points, ≥ 1, each in an order of its own.
        generator: source of the order; torch's own where none is given.

    Raises:
        DataError: when X or the start is empty or not finite, or they differ in their number of coordinates.
        ConfigurationError: when a number is out of its range, or there are more centres than points.

    Source: MacQueen 1967; Bottou & Bengio, Convergence Properties of the K-Means Algorithms, 1995, (6).

    Lecture: A4

    Example:
        >>> X = torch.tensor([[0.0], [2.0], [9.0], [11.0]])
        >>> online_k_means(X, torch.tensor([[1.0], [8.0]])).centres.flatten().tolist()
        [1.0, 10.0]
    """
    X, R = points_and_centres(X, start, fixed=True)
    centres_for(len(X), len(R), "the number of centres")
    size, count = inputs.count(batch_size, "batch_size", minimum=1), inputs.count(passes, "passes", minimum=1)
    found = OnlineKMeans.start(R)
    device = generator.device if generator is not None else torch.device("cpu")
    for _ in range(count):
        order = torch.randperm(len(X), generator=generator, device=device).to(X.device)
        for rows in order.split(size):
            found = found.update(X[rows], rate)
    return found
