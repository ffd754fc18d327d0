"""From a discrete draw to a continuous one: it picks an interval, a uniform number picks the point inside.

Legend: e_0 < e_1 < … edges, p_k probability of the interval [e_k, e_{k+1}], F_k = p_0 + … + p_k.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import InputError
from sightline.generate.discrete_distribution import cumulated, search
from sightline.generate.inverse_cdf import checked_levels, checked_points, joint_shape


class PiecewiseUniform:
    """Interval k with probability p_k, uniform inside: F goes in straight lines from F_{k−1} at e_k to F_k at e_{k+1}.

    One u serves both draws: it falls into interval k with probability p_k, and where it lies in there,
    v = (u − F_{k−1})/p_k, is uniform again: F⁻¹(u) = e_k + v (e_{k+1} − e_k). With pixel values 0 … 255 and edges
    0 … 256 this is uniform dequantisation.

    Shapes:
        Levels and points broadcast with ``*batch``, the leading dimensions of ``probabilities``.

    Args:
        edges: e, [intervals + 1], finite and rising.
        probabilities: p, [*batch, intervals]: not negative, each row with sum 1.

    Raises:
        InputError: for edges that don't rise or are not one more than the probabilities, or probabilities that are
            none.

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", §II.2; dequantisation Theis, van den Oord & Bethge
        2016, "A note on the evaluation of generative models"

    Lecture: X1

    Example:
        >>> bars = PiecewiseUniform(torch.tensor([0.0, 1.0, 3.0]), torch.tensor([0.5, 0.5]))
        >>> bars.inverse_cdf(torch.tensor([0.25, 0.75])).tolist(), bars.cdf(torch.tensor(2.0)).item()
        ([0.5, 2.0], 0.75)
    """

    def __init__(
        self, edges: Float[Tensor, " intervals_and_one"], probabilities: Float[Tensor, "*batch intervals"]
    ) -> None:
        self.cumulated = cumulated(probabilities)
        self.below = torch.nn.functional.pad(self.cumulated, (1, 0))
        self.edges = _checked_edges(edges)
        if len(edges) != self.below.shape[-1]:
            raise InputError(
                expected=f"one edge more than there are intervals, {self.below.shape[-1]}",
                found=f"{len(edges)} edges",
                do="give the lower end of the first interval, and the upper end of each",
            )

    def cdf(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F_{k−1} + p_k (x − e_k)/(e_{k+1} − e_k) in interval k, 0 below all, 1 above."""
        x = checked_points(x).contiguous()
        k = (torch.searchsorted(self.edges, x, right=True) - 1).clamp(0, len(self.edges) - 2)
        share = ((x - self.edges[k]) / (self.edges[k + 1] - self.edges[k])).clamp(0, 1)
        return torch.lerp(self._at(k), self._at(k + 1), share)

    def cdf_below(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x−) = F(x)."""
        return self.cdf(x)

    def inverse_cdf(self, u: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The interval in which u falls among the sums, and the point that cuts it as u does."""
        u = checked_levels(u)
        k = search(self.cumulated, u)
        below = self._at(k)
        return uniform_within(k, self.edges, ((u - below) / (self._at(k + 1) - below)).clamp(0, 1))

    def _at(self, k: Tensor) -> Tensor:
        """F at edge k."""
        shape = joint_shape(k.shape, self.below.shape[:-1])
        return self.below.expand(*shape, -1).gather(-1, k.expand(shape)[..., None])[..., 0]


def uniform_within(
    intervals: Int[Tensor, "*draws"], edges: Float[Tensor, " intervals_and_one"], v: Float[Tensor, "*draws"]
) -> Float[Tensor, "*draws"]:
    """e_k + v (e_{k+1} − e_k): a point of interval k for each discrete draw k.

    Args:
        intervals: k, from 0 to the number of intervals less one.
        edges: e, finite and rising.
        v: uniform numbers in [0, 1], independent of k.

    Raises:
        InputError: for an interval that there isn't, edges that don't rise, or v outside [0, 1].

    Lecture: X1

    Example:
        >>> uniform_within(torch.tensor([1, 0]), torch.tensor([0.0, 1.0, 3.0]), torch.tensor([0.5, 0.5])).tolist()
        [2.0, 0.5]
    """
    edges, v = _checked_edges(edges), checked_levels(v)
    count = len(edges) - 1
    if bool(((intervals < 0) | (intervals >= count)).any()):
        raise InputError(
            expected=f"numbers of intervals, from 0 to {count - 1}",
            found=f"from {int(intervals.min())} to {int(intervals.max())}",
            do="give one edge more than there are intervals",
        )
    return torch.lerp(edges[intervals], edges[intervals + 1], v)


def _checked_edges(edges: Tensor) -> Tensor:
    wide = edges.double()
    rising = wide.ndim == 1 and len(wide) > 1 and bool((wide.diff() > 0).all())
    if not rising or not bool(wide.isfinite().all()):
        raise InputError(
            expected="finite edges in one dimension, at least two, each above the one before",
            found=f"{wide.flatten()[:8].tolist()}, shape {tuple(wide.shape)}",
            do="sort them, and leave out intervals of no length",
        )
    return wide
