"""PixMix: images mixed several times over with fractal pictures, by addition and multiplication.

The mixing pictures are made here, from noise whose spectrum falls as a power of the frequency. They are
periodic, so that every shift of one is another.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.data.augment.draws import Draws
from sightline.data.augment.policies import OPERATIONS, Ranges, apply_operations

PICTURES = 64
ROUNDS = 4
"""Most rounds of mixing: k in the paper."""
BETA = 3.0
"""How near to 1 the image's own weight lies: β in the paper."""
STRENGTHS = (0.01, 0.3)
"""Smallest and largest strength of the operations that make changed copies: levels 0.1 to 3 of 10."""

# 4 − ⌊4m⌋ bits are kept; rounding 4.5 − 4m says the same
PIXMIX = Ranges(
    rotation=30, shear=0.3, translation_share=1 / 3, translation_pixels=0, enhancement=0.9,
    most_bits=4.5, fewest_bits=0.5, fill=0.0,
)  # fmt: skip
"""What the operations do at strength 1 (Hendrycks et al. 2022, the published code); black comes in from outside."""

_GREY_SAFE = tuple(
    number for number, name in enumerate(OPERATIONS) if name not in ("identity", "colour", "contrast", "brightness",
                                                                     "sharpness")
)  # fmt: skip


def fractal_pictures(count: int, channels: int, height: int, width: int, seed: int) -> Float[Tensor, "count c h w"]:
    """Periodic pictures in [0, 1]: sines of noise z with amplitude ∝ |frequency|^{−γ}, ½ + ½ sin(a·z).

    γ from 1.5 to 2.5 sets how rough a picture is, a from ½ to 3 how often its values fold over into bands;
    the channels are random mixtures of one another.

    Shapes:
        returns (count, channels, height, width)

    Args:
        count: pictures.
        channels: of each.
        height: in pixels.
        width: in pixels.
        seed: decides them.

    Lecture: O9

    Example:
        >>> pictures = fractal_pictures(2, 3, 8, 8, seed=0)
        >>> bool(pictures.min() >= 0), bool(pictures.max() <= 1)
        (True, True)
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, channels, height, width, generator=generator)
    roughness = 1.5 + torch.rand(count, 1, 1, 1, generator=generator)
    bands = 0.5 + 2.5 * torch.rand(count, 1, 1, 1, generator=generator)
    mixture = torch.randn(count, channels, channels, generator=generator)
    phase = 2 * math.pi * torch.rand(count, channels, 1, 1, generator=generator)
    down, across = torch.fft.fftfreq(height) * height, torch.fft.rfftfreq(width) * width
    frequency = (down[:, None].square() + across.square()).sqrt()
    frequency[0, 0] = math.inf  # no constant part
    spectrum = torch.fft.rfft2(noise) * frequency ** (-roughness)
    plasma = torch.einsum("ncd,ndhw->nchw", mixture, torch.fft.irfft2(spectrum, s=(height, width)))
    spread = plasma.std((2, 3), correction=0, keepdim=True).clamp_(min=1e-12)
    return 0.5 + 0.5 * (bands * plasma / spread + phase).sin()


def pixmix(
    images: Float[Tensor, "batch channels height width"],
    pictures: Float[Tensor, "count channels height width"],
    draws: Draws,
) -> Float[Tensor, "batch channels height width"]:
    """Zero to four rounds an image, each mixing in a picture or a changed copy of the image; clipped to [0, 1].

    It starts from the image or a changed copy of it. The label stays.

    Shapes:
        images (batch, 1 or 3, height, width), pictures (count, the same) → as images

    Args:
        images: values in [0, 1].
        pictures: from :func:`fractal_pictures`.
        draws: the batch's random numbers.

    Source: Hendrycks et al. 2022, algorithm 1, k = 4 and β = 3

    Lecture: O9

    Example:
        >>> images, pictures = torch.rand(2, 1, 8, 8), fractal_pictures(4, 1, 8, 8, seed=0)
        >>> pixmix(images, pictures, Draws(0)).shape
        torch.Size([2, 1, 8, 8])
    """
    count = len(images)
    rounds = draws.integers(0, ROUNDS, count)
    start = draws.chance(0.5, count).to(images.device)[:, None, None, None]
    mixed = torch.where(start, _changed(images, draws), images)
    for number in range(ROUNDS):
        drawn = _shifted(pictures, draws, count)
        copies = draws.chance(0.5, count).to(images.device)[:, None, None, None]
        other = torch.where(copies, _changed(images, draws), drawn)
        own, others = (weight.to(images)[:, None, None, None] for weight in mixing_weights(draws, count))
        adds = draws.chance(0.5, count).to(images.device)[:, None, None, None]
        both = torch.where(adds, added(mixed, other, own, others), multiplied(mixed, other, own, others))
        goes_on = (rounds > number).to(images.device)[:, None, None, None]
        mixed = torch.where(goes_on, both.clamp(0, 1), mixed)
    return mixed


def mixing_weights(draws: Draws, count: int) -> tuple[Float[Tensor, " count"], Float[Tensor, " count"]]:
    """The weights a of the image and b of the other: Beta(β, 1) and Beta(1, β), or 1 + Beta(1, β) and −Beta(1, β).

    Shapes:
        returns two of (count,)

    Source: Hendrycks et al. 2022, appendix: the code of the mixing operations

    Lecture: O9

    Example:
        >>> own, other = mixing_weights(Draws(0), 100)
        >>> bool((own >= 0).all()), bool((other.abs() <= 1).all())
        (True, True)
    """
    within = draws.chance(0.5, count)
    own = torch.where(within, draws.beta(BETA, 1, count), 1 + draws.beta(1, BETA, count))
    other = draws.beta(1, BETA, count)
    return own, torch.where(within, other, -other)


def added(image: Tensor, other: Tensor, own: Tensor, others: Tensor) -> Tensor:
    """½ + a(x − ½) + b(y − ½): a sum about grey."""
    return 0.5 + own * (image - 0.5) + others * (other - 0.5)


def multiplied(image: Tensor, other: Tensor, own: Tensor, others: Tensor) -> Tensor:
    """½ (2x)^a (2y)^b: a geometric mean about grey."""
    return 0.5 * (2 * image) ** own * (2 * other).clamp(min=1e-37) ** others


def _changed(images: Tensor, draws: Draws) -> Tensor:
    """Copies changed by one operation each; none that only changes colours, as in the paper."""
    count = len(images)
    operation = torch.tensor(_GREY_SAFE)[draws.integers(0, len(_GREY_SAFE) - 1, count)]
    return apply_operations(images, operation, draws.uniform(*STRENGTHS, count), draws.sign(count), PIXMIX)


def _shifted(pictures: Tensor, draws: Draws, count: int) -> Tensor:
    """Pictures drawn at random, each shifted around its borders by its own whole numbers of pixels."""
    height, width = pictures.shape[2:]
    which = draws.integers(0, len(pictures) - 1, count).to(pictures.device)
    rows = _around(draws, height, count).to(pictures.device)
    columns = _around(draws, width, count).to(pictures.device)
    places: Int[Tensor, "batch pixels"] = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)
    flat = pictures.index_select(0, which).flatten(2)
    return flat.gather(2, places[:, None].expand(-1, pictures.shape[1], -1)).view(count, -1, height, width)


def _around(draws: Draws, size: int, count: int) -> Tensor:
    return (torch.arange(size) + draws.integers(0, size - 1, count)[:, None]) % size
