"""How different images are from one another: collapse of a generator to few images shows as a small number."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import InputError
from sightline.objectives.standard_error import Estimate

Images = Float[Tensor, "images ..."]


def pairwise_distance(images: Images) -> Estimate:
    """(2/n(n−1)) Σ_{i<j} ‖x_i − x_j‖, with standard error 2s/√n, s the deviation of each image's own mean distance.

    Args:
        images: two at least.

    Raises:
        InputError: for fewer than two.

    Source: Hoeffding 1948, "A class of statistics with asymptotically normal distribution", §5 (the error)

    Lecture: X4

    Example:
        >>> pairwise_distance(torch.tensor([[0.0], [1.0], [2.0]])).value  # 1, 2 and 1
        1.3333333333333333
    """
    count = len(images)
    if count < 2:
        raise InputError(expected="two images at least", found=f"{count}", do="give more images")
    x = images.flatten(1).double()
    x = x - x.mean(0)  # the distances' squares cancel less
    own = torch.cdist(x, x).fill_diagonal_(0).sum(1) / (count - 1)
    return Estimate(float(own.mean()), 2 * float(own.std()) / math.sqrt(count))


def distance_within_classes(images: Images, labels: Int[Tensor, " images"]) -> Estimate:
    """The mean over classes of :func:`pairwise_distance`; classes with fewer than two images are left out.

    Args:
        images: of several classes.
        labels: their numbers.

    Raises:
        InputError: where no class has two images.

    Lecture: X4

    Example:
        >>> images = torch.tensor([[0.0], [1.0], [9.0], [12.0]])
        >>> distance_within_classes(images, torch.tensor([0, 0, 1, 1])).value
        2.0
    """
    groups = [images[labels == label] for label in labels.unique()]
    found = [pairwise_distance(group) for group in groups if len(group) > 1]
    if not found:
        raise InputError(expected="a class with two images at least", found="none", do="give more images")
    error = math.sqrt(sum(one.standard_error**2 for one in found)) / len(found)
    return Estimate(sum(one.value for one in found) / len(found), error)


def diversity(made: Estimate, real: Estimate) -> Estimate:
    """d(made)/d(real): about 1 where made images differ as much as real ones do, near 0 where all are alike.

    The standard error is √(e_m² + (e_r · ratio)²)/d(real) (delta method); the two sets are independent draws.

    Args:
        made: mean distance among made images.
        real: among real ones; where these are all alike, the ratio is not a number.

    Lecture: X4

    Example:
        >>> diversity(Estimate(1.0, 0.1), Estimate(2.0, 0.0))
        Estimate(value=0.5, standard_error=0.05)
    """
    if real.value == 0:
        return Estimate(math.nan, math.nan)
    ratio = made.value / real.value
    return Estimate(ratio, math.hypot(made.standard_error, real.standard_error * ratio) / real.value)
