"""Are made images copies of training images? Distances to the nearest ones, held against those of real images."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.linear.squared_distances import nearest_centres
from sightline.objectives.measure import Measure

BLOCK = 8192
"""Images that are looked among at a time."""

LEVEL = 0.01
"""Share of real images that count as near."""

BY_CHANCE = 0.001
"""Probability below which a share is not taken for chance."""


@dataclass(frozen=True)
class NearestImages:
    """The nearest of some images to each of others.

    Args:
        indices: its place among them; of several equally near, any.
        squared: Σ (x − x′)² over all channels and pixels, from the difference itself: exactly 0 for a copy.
    """

    indices: Int[Tensor, " n"]
    squared: Float[Tensor, " n"]


def nearest_images(
    images: Float[Tensor, "n channels height width"],
    among: Float[Tensor, "m channels height width"] | Iterable[Float[Tensor, "block channels height width"]],
) -> NearestImages:
    """argmin_j ‖x_i − x′_j‖² of every image, by one matrix product a block.

    60,000 images of 784 pixels against 2,000 take seconds; only a block of them is held as float32 at a time.

    Shapes:
        images: [n, channels, height, width]; among: [m, channels, height, width], or blocks of it.

    Args:
        images: pixel values in [0, 1].
        among: those that the nearest are looked for among, in one tensor or in blocks one after the other.

    Raises:
        InputError: for no images, or images of other shapes.

    Lecture: X7

    Example:
        >>> real = torch.eye(4).reshape(4, 1, 2, 2)
        >>> found = nearest_images(real[[2, 0]], real)
        >>> found.indices.tolist(), found.squared.tolist()
        ([2, 0], [0.0, 0.0])
    """
    rows = images.flatten(1).float()
    best = torch.full((len(rows),), math.inf)
    indices = torch.zeros(len(rows), dtype=torch.int64)
    start = 0
    for block in among.split(BLOCK) if isinstance(among, Tensor) else among:
        if block.shape[1:] != images.shape[1:]:
            raise InputError(
                expected=f"images of shape {tuple(images.shape[1:])} to look among",
                found=f"shape {tuple(block.shape[1:])}",
                do="compare images of one size",
            )
        found = nearest_centres(rows, block.flatten(1).float())
        nearer = found.squared < best
        best = torch.where(nearer, found.squared, best)
        indices = torch.where(nearer, found.labels + start, indices)
        start += len(block)
    if start == 0:
        raise InputError(expected="images to look among", found="none", do="give at least one")
    return NearestImages(indices, best)


@dataclass(frozen=True)
class Nearness:
    """How near images are to the images a network was trained on, and to real ones that it never saw.

    Args:
        training: squared distance of each to its nearest training image.
        held_out: squared distance of each to its nearest held-out image.
    """

    training: Float[Tensor, " n"]
    held_out: Float[Tensor, " n"]

    @property
    def ratio(self) -> Float[Tensor, " n"]:
        """The one over the other; 1 where both are 0."""
        both = (self.training == 0) & (self.held_out == 0)
        return torch.where(both, 1.0, self.training / self.held_out)


@dataclass(frozen=True)
class ShareBelow:
    """How many of the made have less of something than all but a few of the real.

    Args:
        share: of the made, with its binomial standard error.
        expected: the share if made and real are draws of one distribution.
        chance: probability of a share as large in that case.
        threshold: the value of the real one that marks the level.
    """

    share: Measure
    expected: float
    chance: float
    threshold: float

    @property
    def too_many(self) -> bool:
        """Whether the share is beyond chance."""
        return self.chance < BY_CHANCE


def share_below(made: Float[Tensor, " n"], real: Float[Tensor, " m"], level: float = LEVEL) -> ShareBelow:
    """The share of made values that are not above the r-th smallest real one, r = level·(m + 1), at least 1.

    For draws of one continuous distribution their number is beta-binomial, BetaBinomial(n, r, m + 1 − r), whatever the
    distribution: r/(m + 1) of the n in the mean. Where c real ones are as small as the r-th, c stands for r.

    Args:
        made: values of made images.
        real: the same of real ones.
        level: in (0, 1).

    Raises:
        InputError: for no values, or values that are not numbers.
        ConfigurationError: for a level outside (0, 1).

    Lecture: X7

    Example:
        >>> share_below(torch.tensor([0.0, 5.0, 6.0, 7.0]), torch.arange(1.0, 100.0)).share.value
        0.25
    """
    if not 0 < level < 1:
        raise ConfigurationError(expected="a level between 0 and 1", found=f"level = {level}", do="use 0.01")
    for name, values in (("made", made), ("real", real)):
        if len(values) == 0 or bool(values.isnan().any()):
            raise InputError(
                expected=f"{name}: at least one value, all numbers",
                found="none" if len(values) == 0 else "NaN",
                do="give distances of images",
            )
    n, m = len(made), len(real)
    rank = min(m, max(1, round(level * (m + 1))))
    threshold = real.sort().values[rank - 1]
    below, rank = int((made <= threshold).sum()), int((real <= threshold).sum())
    share = below / n
    return ShareBelow(
        share=Measure(share, math.sqrt(share * (1 - share) / n)),
        expected=rank / (m + 1),
        chance=chance_of_as_many(below, n, rank, m),
        threshold=float(threshold),
    )


def chance_of_as_many(below: int, n: int, rank: int, m: int) -> float:
    """P(K ≥ k), K = how many of n draws are not above the r-th smallest of m others of the same distribution.

    P(K = j) = C(n, j) B(j + r, n − j + m + 1 − r) / B(r, m + 1 − r), B the beta function.

    Args:
        below: k.
        n: draws.
        rank: r.
        m: the others.

    Source: Wilks 1942, "Statistical prediction with special reference to the problem of tolerance limits"

    Example:
        >>> round(chance_of_as_many(2, 2, 1, 1), 6)  # two below the only other one: it is the largest of three
        0.333333
    """
    j = torch.arange(below, n + 1, dtype=torch.float64)
    whole, first, others = torch.tensor([n, rank, m + 1 - rank], dtype=torch.float64)
    ways = torch.lgamma(whole + 1) - torch.lgamma(j + 1) - torch.lgamma(whole - j + 1)
    return min(1.0, float((ways + _log_beta(j + first, whole - j + others) - _log_beta(first, others)).exp().sum()))


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


@dataclass(frozen=True)
class Memorisation:
    """Whether made images are copies of training images.

    Args:
        nearer: the made that are nearer to a training image than all but 1 % of real images are to theirs.
        copies: the made whose distance to the training images, over that to held-out ones, is as small as with 1 % of
            real images.
    """

    nearer: ShareBelow
    copies: ShareBelow

    @property
    def memorised(self) -> bool:
        """Whether both are beyond chance."""
        return self.nearer.too_many and self.copies.too_many

    @property
    def smooth(self) -> bool:
        """Whether the made are near to training images, but as near to images that were never seen."""
        return self.nearer.too_many and not self.copies.too_many


def memorisation(made: Nearness, real: Nearness) -> Memorisation:
    """The memorisation check, of images that a network made beside real ones that it never saw.

    Nearness alone is no proof: a blurred image, and a dull one, is near to very many. A copy is near to a training
    image only, a blurred one as near to images that were never seen: the ratio of the two distances is looked at too.

    Args:
        made: of made images.
        real: of held-out images, which are none of those that distances to held-out images were taken to.

    Lecture: X7

    Example:
        >>> real = Nearness(torch.linspace(1, 2, 99), torch.linspace(2, 1, 99))
        >>> memorisation(Nearness(torch.zeros(50), torch.ones(50)), real).memorised
        True
    """
    return Memorisation(nearer=share_below(made.training, real.training), copies=share_below(made.ratio, real.ratio))
