"""RandAugment and TrivialAugment: one of fourteen operations an image, drawn at random.

An operation has a strength m in [0, 1], the share of its published range, and a sign. Images are grouped
by operation; all warps of a batch are one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.data.augment import colour
from sightline.data.augment.draws import Draws
from sightline.data.augment.geometric import rotations, warp

OPERATIONS = (
    "identity", "autocontrast", "equalise", "rotate", "solarise", "colour", "posterise", "contrast", "brightness",
    "sharpness", "shear-x", "shear-y", "translate-x", "translate-y",
)  # fmt: skip
WARPS = ("rotate", "shear-x", "shear-y", "translate-x", "translate-y")


@dataclass(frozen=True)
class Ranges:
    """What the operations do at strength 1.

    Args:
        rotation: degrees.
        shear: pixels sideways for each pixel across.
        translation_share: shift as a share of the side; none: ``translation_pixels``.
        translation_pixels: shift in pixels, at most the side.
        enhancement: colour, contrast, brightness and sharpness are multiplied by 1 ± this.
        fewest_bits: posterised to, at strength 1; in between to the nearest whole number.
        fill: value of what a warp brings in from outside.
        most_bits: posterised to at strength 0.
    """

    rotation: float
    shear: float
    translation_share: float | None
    translation_pixels: float
    enhancement: float
    fewest_bits: float
    fill: float
    most_bits: float = 8

    def bits(self, strength: Float[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Bits kept at a strength."""
        return (self.most_bits - (self.most_bits - self.fewest_bits) * strength).round().long()

    def shift(self, side: int) -> float:
        """Largest shift along a side, in pixels."""
        if self.translation_share is not None:
            return self.translation_share * side
        return min(self.translation_pixels, side)


RAND = Ranges(
    rotation=30, shear=0.3, translation_share=150 / 331, translation_pixels=0, enhancement=0.9, fewest_bits=4, fill=0.5
)
"""RandAugment's, those of AutoAugment (Cubuk et al. 2019, table 6); what comes in from outside is grey."""

WIDE = Ranges(
    rotation=135, shear=0.99, translation_share=None, translation_pixels=32, enhancement=0.99, fewest_bits=2, fill=0.0
)
"""TrivialAugment's wide ranges (Müller and Hutter 2021, table of augmentation spaces)."""


def apply_operations(
    images: Float[Tensor, "batch channels height width"],
    operation: Int[Tensor, " batch"],
    strength: Float[Tensor, " batch"],
    sign: Float[Tensor, " batch"],
    ranges: Ranges,
) -> Float[Tensor, "batch channels height width"]:
    """One operation on each image.

    Shapes:
        images (batch, 1 or 3, height, width), the others (batch,) on the CPU → as images

    Args:
        images: values in [0, 1].
        operation: numbers of ``OPERATIONS``.
        strength: m in [0, 1].
        sign: −1 or +1: which way to rotate, shear, shift; less or more of colour, contrast, ….
        ranges: what m = 1 means.

    Lecture: O9

    Example:
        >>> dark = torch.tensor([[[[0.5, 1.0]]]])
        >>> number = torch.tensor([OPERATIONS.index("brightness")])
        >>> apply_operations(dark, number, torch.tensor([1.0]), torch.tensor([-1.0]), RAND).flatten()
        tensor([0.0500, 0.1000])
    """
    changed = images.clone()
    groups = {name: (operation == number).nonzero()[:, 0] for number, name in enumerate(OPERATIONS)}
    for name, function in _COLOURS.items():
        rows = groups[name]
        _change(changed, images, rows, function, strength[rows], sign[rows], ranges)
    moved = torch.cat([groups[name] for name in WARPS])
    linear, shift = _maps(operation[moved], strength[moved] * sign[moved], ranges, *images.shape[2:])
    _change(changed, images, moved, warp, linear, shift, ranges.fill)
    return changed


def _change(changed: Tensor, images: Tensor, rows: Tensor, function: Callable[..., Tensor], *arguments: object) -> None:
    """Put a function of some images, and of further arguments, in their place."""
    if len(rows):
        there = rows.to(images.device)
        changed.index_copy_(0, there, function(images.index_select(0, there), *arguments))


