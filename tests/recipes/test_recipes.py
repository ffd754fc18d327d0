"""Every recipe runs; a few first losses are held fast, so that a change of numbers does not go unseen."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.core.config import from_yaml, to_yaml
from sightline.models import MODELS
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
    "mnist-lenet",
}
"""Recipes whose data are not embedded; their results stand in docs/results.md."""


def test_these_are_the_recipes() -> None:
    assert sorted(RECIPES) == sorted({*FIRST_EPOCHS, *ON_THE_HUB})
    assert all(RECIPES.summary(name).endswith(".") for name in RECIPES)


@pytest.mark.parametrize("name", sorted({*FIRST_EPOCHS, *ON_THE_HUB}))
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
def test_a_recipe_of_the_hub_builds_its_model_and_step(name: str, photos: Path) -> None:
    spec = RECIPES[name]()
    assert spec.data.source.startswith("hf:")
    told = describe(spec.replace(data=spec.data.replace(source=str(photos), validation_fraction=0.2)))
    assert "trainable parameters" in told


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
