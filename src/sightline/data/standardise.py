"""Standardisation of images: ``(x − E[x]) / σ[x]``, and the choices of what E is taken over.

"channel" averages over all training images and positions, "position" over training images, "midpoint"
takes the middle of the pixel range, "image" averages over the positions of each image, "patch" over
the 3 × 3 neighbourhood of each pixel. The first two are statistics of the training split, found once
and reused for validation, test and prediction; the others need no training data.
"""

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.data.spec import Standardise

MIDPOINT = 128 / 255
PATCH_FLOOR = 0.05
"""Smallest deviation a patch is divided by, in units of the pixel range: flat patches stay near 0."""


def fit_standardiser(
    images: UInt8[Tensor, "n channels height width"], kind: Standardise
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of training images, pixel values in [0, 1].

    Shapes:
        returns two of length channels ("channel", "midpoint", "none"), channels·height·width
        ("position"), or 0 ("image", "patch": found anew for each image).

    Args:
        images: the training images.
        kind: what E is taken over. A deviation of 0 becomes 1.

    Lecture: O10

    Example:
        >>> fit_standardiser(torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1), "channel")
        ((0.5,), (0.5,))
    """
    channels = images.shape[1]
    if kind in ("image", "patch"):
        return (), ()
    if kind == "midpoint":
        return (MIDPOINT,) * channels, (0.5,) * channels
    if kind == "none":
        return (0.0,) * channels, (1.0,) * channels
    over = (0, 2, 3) if kind == "channel" else (0,)
    shape = (channels,) if kind == "channel" else tuple(images.shape[1:])
    total = torch.zeros(shape, dtype=torch.int64)
    squares = torch.zeros(shape, dtype=torch.int64)
    for part in images.split(1024):
        values = part.int()
        total += values.sum(over, dtype=torch.int64)
        squares += values.square_().sum(over, dtype=torch.int64)
    count = images.numel() // total.numel()
    # count·Σx² − (Σx)² is exact in Python's integers, which do not overflow: a constant pixel gives exactly 0
    pairs = list(zip(total.flatten().tolist(), squares.flatten().tolist(), strict=True))
    deviations = [math.sqrt(square * count - sum_ * sum_) / count for sum_, square in pairs]
    return tuple(sum_ / count / 255 for sum_, _ in pairs), tuple(d / 255 if d > 0 else 1.0 for d in deviations)


class Standardiser:
    """Turns uint8 images, or float ones in [0, 1], into standardised float32 ones, by a schema's statistics.

    The value k of 255 gives the same number, to the last bit, as k/255 in float32.

    Shapes:
        (batch, channels, height, width) uint8 or float → the same, float32

    Args:
        schema: kind of standardisation, mean and standard deviation.
        device: where the images are.

    Lecture: O10
    """

    def __init__(self, schema: Schema, device: torch.device | str = "cpu") -> None:
        self.kind = schema.standardise
        if self.kind not in ("image", "patch"):
            shape = schema.input_shape if self.kind == "position" else (schema.input_shape[0], 1, 1)
            mean = torch.tensor(schema.image_mean, dtype=torch.float64).reshape(shape)
            std = torch.tensor(schema.image_std, dtype=torch.float64).reshape(shape)
            self.scale = (1 / (255 * std)).float().to(device)
            self.shift = (-mean / std).float().to(device)

    def __call__(
        self, images: UInt8[Tensor, "batch channels height width"] | Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Standardise some images."""
        if self.kind == "image":
            return _by_image(images)
        if self.kind == "patch":
            return _by_patch(images)
        values = images.float() * 255 if images.is_floating_point() else images.to(torch.float32)
        return values.mul_(self.scale).add_(self.shift)


def standardise(
    images: UInt8[Tensor, "batch channels height width"] | Float[Tensor, "batch channels height width"],
    schema: Schema,
) -> Float[Tensor, "batch channels height width"]:
    """Standardise images, uint8 or float in [0, 1], by a schema's statistics, on the device they are on.

    Lecture: O10

    Example:
        >>> schema = Schema("image", "none", (1, 1, 1), image_mean=(0.5,), image_std=(0.25,))
        >>> standardise(torch.full((1, 1, 1, 1), 255, dtype=torch.uint8), schema).item()
        2.0
    """
    return Standardiser(schema, images.device)(images)


def unstandardise(
    images: Float[Tensor, "batch channels height width"], schema: Schema
) -> Float[Tensor, "batch channels height width"]:
    """Pixel values from standardised ones, x·σ + E: the inverse of :func:`standardise`, in [0, 1] for real images.

    Args:
        images: standardised; made by a model they may lie a little outside the pixel range, and stay so.
        schema: how they were standardised.

    Raises:
        ConfigurationError: for "image" and "patch", which forget each image's own mean and deviation.

    Lecture: O10

    Example:
        >>> schema = Schema("image", "none", (1, 1, 1), image_mean=(0.5,), image_std=(0.25,))
        >>> unstandardise(torch.full((1, 1, 1, 1), 2.0), schema).item()
        1.0
    """
    if schema.standardise in ("image", "patch"):
        raise ConfigurationError(
            expected="a standardisation that can be undone: channel, position, midpoint or none",
            found=f"{schema.standardise!r}, which forgets each image's own mean",
            do="load the images with another data.standardise",
        )
    shape = schema.input_shape if schema.standardise == "position" else (schema.input_shape[0], 1, 1)
    mean, std = (
        torch.tensor(values, dtype=torch.float64).reshape(shape).to(images.device, images.dtype)
        for values in (schema.image_mean, schema.image_std)
    )
    return images * std + mean


def _in_unit(images: Tensor) -> Tensor:
    """Values in [0, 1], float32."""
    return images.float() if images.is_floating_point() else images.float().div_(255)


def _by_image(images: Tensor) -> Tensor:
    x = _in_unit(images)
    std, mean = torch.std_mean(x, dim=(2, 3), correction=0, keepdim=True)
    flat = images.amin((2, 3), keepdim=True) == images.amax((2, 3), keepdim=True)
    return (x - mean) / std.masked_fill(flat, 1.0)


def _by_patch(images: Tensor) -> Tensor:
    x = _in_unit(images)
    mean = _patch_mean(x)
    variance = (_patch_mean(x * x) - mean * mean).clamp_(min=0)
    return (x - mean) / variance.sqrt().clamp_(min=PATCH_FLOOR)


def _patch_mean(x: Tensor) -> Tensor:
    """Average over the 3 × 3 neighbourhood, of those pixels that exist."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def pixel_range(schema: Schema) -> tuple[float, float]:
    """The least and the largest standardised value that a pixel can have.

    Example:
        >>> pixel_range(Schema("image", "none", (1, 2, 2), image_mean=(0.5,), image_std=(0.5,)))
        (-1.0, 1.0)
    """
    ends = standardise(torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, *schema.input_shape), schema)
    return float(ends.min()), float(ends.max())
