"""Folders of images without classes: loaded, described, trained on by networks that make images."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import sightline
from sightline.cli.main import main
from sightline.core.checkpoint import find_checkpoint
from sightline.core.errors import DataError
from sightline.data import load, load_like, look

SMALL = ["--model.latent", "3", "--model.hidden", "8"]


def write(folder: Path, count: int, seed: int = 0, side: int = 8) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, values in enumerate(np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)):
        Image.fromarray(values).save(folder / f"{i:03d}.png")
    return folder


def test_images_beside_one_another_have_no_class(tmp_path: Path) -> None:
    write(tmp_path, 30)
    (tmp_path / "notes.txt").write_text("what these are\n")
    (tmp_path / ".hidden.png").write_bytes(b"")
    data = load(tmp_path)
    assert (data.schema.task, data.schema.classes, data.schema.target) == ("none", (), "")
    assert (len(data.train), len(data.validation), len(data.test)) == (22, 2, 6)
    assert data.found.left_out == (("notes.txt", "no image by its name"),)
    assert "30 images of 1 × 8 × 8, without classes" in data.found.what
    assert data.found.balance == {}
    inputs = torch.cat([b.inputs for b in data.train.batches(batch_size=7)])
    assert abs(float(inputs.mean())) < 1e-5
    assert abs(float(inputs.std(correction=0)) - 1) < 1e-5
    assert (data.train.target == 0).all()


def test_split_folders_without_classes(tmp_path: Path) -> None:
    write(tmp_path / "train", 20)
    write(tmp_path / "test", 6, seed=1)
    shutil.copy(tmp_path / "train" / "003.png", tmp_path / "test" / "twice.png")
    found = load(tmp_path).found
    assert found.counts == {"train": 18, "validation": 2, "test": 7}
    assert [d.count for d in found.duplicates if d.second == "test"] == [1]


def test_folders_of_classes_stay_what_they_were(tmp_path: Path) -> None:
    write(tmp_path / "a", 6)
    write(tmp_path / "b", 6, seed=1)
    write(tmp_path, 3, seed=2)
    data = load(tmp_path)
    assert data.schema.classes == ("a", "b")
    assert len(data.found.left_out) == 3


def test_one_folder_tells_nothing_apart(tmp_path: Path) -> None:
    write(tmp_path / "faces" / "more", 25)
    write(tmp_path, 5, seed=2)
    data = load(tmp_path)
    assert (data.schema.task, data.schema.classes) == ("none", ())
    assert len(data.train) + len(data.validation) + len(data.test) == 25
    assert "all images are in one folder, faces: they have no classes" in data.found.notes
    assert len(data.found.left_out) == 5


def test_a_divided_folder_needs_its_training_images_in_class_folders_too(tmp_path: Path) -> None:
    write(tmp_path / "train", 20)
    write(tmp_path / "test" / "a", 3)
    write(tmp_path / "test" / "b", 3)
    with pytest.raises(DataError, match="'train' with images"):
        load(tmp_path)


def test_texts_with_a_picture_stay_texts(tmp_path: Path) -> None:
    for name in ("emma", "persuasion"):
        (tmp_path / f"{name}.txt").write_text("a novel by the same author, told at length. " * 30)
    write(tmp_path, 1)
    assert look(tmp_path, text={"tokenizer": "characters", "length": 16}).kind == "text"


def test_the_fingerprint_follows_the_images(tmp_path: Path) -> None:
    write(tmp_path, 9)
    before = load(tmp_path).fingerprint
    assert load(tmp_path).fingerprint == before
    Image.new("L", (8, 8), 3).save(tmp_path / "000.png")
    assert load(tmp_path).fingerprint != before


def test_a_broken_image_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, 9)
    (tmp_path / "bad.png").write_bytes(b"nothing")
    ((name, why),) = load(tmp_path).found.left_out
    assert (name, why) == ("bad.png", "text, no image")


def test_other_images_are_read_like_them(tmp_path: Path) -> None:
    data = load(write(tmp_path / "flat", 9))
    write(tmp_path / "more" / "a", 4, seed=1)
    write(tmp_path / "more" / "b", 4, seed=2)
    assert len(load_like(tmp_path / "more", data.schema)) == 8
    classes = load(tmp_path / "more").schema
    with pytest.raises(DataError, match="with a class each"):
        load_like(tmp_path / "flat", classes)


@pytest.mark.parametrize(
    ("fields", "match"), [({"target": "x"}, "come without"), ({"task": "classification"}, "data.task")]
)
def test_there_is_nothing_to_predict(tmp_path: Path, fields: dict[str, str], match: str) -> None:
    write(tmp_path, 9)
    with pytest.raises(DataError, match=match):
        load(tmp_path, **fields)


def test_too_few_without_classes_say_nothing_of_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"at least three$"):
        load(write(tmp_path / "flat", 2))
    for name in ("a", "b"):
        write(tmp_path / "classes" / name, 1)
    with pytest.raises(DataError, match="two or more a class"):
        load(tmp_path / "classes")


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 2
    return capsys.readouterr().err


def test_a_classifier_says_what_is_wanting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(write(tmp_path / "flat", 9))
    for model in ("lenet", "mlp"):
        error = told(capsys, "train", model, "--data", place, "--runs", str(tmp_path / "runs"))
        assert "images with classes" in error
        assert "no classes" in error
        assert "put each class into a folder" in error
        assert "train vae" in error
    assert "images with classes" in told(capsys, "train", "vae", "--data", place, "--model.conditional", "true")
    assert "widths = [0]" in told(capsys, "train", "unet", "--data", place, "--model.widths", "0")
    (tmp_path / "short.txt").write_text("a b c")
    assert "images for the model 'vae'" in told(capsys, "train", "vae", "--data", str(tmp_path / "short.txt"))
    assert "3 tokens" in told(capsys, "train", "gpt", "--data", str(tmp_path / "short.txt"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("photos.zip", "unpack it"),
        ("a.heic", "PNG or JPEG"),
        ("x.npy", "CSV or Parquet table"),
        ("house.xlsx", "save the table as CSV"),
        ("novel.pdf", ".txt"),
        ("what", "put images there"),
    ],
)
def test_a_folder_of_nothing_suggests_a_remedy(
    tmp_path: Path, name: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(b"x")
    error = told(capsys, "train", "vae", "--data", str(tmp_path))
    assert name in error.split("found:")[1].split("what to do:")[0]
    assert remedy in error.split("what to do:")[1]
    assert "token" not in error


def test_a_folder_with_a_note_alone_says_what_it_was_taken_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.txt").write_text("the photos are elsewhere\n")
    error = told(capsys, "train", "vae", "--data", str(tmp_path), "--data.text.tokenizer", "characters")
    assert "taken for one of texts, because of README.txt" in error
    assert "for images give the folder that they are in" in error


def test_from_the_folder_to_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = write(tmp_path / "flat", 30)
    assert main(["data", str(place)]) == 0
    assert "without classes" in capsys.readouterr().out
    plan = ["--plan.steps", "6", "--plan.batch-size", "8", "--plan.checkpoint-steps", "1", "--plan.keep", "9"]
    words = ["train", "vae", "--data", str(place), *SMALL, *plan, "--runs", str(tmp_path), "--name", "run", "--quiet"]
    assert main(words) == 0
    run = sightline.open_run(tmp_path / "run")
    copy = tmp_path / "copy"
    shutil.copytree(run.folder.path, copy)
    again = sightline.resume(copy, checkpoint="step-000000003", quiet=True)
    last, other = (find_checkpoint(r.folder, "last") for r in (run, again))
    for file in ("model.safetensors", "state.safetensors"):
        one, two = load_file(last / file), load_file(other / file)
        assert one.keys() == two.keys()
        for name in one:  # the tests' checks of types draw from Python's own generator, which training does not use
            assert ".python." in name or torch.equal(one[name], two[name])
    assert main(["evaluate", str(copy)]) == 0
    assert main(["sample", str(copy), "-n", "4"]) == 0
    assert main(["report", str(copy)]) == 0
    assert "What it makes" in run.folder.text("report.html")
    assert main(["evaluate", str(copy), "--data", str(place)]) == 0
