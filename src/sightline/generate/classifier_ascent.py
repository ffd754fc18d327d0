"""Images by ascent on a classifier's score: a road that fails, for the score rises where no image of the class is.

Legend: x pixel values in [0, 1], c the class asked for, η the rate.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.data.standardise import standardise
from sightline.generate.generation import evaluating
from sightline.generate.image_sampling import SampledImages, classes_asked_for, require_numbers
from sightline.objectives.objective import Objective

STEPS, RATE = 200, 0.1
"""Where nothing else is asked for."""

SURE = 0.99
"""The confidence that is called sure."""

CLOSE = 0.1
"""The distance from the start that is called near: a quarter of what one noise is from another, √(1/6) = 0.41."""

Pixels = Float[Tensor, "count channels height width"]


@dataclass(frozen=True, kw_only=True)
class ClimbedImages(SampledImages):
    """Images that an ascent ended at, and its failure in numbers.

    Args:
        pixels, labels: as of any sampled images; the labels are the classes climbed to.
        path: log p(c | x) in nats, before each step and after the last, a column an image.
        distance: of each image from its start: the root mean square change of a value, the range of values being 1.
        start: "noise" or "pictures".
        starts: how many pictures were begun at; none: noise.
        left_out: files among those to start from that could not be used, and why.
    """

    path: Float[Tensor, "looks count"]
    distance: Float[Tensor, " count"]
    start: str
    starts: int | None = None
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def confidence(self) -> Float[Tensor, " count"]:
        """p(c | x) at the end."""
        return self.path[-1].exp()

    def __str__(self) -> str:
        sure = self.confidence > SURE
        told = (
            f"p(class) > {SURE:g} for {int(sure.sum())} of {len(sure)}, median {float(self.confidence.median()):.4f}, "
            f"{float(self.distance.median()):.3f} a value away from where they began (median; the range is 1)"
        )
        if int(sure.sum()) * 2 < len(sure):
            return told + ": not climbed far enough, take more steps"
        if float(self.distance.median()) > CLOSE:
            return told + ": the classifier is sure; look whether anything can be seen in them"
        return told + f": the classifier is sure, of images that are nearly the {self.start} they began as"


def ascend(
    log_probability: Callable[[Pixels], Float[Tensor, " count"]],
    start: Pixels,
    *,
    steps: int = STEPS,
    rate: float = RATE,
) -> tuple[Pixels, Float[Tensor, "looks count"]]:
    """x ← x + η ∇ log p(c | x), each step cut to [0, 1].

    The log-probability's slope is used rather than the probability's, which is flat where p is near 0.

    Shapes:
        start (count, channels, height, width) → the same, and (steps + 1, count)

    Args:
        log_probability: log p(c | x) of each image, in nats; one image's must not depend on another's.
        start: pixel values in [0, 1].
        steps: at least 1.
        rate: η > 0.

    Returns:
        The images that the ascent ends at, and log p before each step and after the last.

    Raises:
        ConfigurationError: for numbers out of range.
        InputError: for a start outside [0, 1].

    Source: the lecture notes, lecture 25, §25.2.3.2; what it finds: Szegedy et al. 2014, "Intriguing properties of
        neural networks", §4

    Lecture: X3

    Example:
        >>> images, path = ascend(lambda x: 0.25 * x.sum((1, 2, 3)), torch.zeros(1, 1, 1, 2), steps=3, rate=1.0)
        >>> images.flatten().tolist(), path.flatten().tolist()
        ([0.75, 0.75], [0.0, 0.125, 0.25, 0.375])
    """
    if steps < 1 or not 0 < rate < float("inf"):
        raise ConfigurationError(
            expected="at least 1 step, and a rate above 0",
            found=f"steps = {steps}, rate = {rate:g}",
            do=f"leave them out for {STEPS} steps of rate {RATE:g}",
        )
    if not bool(((start >= 0) & (start <= 1)).all()):
        raise InputError(
            expected="a start of pixel values in [0, 1]",
            found=f"values from {float(start.min()):g} to {float(start.max()):g}",
            do="divide bytes by 255",
        )
    x, path = start, []
    with torch.enable_grad():
        for _ in range(steps):
            x = x.detach().requires_grad_()
            height = log_probability(x)
            (slope,) = torch.autograd.grad(height.sum(), x)
            path.append(height.detach())
            x = (x + rate * slope).clamp(0, 1)
    x = x.detach()
    with torch.no_grad():
        path.append(log_probability(x))
    return x, torch.stack(path)


def climbed_images(
    model: nn.Module,
    objective: Objective,
    schema: Schema,
    count: int,
    *,
    start: Pixels | None = None,
    label: int | None = None,
    seed: int = 0,
    batch_size: int = 256,
    steps: int | None = None,
    rate: float = RATE,
) -> ClimbedImages:
    """Let a classifier of images make some: from noise, or from pictures, up its own score of a class.

    Args:
        model: in evaluation mode while it is climbed, and back afterwards.
        objective: what it was trained with; it turns outputs into probabilities.
        schema: of the images.
        count: images; at most each start to each class.
        start: pictures as pixel values; none: every pixel drawn evenly from [0, 1].
        label: c, of all; none: every class in turn.
        seed: of the noise.
        batch_size: images side by side.
        steps: of the ascent; none: 200.
        rate: η.

    Raises:
        ConfigurationError: for numbers out of range, or a classifier that gives no probabilities.
        InputError: for pictures of another shape, or outside [0, 1].

    Lecture: X3
    """
    require_numbers(count=count, label=label, seed=seed, batch_size=batch_size, steps=steps)
    labels = classes_asked_for(len(schema.classes), count, label)
    if start is not None and (not len(start) or start.shape[1:] != schema.input_shape):
        raise InputError(
            expected=f"at least one picture, each of shape {schema.input_shape}",
            found=f"shape {tuple(start.shape)}",
            do="resize them as in training",
        )
    starts = None
    if start is None:
        generator = torch.Generator().manual_seed(Seeds(seed).number("sample"))
        begun = torch.rand(count, *schema.input_shape, generator=generator)
    else:
        ways = len(schema.classes) if label is None else 1
        labels = labels[: len(start) * ways]
        begun = start[torch.arange(len(labels)) // ways]
        starts = -(-len(labels) // ways)
    device = next(model.parameters()).device
    pixels, paths = [], []
    with evaluating(model):
        for place in range(0, len(labels), batch_size):
            rows = slice(place, place + batch_size)
            score = _score_of(model, objective, schema, labels[rows].to(device))
            x, path = ascend(score, begun[rows].to(device), steps=STEPS if steps is None else steps, rate=rate)
            pixels.append(x.cpu())
            paths.append(path.cpu())
    made = torch.cat(pixels)
    return ClimbedImages(
        pixels=made,
        labels=labels,
        path=torch.cat(paths, 1),
        distance=(made - begun.cpu()).square().flatten(1).mean(1).sqrt(),
        start="noise" if start is None else "pictures",
        starts=starts,
    )


def _score_of(
    model: nn.Module, objective: Objective, schema: Schema, labels: Int[Tensor, " count"]
) -> Callable[[Pixels], Float[Tensor, " count"]]:
    """log p(c | x) of pixel values, in float64: a probability as small as e⁻⁷⁰⁰ still has a slope."""

    def score(pixels: Pixels) -> Float[Tensor, " count"]:
        probabilities = objective.predict(model(standardise(pixels, schema)).double()).probabilities
        if probabilities is None:
            raise ConfigurationError(
                expected="a classifier that gives probabilities",
                found=f"one trained with the objective {objective.name!r}, which gives none",
                do="train with --objective cross-entropy",
            )
        return probabilities.gather(1, labels[:, None])[:, 0].clamp(min=torch.finfo(torch.float64).tiny).log()

    return score
