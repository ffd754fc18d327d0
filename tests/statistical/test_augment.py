"""Probabilities and ranges are those stated; counts and standard errors beside each."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.data.augment import Augment, Augmenter
from sightline.data.augment.augmenter import Augmented
from sightline.data.augment.draws import Draws
from sightline.data.augment.geometric import alternates
from sightline.data.augment.pixmix import BETA, mixing_weights
from sightline.data.augment.policies import OPERATIONS, rand_augment, trivial_augment

N = 4000


def augmented(images: Tensor, **fields: object) -> Augmented:
    """One batch of N examples."""
    schema = Schema("image", "classification", tuple(images.shape[1:]), classes=("a", "b"), image_mean=(0.0,))
    augmenter = Augmenter(Augment(**fields), schema, Seeds(0))  # type: ignore[arg-type]
    return augmenter.epoch(0)(images, torch.arange(N) % 2, torch.arange(N), number=0)


def constant(value: int, *shape: int) -> Tensor:
    return torch.full((N, *shape), value, dtype=torch.uint8)


def near(found: float, expected: float, standard_error: float) -> None:
    """Within four standard errors: wrong once in 16,000."""
    assert abs(found - expected) < 4 * standard_error


def shares(counts: Tensor, expected: float) -> None:
    """Every share within five standard errors of the same probability (up to 81 shares at once)."""
    error = math.sqrt(expected * (1 - expected) / float(counts.sum()))
    assert float((counts / counts.sum() - expected).abs().max()) < 5 * error


def spread_evenly(values: Tensor, low: float, high: float) -> None:
    """Within [low, high], and mean and variance those of even spreading."""
    assert low <= float(values.min()) < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < float(values.max()) <= high
    near(values.double().mean().item(), (low + high) / 2, (high - low) / math.sqrt(12 * len(values)))
    variance = (high - low) ** 2 / 12  # of the sample variance: (high − low)⁴/180/n
    near(values.double().var().item(), variance, (high - low) ** 2 / math.sqrt(180 * len(values)))


@pytest.mark.parametrize("field", ["flip", "alternating_flip"])
def test_half_of_the_images_are_mirrored(field: str) -> None:
    pair = torch.tensor([0, 255], dtype=torch.uint8).expand(N, 1, 1, 2)
    mirrored = (augmented(pair, **{field: True}).images[:, 0, 0, 0] == 255).float()
    near(mirrored.mean().item(), 0.5, 0.5 / math.sqrt(N))
    near((mirrored[1:] == mirrored[:-1]).float().mean().item(), 0.5, 0.5 / math.sqrt(N - 1))


def test_the_half_that_alternates_is_as_good_as_random_for_any_seed() -> None:
    """20 seeds: balanced, and no two alike: neighbouring rows and neighbouring seeds agree half of the time."""
    halves = torch.stack([alternates(torch.arange(N), 0, seed) for seed in range(20)]).float()
    error = 0.5 / math.sqrt(N)
    for one, other in pairwise(halves):
        near(one.mean().item(), 0.5, error)
        near((one == other).float().mean().item(), 0.5, error)
        near((one[2:] == one[:-2]).float().mean().item(), 0.5, error)


def test_every_crop_is_as_likely() -> None:
    """A 5 × 5 image whose pixels all differ, 2 pixels of border: 25 windows, told by their middle."""
    image = torch.arange(25, dtype=torch.uint8).reshape(1, 1, 5, 5).expand(N, 1, 5, 5)
    middle = augmented(image, crop=2).images[:, 0, 2, 2].long()
    counts = torch.bincount(middle, minlength=25).float()
    assert len(counts) == 25
    shares(counts, 1 / 25)


def test_rotation_translation_and_scale_are_spread_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def spy(images: Tensor, linear: Tensor, shift: Tensor) -> Tensor:
        seen.append((linear, shift))
        return images

    monkeypatch.setattr("sightline.data.augment.augmenter.warp", spy)
    augmented(constant(9, 1, 2, 4), rotation=20, scale=0.25, translation=0.5)
    ((linear, shift),) = seen
    spread_evenly(torch.atan2(linear[:, 0, 1], linear[:, 0, 0]) * 180 / math.pi, -20, 20)
    spread_evenly(torch.linalg.det(linear).sqrt(), 0.75, 1.25)
    spread_evenly(shift[:, 0], -2, 2)
    spread_evenly(shift[:, 1], -1, 1)
    assert abs(torch.corrcoef(shift.T)[0, 1].item()) < 4 / math.sqrt(N)


def test_brightness_is_spread_evenly() -> None:
    values = augmented(constant(100, 1, 1, 1), brightness=0.4).images.flatten() * 255
    spread_evenly(values, 60, 140)


@pytest.mark.parametrize("field", ["autocontrast", "pixmix"])
@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_probabilities_are_those_asked_for(monkeypatch: pytest.MonkeyPatch, field: str, probability: float) -> None:
    monkeypatch.setattr("sightline.data.augment.augmenter.pixmix", lambda x, pictures, draws: 1 - x)
    image = torch.tensor([100, 150], dtype=torch.uint8).expand(N, 1, 1, 2)
    changed = (augmented(image, **{field: probability}).images != image.float() / 255).any(3).float()
    near(changed.mean().item(), probability, math.sqrt(probability * (1 - probability) / N) + 1e-9)


def test_pixmix_leaves_images_as_rarely_as_the_paper() -> None:
    """No round (1/5) from the image itself (1/2): with probability 1/10 nothing changes; 2 % above for faint mixes."""
    image = torch.randint(0, 256, (1, 1, 8, 8), dtype=torch.uint8).expand(N, 1, 8, 8)
    same = (augmented(image, pixmix=1.0).images == image.float() / 255).all(3).all(2).float().mean().item()
    error = math.sqrt(0.1 * 0.9 / N)
    assert 0.1 - 4 * error < same < 0.12 + 4 * error


def test_bits_are_as_likely_from_the_fewest_to_eight() -> None:
    kept = augmented(constant(255, 1, 1, 1), posterise=5).images.flatten() * 255
    values, counts = kept.round().unique(return_counts=True)
    assert values.tolist() == [248, 252, 254, 255]
    shares(counts.float(), 1 / 4)


def test_squares_are_cut_out_anywhere() -> None:
    """A side of 1: each of the 4 × 5 pixels alike."""
    gone = (augmented(constant(255, 1, 4, 5), cutout=1).images == 0)[:, 0]
    assert bool((gone.sum((1, 2)) == 1).all())
    shares(gone.sum(0).float().flatten(), 1 / 20)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_of_mixup_are_beta(alpha: float) -> None:
    """Mean 1/2, variance 1/(4(2α + 1)); fourth central moment 3/(16(2α + 1)(2α + 3))."""
    found = augmented(constant(0, 1, 1, 1), mixup=alpha)
    assert found.mix is not None
    share, variance = found.mix.share.double(), 1 / (4 * (2 * alpha + 1))
    near(share.mean().item(), 0.5, math.sqrt(variance / N))
    fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))
    near((share - 0.5).square().mean().item(), variance, math.sqrt((fourth - variance**2) / N))


def test_partners_are_a_random_order() -> None:
    images = torch.arange(N).remainder(256).byte().reshape(N, 1, 1, 1)
    found = augmented(images, cutmix=1e-3)  # a share is nearly always 0 or 1: one pixel from one of the two
    assert found.mix is not None
    near(found.mix.partner.float().mean().item(), 0.5, 1e-6)
    near((found.mix.partner == found.target).float().mean().item(), 0.5, 0.5 / math.sqrt(N))
    near(found.mix.share.mean().item(), 0.5, 0.5 / math.sqrt(N))


def test_boxes_keep_more_than_their_beta_share_as_borders_cut_them() -> None:
    """CutMix with α = 1, so that the area 1 − λ = r² is spread evenly; standard error from the sample itself."""
    found = augmented(constant(0, 1, 40, 40), cutmix=1.0)
    assert found.mix is not None
    # of a side r about a middle anywhere in [0, 1], r − r²/4 lies inside on average
    area = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    root = area.sqrt()
    expected = 1 - (root - root.square() / 4).square().mean().item()
    near(found.mix.share.mean().item(), expected, found.mix.share.std().item() / math.sqrt(N) + 1e-3)


def test_mixup_and_cutmix_take_turns_by_batch() -> None:
    """144 batches: standard error 4.2 %. mixup makes values in between, CutMix none."""
    schema = Schema("image", "classification", (1, 4, 4), classes=("a", "b"), image_mean=(0.0,))
    augmenter = Augmenter(Augment(mixup=1.0, cutmix=1.0), schema, Seeds(0))
    images = torch.tensor([0, 255] * 4, dtype=torch.uint8).reshape(8, 1, 1, 1).expand(8, 1, 4, 4)
    blends = []
    for number in range(144):
        found = augmenter.epoch(0)(images, torch.arange(8) % 2, torch.arange(8), number=number).images
        blends.append(float(bool(((found > 0) & (found < 1)).any())))
    near(sum(blends) / 144, 0.5 * (1 - 1 / 70), 0.042)  # in 1 of 70 orders each is mixed with its like


@pytest.mark.parametrize(
    ("policy", "rounds", "strengths"),
    [
        (lambda x, draws: rand_augment(x, draws, 3, 7.0), 3, [0.7]),
        (trivial_augment, 1, [k / 30 for k in range(31)]),
    ],
)
def test_policies_draw_operations_signs_and_strengths_evenly(
    monkeypatch: pytest.MonkeyPatch, policy: Callable[[Tensor, Draws], Tensor], rounds: int, strengths: list[float]
) -> None:
    seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def spy(images: Tensor, operation: Tensor, strength: Tensor, sign: Tensor, ranges: object) -> Tensor:
        seen.append((operation, strength, sign))
        return images

    monkeypatch.setattr("sightline.data.augment.policies.apply_operations", spy)
    policy(torch.zeros(N, 1, 1, 1), Draws(0))
    assert len(seen) == rounds
    assert len(OPERATIONS) == 14
    for operation, strength, sign in seen:
        shares(torch.bincount(operation, minlength=14).float(), 1 / 14)
        values, counts = strength.unique(return_counts=True)
        torch.testing.assert_close(values, torch.tensor(strengths))
        if len(strengths) > 1:
            shares(counts.float(), 1 / 31)
        assert sign.abs().unique().tolist() == [1.0]
        near(sign.mean().item(), 0, 1 / math.sqrt(N))


def test_pixmix_weights_are_beta() -> None:
    """Own: Beta(3, 1), mean 3/4, or 1 + Beta(1, 3), mean 5/4; the other's: ± Beta(1, 3), mean 1/4, variance 3/80."""
    own, other = mixing_weights(Draws(0), N)
    assert BETA == 3
    error = math.sqrt(3 / 80 / (N / 2))
    within = other > 0
    near(within.float().mean().item(), 0.5, 0.5 / math.sqrt(N))
    for inside, mean in ((within, 0.75), (~within, 1.25)):
        near(own[inside].mean().item(), mean, error * 1.05)
        near(other[inside].abs().mean().item(), 0.25, error * 1.05)
    assert bool((own[within] <= 1).all())
    assert bool((own[~within] >= 1).all())
