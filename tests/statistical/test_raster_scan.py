"""Images are sampled as often as the model says: χ² over all images of a small grid.

20,000 images a case; images with fewer than 5 expected ones are counted together. A case fails by chance once in a
thousand seeds (level 0.001), and the seed is fixed.
"""

import pytest
import torch
from scipy import stats
from torch import Tensor

from pixel_models import all_images, log_probabilities, make
from sightline.generate.raster_scan import sample_pixels

DRAWS, LEVEL = 20_000, 1e-3
CASES = [  # how far weights are from their first values, so that distributions are neither even nor all on one image
    ("plain", 1, (2, 3), 1.0, 0.4),
    ("gated", 2, (2, 2), 0.5, 0.5),
    ("pixels", 1, (2, 3), 1.0, 0.7),
    ("patches", 2, (2, 2), 0.5, 0.5),
]


def p_value(numbers: Tensor, probabilities: Tensor) -> float:
    """How likely counts at least this far from the expected ones are."""
    counts, expected = numbers.bincount(minlength=len(probabilities)).double(), probabilities * DRAWS
    rare = expected < 5
    if bool(rare.any()):
        counts = torch.cat([counts[~rare], counts[rare].sum()[None]])
        expected = torch.cat([expected[~rare], expected[rare].sum()[None]])
    kept = expected > 0
    assert counts[~kept].sum() == 0
    return float(stats.chisquare(counts[kept].numpy(), expected[kept].numpy(), sum_check=False).pvalue)


def number_of(images: Tensor) -> Tensor:
    """The place of each binary image among all of them."""
    flat = images.flatten(1)
    return (flat << torch.arange(flat.shape[1] - 1, -1, -1)).sum(1)


@pytest.mark.parametrize(("kind", "channels", "size", "temperature", "strength"), CASES)
def test_images_come_with_their_probability(
    kind: str, channels: int, size: tuple[int, int], temperature: float, strength: float
) -> None:
    model = make(kind, size, in_channels=channels, num_classes=2, strength=strength)
    found = sample_pixels(
        model,
        count=DRAWS,
        image_size=size,
        labels=torch.ones(DRAWS, dtype=torch.int64),
        temperature=temperature,
        generator=torch.Generator().manual_seed(7),
    )
    every = all_images(2, channels, size)
    chances = [log_probabilities(model, every, label=label, temperature=temperature).exp() for label in (1, 0)]
    assert p_value(number_of(found), chances[0]) > LEVEL
    assert p_value(number_of(found), chances[1]) < 1e-9  # another label is another distribution
    other = log_probabilities(model, every, label=1, temperature=1.5 - temperature).exp()
    assert p_value(number_of(found), other) < 1e-9  # and so is another temperature


@pytest.mark.parametrize(("kind", "channels"), [("plain", 1), ("gated", 2), ("patches", 1)])
def test_images_are_completed_with_their_conditional_probability(kind: str, channels: int) -> None:
    """p(rest | given) = p(given, rest) / Σ p(given, ·), by enumeration."""
    size, rows = ((4, 2), 2) if channels == 1 else ((2, 2), 1)
    model = make(kind, size, in_channels=channels, strength=0.4)
    every = all_images(2, channels, size)
    given = every[len(every) // 3, :, :rows]
    fits = (every[:, :, :rows] == given).flatten(1).all(1)
    chances = log_probabilities(model, every).exp() * fits
    found = sample_pixels(
        model,
        count=DRAWS,
        image_size=size,
        given=given.expand(DRAWS, -1, -1, -1),
        generator=torch.Generator().manual_seed(8),
    )
    assert p_value(number_of(found), chances / chances.sum()) > LEVEL
