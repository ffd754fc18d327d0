"""Every registered network that makes images: gradients, saving, training and resuming, sampling, the report."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import sightline
from sightline.cli.main import main
from sightline.core.checkpoint import find_checkpoint, load_state, load_weights
from sightline.core.config import Choice, build
from sightline.core.errors import ConfigurationError, DataError, InputError
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.generate import image_views, sample_images
from sightline.models import MODELS, Predictor
from sightline.objectives import OBJECTIVES, ImageObjective, default_objective
from sightline.recipes import starting_point
from sightline.train import Plan, Run, RunSpec, train
from sightline.train.evaluation import evaluate
from small_models import SMALL_IMAGES

GREY = Schema("image", "classification", (1, 8, 8), classes=("no", "yes", "so"), image_mean=(0.4,), image_std=(0.3,))
COLOUR = Schema("image", "none", (3, 8, 12), image_mean=(0.4, 0.5, 0.6), image_std=(0.3, 0.2, 0.3))
MAKERS = sorted([*SMALL_IMAGES, "unet one-shot-denoising", "unet staged-denoising"])
"""A network, with an objective after it where it is not its customary one."""
CONDITIONAL = sorted(name for name in MAKERS if name != "autoencoder")
REFUSING = sorted(name for name in CONDITIONAL if not name.startswith("unet"))
"""A U-Net that is told no class takes it for "none"."""

FURTHER = {
    "gan": ("diversity", "generator_gradient"),
    "vae": ("active_units", "latent_worth"),
}
"""Figures beside the objective's own; of grey pixels a likelihood is not told."""

VIEWS = {
    "adversarial": ["interpolation"],
    "denoising-diffusion": ["forward-chain", "reverse-chain"],
    "elbo": ["reconstructions", "interpolation", "rounds"],
    "one-shot-denoising": ["reverse-chain"],
    "pixel-prediction": ["completions"],
    "reconstruction": ["reconstructions", "interpolation"],
    "staged-denoising": ["reverse-chain"],
}

every_model = pytest.mark.parametrize("name", MAKERS)
every_data = pytest.mark.parametrize("schema", [GREY, COLOUR], ids=["grey", "colour"])


def make(name: str, schema: Schema, **options: Any) -> Predictor:
    network = name.split()[0]
    return MODELS[network](schema, seed=0, **SMALL_IMAGES[network], **options)


