"""How good made images are, in figures: what a judge makes of them, held against what it makes of real ones.

Legend: p_c share of class c among the made, q_c among the reference, as the judge tells classes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.generate.frechet_distance import frechet_distance
from sightline.generate.judge import Seen
from sightline.objectives.measure import Measure

CONFIDENT = 0.9
"""Probability above which the judge is sure of a class."""

FAIR = 0.1
"""Part of its fair share from which on a class is covered."""

DRAWS = 50
"""Bootstrap draws: a standard error is then known to a tenth of itself."""


@dataclass(frozen=True)
class Judgement:
    """The figures of one set of images against a reference.

    Args:
        count: images.
        compared: those of them that the two distances look at.
        confident: the share that the judge gives a probability above 0.9.
        shares: p_c, by class.
        class_distance: total variation ½ Σ_c |p_c − q_c|, from 0 to 1.
        class_entropy: −Σ_c p_c log p_c in nats; the logarithm of the number of classes where all are equally frequent.
        missing: classes with p_c < q_c/10.
        covered: the number of others, among those that the reference has.
        frechet: squared Fréchet distance to the reference in the judge's features.
        agreement: the share that the judge takes for the class it was meant to be; none where none was asked for.
    """

    count: int
    compared: int
    confident: Measure
    shares: tuple[float, ...]
    class_distance: Measure
    class_entropy: Measure
    missing: tuple[int, ...]
    covered: int
    frechet: Measure
    agreement: Measure | None = None


def judged(
    images: Seen,
    reference: Seen,
    *,
    wanted: Int[Tensor, " n"] | None = None,
    compared: int | None = None,
    seed: int = 0,
) -> Judgement:
    """The figures of images that a judge has seen, against real ones that it has seen too.

    Shares have binomial standard errors; entropy and distances those of 50 bootstrap draws of both sets. Both distances
    are above 0 for two sets of one distribution, the more so the fewer images: hold them against those of as many real
    images, which ``compared`` sees to.

    Args:
        images: made ones, or real ones to hold them against.
        reference: real ones, others than those.
        wanted: the judge's class that each was meant to be.
        compared: the first so many are those that the distances look at; none: all.
        seed: of the bootstrap.

    Raises:
        InputError: for fewer than 2 images, or labels of another number.
        ConfigurationError: for ``compared`` out of range.

    Source: bootstrap: Efron 1979, "Bootstrap Methods: Another Look at the Jackknife"

    Lecture: X3, X4, X6, X7

    Example:
        >>> sure = torch.tensor([[0.95, 0.05], [0.02, 0.98], [0.4, 0.6], [0.97, 0.03]])
        >>> figures = judged(Seen(sure, sure), Seen(sure, sure))
        >>> figures.confident.value, figures.covered, figures.class_distance.value
        (0.75, 2, 0.0)
    """
    _require_enough(images, reference, wanted)
    compared = len(images) if compared is None else compared
    if not 2 <= compared <= len(images):
        raise ConfigurationError(
            expected=f"compared from 2 to {len(images):,}, the images there are",
            found=f"compared = {compared}",
            do="leave it out for all",
        )
    num_classes = images.probabilities.shape[1]
    part = images[:compared]
    shares, real = class_shares(images.classes, num_classes), class_shares(reference.classes, num_classes)
    present = real > 0
    missing = shares < FAIR * real
    generator = torch.Generator().manual_seed(seed)

    def distance(a: Int[Tensor, " n"], b: Int[Tensor, " m"]) -> float:
        return total_variation(class_shares(a, num_classes), class_shares(b, num_classes))

    def spread(a: Int[Tensor, " n"], b: Int[Tensor, " m"]) -> float:
        return entropy(class_shares(a, num_classes))

    return Judgement(
        count=len(images),
        compared=compared,
        confident=_share(images.confidence > CONFIDENT),
        shares=tuple(shares.tolist()),
        class_distance=with_bootstrap(distance, part.classes, reference.classes, generator),
        class_entropy=with_bootstrap(spread, images.classes, reference.classes, generator),
        missing=tuple(missing.nonzero().flatten().tolist()),
        covered=int((present & ~missing).sum()),
        frechet=with_bootstrap(frechet_distance, part.features, reference.features, generator),
        agreement=None if wanted is None else _share(images.classes == wanted),
    )


def class_shares(classes: Int[Tensor, " n"], num_classes: int) -> Float[Tensor, " classes"]:
    """How frequent each class is.

    Example:
        >>> class_shares(torch.tensor([0, 2, 2, 2]), 3).tolist()
        [0.25, 0.0, 0.75]
    """
    return torch.bincount(classes, minlength=num_classes).double() / len(classes)


def total_variation(p: Float[Tensor, " classes"], q: Float[Tensor, " classes"]) -> float:
    """½ Σ_c |p_c − q_c|: the largest difference in probability of any set of classes.

    Example:
        >>> total_variation(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))
        0.5
    """
    return float((p - q).abs().sum() / 2)


def entropy(p: Float[Tensor, " classes"]) -> float:
    """−Σ_c p_c log p_c in nats, 0 log 0 = 0.

    Example:
        >>> round(entropy(torch.tensor([0.5, 0.5, 0.0])), 4)
        0.6931
    """
    return float(torch.special.entr(p).sum())


def with_bootstrap(
    statistic: Callable[[Tensor, Tensor], float], a: Tensor, b: Tensor, generator: torch.Generator
) -> Measure:
    """A statistic of two samples; its standard error is the standard deviation over draws of both with replacement.

    Where a distance's true value is 0 the draws lie further apart than the samples do, and the error is too large
    rather than too small.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap"

    Example:
        >>> generator, same = torch.Generator().manual_seed(0), torch.ones(9)
        >>> with_bootstrap(lambda a, b: float(a.mean() - b.mean()), same, same, generator).standard_error
        0.0
    """
    values = [
        statistic(*(one[torch.randint(len(one), (len(one),), generator=generator)] for one in (a, b)))
        for _ in range(DRAWS)
    ]
    return Measure(statistic(a, b), float(torch.tensor(values, dtype=torch.float64).std()))


def _share(hits: Tensor) -> Measure:
    """With a standard error that is not 0 where all or none are hits: that of two more hits and two more misses.

    Source: Agresti & Coull 1998, "Approximate Is Better than 'Exact' for Interval Estimation of Binomial Proportions"
    """
    count = len(hits)
    nearer_half = (float(hits.sum()) + 2) / (count + 4)
    return Measure(float(hits.double().mean()), math.sqrt(nearer_half * (1 - nearer_half) / (count + 4)))


def _require_enough(images: Seen, reference: Seen, wanted: Tensor | None) -> None:
    if min(len(images), len(reference)) < 2:
        raise InputError(
            expected="at least 2 images and 2 of the reference",
            found=f"{len(images)} and {len(reference)}",
            do="make more images, or give more real ones",
        )
    if wanted is not None and len(wanted) != len(images):
        raise InputError(
            expected=f"a class wanted of each of {len(images):,} images",
            found=f"{len(wanted):,}",
            do="give one label an image, or none at all",
        )