def _maps(operation: Tensor, amount: Tensor, ranges: Ranges, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Each image's affine map: the matrix on (x, y), and the shift in pixels."""

    def only(name: str, largest: float) -> Tensor:
        return torch.where(operation == OPERATIONS.index(name), amount * largest, 0.0)

    linear = rotations(only("rotate", ranges.rotation))
    linear[:, 0, 1] += only("shear-x", ranges.shear)
    linear[:, 1, 0] += only("shear-y", ranges.shear)
    across, down = only("translate-x", ranges.shift(width)), only("translate-y", ranges.shift(height))
    return linear, torch.stack([across, down], 1)


def _factor(strength: Tensor, sign: Tensor, ranges: Ranges) -> Tensor:
    return 1 + sign * strength * ranges.enhancement


def _threshold(strength: Tensor) -> Tensor:
    """256·(1 − m) of 255, laid between two 8-bit values so that no rounding decides."""
    return ((256 * (1 - strength)).ceil() - 0.5) / 255


_Operation = Callable[[Tensor, Tensor, Tensor, Ranges], Tensor]
_COLOURS: dict[str, _Operation] = {
    "autocontrast": lambda x, m, sign, ranges: colour.autocontrast(x),
    "equalise": lambda x, m, sign, ranges: colour.equalise(x),
    "solarise": lambda x, m, sign, ranges: colour.solarise(x, _threshold(m)),
    "colour": lambda x, m, sign, ranges: colour.saturation(x, _factor(m, sign, ranges)),
    "posterise": lambda x, m, sign, ranges: colour.posterise(x, ranges.bits(m)),
    "contrast": lambda x, m, sign, ranges: colour.contrast(x, _factor(m, sign, ranges)),
    "brightness": lambda x, m, sign, ranges: colour.brightness(x, _factor(m, sign, ranges)),
    "sharpness": lambda x, m, sign, ranges: colour.sharpness(x, _factor(m, sign, ranges)),
}


def rand_augment(
    images: Float[Tensor, "batch channels height width"], draws: Draws, count: int, magnitude: float
) -> Float[Tensor, "batch channels height width"]:
    """RandAugment: ``count`` operations one after the other, each image's own, all of one magnitude.

    Shapes:
        (batch, 1 or 3, height, width) → the same

    Args:
        images: values in [0, 1].
        draws: the batch's random numbers.
        count: N ≥ 1.
        magnitude: M, 0 to 10; 10 is the published ranges' end.

    Source: Cubuk et al. 2020, §3; signs drawn also for colour, contrast, brightness and sharpness

    Lecture: O9

    Example:
        >>> rand_augment(torch.rand(2, 3, 8, 8), Draws(0), count=2, magnitude=9).shape
        torch.Size([2, 3, 8, 8])
    """
    for _ in range(count):
        operation = draws.integers(0, len(OPERATIONS) - 1, len(images))
        strength = torch.full((len(images),), magnitude / 10)
        images = apply_operations(images, operation, strength, draws.sign(len(images)), RAND)
    return images


def trivial_augment(
    images: Float[Tensor, "batch channels height width"], draws: Draws
) -> Float[Tensor, "batch channels height width"]:
    """TrivialAugment: one operation an image, of a strength drawn from 0, 1/30, …, 1 of the wide ranges.

    Shapes:
        (batch, 1 or 3, height, width) → the same

    Args:
        images: values in [0, 1].
        draws: the batch's random numbers.

    Source: Müller and Hutter 2021, algorithm 1

    Lecture: O9

    Example:
        >>> trivial_augment(torch.rand(2, 3, 8, 8), Draws(0)).shape
        torch.Size([2, 3, 8, 8])
    """
    operation = draws.integers(0, len(OPERATIONS) - 1, len(images))
    strength = draws.integers(0, 30, len(images)).float() / 30
    return apply_operations(images, operation, strength, draws.sign(len(images)), WIDE)
