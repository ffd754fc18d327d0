"""A run that makes digits, judged by a run that reads them: from Python, from the command line, on the page."""

import html
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import sightline
from sightline.cli.main import main
from sightline.core.config import Choice, build
from sightline.core.errors import ConfigurationError, DataError, InputError
from sightline.generate.image_sampling import SampledImages
from sightline.objectives import OBJECTIVES
from sightline.recipes import RECIPES, starting_point
from sightline.train import Plan, Run, judging, open_run, train
from sightline.train.judging import judge_run, pixels_of


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A VAE told the class, after a few updates, and a classifier."""
    runs = tmp_path_factory.mktemp("runs")
    maker = starting_point("vae", "digits")
    maker = maker.replace(
        model=Choice("vae", {"latent": 3, "hidden": (16,), "conditional": True}), plan=Plan(steps=20, batch_size=32)
    )
    judge = RECIPES["digits-mlp"]()
    judge = judge.replace(plan=judge.plan.replace(epochs=2))
    one, other = (train(spec, runs=runs, quiet=True) for spec in (maker, judge))
    return one.folder.path, other.folder.path


@pytest.fixture
def pair(folders: tuple[Path, Path]) -> tuple[Run, Run]:
    return open_run(folders[0]), open_run(folders[1])


def test_the_command_judges(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run, by = map(str, folders)
    assert main(["judge", run, "--by", by, "-n", "200"]) == 0
    told = capsys.readouterr().out
    for words in ("Fréchet distance", "classes covered", "of the class asked for", "made", "real"):
        assert words in told
    found = open_run(run).folder.read("readings/judgement.json")
    half = len(open_run(run).data.test) // 2
    assert (found["made"]["count"], found["made"]["compared"], found["real"]["count"]) == (200, half, half)
    assert found["made"]["frechet"]["value"] > 3 * found["real"]["frechet"]["value"] > 0
    assert sum(found["made"]["shares"]) == pytest.approx(1)
    assert found["real"]["agreement"]["value"] > 0.5
    assert found["verdicts"]
    assert (folders[0] / "report.html").is_file()
    page = html.unescape((folders[0] / "report.html").read_text())
    assert "How good the images are" in page
    assert "judged-classes" in page
    assert all(sentence in page for sentence in found["verdicts"])
    with Image.open(folders[0] / "samples" / "nearest.png") as picture:
        assert picture.width > 5 * picture.height  # twelve beside each other, two above each other
    assert main(["judge", run, "--by", by, "-n", "200", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((folders[0] / "readings" / "judgement.json").read_text())


def test_a_damaged_reading_is_named(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run = open_run(folders[0])
    run.judge(str(folders[1]), 2)
    run.folder.write("readings/judgement.json", {"classes": ["0"]})
    assert main(["report", str(folders[0])]) == 2
    assert "judgement.json" in capsys.readouterr().err
    (folders[0] / "readings" / "judgement.json").unlink()
    (folders[0] / "samples" / "nearest.png").write_bytes(b"no picture")
    assert main(["report", str(folders[0])]) == 0
    assert "How good the images are" not in (folders[0] / "report.html").read_text()


def test_training_images_in_place_of_made_ones_are_found_out(
    pair: tuple[Run, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A perfect copier: every figure is as good as real, but for the check of copies; labels go by name."""
    run, by = pair
    copies, labels = pixels_of(run.data.train, run.schema, torch.arange(90)), run.data.train.target[:90]
    monkeypatch.setattr(run, "sample", lambda count, **options: SampledImages(copies, labels))
    found = judge_run(run, by, 90)
    assert found.memorisation.memorised
    assert [sentence for sentence in found.verdicts if "memorised" in sentence] == found.verdicts
    assert found.distance[0] == 0
    assert found.made.agreement is not None
    assert found.made.agreement.value > 0.5
    by.__dict__["schema"] = replace(by.schema, classes=by.schema.classes[::-1])
    turned = judge_run(run, by, 90).made.agreement
    assert turned is not None
    assert turned.value < 0.5
    by.__dict__["schema"] = replace(by.schema, classes=tuple("abcdefghij"))
    assert judge_run(run, by, 90).made.agreement is None


def test_pixels_come_back_exactly(pair: tuple[Run, Run]) -> None:
    run, _ = pair
    rows = torch.tensor([5, 0, 17])
    stored = run.data.train.inputs[rows]  # type: ignore[attr-defined]
    assert torch.equal(pixels_of(run.data.train, run.schema, rows), stored.float() / 255)


def test_what_is_refused(
    folders: tuple[Path, Path],
    pair: tuple[Run, Run],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, by = map(str, folders)
    for words, message in (
        ([run], "--by"),
        ([run, "--by", run], "makes images itself"),
        ([by, "--by", by], "whose network makes images"),
        ([run, "--by", by, "-n", "1"], "at least 2"),
        ([run, "--by", by, "--steps", "3"], "steps"),
        ([run, "--by", str(folders[0].parent / "nothing")], "run folder"),
    ):
        assert main(["judge", *words]) == 2
        assert message in capsys.readouterr().err
    maker, judge = pair
    judge.__dict__["objective"] = build(Choice("hinge"), OBJECTIVES, judge.schema)
    with pytest.raises(ConfigurationError, match="no probabilities"):
        maker.judge(judge)
    del judge.__dict__["objective"]
    judge.model.eval()  # built for its own schema
    judge.__dict__["schema"] = replace(judge.schema, input_shape=(1, 4, 4))
    with pytest.raises(InputError, match="4 × 4 with 1 channel, as the judge"):
        maker.judge(judge)
    del judge.__dict__["schema"]
    monkeypatch.setattr(judging, "MOST_REAL", 3)
    with pytest.raises(DataError, match="at least 4 images"):
        maker.judge(judge)
    assert sightline.open_run(run).folder.status()["state"] == "completed"
