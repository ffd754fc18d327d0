"""Ascent on a classifier's score: its path against closed forms, and its failure on digits in numbers."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

import sightline
from sightline.cli.main import main
from sightline.core.errors import ConfigurationError, InputError
from sightline.core.schema import Schema
from sightline.data.standardise import standardise
from sightline.generate.classifier_ascent import ClimbedImages, ascend, climbed_images
from sightline.models.mlp import MLP
from sightline.objectives import CrossEntropy, Hinge
from sightline.train import Plan

SCHEMA = Schema("image", "classification", (1, 2, 3), classes=("a", "b", "c"), image_mean=(0.4,), image_std=(0.25,))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_two_classes_and_a_linear_score_have_a_path_of_one_number() -> None:
    """x moves along w alone, and f = w·x by f ← f + η‖w‖² (1 − σ(f)); no wall is met."""
    w, rate = normal(6) / 100, 0.7
    start = torch.full((2, 1, 2, 3), 0.5, dtype=torch.float64)
    start[1] += 0.1
    images, path = ascend(lambda x: F.logsigmoid(x.flatten(1) @ w), start, steps=40, rate=rate)
    for row in range(2):
        f = first = float(start[row].flatten() @ w)
        for k in range(41):
            assert float(path[k, row]) == pytest.approx(-math.log1p(math.exp(-f)), rel=1e-12)
            last, f = f, f + rate * float(w @ w) / (1 + math.exp(f))
        expected = start[row].flatten() + (last - first) / float(w @ w) * w
        torch.testing.assert_close(images[row].flatten(), expected)


def test_a_linear_score_goes_straight_until_the_walls() -> None:
    w, start = normal(6, seed=1), normal(3, 1, 2, 3, seed=2).sigmoid()
    images, path = ascend(lambda x: x.flatten(1) @ w, start, steps=30, rate=0.05)
    torch.testing.assert_close(images.flatten(1), (start.flatten(1) + 30 * 0.05 * w).clamp(0, 1))
    assert path.shape == (31, 3)
    assert (path[1:] >= path[:-1]).all()


def classifier(hidden: tuple[int, ...] = ()) -> MLP:
    torch.manual_seed(3)
    return MLP(num_inputs=6, num_outputs=3, hidden=hidden)


def test_a_networks_ascent_is_the_hand_written_one() -> None:
    """∇_x log p(c | x) = Wᵀ(e_c − p)/σ of a linear classifier, standardisation included."""
    model = classifier()
    made = climbed_images(model, CrossEntropy(SCHEMA), SCHEMA, 5, seed=2, steps=12, rate=0.02, batch_size=2)
    head = model.head
    assert isinstance(head, nn.Linear)
    weight, bias = head.weight.detach().double(), head.bias.detach().double()
    assert made.labels is not None
    assert made.labels.tolist() == [0, 1, 2, 0, 1]
    begun = climbed_images(model, CrossEntropy(SCHEMA), SCHEMA, 5, seed=2, steps=1, rate=1e-30).pixels
    for row, label in enumerate(made.labels.tolist()):
        x = begun[row].flatten().double()
        for k in range(12):
            p = (weight @ ((x - 0.4) / 0.25) + bias).softmax(0)
            assert float(made.path[k, row]) == pytest.approx(float(p[label].log()), abs=1e-5)
            x = (x + 0.02 * weight.T @ (F.one_hot(torch.tensor(label), 3).double() - p) / 0.25).clamp(0, 1)
        torch.testing.assert_close(made.pixels[row].flatten().double(), x, atol=1e-5, rtol=0)
        moved = math.sqrt(float((made.pixels[row] - begun[row]).square().mean()))
        assert float(made.distance[row]) == pytest.approx(moved, rel=1e-4)
    assert torch.equal(made.confidence, made.path[-1].exp())


def test_seeds_labels_starts_and_the_model_left_as_it_was() -> None:
    model, objective = classifier((4,)).train(), CrossEntropy(SCHEMA)
    state = torch.get_rng_state()
    first, again, other = (climbed_images(model, objective, SCHEMA, 4, seed=s, steps=2).pixels for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    two = torch.rand(2, 1, 2, 3)
    each = climbed_images(model, objective, SCHEMA, 99, start=two, steps=1, rate=1e-30)
    assert each.labels is not None
    assert each.labels.tolist() == [0, 1, 2, 0, 1, 2]  # every picture to every class, once
    assert torch.equal(each.pixels, two.repeat_interleave(3, 0))
    starts = [climbed_images(model, objective, SCHEMA, n, start=two, steps=1).starts for n in (1, 3, 4, 99)]
    assert starts == [1, 1, 2, 2]
    one = climbed_images(model, objective, SCHEMA, 99, start=two, label=1, steps=1, rate=1e-30)
    assert torch.equal(one.pixels, two)
    assert (one.labels == 1).all()  # type: ignore[union-attr]


def test_what_does_not_fit_is_refused(as_a_user_calls: None) -> None:
    model, objective = classifier(), CrossEntropy(SCHEMA)
    calls: list[Callable[[], Any]] = [
        lambda: climbed_images(model, objective, SCHEMA, 0),
        lambda: climbed_images(model, objective, SCHEMA, 1, label=3),
        lambda: climbed_images(model, objective, SCHEMA, 1, steps=0),
        lambda: climbed_images(model, objective, SCHEMA, 1, seed=-1),
        lambda: climbed_images(model, objective, SCHEMA, 1, rate=0.0),
        lambda: climbed_images(model, objective, SCHEMA, 1, rate=math.nan),
        lambda: climbed_images(model, Hinge(SCHEMA), SCHEMA, 1),
    ]
    for call in calls:
        with pytest.raises(ConfigurationError):
            call()
    for start in (torch.full((1, 1, 2, 3), 2.0), torch.full((1, 1, 2, 3), math.nan), torch.zeros(1, 1, 3, 3)):
        with pytest.raises(InputError):
            climbed_images(model, objective, SCHEMA, 1, start=start)


def test_on_digits_the_classifier_is_sure_of_what_is_none() -> None:
    """A perceptron right on most new digits: its ascent is sure everywhere, and half as far as noise is from noise."""
    bunch = load_digits()
    pixels = torch.tensor(bunch.images / 16).float()[:, None]
    target = torch.tensor(bunch.target)
    schema = Schema(
        "image", "classification", (1, 8, 8), classes=tuple("0123456789"), image_mean=(0.3,), image_std=(0.4,)
    )
    torch.manual_seed(0)
    model = MLP(num_inputs=64, num_outputs=10, hidden=(64,))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(120):
        optimizer.zero_grad()
        F.cross_entropy(model(standardise(pixels[:1400], schema)), target[:1400]).backward()
        optimizer.step()
    with torch.no_grad():
        right = (model(standardise(pixels[1400:], schema)).argmax(1) == target[1400:]).float().mean()
    assert right > 0.9
    objective = CrossEntropy(schema)
    noise = climbed_images(model, objective, schema, 40)
    assert (noise.confidence > 0.99).all()
    assert float(noise.distance.median()) < 0.2  # noise is 0.41 from other noise
    threes = pixels[1400:][target[1400:] == 3][:20]
    eights = climbed_images(model, objective, schema, 20, start=threes, label=8)
    assert (eights.confidence > 0.99).all()
    assert float(eights.distance.median()) < 0.22
    assert "sure" in str(eights)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for index, values in enumerate(np.random.default_rng(0).integers(0, 256, (24, 6, 6), dtype=np.uint8)):
        folder = root / f"kind-{index % 2}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(values).save(folder / f"{index}.png")
    return root


def test_the_command_climbs(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = sightline.load(str(photos))
    run = sightline.fit(
        sightline.models.mlp(data.schema, width=4), data, Plan(steps=2, batch_size=8), runs=tmp_path, quiet=True
    )
    place, out = str(run.folder.path), str(tmp_path / "made.png")
    assert main(["sample", place, "-n", "5", "--label", "kind-1", "--steps", "3", "--out", out]) == 0
    told = capsys.readouterr().out
    assert "ascent" in told
    assert "p(class) > 0.99" in told
    tensors = load_file(tmp_path / "made.safetensors")
    assert tensors["images"].shape == (5, 1, 6, 6)
    assert tensors["labels"].tolist() == [1] * 5
    picture = str(photos / "kind-0" / "0.png")
    assert main(["sample", place, "--from", picture, "--steps", "1", "--out", out, "--overwrite"]) == 0
    assert load_file(tmp_path / "made.safetensors")["labels"].tolist() == [0, 1]
    made = run.sample(start=picture, steps=2)
    assert isinstance(made, ClimbedImages)
    values = torch.tensor(np.asarray(Image.open(picture))).float() / 255
    torch.testing.assert_close(run.sample(start=picture, steps=1, rate=1e-30).pixels[0, 0], values)
    for words in (["--from", "nowhere.png"], ["--guidance", "1"], ["--steps", "0"], ["--label", "kind-7"]):
        assert main(["sample", place, *words, "--out", out, "--overwrite"]) == 2
    assert "what to do" in capsys.readouterr().err


def test_a_network_that_makes_images_has_no_start(photos: Path, tmp_path: Path) -> None:
    data = sightline.load(str(photos))
    model: nn.Module = sightline.models.vae(data.schema, latent=2, hidden=(4,))
    run = sightline.fit(model, data, Plan(steps=1, batch_size=8), runs=tmp_path, quiet=True)
    with pytest.raises(ConfigurationError, match="no start"):
        run.sample(1, start=str(photos))
