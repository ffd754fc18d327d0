"""Augmentations are their slow, obvious twins; labels follow; a batch depends on seed, epoch and number alone."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor, nn

from sightline.cli.overrides import apply_overrides
from sightline.core.checkpoint import find_checkpoint, load_weights
from sightline.core.config import Choice, build, from_yaml, resolve, to_yaml
from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import Schema, Task
from sightline.core.seeds import Seeds
from sightline.data import Batch, DataSpec, TensorSplit, fit_standardiser, load, standardise
from sightline.data.augment import Augment, Augmenter, colour
from sightline.data.augment.augmenter import require_augmentable
from sightline.data.augment.draws import Draws
from sightline.data.augment.erasing import cutout
from sightline.data.augment.geometric import alternates, crop, mirror, rotations, warp
from sightline.data.augment.mixing import cut_boxes, cutmix, mixup, share_kept
from sightline.data.augment.pixmix import (
    _GREY_SAFE,
    BETA,
    PIXMIX,
    ROUNDS,
    _changed,
    _shifted,
    added,
    fractal_pictures,
    mixing_weights,
    multiplied,
    pixmix,
)
from sightline.data.augment.policies import OPERATIONS, RAND, WIDE, apply_operations
from sightline.data.batch import Mix
from sightline.data.spec import Standardise
from sightline.models.auxiliary import AuxiliaryOutputs
from sightline.objectives import OBJECTIVES, CrossEntropy, Objective, Squared
from sightline.train import Interrupted, Plan, RunSpec, resume, train
from sightline.train.engine import Engine
from sightline.train.supervised import laid_out

CLASSES = Schema(
    "image", "classification", (3, 6, 7), classes=("a", "b", "c"), image_mean=(0.1, 0.5, 0.9), image_std=(1,) * 3
)
EVERYTHING = Augment(
    flip=True, crop=2, rotation=20, translation=0.2, scale=0.3, brightness=0.3, autocontrast=0.5, posterise=3,
    cutout=3, mixup=0.5, cutmix=0.7, pixmix=0.5, policy="rand",
)  # fmt: skip


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def bytes_of(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_mirror_is_a_loop() -> None:
    images, which = bytes_of(4, 3, 5, 6), torch.tensor([True, False, True, False])
    for image, flipped, done in zip(images, mirror(images, which), which.tolist(), strict=True):
        for j in range(6):
            assert torch.equal(flipped[:, :, j], image[:, :, 5 - j if done else j])


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_crop_is_padding_then_slicing(kind: torch.dtype) -> None:
    images, padding = bytes_of(30, 3, 5, 7).to(kind), 4
    down, right = torch.arange(30) % 9, torch.arange(30) // 2 % 9
    for image, cut, i, j in zip(images, crop(images, down, right, padding), down.tolist(), right.tolist(), strict=True):
        padded = np.pad(image.numpy(), ((0, 0), (padding, padding), (padding, padding)), mode="reflect")
        assert np.array_equal(cut.numpy(), padded[:, i : i + 5, j : j + 7])
    assert torch.equal(crop(images, torch.full((30,), 4), torch.full((30,), 4), padding), images)
    which = torch.arange(30) % 3 == 0
    both = crop(images, down, right, padding, which)
    assert torch.equal(both, mirror(crop(images, down, right, padding), which))


@pytest.mark.parametrize("turns", [1, 2, 3, -1])
def test_a_quarter_turn_is_rot90(turns: int) -> None:
    image = noise(2, 3, 6, 6)
    turned = warp(image, rotations(torch.full((2,), 90.0 * turns)), torch.zeros(2, 2), fill=0.0)
    torch.testing.assert_close(turned, torch.rot90(image, turns, (2, 3)), atol=1e-5, rtol=0)


def test_whole_pixels_of_translation_are_a_shift() -> None:
    image, one = noise(1, 2, 5, 6), torch.eye(2)[None]
    moved = warp(image, one, torch.tensor([[2.0, -1.0]]), fill=0.25)
    expected = torch.full_like(image, 0.25)
    expected[:, :, :4, 2:] = image[:, :, 1:, :4]
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)
    from_border = warp(image, one, torch.tensor([[2.0, 0.0]]))
    torch.testing.assert_close(from_border[..., :2], image[..., :1].expand(-1, -1, -1, 2), atol=1e-5, rtol=0)


def bilinear(image: Tensor, linear: Tensor, shift: Tensor, fill: float | None) -> Tensor:
    """Every pixel looked up at its source, between the four around it."""
    channels, height, width = image.shape
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    result = torch.zeros_like(image)

    def at(i: int, j: int) -> Tensor:
        if fill is not None and not (0 <= i < height and 0 <= j < width):
            return torch.full((channels,), fill)
        return image[:, min(max(i, 0), height - 1), min(max(j, 0), width - 1)]

    for i in range(height):
        for j in range(width):
            x, y = (torch.linalg.inv(linear) @ (torch.tensor([j, i]) - middle - shift) + middle).tolist()
            across, down = x - math.floor(x), y - math.floor(y)
            k, m = math.floor(y), math.floor(x)
            upper = (1 - across) * at(k, m) + across * at(k, m + 1)
            lower = (1 - across) * at(k + 1, m) + across * at(k + 1, m + 1)
            result[:, i, j] = (1 - down) * upper + down * lower
    return result


@pytest.mark.parametrize("fill", [None, 0.0, 0.5])
def test_a_warp_looks_every_pixel_up_at_its_source(fill: float | None) -> None:
    images = noise(4, 2, 5, 7)
    linear = rotations(torch.tensor([20.0, -130.0, 0.0, 3.0])) * torch.tensor([1.0, 0.7, 1.4, 1.0])[:, None, None]
    linear[3, 0, 1] += 0.4
    shift = torch.tensor([[0.5, -1.2], [0.0, 2.0], [-1.0, 0.0], [0.3, 0.3]])
    for fast, image, a, t in zip(warp(images, linear, shift, fill), images, linear, shift, strict=True):
        torch.testing.assert_close(fast, bilinear(image, a, t, fill), atol=2e-5, rtol=0)


def test_a_warp_turns_scales_and_shifts_as_the_draws_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """One warp for all three; a scale above 1 enlarges; shifts are shares of width and height."""
    seen: list[tuple[Tensor, ...]] = []

    def spy(images: Tensor, linear: Tensor, shift: Tensor) -> Tensor:
        seen.append((linear, shift))
        return images

    monkeypatch.setattr("sightline.data.augment.augmenter.warp", spy)
    augmenter = Augmenter(Augment(rotation=30, scale=0.2, translation=0.1), CLASSES, Seeds(0))
    augmenter.change(noise(50, 3, 6, 7), Draws(1))
    ((linear, shift),) = seen
    draws = Draws(1)
    angle, factor = draws.uniform(-30, 30, 50), 1 + draws.uniform(-0.2, 0.2, 50)
    radians = angle * math.pi / 180
    torch.testing.assert_close(linear[:, 0, 0], factor * radians.cos())
    torch.testing.assert_close(linear[:, 1, 0], -factor * radians.sin())
    torch.testing.assert_close(shift[:, 0], 7 * draws.uniform(-0.1, 0.1, 50))
    torch.testing.assert_close(shift[:, 1], 6 * draws.uniform(-0.1, 0.1, 50))


def pillow(image: Tensor) -> Image.Image:
    array = image.numpy()
    return Image.fromarray(array[0] if len(array) == 1 else np.ascontiguousarray(array.transpose(1, 2, 0)))


def back(picture: Image.Image) -> Tensor:
    array = torch.from_numpy(np.array(picture)).float() / 255
    return array[None] if array.ndim == 2 else array.permute(2, 0, 1)


PILLOWS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Image.Image, float], Image.Image], float]] = {
    "brightness": (lambda x, f: colour.brightness(x, f), lambda p, f: ImageEnhance.Brightness(p).enhance(f), 1.01),
    "contrast": (lambda x, f: colour.contrast(x, f), lambda p, f: ImageEnhance.Contrast(p).enhance(f), 2.5),
    "saturation": (lambda x, f: colour.saturation(x, f), lambda p, f: ImageEnhance.Color(p).enhance(f), 1.6),
    "sharpness": (lambda x, f: colour.sharpness(x, f), lambda p, f: ImageEnhance.Sharpness(p).enhance(f), 2.01),
    "autocontrast": (lambda x, f: colour.autocontrast(x), lambda p, f: ImageOps.autocontrast(p), 1.01),
    "equalise": (lambda x, f: colour.equalise(x), lambda p, f: ImageOps.equalize(p), 0.01),
    "posterise": (
        lambda x, f: colour.posterise(x, (f * 4).round().long()), lambda p, f: ImageOps.posterize(p, round(f * 4)), 0.01
    ),
    "solarise": (
        lambda x, f: colour.solarise(x, torch.ceil(f * 128) / 255),
        lambda p, f: ImageOps.solarize(p, math.ceil(f * 128)),
        0.01,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PILLOWS)
@pytest.mark.parametrize("channels", [1, 3])
def test_colour_operations_are_pillows(name: str, channels: int) -> None:
    """To a few of 255 steps: Pillow rounds at each stage."""
    ours, theirs, steps = PILLOWS[name]
    images = (bytes_of(3, channels, 40, 30).float() * torch.tensor([0.4, 0.8, 1.0])[:, None, None, None]).byte()
    images[1] = (images[1].float() ** 1.2 / 4).byte() + 20
    images[2] = images[2].clamp(max=120)  # half of its pixels have the largest value
    for factor in (0.3, 1.0, 1.7):
        changed = ours(images.float() / 255, torch.full((3,), factor))
        for image, found in zip(images, changed, strict=True):
            expected = back(theirs(pillow(image), factor))
            assert float((found - expected).abs().max()) * 255 <= steps * max(1, factor)


def test_flat_and_tiny_images_stay() -> None:
    flat = torch.full((1, 3, 4, 4), 0.3)
    assert torch.equal(colour.autocontrast(flat), flat)
    torch.testing.assert_close(colour.equalise((flat * 255).floor() / 255), (flat * 255).floor() / 255)
    tiny = noise(2, 3, 2, 5)
    assert torch.equal(colour.sharpness(tiny, torch.tensor([0.0, 2.0])), tiny)


def test_each_image_has_its_own_amount() -> None:
    images, factors = noise(3, 3, 5, 5), torch.tensor([0.2, 1.0, 1.9])
    for function in (colour.brightness, colour.contrast, colour.saturation, colour.sharpness, colour.solarise):
        together = function(images, factors)
        for i in range(3):
            torch.testing.assert_close(together[i : i + 1], function(images[i : i + 1], factors[i : i + 1]))


@pytest.mark.parametrize("side", [1, 2, 3, 9])
def test_cutout_is_a_loop(side: int) -> None:
    images, fill = noise(20, 2, 5, 6), torch.tensor([0.1, 0.2]).reshape(2, 1, 1)
    down, right = torch.arange(20) % 5, torch.arange(20) % 6
    found = cutout(images, down, right, side, fill)
    for n in range(20):
        for i in range(5):
            for j in range(6):
                inside = 0 <= i - int(down[n]) + side // 2 < side and 0 <= j - int(right[n]) + side // 2 < side
                assert torch.equal(found[n, :, i, j], fill.flatten() if inside else images[n, :, i, j])


@pytest.mark.parametrize("kind", ["channel", "position", "midpoint"])
def test_what_is_cut_out_is_zero_once_standardised(kind: Standardise) -> None:
    images = bytes_of(9, 3, 6, 7)
    mean, std = fit_standardiser(images, kind)
    schema = replace(CLASSES, standardise=kind, image_mean=mean, image_std=std)
    augmenter = Augmenter(Augment(cutout=13), schema, Seeds(0))
    given = augmenter.epoch(0)(images, torch.zeros(9, dtype=torch.int64), torch.arange(9), number=0)
    gone = standardise(given.images, schema)
    assert float(gone.abs().amax((0, 1))[3, 3]) < 1e-5  # within 13/2 of every middle


@pytest.mark.parametrize("kind", ["channel", "position", "midpoint", "image", "patch", "none"])
def test_floats_in_the_unit_interval_are_standardised_as_bytes_are(kind: Standardise) -> None:
    images = torch.arange(256, dtype=torch.uint8).reshape(2, 2, 8, 8)
    mean, std = fit_standardiser(images, kind)
    schema = Schema("image", "none", (2, 8, 8), standardise=kind, image_mean=mean, image_std=std)
    assert torch.equal(standardise(images.float() / 255, schema), standardise(images, schema))


def test_mixup_and_cutmix_are_loops() -> None:
    images, partner, share = noise(12, 2, 5, 6), Draws(0).order(12), torch.linspace(0, 1, 12)
    blended, boxes = mixup(images, partner, share), cut_boxes(Draws(1), share, 5, 6)
    pasted, kept = cutmix(images, partner, boxes), share_kept(boxes)
    draws = Draws(1)
    rows, columns = draws.integers(0, 4, 12), draws.integers(0, 5, 12)
    for n in range(12):
        own, other = images[n], images[partner[n]]
        torch.testing.assert_close(blended[n], share[n] * own + (1 - share[n]) * other)
        high, wide = (round(math.sqrt(1 - float(share[n])) * side) for side in (5, 6))
        outside = 0
        for i in range(5):
            for j in range(6):
                box = 0 <= i - int(rows[n]) + high // 2 < high and 0 <= j - int(columns[n]) + wide // 2 < wide
                outside += not box
                assert torch.equal(pasted[n, :, i, j], (other if box else own)[:, i, j])
        assert float(kept[n]) == float(torch.tensor(outside / 30))
    assert torch.equal(blended[-1], images[-1])
    assert torch.equal(mixup(images, torch.arange(12), torch.ones(12)), images)


def mixed_batch(schema: Schema, dtype: torch.dtype = torch.float64) -> Batch:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(10, 4, generator=generator, dtype=dtype)
    count = len(schema.classes)
    target = torch.arange(10) % count if count else torch.randn(10, generator=generator).double() * 25 + 2000
    share = torch.rand(10, generator=generator, dtype=torch.float64)
    return Batch(inputs, target, torch.arange(10), 10, Mix(target.roll(3), share))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mixed_labels_are_soft_targets(smoothing: float) -> None:
    schema = Schema("table", "classification", (4,), classes=("a", "b", "c"))
    batch, model = mixed_batch(schema), nn.Linear(4, 3).double()
    assert batch.mix is not None
    soft = batch.mix.share[:, None] * nn.functional.one_hot(batch.target, 3)
    soft = soft + (1 - batch.mix.share[:, None]) * nn.functional.one_hot(batch.mix.partner, 3)
    loss = CrossEntropy(schema, label_smoothing=smoothing)(model, batch)
    expected = nn.functional.cross_entropy(model(batch.inputs), soft, label_smoothing=smoothing)
    assert abs(loss.total.item() - expected.item()) < 1e-12
    gradients = [torch.autograd.grad(value, list(model.parameters())) for value in (loss.total, expected)]
    for ours, theirs in zip(*gradients, strict=True):
        assert float((ours - theirs).abs().max()) < 1e-12


MIXABLE = sorted(n for n in OBJECTIVES if getattr(OBJECTIVES[n], "task", "") in ("classification", "regression"))
"""Objectives whose examples can be mixed."""


def test_seven_objectives_can_be_mixed() -> None:
    assert len(MIXABLE) == 7


@pytest.mark.parametrize("name", MIXABLE)
def test_every_objective_weighs_both_targets(name: str) -> None:
    task: Task = "regression" if name in ("absolute", "squared") else "classification"
    classes = ("a", "b", "c") if task == "classification" else ()
    schema = Schema("table", task, (4,), classes=classes, target_mean=2000.0, target_std=25.0)
    objective: Objective = build(resolve(name, OBJECTIVES, "objective"), OBJECTIVES, schema)
    batch, model = mixed_batch(schema), nn.Linear(4, schema.num_outputs).double()
    assert batch.mix is not None
    each = []
    for i in range(10):
        inputs, row = batch.inputs[i : i + 1], batch.indices[i : i + 1]
        targets = (batch.target[i : i + 1], batch.mix.partner[i : i + 1])
        alone = [objective(model, Batch(inputs, target, row, 1)).total.item() for target in targets]
        share = float(batch.mix.share[i])
        each.append(share * alone[0] + (1 - share) * alone[1])
    loss = objective(model, batch)
    assert loss.total.item() == pytest.approx(sum(each) / 10, rel=1e-12)
    assert loss.parts.keys() == {name}
    assert objective(model, replace(batch, mix=None)).total.item() != pytest.approx(loss.total.item(), rel=1e-3)


def test_auxiliary_heads_learn_the_mix_too() -> None:
    class TwoHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.inner = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> AuxiliaryOutputs:
            return AuxiliaryOutputs(self.last(x), (self.inner(x),), (0.3,))

    schema = Schema("table", "classification", (4,), classes=("a", "b", "c"))
    batch, model, objective = mixed_batch(schema), TwoHeads().double(), CrossEntropy(schema)
    total, alone = objective(model, batch).total, [objective(m, batch).total for m in (model.last, model.inner)]
    torch.testing.assert_close(total, alone[0] + 0.3 * alone[1])


def test_a_regression_target_is_mixed_itself() -> None:
    schema = Schema("image", "regression", (1, 6, 6), image_mean=(0.5,), image_std=(0.2,), target_std=2.0)
    images, target = bytes_of(8, 1, 6, 6), torch.arange(8.0, dtype=torch.float64)
    for field in ("mixup", "cutmix"):
        augmenter = Augmenter(Augment().replace(**{field: 1.0}), schema, Seeds(0))
        given = augmenter.epoch(0)(images, target, torch.arange(8), number=0)
        draws = augmenter.draws(0, 0)
        partner, share = draws.order(8), draws.beta(1, 1, 8)
        if field == "cutmix":
            share = share_kept(cut_boxes(draws, share, 6, 6))
        assert given.mix is None
        assert given.target.dtype == torch.float64
        torch.testing.assert_close(given.target, share.double() * target + (1 - share.double()) * target[partner])
    assert Squared(schema).losses(torch.zeros(1, 1), torch.zeros(1, dtype=torch.float64)).item() == 0


def test_the_mix_goes_where_the_batch_goes() -> None:
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.3, 0.6]))
    batch = Batch(noise(2, 3, 4, 4), torch.tensor([0, 1]), torch.arange(2), 2, mix)
    for moved in (batch.to("cpu"), laid_out(batch, torch.channels_last)):
        assert moved.mix is not None
        assert torch.equal(moved.mix.partner, mix.partner)
        assert torch.equal(moved.mix.share, mix.share)
    assert batch.to("meta").mix.partner.is_meta  # type: ignore[union-attr]
    assert replace(batch, mix=None).to("cpu").mix is None


@pytest.mark.parametrize("ranges", [RAND, WIDE])
def test_a_group_of_operations_is_each_image_alone(ranges: object) -> None:
    images, count = 0.2 + 0.6 * noise(28, 3, 20, 24), 28
    operation, strength, sign = torch.arange(count) % 14, torch.linspace(0, 1, count), Draws(0).sign(count)
    together = apply_operations(images, operation, strength, sign, ranges)  # type: ignore[arg-type]
    for i in range(count):
        one = slice(i, i + 1)
        alone = apply_operations(images[one], operation[one], strength[one], sign[one], ranges)  # type: ignore[arg-type]
        torch.testing.assert_close(together[one], alone)
        if OPERATIONS[i % 14] == "identity":
            assert torch.equal(together[i], images[i])
        elif i > 14:
            assert float((together[i] - images[i]).abs().max()) > 0.01, OPERATIONS[i % 14]


@pytest.mark.parametrize(
    ("name", "ranges", "expected"),
    [
        ("rotate", RAND, lambda x: warp(x, rotations(torch.tensor([15.0])), torch.zeros(1, 2), 0.5)),
        ("shear-x", RAND, lambda x: warp(x, torch.tensor([[[1.0, 0.15], [0.0, 1.0]]]), torch.zeros(1, 2), 0.5)),
        ("shear-y", WIDE, lambda x: warp(x, torch.tensor([[[1.0, 0.0], [0.495, 1.0]]]), torch.zeros(1, 2), 0.0)),
        ("translate-x", RAND, lambda x: warp(x, torch.eye(2)[None], torch.tensor([[0.5 * 150 / 331 * 24, 0]]), 0.5)),
        ("translate-y", RAND, lambda x: warp(x, torch.eye(2)[None], torch.tensor([[0, 0.5 * 150 / 331 * 40]]), 0.5)),
        ("translate-x", WIDE, lambda x: warp(x, torch.eye(2)[None], torch.tensor([[12.0, 0.0]]), 0.0)),
        ("translate-y", WIDE, lambda x: warp(x, torch.eye(2)[None], torch.tensor([[0.0, 16.0]]), 0.0)),
        ("solarise", RAND, lambda x: torch.where(x * 255 < 128, x, 1 - x)),
        ("posterise", RAND, lambda x: colour.posterise(x, torch.tensor([6]))),
        ("posterise", WIDE, lambda x: colour.posterise(x, torch.tensor([5]))),
        ("colour", RAND, lambda x: colour.saturation(x, torch.tensor([1.45]))),
        ("contrast", RAND, lambda x: colour.contrast(x, torch.tensor([1.45]))),
        ("brightness", WIDE, lambda x: colour.brightness(x, torch.tensor([1.495]))),
        ("sharpness", RAND, lambda x: colour.sharpness(x, torch.tensor([1.45]))),
        ("equalise", RAND, colour.equalise),
        ("autocontrast", RAND, colour.autocontrast),
    ],
)
def test_half_strength_is_half_the_published_range(name: str, ranges: object, expected: object) -> None:
    image, half, plus = bytes_of(1, 3, 40, 24).float() / 255, torch.tensor([0.5]), torch.ones(1)
    found = apply_operations(image, torch.tensor([OPERATIONS.index(name)]), half, plus, ranges)  # type: ignore[arg-type]
    torch.testing.assert_close(found, expected(image), atol=1e-5, rtol=0)  # type: ignore[operator]


def test_a_quarter_of_the_strength_and_all_of_it() -> None:
    image, plus = bytes_of(1, 3, 4, 4).float() / 255, torch.ones(1)
    solarise, posterise = (torch.tensor([OPERATIONS.index(name)]) for name in ("solarise", "posterise"))
    found = apply_operations(image, solarise, torch.tensor([0.25]), plus, RAND)
    torch.testing.assert_close(found, torch.where(image * 255 < 192, image, 1 - image))
    found = apply_operations(image, posterise, plus, plus, RAND)
    torch.testing.assert_close(found * 255, torch.floor((image * 255).round() / 16) * 16, atol=1e-3, rtol=0)


def test_pixmix_is_the_paper_s_loop() -> None:
    images, pictures, count = noise(12, 3, 6, 6), fractal_pictures(5, 3, 6, 6, seed=1), 12
    found, draws = pixmix(images, pictures, Draws(4)), Draws(4)
    rounds, start = draws.integers(0, ROUNDS, count), draws.chance(0.5, count)
    copies = _changed(images, draws)
    mixed = [copies[i] if start[i] else images[i] for i in range(count)]
    for number in range(ROUNDS):
        drawn, own_copy = _shifted(pictures, draws, count), draws.chance(0.5, count)
        copies = _changed(images, draws)
        own, others = mixing_weights(draws, count)
        adds = draws.chance(0.5, count)
        for i in range(count):
            if number < rounds[i]:
                mixing = copies[i] if own_copy[i] else drawn[i]
                both = added if adds[i] else multiplied
                mixed[i] = both(mixed[i], mixing, own[i], others[i]).clamp(0, 1)
    torch.testing.assert_close(found, torch.stack(mixed))


@pytest.mark.parametrize("strength", [0.01, 0.1, 0.24, 0.26, 0.3])
def test_pixmix_changes_by_the_published_ranges(strength: float) -> None:
    """30°, 0.3, a third of the side, black from outside, 4 − ⌊4m⌋ bits."""
    image, m, plus = bytes_of(1, 3, 12, 30).float() / 255, torch.tensor([strength]), torch.ones(1)
    still = torch.zeros(1, 2)
    expected = {
        "rotate": warp(image, rotations(30 * m), still, 0.0),
        "shear-x": warp(image, torch.tensor([[[1, 0.3 * strength], [0, 1]]]), still, 0.0),
        "shear-y": warp(image, torch.tensor([[[1, 0], [0.3 * strength, 1]]]), still, 0.0),
        "translate-x": warp(image, torch.eye(2)[None], torch.tensor([[10 * strength, 0]]), 0.0),
        "translate-y": warp(image, torch.eye(2)[None], torch.tensor([[0, 4 * strength]]), 0.0),
        "posterise": colour.posterise(image, torch.tensor([4 - math.floor(4 * strength)])),
        "solarise": torch.where((image * 255).round() < 256 - math.floor(256 * strength), image, 1 - image),
    }
    for name, changed in expected.items():
        found = apply_operations(image, torch.tensor([OPERATIONS.index(name)]), m, plus, PIXMIX)
        torch.testing.assert_close(found, changed, atol=1e-5, rtol=0, msg=name)
    assert {OPERATIONS[number] for number in _GREY_SAFE} == {*expected, "autocontrast", "equalise"}


def test_pixmix_draws_its_strengths_from_the_published_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """0.1 to 3 of 10, of its own ranges."""
    seen: list[tuple[Tensor, object]] = []

    def spy(images: Tensor, operation: Tensor, strength: Tensor, sign: Tensor, ranges: object) -> Tensor:
        seen.append((strength, ranges))
        return images

    monkeypatch.setattr("sightline.data.augment.pixmix.apply_operations", spy)
    _changed(noise(2000, 1, 1, 1), Draws(0))
    ((strength, ranges),) = seen
    assert ranges is PIXMIX
    assert 0.01 <= float(strength.min()) < 0.012
    assert 0.298 < float(strength.max()) <= 0.3


def test_pixmix_adds_and_multiplies_about_grey() -> None:
    x, y = noise(50), noise(50, seed=1)
    a, b = torch.tensor(0.8), torch.tensor(-0.4)
    torch.testing.assert_close(added(x, y, a, b), (a * (2 * x - 1) + b * (2 * y - 1) + 1) / 2)
    torch.testing.assert_close(multiplied(x, y, a, b), torch.exp(a * (2 * x).log() + b * (2 * y).log()) / 2)
    assert torch.isfinite(multiplied(torch.ones(1), torch.zeros(1), torch.tensor(2.0), torch.tensor(-1.0))).all()


def test_fractal_pictures_wrap_around_and_fall_off_with_frequency() -> None:
    pictures = fractal_pictures(64, 3, 32, 32, seed=0)
    inner = (pictures[..., 1:] - pictures[..., :-1]).abs().mean()
    seam = (pictures[..., 0] - pictures[..., -1]).abs().mean()
    assert 0.8 < float(seam / inner) < 1.25
    power = torch.fft.rfft2(pictures - pictures.mean((2, 3), keepdim=True)).abs().square().mean((0, 1))
    assert float(power[1, 1]) > 20 * float(power[8, 8]) > 20 * float(power[15, 15])
    shifted = _shifted(pictures[:1], Draws(0), 20)
    draws = Draws(0)
    draws.integers(0, 0, 20)
    down, across = draws.integers(0, 31, 20), draws.integers(0, 31, 20)
    for n in range(20):
        assert torch.equal(shifted[n], pictures[0].roll((-int(down[n]), -int(across[n])), (1, 2)))


def split_of(schema: Schema = CLASSES, count: int = 23) -> TensorSplit:
    return TensorSplit("train", bytes_of(count, *schema.input_shape), torch.arange(count) % 3, schema)


@pytest.mark.parametrize("order", [None, torch.arange(23).flip(0)])
def test_with_everything_off_batches_are_the_same_to_the_last_bit(order: Tensor | None) -> None:
    split, augmenter = split_of(), Augmenter(Augment(), CLASSES, Seeds(0))
    plain = split.batches(batch_size=5, order=order)
    for a, b in zip(plain, split.batches(batch_size=5, order=order, augment=augmenter.epoch(2)), strict=True):
        assert torch.equal(a.inputs, b.inputs)
        assert torch.equal(a.target, b.target)
        assert b.mix is None


def test_the_images_themselves_are_never_changed() -> None:
    split = split_of()
    before = split.inputs.clone()
    augmenter = Augmenter(EVERYTHING, CLASSES, Seeds(0))
    for batch in split.batches(batch_size=5, augment=augmenter.epoch(0)):
        batch.inputs.zero_()
    assert torch.equal(split.inputs, before)


def test_a_batch_depends_on_seed_epoch_number_and_process_alone() -> None:
    split, order = split_of(), torch.randperm(23)

    def batches(seed: int = 0, rank: int = 0, epoch: int = 1, start: int = 0) -> list[Batch]:
        augmenter = Augmenter(EVERYTHING, CLASSES, Seeds(seed, rank))
        torch.rand(3)
        return list(split.batches(batch_size=8, order=order, start=start, augment=augmenter.epoch(epoch)))

    whole = batches()
    assert [batch.mix is None for batch in whole] == [False] * 3
    for skipped in (0, 2):
        for a, b in zip(whole[skipped:], batches(start=skipped), strict=True):
            assert torch.equal(a.inputs, b.inputs)
            assert torch.equal(a.mix.share, b.mix.share)  # type: ignore[union-attr]
    for other in (batches(seed=1), batches(rank=1), batches(epoch=2)):
        assert not any(torch.equal(a.inputs, b.inputs) for a, b in zip(whole, other, strict=True))
    assert not torch.equal(whole[0].mix.share, whole[1].mix.share)  # type: ignore[union-attr]


def test_alternating_flips_show_each_image_both_ways_in_every_two_epochs() -> None:
    split, augmenter = split_of(), Augmenter(Augment(alternating_flip=True), CLASSES, Seeds(3))
    plain = torch.cat([batch.inputs for batch in split.batches(batch_size=5)])
    epochs = []
    for epoch in range(4):
        order = torch.randperm(23)
        batches = list(split.batches(batch_size=5, order=order, augment=augmenter.epoch(epoch)))
        inputs, back_in_order = torch.cat([b.inputs for b in batches]), order.argsort()
        flipped = alternates(torch.arange(23), epoch, Seeds(3).number("augment"))
        assert torch.equal(inputs[back_in_order], mirror(plain, flipped))
        epochs.append(flipped)
    assert torch.equal(epochs[0], ~epochs[1])
    assert torch.equal(epochs[0], epochs[2])
    assert torch.equal(epochs[1], epochs[3])
    assert 0 < int(epochs[0].sum()) < 23
    assert not torch.equal(epochs[0], alternates(torch.arange(23), 0, Seeds(4).number("augment")))


def specification(epochs: int = 2, **plan: object) -> RunSpec:
    return RunSpec(
        name="x",
        data=DataSpec(source="digits", augment=replace(EVERYTHING, policy="none", pixmix=0.0)),
        model=Choice("mlp", {"width": 8, "depth": 1}),
        optim=Choice("sgd", {"lr": 0.01}),
        plan=Plan(**{"epochs": epochs, "batch_size": 300, **plan}),  # type: ignore[arg-type]
    )


def test_a_run_resumes_in_the_middle_of_an_epoch_and_looks_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(specification(), runs=tmp_path / "a", name="run", quiet=True)
    original = Engine._save_or_stop

    def patched(self: Engine) -> None:
        assert self.latest.mix is not None
        if self.position.step == 7:
            self.listener.number = 15
        original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "_save_or_stop", patched)
        with pytest.raises(Interrupted):
            train(specification(evaluate_every=2), runs=tmp_path / "b", name="run", quiet=True)
    resumed = resume(tmp_path / "b" / "run", quiet=True)
    assert len([row for row in resumed.folder.metrics() if row["kind"] == "validation"]) == 1
    ends = [load_weights(find_checkpoint(run.folder)) for run in (whole, resumed)]
    for name, weight in ends[0].items():
        assert torch.equal(weight, ends[1][name])


def test_streamed_images_are_augmented_alike(tmp_path: Path) -> None:
    for c in "ab":
        (tmp_path / c).mkdir()
        for i in range(20):
            pillow(bytes_of(3, 9, 9, seed=2 * i + (c == "b"))).save(tmp_path / c / f"{i}.png")
    memory, stream = load(tmp_path), load(tmp_path, memory_gib=0.0)
    augmenter = Augmenter(EVERYTHING, memory.schema, Seeds(0))
    assert type(memory.train) is not type(stream.train)
    batches = [s.train.batches(batch_size=6, augment=augmenter.epoch(3)) for s in (memory, stream)]
    for a, b in zip(*batches, strict=True):
        torch.testing.assert_close(a.inputs, b.inputs)
        assert torch.equal(a.mix.partner, b.mix.partner)


def test_only_training_images_are_augmented(tmp_path: Path) -> None:
    data = load("digits", augment={"cutout": 15})
    engine_like = Augmenter(data.spec.augment, data.schema, Seeds(0)).epoch(0)
    train_batch = next(data.train.batches(batch_size=4, augment=engine_like))
    assert float(train_batch.inputs.abs().amax((0, 1))[4, 4]) < 1e-5
    assert float(next(data.validation.batches(batch_size=4)).inputs.std()) > 0.5


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="one way of mirroring"):
        Augment(flip=True, alternating_flip=True)
    with pytest.raises(ConfigurationError, match="posterise"):
        Augment(posterise=0)
    with pytest.raises(ConfigurationError, match=r"augment\.colour"):
        load("digits", augment={"colour": 1})
    with pytest.raises(ConfigurationError, match="shorter side, 6"):
        require_augmentable(Augment(crop=6), CLASSES)
    require_augmentable(Augment(crop=5), CLASSES)
    with pytest.raises(ConfigurationError, match="twice the images' longer side, 7"):
        require_augmentable(Augment(cutout=14), CLASSES)
    require_augmentable(Augment(cutout=13), CLASSES)
    with pytest.raises(DataError, match="5 channels"):
        require_augmentable(Augment(policy="rand"), replace(CLASSES, input_shape=(5, 6, 7)))
    with pytest.raises(DataError, match="5 channels"):
        require_augmentable(Augment(pixmix=0.1), replace(CLASSES, input_shape=(5, 6, 7)))
    require_augmentable(replace(EVERYTHING, policy="none", pixmix=0.0), replace(CLASSES, input_shape=(5, 6, 7)))


def test_a_table_is_refused_before_there_is_a_run_folder(tmp_path: Path) -> None:
    spec = specification().replace(data=DataSpec(source="iris", augment=Augment(flip=True)))
    with pytest.raises(DataError, match="mirrored left-right"):
        train(spec, runs=tmp_path, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_it_is_configured_from_the_command_line_from_python_and_from_yaml() -> None:
    spec = specification().replace(data=DataSpec(source="digits"))
    words = ["--data.augment.flip", "--data.augment.crop", "2", "--mixup", "0.2", "--policy=trivial"]
    changed = apply_overrides(spec, words)
    assert changed.data.augment == Augment(flip=True, crop=2, mixup=0.2, policy="trivial")
    assert from_yaml(RunSpec, to_yaml(changed)) == changed
    assert load("digits", augment=Augment(crop=2)).spec.augment == load("digits", augment={"crop": 2}).spec.augment
    assert not spec.data.augment.active
    fields = {name: value for name, value in vars(EVERYTHING).items() if value != getattr(Augment(), name)}
    for name, value in {**fields, "alternating_flip": True}.items():
        alone = Augment(**{name: value})
        assert alone.active, name
        assert alone.in_words(), name
    assert BETA == 3
