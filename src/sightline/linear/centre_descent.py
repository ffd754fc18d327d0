"""Gradient descent on the centres, for clustering objectives that are differentiable in them."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.linear import inputs
from sightline.linear.points import LARGEST, points_and_centres


@runtime_checkable
class CentreObjective(Protocol):
    """What centres can be moved to lower: a sum over points, with its gradient in closed form."""

    def loss(self, X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Float[Tensor, ""]:
        """The sum over the points."""
        ...

    def gradient(self, X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Float[Tensor, "k d"]:
        """Its derivative in every centre."""
        ...


@dataclass(frozen=True)
class CentreDescent:
    """Where gradient descent went.

    Attributes:
        centres: the last centres.
        losses: the objective at the start and after every step, sums over the points.
    """

    centres: Float[Tensor, "k d"]
    losses: Float[Tensor, " steps_and_start"]


def centre_descent(
    objective: CentreObjective, X: Float[Tensor, "n d"], start: Float[Tensor, "k d"], *, rate: float, steps: int
) -> CentreDescent:
    """R ← R − (η/n) ∇L(R), L an objective summed over n points; all points at every step.

    A centre with a share p of the points moves by 2ηp of its way to their mean where assignments are firm: η = k/2 goes
    all the way in clusters of equal size, and a cluster of more than twice that size is then unstable.

    Shapes:
        X: [n, d]; start: [k, d].

    Args:
        objective: :class:`~sightline.linear.soft_k_means.SoftDistance`,
            :class:`~sightline.linear.soft_k_means.FreeEnergy`,
            :class:`~sightline.linear.expected_centre.ExpectedCentre`, or one of your own.
        X: points.
        start: the first centres.
        rate: η > 0, of the loss's mean over the points.
        steps: ≥ 0.

    Raises:
        DataError: when X or the start is empty or not finite, or they differ in their number of coordinates.
        ConfigurationError: when a number is out of its range, or the descent diverges.

    Lecture: A4

    Example:
        >>> from sightline.linear.soft_k_means import SoftDistance
        >>> X = torch.tensor([[0.0], [1.0], [9.0], [10.0]])
        >>> centre_descent(SoftDistance(10.0), X, X[1:3], rate=0.5, steps=100).centres.flatten()
        tensor([0.5000, 9.5000])
    """
    X, R = points_and_centres(X, start, fixed=True)
    eta = inputs.number(rate, "rate η", above=0)
    losses = [objective.loss(X, R)]
    for step in range(inputs.count(steps, "steps")):
        R = R - eta / len(X) * objective.gradient(X, R)
        if not float(R.abs().max()) <= LARGEST[R.dtype]:  # NaN neither
            raise ConfigurationError(
                expected="a descent that stays finite",
                found=f"it overflows at step {step + 1} with rate η = {eta:g}",
                do="choose a smaller rate",
            )
        losses.append(objective.loss(X, R))
    return CentreDescent(R, torch.stack(losses))
