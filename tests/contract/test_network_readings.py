"""Every network that makes images, and networks of text, can be read at the end of its run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import sightline
from sightline.core.config import build
from sightline.core.run_folder import RunFolder
from sightline.data import Data
from sightline.data.text_spec import TextSpec
from sightline.models import MODELS
from sightline.objectives import OBJECTIVES, default_objective
from sightline.train.network_readings import write_network_readings
from sightline.understand.loss_surface import LossSurface
from sightline.understand.sharpness import sharpness
from small_models import SMALL, SMALL_IMAGES, SMALL_TEXT

FEW_TABLES_AND_IMAGES = {name: SMALL[name] for name in ("mlp", "early-exits", "ode-net", "resnet")}


def read(folder: Path, name: str, options: dict[str, Any], data: Data, *, sharp: bool = True) -> RunFolder:
    """The readings of a new network, and that its sharpness can be asked for."""
    torch.manual_seed(0)
    model: nn.Module = MODELS[name](data.schema, **options)
    schema = data.schema
    choice = default_objective(schema, getattr(model, "text_task", None), getattr(model, "makes_images", None))
    objective = build(choice, OBJECTIVES, schema)
    made = RunFolder.create(folder, "run")
    write_network_readings(made, model.eval(), objective, data.validation, schema)
    rows = made.read("readings/layers.json")
    assert sum(row["multiply_adds"] for row in rows) > 0
    assert sum(row["parameters"] for row in rows) == sum(p.numel() for p in model.parameters())
    told = made.read("readings/spectra.json")
    matrices = [name for name, p in model.named_parameters() if p.dim() > 1]
    assert [row["name"] for row in told["weights"]] == matrices
    assert told["left_out"] == []
    if sharp:
        batch = objective.prepare(next(iter(data.train.batches(batch_size=4))))
        surface = LossSurface(model.train(), [batch], lambda batch: objective(model, batch).total)
        assert sharpness(surface, tolerance=0.5, max_products=2).products <= 2
    return made


@pytest.mark.parametrize("name", SMALL_IMAGES)
def test_networks_that_make_images(name: str, tmp_path: Path) -> None:
    made = read(tmp_path, name, SMALL_IMAGES[name], sightline.load("digits"), sharp=name != "gan")
    assert not made.has("readings/embedding-map.json")


@pytest.mark.parametrize("name", FEW_TABLES_AND_IMAGES)
def test_networks_that_tell_a_class(name: str, tmp_path: Path) -> None:
    made = read(tmp_path, name, FEW_TABLES_AND_IMAGES[name], sightline.load("digits"))
    assert len(made.read("readings/embedding-map.json")["points"]) == len(sightline.load("digits").validation)


@pytest.mark.parametrize("name", ["gpt", "bert"])
def test_networks_of_text(name: str, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 60, encoding="utf-8")
    data = sightline.load(text, text=TextSpec(tokenizer="characters", length=16))
    read(tmp_path, name, SMALL_TEXT[name], data)
