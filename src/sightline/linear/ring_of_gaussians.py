"""A ring of Gaussians, and which modes of a mixture some points cover: to see whether a generator has lost some."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.gaussian_mixture import GaussianMixture
from sightline.linear.points import points_and_centres

NEAR = 3.0
"""A point is near a mode up to so many σ from its centre; in the plane exp(−9/2) = 1.1 % of a mode's own lie beyond."""

FAIR = 0.2
"""A mode is covered when at least this part of its fair share, 1/K of all points, lies near it."""


def ring_of_gaussians(modes: int = 8, *, radius: float = 2.0, deviation: float = 0.1) -> GaussianMixture:
    """p(x) = (1/K) Σ_k N(x; r (cos 2πk/K, sin 2πk/K), σ² I).

    Args:
        modes: K, at least 2.
        radius: r > 0.
        deviation: σ > 0.

    Raises:
        ConfigurationError: when a number is out of its range.

    Source: Metz et al. 2017, "Unrolled Generative Adversarial Networks", §3.1 (there σ = 0.02)

    Lecture: X4

    Example:
        >>> ring_of_gaussians(4, radius=1.0).centres.round().abs().long().tolist()
        [[1, 0], [0, 1], [1, 0], [0, 1]]
    """
    angle = torch.arange(inputs.count(modes, "modes", minimum=2), dtype=torch.float64) * (2 * math.pi / modes)
    circle = torch.stack([angle.cos(), angle.sin()], 1)
    return GaussianMixture(
        inputs.number(radius, "radius", above=0) * circle, inputs.number(deviation, "deviation", above=0)
    )


@dataclass(frozen=True)
class Coverage:
    """How well points cover the modes of a mixture.

    Attributes:
        covered: modes that are.
        near: share of the points within 3σ of a mode; 0.989 of a mixture's own in the plane.
        shares: each mode's share of the points; those far from every mode are left out.
        variance: of the points, over the mixture's own; 0: one point.
        within: variance of those near a mode about the mean of those near the same one, over σ² a column; 0.95 of a
            mixture's own in the plane, the far ones being left out; 0: one point a mode, or none near any.
    """

    covered: int
    near: float
    shares: Float[Tensor, " modes"]
    variance: float
    within: float


def mode_coverage(points: Float[Tensor, "n d"], mixture: GaussianMixture) -> Coverage:
    """Which modes the points cover: those that :data:`FAIR` of a fair share is within :data:`NEAR` σ of.

    A point counts for the mode whose centre is nearest.

    Args:
        points: made by whatever is judged.
        mixture: what they should be like.

    Raises:
        DataError: when the points are empty, not finite, or of other columns than the mixture.
        ConfigurationError: when the mixture's modes have no width.

    Lecture: X4

    Example:
        >>> ring = ring_of_gaussians()
        >>> mode_coverage(ring.centres[:3], ring).covered
        3
    """
    width = inputs.number(mixture.deviation, "the mixture's deviation", above=0)
    found, centres = (rows.double() for rows in points_and_centres(points, mixture.centres, fixed=True))
    distance, mode = torch.cdist(found, centres).min(1)
    near = distance <= NEAR * width
    inside, mode = found[near], mode[near]
    counts = mode.bincount(minlength=len(centres))
    means = torch.zeros_like(centres).index_add(0, mode, inside) / counts.clamp(min=1)[:, None]
    shares = counts.double() / len(found)
    return Coverage(
        covered=int((shares >= FAIR / len(centres)).sum()),
        near=float(shares.sum()),
        shares=shares,
        variance=float(found.var(0, correction=0).sum()) / mixture.variance,
        within=float((inside - means[mode]).square().sum()) / max(1, inside.numel()) / width**2,
    )