def shaken(model: Predictor) -> Predictor:
    """Away from its first weights: some branches begin at 0, behind which nothing is reached."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(torch.randn_like(parameter), alpha=1.0 if "class" in name or "label" in name else 0.3)
    return model


def objective_of(model: Any, schema: Schema, name: str = "") -> ImageObjective:
    told = name.split()[1:]
    choice = Choice(told[0]) if told else default_objective(schema, makes_images=model.makes_images)
    objective = build(choice, OBJECTIVES, schema)
    assert isinstance(objective, ImageObjective)
    return objective


def batch_of(schema: Schema, count: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(count, *schema.input_shape, generator=generator)
    mean, std = (torch.tensor(v).reshape(-1, 1, 1) for v in (schema.image_mean, schema.image_std))
    return Batch((pixels - mean) / std, torch.arange(count) % 3, torch.arange(count), count)


@every_data
@every_model
def test_its_own_objective_reaches_every_parameter(name: str, schema: Schema) -> None:
    model = shaken(make(name, schema))
    objective = objective_of(model, schema, name)
    loss = objective(model, objective.prepare(batch_of(schema)))
    torch.stack(
        [*loss.parts.values(), objective.parts(model, objective.prepare(batch_of(schema)))[objective.name].mean()]
    ).sum().backward()
    assert torch.isfinite(loss.total)
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key
        assert parameter.grad.abs().sum() > 0, key


@every_model
def test_saves_and_loads(name: str, tmp_path: Path) -> None:
    model = make(name, GREY).eval()
    model.save_pretrained(tmp_path)
    loaded = sightline.from_pretrained(tmp_path)
    assert type(loaded) is type(model)
    objective = objective_of(model, GREY, name)
    quick = {"steps": 3} if objective.quick_steps else {}
    first, second = (sample_images(one, objective, 4, seed=3, **quick).pixels for one in (model, loaded))
    assert torch.equal(first, second)
    assert (first >= 0).all()
    assert (first <= 1).all()


@every_model
def test_the_seed_decides_the_samples_and_training_chance_is_left_alone(name: str) -> None:
    model = shaken(make(name, GREY)).train()  # an untrained U-Net answers 0 to any noise
    objective = objective_of(model, GREY, name)
    state = torch.get_rng_state()
    quick = {"steps": 3} if objective.quick_steps else {}
    first, again, other = (sample_images(model, objective, 5, seed=seed, **quick).pixels for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert model.training


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_class_steers_it(name: str) -> None:
    model = shaken(make(name, GREY, conditional=True))
    objective = objective_of(model, GREY, name)
    quick = {"steps": 3} if objective.quick_steps else {}
    made = sample_images(model, objective, 6, seed=0, **quick)
    assert made.labels is not None
    assert made.labels.tolist() == [0, 1, 2, 0, 1, 2]
    zeros, ones = (sample_images(model, objective, 6, seed=0, label=label, **quick).pixels for label in (0, 1))
    assert torch.equal(zeros[0], made.pixels[0])
    assert not torch.equal(zeros, ones)
    with pytest.raises(ConfigurationError, match="class from 0 to 2"):
        sample_images(model, objective, 2, label=3)
    with pytest.raises(ConfigurationError, match="no label"):
        sample_images(make(name, GREY), objective, 2, label=0)
    with pytest.raises(DataError, match="images with classes"):
        make(name, COLOUR, conditional=True)


@pytest.mark.parametrize("name", REFUSING)
def test_labels_must_fit(name: str, as_a_user_calls: None) -> None:
    x = torch.zeros(2, 1, 8, 8, dtype=torch.int64 if "pixel" in name or "image" in name else torch.float32)
    with pytest.raises(InputError, match=r"label|class of each image"):
        make(name, GREY, conditional=True)(x)


@pytest.mark.parametrize("count", [0, -1, 10**9])
def test_a_count_out_of_range_is_refused(count: int) -> None:
    model = make("vae", GREY)
    with pytest.raises(ConfigurationError, match="images"):
        sample_images(model, objective_of(model, GREY), count)


def test_an_objective_refuses_other_networks_and_other_data() -> None:
    model = make("vae", GREY)
    other = objective_of(make("autoencoder", GREY), GREY)
    with pytest.raises(ConfigurationError, match="autoencoder"):
        other(model, batch_of(GREY))
    with pytest.raises(ConfigurationError, match="makes no images"):
        other(MODELS["mlp"](GREY), batch_of(GREY))
    with pytest.raises(ConfigurationError, match="images"):
        build(Choice("elbo"), OBJECTIVES, Schema("table", "classification", (3,), classes=("a", "b")))
    with pytest.raises(DataError, match="images for the model"):
        MODELS["vae"](Schema("table", "classification", (3,), classes=("a", "b")))


@pytest.mark.parametrize("name", ["gan"])
def test_sides_that_do_not_halve_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="halved"):
        MODELS[name](Schema("image", "none", (1, 9, 9), image_mean=(0.5,), image_std=(0.5,)))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty-six random grey pictures of 8 × 8 in three classes, one folder a class."""
    root = tmp_path_factory.mktemp("photos")
    for index, values in enumerate(np.random.default_rng(0).integers(0, 256, (36, 8, 8), dtype=np.uint8)):
        folder = root / f"kind-{index % 3}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(values).save(folder / f"{index}.png")
    return root


def spec_of(name: str, photos: Path, **options: Any) -> RunSpec:
    network, *told = name.split()
    spec = starting_point(network, str(photos))
    spec = spec.replace(objective=Choice(told[0])) if told else spec
    model = Choice(network, {**SMALL_IMAGES[network], **options})
    plan = Plan(
        steps=6, batch_size=8, evaluate_steps=2, checkpoint_steps=1, log_steps=1, keep=9, average=spec.plan.average
    )
    return spec.replace(model=model, plan=plan)


@pytest.fixture(scope="module")
def runs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    place = tmp_path_factory.mktemp("runs")
    return {name: train(spec_of(name, photos), runs=place, name=name.replace(" ", "-"), quiet=True) for name in MAKERS}


@every_model
def test_a_run_leaves_figures_pictures_and_a_page(name: str, runs: dict[str, Run]) -> None:
    run = runs[name]
    assert [row["step"] for row in run.folder.metrics() if row["kind"] == "validation"] == [2, 4, 6]
    reading = run.folder.read("readings/evaluation-test.json")
    assert set(run.objective.figure_names()) | set(FURTHER.get(name, ())) == set(reading["metrics"])  # type: ignore[attr-defined]
    views = [view["name"] for view in run.folder.read("readings/image-views.json")]
    assert views == VIEWS[run.objective.name]
    for view in views:
        assert (run.folder.path / f"samples/views/{view}.png").is_file()
    assert run.folder.has("readings/latent-map.json") == (name in ("autoencoder", "vae"))
    for step in (2, 4, 6):
        assert (run.folder.path / f"samples/step-{step:09d}.png").is_file()
    assert main(["report", str(run.folder.path)]) == 0
    page = run.folder.text("report.html")
    assert "What it makes" in page
    assert all(f'id="view-{view}"' in page for view in views)
    assert "sightline sample" in page
    assert "--by CLASSIFIER-RUN" in page


