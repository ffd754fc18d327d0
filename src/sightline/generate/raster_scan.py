"""Sampling images pixel by pixel, each from its distribution given those before it."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int, Integer
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.generate.generation import evaluating
from sightline.generate.sampling import Sample
from sightline.models.pixel_predictor import PixelPredictor, require_levels

Images = Int[Tensor, "batch channels height width"]
Given = Integer[Tensor, "batch channels rows columns"]
Labels = Int[Tensor, " batch"]
PixelLogits = Callable[[Tensor, int, int, int], Tensor]
"""From an image so far and a row, column and channel to logits (batch, levels)."""


@torch.inference_mode()
def sample_pixels(
    model: PixelPredictor,
    *,
    count: int,
    image_size: int | tuple[int, int],
    labels: Labels | None = None,
    given: Given | None = None,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Images:
    """x_t = F_t⁻¹(u_t), F_t the distribution function of softmax(z_t/T) given x_1 … x_{t−1}, u_t uniform on [0, 1).

    The chain rule makes x a sample of the model. What the network computed for earlier pixels is kept, so a pixel
    costs one window or one token. The uniform numbers, one for each pixel and channel, are drawn at first:
    :func:`sample_pixels_by_full_passes` gives the same images of the same generator, up to rounding.

    Args:
        model: an autoregressive network of images.
        count: images.
        image_size: side of a square image in pixels, or height and width.
        labels: the class of each image, where the model has classes.
        given: the upper rows, kept as they are: the images are completed.
        temperature: T > 0. 1: the model's distribution; below, likelier and less varied pixels.
        generator: of the uniform numbers; none: torch's own.

    Returns:
        levels, on the model's device; the random state of the model's layers is not used

    Raises:
        ConfigurationError: for a count, a size or a temperature that is not positive, or given rows that end within
            a patch.
        InputError: for labels or given rows that don't fit, or logits that are no numbers.

    Source: van den Oord et al. 2016, "Pixel Recurrent Neural Networks", §2.1

    Lecture: X2, X1

    Example:
        >>> from sightline.models.pixelcnn import PixelCNN
        >>> model = PixelCNN(width=8, depth=1)
        >>> sample_pixels(model, count=3, image_size=4, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([3, 1, 4, 4])
    """
    size = _checked_size(count, image_size)
    cache = model.new_cache(height=size[0], width=size[1])

    def logits(images: Tensor, row: int, column: int, channel: int) -> Tensor:
        cache.move(row, column)
        found: Tensor = model(images, labels=labels, cache=cache)
        return found[:, :, channel, 0, 0]

    return _scan(model, logits, count, size, given=given, keep=True, temperature=temperature, generator=generator)


@torch.inference_mode()
def sample_pixels_by_full_passes(
    model: PixelPredictor,
    *,
    count: int,
    image_size: int | tuple[int, int],
    labels: Labels | None = None,
    given: Given | None = None,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Images:
    """The same with the whole image computed anew for every pixel: the plain twin of :func:`sample_pixels`.

    Args:
        model: an autoregressive network of images; it needs no cache.
        count: images.
        image_size: side of a square image in pixels, or height and width.
        labels: the class of each image, where the model has classes.
        given: the upper rows, kept as they are.
        temperature: T > 0.
        generator: of the uniform numbers; none: torch's own.

    Raises:
        SightlineError: those of :func:`sample_pixels`.

    Lecture: X2, X1

    Example:
        >>> from sightline.models.pixelcnn import PixelCNN
        >>> black = torch.zeros(2, 1, 1, 3, dtype=torch.int64)
        >>> whole = sample_pixels_by_full_passes(PixelCNN(width=8, depth=1), count=2, image_size=3, given=black)
        >>> whole[:, 0, 0].tolist()
        [[0, 0, 0], [0, 0, 0]]
    """
    size = _checked_size(count, image_size)

    def logits(images: Tensor, row: int, column: int, channel: int) -> Tensor:
        found: Tensor = model(images, labels=labels)
        return found[:, :, channel, row, column]

    return _scan(model, logits, count, size, given=given, keep=False, temperature=temperature, generator=generator)


def _scan(
    model: PixelPredictor,
    logits: PixelLogits,
    count: int,
    size: tuple[int, int],
    *,
    given: Tensor | None,
    keep: bool,
    temperature: float,
    generator: torch.Generator | None,
) -> Tensor:
    """One pixel after the other, and one channel of it after the other.

    With ``keep`` the logits are asked for at given pixels too, so that their maps are there for later ones.
    """
    method = Sample(temperature=temperature)
    device = next(model.parameters()).device
    images = torch.zeros(count, model.in_channels, *size, dtype=torch.int64, device=device)
    start = _fill_given(images, given, model)
    order = model.pixel_order(height=size[0], width=size[1])
    chances = _chances(images.shape, device, generator)
    finite = torch.ones((), dtype=torch.bool, device=device)
    with evaluating(model):
        for number, (row, column) in enumerate(order):
            for channel in range(model.in_channels if number >= start else int(keep)):
                scores = logits(images, row, column, channel)
                if number < start:
                    continue
                finite &= scores.isfinite().all()
                chance = chances[:, channel, row, column]
                images[:, channel, row, column] = method.choose(scores, chance)
    if not bool(finite):
        raise InputError(
            expected="finite logits of every pixel",
            found="some that are infinite or NaN",
            do="look at the weights: the training may have failed",
        )
    return images


def _fill_given(images: Tensor, given: Tensor | None, model: PixelPredictor) -> int:
    """Put the given rows into the images; how many pixels they are in the model's order."""
    if given is None:
        return 0
    batch, channels, height, width = images.shape
    fits = given.ndim == 4 and given.shape[:2] == (batch, channels)
    if not fits or given.shape[3] != width or given.shape[2] > height:
        raise InputError(
            expected=f"given rows ({batch}, {channels}, at most {height}, {width})",
            found=f"shape {tuple(given.shape)}",
            do="cut them from images of this size, one for each that is completed: images[:, :, :rows]",
        )
    require_levels(given, model.levels)
    rows = given.shape[2]
    start = rows * width
    if any(row >= rows for row, _ in model.pixel_order(height=height, width=width)[:start]):
        raise ConfigurationError(
            expected="given rows that come first in the model's order: whole rows of patches",
            found=f"{rows} rows",
            do="give a multiple of the patch's side",
        )
    images[:, :, :rows] = given.to(images)
    return start


def _chances(shape: torch.Size, device: torch.device, generator: torch.Generator | None) -> Tensor:
    """A uniform number for each pixel and channel, drawn where the generator is."""
    where: dict[str, Any] = {} if generator is None else {"generator": generator, "device": generator.device}
    return torch.rand(shape, dtype=torch.float64 if device.type != "mps" else torch.float32, **where).to(device)


def _checked_size(count: int, image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width."""
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    if min(count, height, width) < 1:
        raise ConfigurationError(
            expected="at least 1 image of at least 1 pixel",
            found=f"count = {count}, image_size = {height} × {width}",
            do="use count=16, image_size=28",
        )
    return height, width
