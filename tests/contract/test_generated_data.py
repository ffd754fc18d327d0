"""Images written as a data set, and data sets with more images to train on than their own."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sightline
from sightline.cli.main import main
from sightline.core.config import Choice
from sightline.core.errors import ConfigurationError, DataError, InputError
from sightline.data import load, look, write_image_folder
from sightline.data.stream_split import StreamSplit
from sightline.recipes import starting_point
from sightline.train import Plan, train

VAE = {"latent": 3, "hidden": (8,), "conditional": True}


def levels(count: int, seed: int = 0, channels: int = 1) -> torch.Tensor:
    values = np.random.default_rng(seed).integers(0, 256, (count, channels, 8, 8))
    return torch.from_numpy(values).float() / 255


def write(folder: Path, count: int, seed: int = 0, classes: tuple[str, ...] = ("a", "b")) -> Path:
    labels = torch.arange(count) % len(classes) if classes else None
    write_image_folder(folder, levels(count, seed), labels=labels, classes=classes)
    return folder


# --- a folder of images written ----------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_again(tmp_path: Path, channels: int) -> None:
    pixels, labels = levels(31, channels=channels), torch.arange(31) % 3
    counts = write_image_folder(tmp_path / "made", pixels, labels=labels, classes=("x", "y z", "ü"))
    assert counts == {"x": 11, "y z": 10, "ü": 10}
    data = load(tmp_path / "made", standardise="none", cache=False)
    assert data.schema.classes == ("x", "y z", "ü")
    assert data.schema.input_shape == (channels, 8, 8)
    assert data.found.left_out == ()

    def key(row: torch.Tensor) -> tuple[int, ...]:
        return tuple((row * 255).round().int().flatten().tolist())

    known = {key(row): int(label) for row, label in zip(pixels, labels, strict=True)}
    for split in (data.train, data.validation, data.test):
        for batch in split.batches(batch_size=50):
            for row, label in zip(batch.inputs, batch.target, strict=True):
                assert known.pop(key(row)) == int(label)
    assert not known


def test_without_labels_the_folder_is_flat(tmp_path: Path) -> None:
    assert write_image_folder(tmp_path / "made", levels(9)) == {"": 9}
    assert sorted(p.name for p in (tmp_path / "made").iterdir())[::8] == ["000001.png", "000009.png"]
    assert load(tmp_path / "made").schema.task == "none"
    assert list(tmp_path.glob(".*")) == []


def test_values_are_rounded_and_kept_in_range(tmp_path: Path) -> None:
    pixels = torch.tensor([-0.5, 0.4 / 255, 0.6 / 255, 1.5]).reshape(1, 1, 2, 2)
    write_image_folder(tmp_path / "made", pixels)
    assert np.array(Image.open(tmp_path / "made" / "000001.png")).tolist() == [[0, 0], [1, 255]]


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", 4)
    with pytest.raises(ConfigurationError, match="holds something"):
        write(tmp_path / "empty", 4)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match="a file"):
        write(tmp_path / "file", 4)


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "a:b", " a", ".."])
def test_names_that_folders_cannot_have_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="class names"):
        write(tmp_path / "made", 4, classes=("good", name))
    assert not (tmp_path / "made").exists()
    with pytest.raises(ConfigurationError, match="class names"):
        write(tmp_path / "made", 4, classes=("train", "Test"))
    with pytest.raises(ConfigurationError, match="'good' twice"):
        write(tmp_path / "made", 4, classes=("good", "good"))


def test_what_are_no_images_with_labels_is_refused(tmp_path: Path, as_a_user_calls: None) -> None:
    for shape in ((0, 1, 4, 4), (2, 2, 4, 4), (2, 4, 4)):
        with pytest.raises(InputError, match="1 or 3 channels"):
            write_image_folder(tmp_path / "made", torch.zeros(shape))
    with pytest.raises(InputError, match="finite"):
        write_image_folder(tmp_path / "made", torch.full((1, 1, 2, 2), torch.nan))
    for labels in ([], [0, 1], [0, 1, 2], [0, -1, 1]):
        with pytest.raises(InputError, match="2 classes counted from 0"):
            write_image_folder(tmp_path / "made", levels(3), labels=torch.tensor(labels), classes=("a", "b"))
    assert not (tmp_path / "made").exists()


def test_the_command_writes_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = starting_point("vae", str(write(tmp_path / "real", 30, classes=("a", "b", "c"))))
    spec = spec.replace(model=Choice("vae", VAE), plan=Plan(steps=2, batch_size=8))
    run = str(train(spec, runs=tmp_path, name="vae", quiet=True).folder.path)
    made = tmp_path / "made"
    capsys.readouterr()
    assert main(["sample", run, "-n", "20", "--seed", "5", "--folder", str(made)]) == 0
    assert "20 images: a 7, b 7, c 6" in capsys.readouterr().out
    found = load(made, cache=False)
    assert found.schema.classes == ("a", "b", "c")
    images = sightline.open_run(run).sample(20, seed=5).pixels
    expected = (images[3, 0] * 255).round().numpy()  # the second of the first class
    assert np.array_equal(np.array(Image.open(made / "a" / "000002.png")), expected)
    for words in (["--folder", str(made)], ["--folder", str(tmp_path / "new"), "--columns", "3"]):
        assert main(["sample", run, "-n", "2", *words]) == 2
    assert not (tmp_path / "new").exists()
    lenet = ["train", "mlp", "--data", str(made), "--model.width", "4", "--plan.steps", "2", "--quiet"]
    assert main([*lenet, "--runs", str(tmp_path), "--name", "classifier"]) == 0


# --- more images to train on -------------------------------------------------------------------------


def test_more_images_are_trained_on_and_nothing_else_changes(tmp_path: Path) -> None:
    real, made = write(tmp_path / "real", 40), write(tmp_path / "made", 10, seed=1)
    plain, data = load(real), load(real, extra=str(made))
    assert data.schema == plain.schema
    assert len(data.train) == len(plain.train) + 10
    for name in ("validation", "test"):
        first, second = (next(getattr(d, name).batches(batch_size=99)) for d in (plain, data))
        assert torch.equal(first.inputs, second.inputs)
        assert torch.equal(first.target, second.target)
    whole = next(data.train.batches(batch_size=99))
    own = next(plain.train.batches(batch_size=99))
    assert torch.equal(whole.inputs[: len(own)], own.inputs)
    expected = sightline.data.standardise(levels(10, seed=1), data.schema)
    order = [*range(0, 10, 2), *range(1, 10, 2)]  # by class, as the folder is read
    torch.testing.assert_close(whole.inputs[len(own) :], expected[order])
    assert whole.target[len(own) :].tolist() == [0] * 5 + [1] * 5
    assert data.found.balance["train"]["a"] == plain.found.balance["train"]["a"] + 5
    assert any("10 of the training images are from" in note for note in data.found.notes)
    assert data.fingerprint != plain.fingerprint
    Image.new("L", (8, 8), 3).save(made / "a" / "000001.png")
    assert load(real, extra=str(made)).fingerprint != data.fingerprint
    assert look(real, extra=str(made)).counts == data.found.counts


def test_streamed_images_are_the_same(tmp_path: Path) -> None:
    real, made = write(tmp_path / "real", 20), write(tmp_path / "made", 300, seed=1)
    for memory in (0.0, 5e-6):  # all are streamed; the larger set alone
        order = torch.randperm(len(load(real).train) + 300, generator=torch.Generator().manual_seed(0))
        inputs = []
        for gib in (memory, 2.0):
            data = load(real, extra=str(made), memory_gib=gib, standardise="none")
            inputs.append(torch.cat([b.inputs for b in data.train.batches(batch_size=33, order=order)]))
        assert torch.equal(*inputs)


def test_both_together_keep_to_the_memory_allowed(tmp_path: Path) -> None:
    """Of 64 bytes an image: 40 of its own beside 50 further ones, where 60 may be held."""
    real, made = write(tmp_path / "real", 40), write(tmp_path / "made", 50, seed=1)
    held = {}
    for count in (39, 60, 90):
        data = load(real, extra=str(made), memory_gib=count * 64 / 2**30)
        images = getattr(data.train.stream, "stream", None) if isinstance(data.train, StreamSplit) else None
        held[count] = (
            None if images is None else [isinstance(part, torch.Tensor) for part in (images.first, images.second)]
        )
    assert held == {39: [False, False], 60: [True, False], 90: None}


def test_a_test_image_among_them_is_found(tmp_path: Path) -> None:
    real = write(tmp_path / "real" / "train", 20).parent
    write(tmp_path / "real" / "test", 6, seed=2)
    made = write(tmp_path / "made", 4, seed=1)
    shutil.copy(real / "test" / "a" / "000001.png", made / "a" / "stolen.png")
    (twice,) = load(real, extra=str(made)).found.duplicates
    assert (twice.first, twice.second, twice.count) == ("train", "test", 1)
    assert twice.pairs[0][0] == 18 + 2  # after the 18 of its own and the first two of class a


def test_of_divided_sets_only_the_training_images_are_taken(tmp_path: Path) -> None:
    real = write(tmp_path / "real", 20)
    write(tmp_path / "more" / "train", 6, seed=1)
    write(tmp_path / "more" / "test", 4, seed=2)
    assert len(load(real, extra=str(tmp_path / "more")).train) == len(load(real).train) + 6


def test_one_class_may_have_more(tmp_path: Path) -> None:
    real, made = write(tmp_path / "real", 20), write(tmp_path / "made", 6, seed=1, classes=("b",))
    balance = load(real, extra=str(made)).found.balance["train"]
    assert balance["b"] == balance["a"] + 6


def test_images_without_classes_may_have_more(tmp_path: Path) -> None:
    real, made = write(tmp_path / "real", 20, classes=()), write(tmp_path / "made", 6, seed=1)
    assert len(load(real, extra=str(made)).train) == len(load(real).train) + 6
    with pytest.raises(DataError, match="with a class each"):
        load(made, extra=str(real))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    real = write(tmp_path / "real", 20)
    with pytest.raises(DataError, match=r"a, b[\s\S]*'c'"):
        load(real, extra=str(write(tmp_path / "strange", 6, classes=("a", "c"))))
    large = tmp_path / "large" / "a"
    large.mkdir(parents=True)
    Image.new("L", (9, 8)).save(large / "1.png")
    with pytest.raises(DataError, match=r"8 × 8 in data.extra[\s\S]*9 × 8"):
        load(real, extra=str(large.parent))
    assert len(load(real, image_size=6, extra=str(large.parent)).train) == len(load(real).train) + 1
    with pytest.raises(DataError, match=r"images in data\.extra"):
        load(real, extra="iris")
    with pytest.raises(DataError, match="no file, folder"):
        load(real, extra=str(tmp_path / "nowhere"))
    (tmp_path / "book.txt").write_text("a novel told at length " * 40)
    (tmp_path / "questions.json").write_text("{}")
    for source in ("iris", str(tmp_path / "book.txt"), str(tmp_path / "questions.json")):
        with pytest.raises(ConfigurationError, match=r"no data\.extra"):
            load(source, extra=str(real))
        with pytest.raises(ConfigurationError, match=r"no data\.extra"):
            look(source, extra=str(real))


def test_a_run_resumes_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "real", 20)
    write(tmp_path / "made", 6, seed=1)
    monkeypatch.chdir(tmp_path)
    words = ["train", "mlp", "--data", "real", "--data.extra", "made", "--model.width", "4", "--plan.keep", "9"]
    assert main([*words, "--plan.steps", "4", "--plan.checkpoint-steps", "1", "--name", "run", "--quiet"]) == 0
    monkeypatch.chdir("/")
    run = sightline.open_run(tmp_path / "runs" / "run")
    assert run.spec.data.extra == str(tmp_path / "made")
    assert any("data.extra" in note for note in run.folder.read("readings/data.json")["notes"])
    last = (run.folder.checkpoints / "step-000000004" / "model.safetensors").read_bytes()
    sightline.resume(run.folder.path, checkpoint="step-000000002", quiet=True)
    assert (run.folder.checkpoints / "step-000000004" / "model.safetensors").read_bytes() == last
    shutil.rmtree(tmp_path / "made" / "a")
    with pytest.raises(DataError, match="other content"):
        sightline.open_run(run.folder.path).evaluate("test")
