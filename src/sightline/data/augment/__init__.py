"""Augmentation: changed copies of training images, made anew in every epoch, whole batches at a time."""

from sightline.data.augment.augmenter import Augmenter, EpochAugmenter
from sightline.data.augment.spec import Augment

__all__ = ["Augment", "Augmenter", "EpochAugmenter"]
