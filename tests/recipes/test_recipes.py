"""Every recipe runs; a few first losses are held fast, so that a change of numbers does not go unseen."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.core.config import Choice, build, from_yaml, resolve, to_yaml
from sightline.core.errors import ConfigurationError
from sightline.data.augment import Augment
from sightline.models import MODELS
from sightline.optim import SCHEDULES, Schedule
from sightline.recipes import RECIPES, starting_point
from sightline.recipes.starting_point import STARTING_POINTS
from sightline.train import RunSpec, describe, train

FIRST_EPOCHS = {"digits-mlp": 2, "digits-resnet": 1}


ON_THE_HUB = {
    "cifar10-fast",
    "cifar10-resnet20",
    "depth-plain-20",
    "depth-plain-56",
    "depth-resnet-20",
    "depth-resnet-56",
    "mnist-best",
    "mnist-judge",
    "mnist-lenet",
}
"""Recipes whose data are not embedded; their results stand in docs/results.md."""

MAKE_IMAGES = {"mnist-autoencoder", "mnist-ddpm", "mnist-gan", "mnist-pixelcnn", "mnist-vae"}
"""Recipes of networks that make images."""

ON_TEXT = {"names-gpt", "novels-bert", "novels-t5", "shakespeare-gpt", "shakespeare-gpt-gpu"}
"""Recipes that need a text of the user's (``--data``)."""


def test_these_are_the_recipes() -> None:
    assert sorted(RECIPES) == sorted({*FIRST_EPOCHS, *ON_THE_HUB, *MAKE_IMAGES, *ON_TEXT})
    assert all(RECIPES.summary(name).endswith(".") for name in RECIPES)


@pytest.mark.parametrize("name", sorted({*FIRST_EPOCHS, *ON_THE_HUB, *MAKE_IMAGES, *ON_TEXT}))
def test_a_recipe_survives_its_yaml(name: str) -> None:
    spec = RECIPES[name]()
    assert from_yaml(RunSpec, to_yaml(spec)) == spec


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty random colour pictures of 32 × 32 in two classes, one folder a class."""
    root = tmp_path_factory.mktemp("photos")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    for index, values in enumerate(pixels):
        folder = root / ("cat" if index % 2 else "dog")
        folder.mkdir(exist_ok=True)
        Image.fromarray(values).save(folder / f"{index}.png")
    return root


@pytest.mark.parametrize("name", sorted(ON_THE_HUB))
def test_a_recipe_of_the_hub_trains(name: str, photos: Path, tmp_path: Path) -> None:
    """Two updates with the recipe's own model, augmentation, precision and schedule; then the whole of evaluation."""
    spec = RECIPES[name]()
    assert spec.data.source.startswith("hf:")
    small = spec.replace(
        data=spec.data.replace(source=str(photos), validation_fraction=0.2, test_fraction=0.2),
        plan=spec.plan.replace(epochs=1, batch_size=16, log_steps=1),
    )
    run = train(small, runs=tmp_path, quiet=True)
    rows = [row for row in run.folder.metrics() if row["kind"] == "train"]
    assert len(rows) == 2
    assert all(math.isfinite(row["loss"]) for row in rows)
    assert run.folder.status()["state"] == "completed"
    assert run.folder.has("samples/augmented.png")


@pytest.mark.parametrize("name", sorted(MAKE_IMAGES))
def test_a_recipe_that_makes_images_trains(name: str, tmp_path: Path) -> None:
    """Two updates with the recipe's own model and objective on 8 × 8 pixels; then all of evaluation, and images."""
    for index, values in enumerate(np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)):
        folder = tmp_path / "photos" / str(index % 2)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / f"{index}.png")
    spec = RECIPES[name]()
    small = spec.replace(
        data=spec.data.replace(source=str(tmp_path / "photos"), validation_fraction=0.2, test_fraction=0.2),
        plan=spec.plan.replace(epochs=None, steps=2, batch_size=6, log_steps=1),
    )
    run = train(small, runs=tmp_path, quiet=True)
    assert run.folder.status()["state"] == "completed"
    assert all(math.isfinite(row["loss"]) for row in run.folder.metrics() if row["kind"] == "train")
    assert run.sample(3, steps=5 if name == "mnist-ddpm" else None).pixels.shape == (3, 1, 8, 8)


