"""Which augmentations are made, and how strong they are."""

from dataclasses import dataclass
from typing import Annotated, Literal

from sightline.core.config import Config, Option
from sightline.core.errors import ConfigurationError

Policy = Literal["none", "rand", "trivial"]

_ALL_BITS = 8


@dataclass(frozen=True)
class Augment(Config):
    """How training images are changed before the network sees them; as it stands, not at all.

    The order is that of the fields: geometry, ``policy``, colour, ``pixmix``, ``cutout``, ``mixup`` or
    ``cutmix``. With both of the last two on, each batch takes one of them with probability 1/2.
    Validation and test images are never changed.

    Raises:
        ConfigurationError: for a value of the wrong type or out of its range, or two ways of mirroring.

    Source: Zhang et al. 2018 (mixup); Yun et al. 2019 (CutMix); DeVries and Taylor 2017 (cutout);
        Hendrycks et al. 2022 (PixMix); Cubuk et al. 2020 (RandAugment); Müller and Hutter 2021
        (TrivialAugment); Jordan 2024 (alternating flip)

    Lecture: O9

    Example:
        >>> Augment(flip=True, crop=4).in_words()
        'mirrored left-right half of the time; shifted by up to 4 pixels'
        >>> Augment().active
        False
    """

    flip: Annotated[bool, Option("mirror left-right with probability 1/2")] = False
    alternating_flip: Annotated[
        bool, Option("mirror every image in every second epoch, one half of them in the even ones")
    ] = False
    crop: Annotated[
        int, Option("reflect this many pixels at every side, then cut the image's size out anywhere", "pixels", 0)
    ] = 0
    rotation: Annotated[float, Option("largest angle, either way", unit="degrees", minimum=0, maximum=180)] = 0.0
    translation: Annotated[float, Option("largest shift, as a share of width and height", minimum=0, maximum=1)] = 0.0
    scale: Annotated[float, Option("largest change of size: factors 1 ± this", minimum=0, below=1)] = 0.0
    policy: Annotated[Policy, Option("random operations: RandAugment (rand) or TrivialAugment (trivial)")] = "none"
    policy_count: Annotated[int, Option("operations one after the other, for rand", minimum=1, maximum=10)] = 2
    policy_magnitude: Annotated[
        float, Option("strength of rand's operations; 10 is the whole published range", minimum=0, maximum=10)
    ] = 9.0
    brightness: Annotated[float, Option("largest change of brightness: factors 1 ± this", minimum=0, maximum=1)] = 0.0
    autocontrast: Annotated[
        float, Option("probability of stretching each channel over the whole range", minimum=0, maximum=1)
    ] = 0.0
    posterise: Annotated[
        int, Option("fewest of a pixel's 8 bits that are kept; 8: all", unit="bits", minimum=1, maximum=_ALL_BITS)
    ] = _ALL_BITS
    pixmix: Annotated[float, Option("probability of mixing with fractal pictures", minimum=0, maximum=1)] = 0.0
    cutout: Annotated[int, Option("side of a square that is erased", unit="pixels", minimum=0)] = 0
    mixup: Annotated[float, Option("α of Beta(α, α), the share of an image that is kept; 0: off", minimum=0)] = 0.0
    cutmix: Annotated[float, Option("α of Beta(α, α), the share of the area that is kept; 0: off", minimum=0)] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.flip and self.alternating_flip:
            raise ConfigurationError(
                expected="one way of mirroring", found="flip and alternating_flip", do="leave one of the two out"
            )

    @property
    def mirrors(self) -> bool:
        """Whether images are mirrored."""
        return self.flip or self.alternating_flip

    @property
    def warps(self) -> bool:
        """Whether images are rotated, shifted or scaled."""
        return bool(self.rotation or self.translation or self.scale)

    @property
    def recolours(self) -> bool:
        """Whether brightness, contrast or bits are changed."""
        return bool(self.brightness or self.autocontrast or self.posterise < _ALL_BITS)

    @property
    def mixes(self) -> bool:
        """Whether labels are mixed."""
        return bool(self.mixup or self.cutmix)

    @property
    def revalues(self) -> bool:
        """Whether pixel values are changed, and not only moved."""
        valued = self.warps or self.recolours or self.policy != "none"
        return valued or bool(self.pixmix or self.cutout) or self.mixes

    @property
    def active(self) -> bool:
        """Whether anything is done at all."""
        return self.mirrors or bool(self.crop) or self.revalues

    def in_words(self) -> str:
        """What is done and how strongly, in the order it is done; empty where nothing is."""
        told = (
            (self.flip, "mirrored left-right half of the time"),
            (self.alternating_flip, "mirrored left-right in every second epoch"),
            (self.crop, f"shifted by up to {self.crop} pixels"),
            (self.rotation, f"rotated by up to ±{self.rotation:g}°"),
            (self.translation, f"shifted by up to ±{self.translation:g} of the width and height"),
            (self.scale, f"scaled by 1 ± {self.scale:g}"),
            (
                self.policy == "rand",
                f"RandAugment with {self.policy_count} operations of magnitude {self.policy_magnitude:g} of 10",
            ),
            (self.policy == "trivial", "TrivialAugment"),
            (self.brightness, f"brightness times 1 ± {self.brightness:g}"),
            (self.autocontrast, f"contrast stretched with probability {self.autocontrast:g}"),
            (self.posterise < _ALL_BITS, f"posterised to {self.posterise} to {_ALL_BITS} bits"),
            (self.pixmix, f"PixMix with probability {self.pixmix:g}"),
            (self.cutout, f"a square of {self.cutout} × {self.cutout} pixels cut out"),
            (self.mixup, f"mixup with α = {self.mixup:g}"),
            (self.cutmix, f"CutMix with α = {self.cutmix:g}"),
        )
        return "; ".join(words for on, words in told if on)