@every_model
def test_an_interrupted_run_ends_as_the_whole_one(name: str, runs: dict[str, Run], tmp_path: Path) -> None:
    whole = runs[name]
    copy = tmp_path / "copy"
    shutil.copytree(whole.folder.path, copy)
    again = sightline.resume(copy, checkpoint="step-000000003", quiet=True)
    last, other = (find_checkpoint(run.folder, "last") for run in (whole, again))
    first, second = load_weights(last), load_weights(other)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert _equal(load_state(last)["algorithm"], load_state(other)["algorithm"])
    for step in (4, 6):
        picture = f"samples/step-{step:09d}.png"
        assert (copy / picture).read_bytes() == (whole.folder.path / picture).read_bytes()
    for view in whole.folder.read("readings/image-views.json"):
        assert (copy / view["file"]).read_bytes() == (whole.folder.path / view["file"]).read_bytes()
    readings = [run.folder.read("readings/evaluation-test.json") for run in (whole, again)]
    assert readings[0]["metrics"] == readings[1]["metrics"]


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(_equal(a, b) for a, b in zip(first, second, strict=True))
    return bool(first == second)


@every_model
def test_the_command_samples(
    name: str, runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, picture = str(runs[name].folder.path), tmp_path / "made.png"
    steps = runs[name].objective.quick_steps and 3  # type: ignore[attr-defined]
    quick = ["--steps", "3"] if steps else []
    assert main(["sample", run, "-n", "5", "--columns", "5", "--out", str(picture), *quick]) == 0
    images = load_file(tmp_path / "made.safetensors")["images"]
    assert images.shape == (5, 1, 8, 8)
    assert torch.equal(images, sightline.open_run(run).sample(5, steps=steps).pixels)
    assert "picture" in capsys.readouterr().out
    assert main(["sample", run, "-n", "5", "--out", str(picture)]) == 2
    assert main(["sample", run, "-n", "0", "--out", str(picture), "--overwrite"]) == 2
    assert main(["sample", run, "--label", "kind-1"]) == 2
    assert main(["sample", run, "--guidance", "2"]) == 2
    if not steps:
        assert main(["sample", run, "--steps", "3"]) == 2
    assert main(["sample", run, "--label", "nothing"]) == 2
    assert main(["predict", run, str(tmp_path)]) == 2


def test_a_conditional_run_makes_the_class_by_its_name(photos: Path, tmp_path: Path) -> None:
    run = train(spec_of("vae", photos, conditional=True), runs=tmp_path, name="by-class", quiet=True)
    place = str(run.folder.path)
    assert main(["sample", place, "-n", "4", "--label", "kind-2", "--out", str(tmp_path / "two.png")]) == 0
    assert main(["sample", place, "-n", "4", "--label", "2", "--out", str(tmp_path / "number.png")]) == 0
    named, numbered = (load_file(tmp_path / f"{stem}.safetensors") for stem in ("two", "number"))
    assert torch.equal(named["images"], numbered["images"])
    assert named["labels"].tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_conditional_network_is_viewed_and_examined(name: str, photos: Path) -> None:
    data = sightline.load(str(photos))
    model = make(name, data.schema, conditional=True)
    objective = objective_of(model, data.schema, name)
    views = image_views(model, objective, data.test)
    assert [view.name for view in views] == VIEWS[objective.name]
    assert all(((view.pixels >= 0) & (view.pixels <= 1)).all() for view in views)
    again = image_views(model, objective, data.test, seed=1)
    drawn = [not torch.equal(first.pixels, second.pixels) for first, second in zip(views, again, strict=True)]
    assert any(drawn)
    found = evaluate(model, objective, data.test, data.schema, name="test", checkpoint="none")
    assert set(found.metrics) >= {*objective.figure_names(), *FURTHER.get(name, ())}


def test_a_run_that_predicts_makes_no_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = sightline.load("iris")
    plan = Plan(steps=2, batch_size=8)
    run = sightline.fit(sightline.models.mlp(data.schema, width=4), data, plan, runs=tmp_path, quiet=True)
    assert main(["sample", str(run.folder.path)]) == 2
    assert "makes images" in capsys.readouterr().err