@pytest.mark.parametrize("name", sorted(ON_TEXT))
def test_a_recipe_on_text_trains(name: str, tmp_path: Path) -> None:
    """Two updates with the recipe's tokenizer and schedule on a small text, its model two layers deep; then the whole
    of evaluation."""
    words = np.random.default_rng(0).choice(["red", "green", "blue", "loves", "sees", "the", "moon"], (400, 5))
    source = tmp_path / "words.txt"
    source.write_text("\n".join(" ".join(line) for line in words) + "\n")
    spec = RECIPES[name]()
    text = spec.data.text.replace(length=32, vocabulary_size=300 if spec.data.text.vocabulary_size else None)
    assert spec.model is not None
    small = spec.replace(
        data=spec.data.replace(source=str(source), text=text, validation_fraction=0.1),
        model=Choice(spec.model.name, {**spec.model.options, "depth": 2}),
        plan=spec.plan.replace(epochs=None, steps=2, evaluate_steps=1, batch_size=4, log_steps=1),
    )
    run = train(small, runs=tmp_path, quiet=True)
    rows = [row for row in run.folder.metrics() if row["kind"] == "train"]
    assert len(rows) == 2
    assert all(math.isfinite(row["loss"]) for row in rows)
    assert run.folder.status()["state"] == "completed"
    assert run.folder.has("readings/evaluation-test.json") == (spec.data.test_fraction > 0)


def test_resnet_20_drops_its_rate_at_a_half_and_three_quarters() -> None:
    """He et al. 2016, §4.2: 0.1, after 32,000 updates 0.01, after 48,000 0.001, until 64,000."""
    spec = RECIPES["cifar10-resnet20"]()
    schedule: Schedule = build(resolve(spec.schedule, SCHEDULES, "schedule"), SCHEDULES)
    rates = [spec.optim.options["lr"] * schedule.factor(step, 64_000) for step in (0, 31_999, 32_000, 47_999, 48_000)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])


def test_describing_a_run_tells_and_shows_its_augmentation(photos: Path) -> None:
    spec = RECIPES["cifar10-resnet20"]()
    spec = spec.replace(
        data=spec.data.replace(source=str(photos), augment=Augment(cutout=63)), plan=spec.plan.replace(batch_size=8)
    )
    told = describe(spec).splitlines()
    assert told[0] == "augmentation  a square of 63 × 63 pixels cut out"
    assert "trainable parameters" in "".join(told)
    plain = describe(spec.replace(data=spec.data.replace(augment=Augment()))).splitlines()
    assert plain[0].startswith("a batch  ")
    spread = [float(line.split("standard deviation ")[1]) for line in (told[1], plain[0])]
    assert spread[0] < 0.75 * spread[1]  # a square of 63 leaves a part of the border at most


def test_describing_refuses_what_training_refuses(photos: Path, tmp_path: Path) -> None:
    spec = RECIPES["cifar10-resnet20"]()
    for augment in (Augment(crop=32), Augment(cutout=64)):
        wrong = spec.replace(data=spec.data.replace(source=str(photos), augment=augment))
        for start in (describe, lambda s: train(s, runs=tmp_path, quiet=True)):
            with pytest.raises(ConfigurationError, match=r"data\.augment"):
                start(wrong)


def test_the_whitening_net_starts_as_the_recipe_at_half_its_rate() -> None:
    recipe, start = RECIPES["cifar10-fast"](), starting_point("whitening-net", "digits")
    assert start.schedule == recipe.schedule
    assert start.optim.options == {**recipe.optim.options, "lr": recipe.optim.options["lr"] / 2}
    assert start.plan.batch_size == pytest.approx(recipe.plan.batch_size / 2, rel=0.05)
    assert not start.data.augment.active


@pytest.mark.parametrize("name", FIRST_EPOCHS)
def test_a_recipe_runs_and_learns(name: str, tmp_path: Path) -> None:
    spec = RECIPES[name]()
    run = train(spec.replace(plan=spec.plan.replace(epochs=FIRST_EPOCHS[name], log_steps=1)), runs=tmp_path, quiet=True)
    losses = [row["loss"] for row in run.folder.metrics() if row["kind"] == "train"]
    assert losses[-1] < losses[0]
    assert len(losses) == 21 * FIRST_EPOCHS[name]


def test_golden_losses(tmp_path: Path) -> None:
    """Seed 0 of digits-mlp. The tolerance covers other processors' rounding, not another computation."""
    spec = RECIPES["digits-mlp"]()
    run = train(spec.replace(plan=spec.plan.replace(epochs=1, log_steps=1)), runs=tmp_path, quiet=True)
    losses = [row["loss"] for row in run.folder.metrics() if row["kind"] == "train"]
    assert [losses[i] for i in (0, 1, 10, 20)] == pytest.approx(GOLDEN, rel=1e-4)


GOLDEN = (2.684136, 2.476763, 1.679709, 1.403611)


def test_every_model_has_a_starting_point() -> None:
    assert sorted(STARTING_POINTS) == sorted(MODELS)
    for model in MODELS:
        choice = starting_point(model, "digits").model
        assert choice is not None
        assert choice.name == model
