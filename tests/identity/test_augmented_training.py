"""What augmentation promises training: labels follow pixels, each epoch has its own draws, no other split changes."""

from dataclasses import replace
from pathlib import Path
from sys import modules  # the package holds a function of the name fit

import pytest
import torch
from torch import Tensor

from sightline.core.config import Choice
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds, permutation
from sightline.data import DataSpec, load
from sightline.data.augment import Augment, Augmenter, EpochAugmenter
from sightline.data.augment.augmenter import Augmented
from sightline.data.augment.geometric import crop
from sightline.train import Plan, RunSpec, train

STEP = 40
"""Every pixel of an image of class k has the value 40·k."""


def flat_images(count: int) -> tuple[Tensor, Tensor, Augmenter]:
    """Images of one value each, told by their class, six classes in turn."""
    target = torch.arange(count) % 6
    images = (STEP * target).byte()[:, None, None, None].expand(count, 3, 8, 10).contiguous()
    schema = Schema("image", "classification", (3, 8, 10), classes=tuple("abcdef"), image_mean=(0.0,) * 3)
    return images, target, Augmenter(Augment(), schema, Seeds(0))


@pytest.mark.parametrize("fields", [{"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}])
def test_the_mean_pixel_is_the_mean_label(fields: dict[str, float]) -> None:
    """share·own + (1 − share)·partner, for pixels and labels alike, whichever way they are mixed."""
    images, target, augmenter = flat_images(60)
    augmenter.augment = Augment(**fields)  # type: ignore[arg-type]
    uneven = 0
    for number in range(6):
        given = augmenter.epoch(1)(images, target, torch.arange(60), number=number)
        assert given.mix is not None
        assert torch.equal(given.target, target)
        share, partner = given.mix.share.double(), given.mix.partner.double()
        expected = STEP * (share * target + (1 - share) * partner) / 255
        torch.testing.assert_close(given.images.double().mean((1, 2, 3)), expected, atol=1e-6, rtol=0)
        uneven += int(((share - 0.5).abs() * (target - partner).abs() > 0.3).sum())
    assert uneven > 60  # shares inverted would show in as many


def test_mixed_regression_targets_follow_the_pixels() -> None:
    images, target, augmenter = flat_images(60)
    augmenter.augment = Augment(mixup=1.0, cutmix=1.0)
    for number in range(6):
        given = augmenter.epoch(0)(images, STEP * target.double(), torch.arange(60), number=number)
        torch.testing.assert_close(255 * given.images.double().mean((1, 2, 3)), given.target, atol=1e-3, rtol=0)


def test_flip_and_crop_together_give_every_outcome_of_both() -> None:
    """2·(2p + 1)² pictures of an image whose pixels all differ: mirrored or not, at every place."""
    border = 2
    image = torch.arange(30, dtype=torch.uint8).reshape(1, 1, 5, 6)
    places = torch.arange(2 * border + 1).repeat_interleave(2 * border + 1), torch.arange(25) % 5
    plain = crop(image.expand(25, 1, 5, 6), *places, border)
    possible = {bytes(one.numpy()) for one in torch.cat([plain, plain.flip(3)])}
    assert len(possible) == 2 * (2 * border + 1) ** 2
    schema = Schema("image", "classification", (1, 5, 6), classes=("a", "b"), image_mean=(0.5,))
    augmenter = Augmenter(Augment(flip=True, crop=border), schema, Seeds(0))
    count = 1500  # an outcome is missed with probability 50·(49/50)^1500 < 10⁻¹¹
    given = augmenter.epoch(0)(image.expand(count, 1, 5, 6), torch.zeros(count).long(), torch.arange(count), number=0)
    assert {bytes(one.numpy()) for one in given.images} == possible


def specification(augment: Augment, seed: int) -> RunSpec:
    return RunSpec(
        name="x",
        data=DataSpec(source="digits", augment=augment),
        model=Choice("mlp", {"width": 8, "depth": 1}),
        optim=Choice("adamw", {"lr": 0.03}),
        plan=Plan(epochs=2, batch_size=200, log_steps=1),
        seed=seed,
    )


def test_training_augments_its_own_split_anew_in_each_epoch_by_the_runs_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls of a run of two epochs: their numbers, their examples, and images equal to those of Seeds(3)."""
    augment = Augment(crop=1, brightness=0.3, mixup=0.5)
    monkeypatch.setattr(modules["sightline.train.carry_out"], "write_gallery", lambda *_: None)  # it augments too
    seen: list[tuple[int, int, Tensor, Tensor, Augmented]] = []
    original = EpochAugmenter.__call__

    def spy(self: EpochAugmenter, images: Tensor, target: Tensor, indices: Tensor, *, number: int) -> Augmented:
        given = original(self, images, target, indices, number=number)
        seen.append((self.epoch, number, images.clone(), indices.clone(), given))
        return given

    with monkeypatch.context() as patch:
        patch.setattr(EpochAugmenter, "__call__", spy)
        run = train(specification(augment, seed=3), runs=tmp_path, quiet=True)
    data, updates = run.data, len([row for row in run.folder.metrics() if row["kind"] == "train"]) // 2
    assert updates > 1
    assert [call[:2] for call in seen] == [(epoch, number) for epoch in range(2) for number in range(updates)]
    again = Augmenter(augment, data.schema, Seeds(3))
    for epoch in range(2):
        order = permutation(len(data.train), Seeds(3).number("order", epoch))
        rows = torch.cat([indices for e, _, _, indices, _ in seen if e == epoch])
        assert torch.equal(rows, order[: len(rows)])
    for epoch, number, images, indices, given in seen:
        assert torch.equal(images, data.train.inputs[indices])  # type: ignore[attr-defined]
        own = again.epoch(epoch)(images, data.train.target[indices], indices, number=number)
        assert torch.equal(given.images, own.images)
        assert given.mix is not None
        assert torch.equal(given.mix.share, own.mix.share)  # type: ignore[union-attr]
    first, second = ([call[4].mix.share for call in seen if call[0] == e] for e in range(2))  # type: ignore[union-attr]
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_validation_and_test_are_measured_on_the_images_as_they_are(tmp_path: Path) -> None:
    """What the run wrote of its validation split is what the same network gives without any augmentation."""
    run = train(specification(Augment(cutout=9, brightness=0.5), seed=0), runs=tmp_path, quiet=True)
    rows = [row for row in run.folder.metrics() if row["kind"] == "validation"]
    best = next(row for row in rows if run.checkpoint.name == f"step-{row['step']:09d}")
    plain = load("digits")
    inputs = torch.cat([batch.inputs for batch in plain.validation.batches(batch_size=512)])
    with torch.no_grad():
        scores = run.model.eval()(inputs)
    correct = (scores.argmax(1) == plain.validation.target).double().mean().item()
    assert correct > 0.3
    assert best["accuracy"] == pytest.approx(correct, abs=1e-6)
    assert best["loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(scores, plain.validation.target).item(), rel=1e-4
    )
    measured = run.evaluate("validation")
    assert measured["accuracy"] == pytest.approx(best["accuracy"], abs=1e-6)
    erased = Augmenter(replace(run.spec.data.augment, brightness=0.0), run.schema, Seeds(0)).epoch(0)
    with torch.no_grad():
        changed = run.model(next(plain.validation.batches(batch_size=512, augment=erased)).inputs)
    assert not torch.allclose(changed, scores)
