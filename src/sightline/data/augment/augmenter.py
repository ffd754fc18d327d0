"""All augmentations together, a batch at a time, seeded by epoch and batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.data.augment import colour
from sightline.data.augment.draws import Draws
from sightline.data.augment.erasing import cutout
from sightline.data.augment.geometric import alternates, crop, mirror, rotations, warp
from sightline.data.augment.mixing import cut_boxes, cutmix, mixup, share_kept
from sightline.data.augment.pixmix import PICTURES, fractal_pictures, pixmix
from sightline.data.augment.policies import rand_augment, trivial_augment
from sightline.data.augment.spec import Augment
from sightline.data.batch import Mix


@dataclass(frozen=True)
class Augmented:
    """A batch's images after augmentation, and what has become of its targets.

    Args:
        images: uint8 where pixels were only moved, else float32 in [0, 1]; not standardised.
        target: as given; a regression target is mixed where images are.
        mix: the other half of mixed classes; none where nothing is mixed.
    """

    images: UInt8[Tensor, "batch channels height width"] | Float[Tensor, "batch channels height width"]
    target: Int[Tensor, " batch"] | Float[Tensor, " batch"]
    mix: Mix | None = None


class Augmenter:
    """Changes training images as a configuration says, by random numbers from the run's stream "augment".

    What a batch becomes depends on the run's seed, the epoch, the batch's number and the process alone.

    Args:
        augment: what to do.
        schema: the data set's: shape, and the mean that erased parts are filled with.
        seeds: the run's.

    Raises:
        DataError: when the examples are no images, or have a number of channels that an operation can't take.
        ConfigurationError: when a crop's border is as wide as the image, or a cutout erases all of it.

    Lecture: O9

    Example:
        >>> schema = Schema("image", "classification", (1, 8, 8), classes=("a", "b"), image_mean=(0.5,), image_std=(1,))
        >>> augmenter = Augmenter(Augment(flip=True, crop=2), schema, Seeds(0))
        >>> images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
        >>> augmenter.epoch(0)(images, torch.zeros(4, dtype=torch.int64), torch.arange(4), number=0).images.shape
        torch.Size([4, 1, 8, 8])
    """

    def __init__(self, augment: Augment, schema: Schema, seeds: Seeds) -> None:
        require_augmentable(augment, schema)
        self.augment, self.schema, self.seeds = augment, schema, seeds
        channels, *_ = schema.input_shape
        per_position = len(schema.image_mean) > channels
        shape = schema.input_shape if per_position else (channels, 1, 1)
        mean = torch.tensor(schema.image_mean) if schema.image_mean else torch.full((channels,), 0.5)
        self._fill = mean.float().reshape(shape)
        self._pictures: dict[torch.device, Tensor] = {}

    def epoch(self, epoch: int) -> "EpochAugmenter":
        """What is done in one epoch; epochs count from 0."""
        return EpochAugmenter(self, epoch)

    def draws(self, epoch: int, number: int) -> Draws:
        """The random numbers of one batch."""
        return Draws(self.seeds.number("augment", epoch, number, self.seeds.rank))

    def move(self, images: Tensor, indices: Tensor, epoch: int, draws: Draws) -> Tensor:
        """Mirror and crop, in the images' own number format."""
        augment, count = self.augment, len(images)
        mirrored = None
        if augment.flip:
            mirrored = draws.chance(0.5, count)
        if augment.alternating_flip:
            mirrored = alternates(indices, epoch, self.seeds.number("augment"))
        if augment.crop:
            down, right = (draws.integers(0, 2 * augment.crop, count) for _ in range(2))
            return crop(images, down, right, augment.crop, mirrored)
        return images if mirrored is None else mirror(images, mirrored)

    def change(self, images: Tensor, draws: Draws) -> Tensor:
        """All that works on values in [0, 1] but the mixing of examples."""
        augment, count = self.augment, len(images)
        if augment.warps:
            images = self._warp(images, draws)
        if augment.policy == "rand":
            images = rand_augment(images, draws, augment.policy_count, augment.policy_magnitude)
        if augment.policy == "trivial":
            images = trivial_augment(images, draws)
        if augment.brightness:
            images = colour.brightness(images, 1 + draws.uniform(-augment.brightness, augment.brightness, count))
        if augment.autocontrast:
            images = _some(images, draws.chance(augment.autocontrast, count), colour.autocontrast)
        if augment.posterise < 8:
            images = colour.posterise(images, draws.integers(augment.posterise, 8, count))
        if augment.pixmix:
            pictures = self._mixing_pictures(images.device)
            images = _some(images, draws.chance(augment.pixmix, count), lambda x: pixmix(x, pictures, draws))
        if augment.cutout:
            down, right = (draws.integers(0, side - 1, count) for side in images.shape[2:])
            images = cutout(images, down, right, augment.cutout, self._fill)
        return images

    def mix(self, images: Tensor, target: Tensor, draws: Draws) -> Augmented:
        """mixup or CutMix, with the targets."""
        augment, count = self.augment, len(images)
        pastes = bool(augment.cutmix) and (not augment.mixup or bool(draws.chance(0.5, 1)))
        partner = draws.order(count)
        alpha = augment.cutmix if pastes else augment.mixup
        share = draws.beta(alpha, alpha, count)
        if pastes:
            boxes = cut_boxes(draws, share, *images.shape[2:])
            images, share = cutmix(images, partner, boxes), share_kept(boxes)
        else:
            images = mixup(images, partner, share)
        others = target.index_select(0, partner.to(target.device))
        share = share.to(target.device)
        if target.is_floating_point():
            return Augmented(images, share * target + (1 - share) * others)
        return Augmented(images, target, Mix(others, share))

    def _warp(self, images: Tensor, draws: Draws) -> Tensor:
        """Rotation, scale and translation in one."""
        augment, count = self.augment, len(images)
        height, width = images.shape[2:]
        linear = rotations(draws.uniform(-augment.rotation, augment.rotation, count))
        linear = linear * (1 + draws.uniform(-augment.scale, augment.scale, count))[:, None, None]
        sides = torch.tensor([width, height])
        shift = torch.stack([draws.uniform(-augment.translation, augment.translation, count) for _ in range(2)], 1)
        return warp(images, linear, shift * sides).clamp_(0, 1)

    def _mixing_pictures(self, device: torch.device) -> Tensor:
        if device not in self._pictures:
            channels, height, width = self.schema.input_shape
            seed = self.seeds.number("augment")
            self._pictures[device] = fractal_pictures(PICTURES, channels, height, width, seed).to(device)
        return self._pictures[device]


