"""An epoch of augmented batches, 50,000 colour images of 32 × 32: Sightline against a per-image pipeline.

The pipeline does the same to one image after the other with Pillow and numpy, inside a ``DataLoader`` with
two workers. Both give standardised float batches of 128.

Usage: python benchmarks/augmentation.py
"""

import random
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.data import TensorSplit
from sightline.data.augment import Augment, Augmenter

EXAMPLES, BATCH, SIDE = 50_000, 128, 32
MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
Change = Callable[[Image.Image], Image.Image]


def flip(picture: Image.Image) -> Image.Image:
    """Mirrored half of the time."""
    return ImageOps.mirror(picture) if random.random() < 0.5 else picture


def crop(picture: Image.Image) -> Image.Image:
    """Four pixels of reflection, then a window."""
    padded = np.pad(np.asarray(picture), ((4, 4), (4, 4), (0, 0)), mode="reflect")
    down, right = random.randint(0, 8), random.randint(0, 8)
    return Image.fromarray(padded[down : down + SIDE, right : right + SIDE])


def rotate(picture: Image.Image) -> Image.Image:
    """Up to 15° either way."""
    return picture.rotate(random.uniform(-15, 15), Image.Resampling.BILINEAR)


def brighten(picture: Image.Image) -> Image.Image:
    """Up to 30 % more or less light."""
    return ImageEnhance.Brightness(picture).enhance(random.uniform(0.7, 1.3))


def erase(picture: Image.Image) -> Image.Image:
    """A square of 8 pixels filled with the mean."""
    pixels = np.array(picture)
    down, right = random.randrange(SIDE), random.randrange(SIDE)
    pixels[max(0, down - 4) : down + 4, max(0, right - 4) : right + 4] = np.multiply(MEAN, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def trivial(picture: Image.Image) -> Image.Image:
    """TrivialAugment's wide operations."""
    level, sign = random.randint(0, 30) / 30, random.choice((-1, 1))
    enhance = 1 + sign * 0.99 * level

    def affine(*coefficients: float) -> Image.Image:
        return picture.transform(picture.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)

    operations: list[Callable[[], Image.Image]] = [
        lambda: picture,
        lambda: ImageOps.autocontrast(picture),
        lambda: ImageOps.equalize(picture),
        lambda: picture.rotate(sign * 135 * level, Image.Resampling.BILINEAR),
        lambda: ImageOps.solarize(picture, round(256 * (1 - level))),
        lambda: ImageEnhance.Color(picture).enhance(enhance),
        lambda: ImageOps.posterize(picture, 8 - round(6 * level)),
        lambda: ImageEnhance.Contrast(picture).enhance(enhance),
        lambda: ImageEnhance.Brightness(picture).enhance(enhance),
        lambda: ImageEnhance.Sharpness(picture).enhance(enhance),
        lambda: affine(1, sign * 0.99 * level, 0, 0, 1, 0),
        lambda: affine(1, 0, 0, sign * 0.99 * level, 1, 0),
        lambda: affine(1, 0, sign * 32 * level, 0, 1, 0),
        lambda: affine(1, 0, 0, 0, 1, sign * 32 * level),
    ]
    return random.choice(operations)()


class OneByOne(Dataset[tuple[Tensor, int]]):
    """Each image augmented and standardised when it is asked for."""

    def __init__(self, images: Tensor, changes: list[Change]) -> None:
        self.images = images.permute(0, 2, 3, 1).contiguous().numpy()
        self.changes = changes
        self.mean, self.std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[index])
        for change in self.changes:
            picture = change(picture)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
        return (pixels - self.mean) / self.std, index % 10


CASES: dict[str, tuple[Augment, list[Change]]] = {
    "flip, crop 4": (Augment(flip=True, crop=4), [flip, crop]),
    "flip, crop 4, rotation 15°, brightness, cutout 8": (
        Augment(flip=True, crop=4, rotation=15, brightness=0.3, cutout=8),
        [flip, crop, rotate, brighten, erase],
    ),
    "TrivialAugment": (Augment(policy="trivial"), [trivial]),
}


def seconds(epoch: Callable[[], int]) -> float:
    """Time of one epoch."""
    start = time.perf_counter()
    count = epoch()
    assert count == EXAMPLES, count
    return time.perf_counter() - start


def main() -> int:
    """Measure and print."""
    torch.set_num_threads(2)
    images = torch.randint(0, 256, (EXAMPLES, 3, SIDE, SIDE), dtype=torch.uint8)
    classes = tuple("0123456789")
    schema = Schema("image", "classification", (3, SIDE, SIDE), classes=classes, image_mean=MEAN, image_std=STD)
    split = TensorSplit("train", images, torch.arange(EXAMPLES) % 10, schema)
    print(f"{EXAMPLES:,} images of {SIDE} × {SIDE}, batches of {BATCH}, 2 threads against 2 workers")
    for name, (augment, changes) in CASES.items():
        augmenter = Augmenter(augment, schema, Seeds(0))

        def ours(epoch: int = 0, augmenter: Augmenter = augmenter) -> int:
            order = torch.randperm(EXAMPLES)
            batches = split.batches(batch_size=BATCH, order=order, augment=augmenter.epoch(epoch))
            return sum(len(batch) for batch in batches)

        def theirs(changes: list[Change] = changes) -> int:
            loader = DataLoader(OneByOne(images, changes), BATCH, shuffle=True, num_workers=2)
            return sum(len(target) for _, target in loader)

        next(iter(split.batches(batch_size=BATCH, augment=augmenter.epoch(0))))  # libraries are loaded by this
        fast = sorted(seconds(ours) for _ in range(3))
        slow = sorted(seconds(theirs) for _ in range(2))
        print(f"{name}")
        print(f"  Sightline    {fast[0]:7.2f} s   (slowest of 3: {fast[-1]:.2f})")
        print(f"  one by one   {slow[0]:7.2f} s   (slowest of 2: {slow[-1]:.2f})")
        print(f"  ratio        {slow[0] / fast[0]:7.1f} ×   (wanted: at least 5)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