@dataclass(frozen=True)
class EpochAugmenter:
    """An augmenter in one epoch.

    Args:
        augmenter: what is done.
        epoch: epochs finished.
    """

    augmenter: Augmenter
    epoch: int

    def __call__(
        self,
        images: UInt8[Tensor, "batch channels height width"],
        target: Int[Tensor, " batch"] | Float[Tensor, " batch"],
        indices: Int[Tensor, " batch"],
        *,
        number: int,
    ) -> Augmented:
        """Augment one batch, on the device it is on.

        Args:
            images: as they are in the split; they are left as they are.
            target: class numbers, or regression targets in raw units.
            indices: rows of the split.
            number: of the batch in its epoch.
        """
        augmenter, augment = self.augmenter, self.augmenter.augment
        draws = augmenter.draws(self.epoch, number)
        moved = augmenter.move(images, indices, self.epoch, draws)
        if len(images) == 0 or not augment.revalues:
            return Augmented(moved, target)
        changed = augmenter.change(moved.float().div_(255), draws)
        return augmenter.mix(changed, target, draws) if augment.mixes else Augmented(changed, target)


def require_augmentable(augment: Augment, schema: Schema) -> None:
    """Check that a data set's examples can be augmented as asked.

    Raises:
        DataError: when they are no images, or have a number of channels that an operation can't take.
        ConfigurationError: when a crop's border is as wide as the image, or a cutout erases all of it.

    Example:
        >>> require_augmentable(Augment(), Schema("table", "classification", (4,)))
    """
    if not augment.active:
        return
    if schema.kind != "image":
        raise DataError(
            expected="images to augment",
            found=f"a {schema.kind} of shape {tuple(schema.input_shape)}, and augmentations: {augment.in_words()}",
            do="leave data.augment away",
        )
    channels, height, width = schema.input_shape
    if augment.crop >= min(height, width):
        raise ConfigurationError(
            expected=f"data.augment.crop: fewer pixels than the images' shorter side, {min(height, width)}",
            found=str(augment.crop),
            do=f"give {max(0, min(height, width) // 8)}, say",
        )
    if augment.cutout >= 2 * max(height, width):
        raise ConfigurationError(
            expected=f"data.augment.cutout: less than twice the images' longer side, {max(height, width)}: "
            "a larger square erases every image whole",
            found=str(augment.cutout),
            do=f"give {max(1, min(height, width) // 4)}, say",
        )
    if channels not in (1, 3) and (augment.policy != "none" or augment.pixmix):
        raise DataError(
            expected="grey or colour images, of 1 or 3 channels, for the operations of policies and PixMix",
            found=f"{channels} channels",
            do="leave data.augment.policy and data.augment.pixmix away",
        )


def _some(images: Tensor, which: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of some of the images, the others as they are."""
    rows = which.nonzero()[:, 0].to(images.device)
    return images.index_copy(0, rows, function(images.index_select(0, rows))) if len(rows) else images
