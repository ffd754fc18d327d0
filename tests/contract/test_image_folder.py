"""A folder of images by class, in each layout it may have."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.core.errors import DataError
from sightline.data import load, load_like, look, read_inputs


def write(folder: Path, count: int, level: int, mode: str = "L", suffix: str = "png") -> None:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(level)
    for i in range(count):
        pixels = generator.integers(level, level + 50, (9, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{i}.{suffix}")


def test_classes_are_the_folders(tmp_path: Path) -> None:
    write(tmp_path / "dark", 20, 0)
    write(tmp_path / "light", 30, 200)
    data = load(tmp_path)
    assert data.schema.classes == ("dark", "light")
    assert data.schema.input_shape == (1, 9, 7)
    assert data.found.balance == {
        "train": {"dark": 14, "light": 22}, "validation": {"dark": 2, "light": 2}, "test": {"dark": 4, "light": 6},
    }  # fmt: skip
    for split in (data.train, data.validation, data.test):
        for batch in split.batches(batch_size=4):
            assert torch.equal(batch.inputs.mean((1, 2, 3)) > 0, batch.target == 1)


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        (("train", "test"), (18, 2, 6)),
        (("train", "val", "test"), (20, 6, 6)),
        (("Train", "valid"), (16, 6, 4)),
        (("train", "validation", "test"), (20, 6, 6)),
    ],
)
def test_split_folders(tmp_path: Path, names: tuple[str, ...], counts: tuple[int, int, int]) -> None:
    for number, name in enumerate(names):
        for c in "ab":
            write(tmp_path / name / c, 10 if number == 0 else 3, 10 * number)
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == counts


def test_grey_and_colour(tmp_path: Path) -> None:
    write(tmp_path / "a", 5, 0, "L")
    write(tmp_path / "b", 5, 90, "1")
    assert load(tmp_path).schema.input_shape[0] == 1
    write(tmp_path / "c", 5, 90, "RGB")
    assert load(tmp_path).schema.input_shape[0] == 3


def test_image_size(tmp_path: Path) -> None:
    write(tmp_path / "a", 5, 0)
    write(tmp_path / "b", 5, 90)
    assert load(tmp_path, image_size=5).schema.input_shape == (1, 5, 5)


def test_other_files_are_listed_hidden_ones_ignored(tmp_path: Path) -> None:
    write(tmp_path / "a", 5, 0)
    write(tmp_path / "b", 5, 90)
    (tmp_path / "a" / "notes.doc").write_text("x")
    (tmp_path / "a" / ".DS_Store").write_text("x")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "empty").mkdir()
    Image.new("L", (3, 3)).save(tmp_path / "loose.png")
    found = load(tmp_path).found
    assert [path for path, _ in found.left_out] == [str(Path("a") / "notes.doc"), "loose.png"]
    assert "no image in empty" in found.notes


def test_a_target_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", 5, 0)
    write(tmp_path / "b", 5, 90)
    with pytest.raises(DataError, match="come with their own, 'class'"):
        load(tmp_path, target="price")


def test_the_split_has_its_own_seed(tmp_path: Path) -> None:
    write(tmp_path / "a", 20, 0)
    write(tmp_path / "b", 20, 90)
    first, again, other = load(tmp_path), load(tmp_path), load(tmp_path, split_seed=1)
    images = [next(d.test.batches(batch_size=8)).inputs for d in (first, again, other)]
    assert torch.equal(images[0], images[1])
    assert not torch.allclose(images[0], images[2])


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    write(tmp_path / "a", 5, 0)
    write(tmp_path / "b", 5, 90)
    before = load(tmp_path).fingerprint
    (tmp_path / "a" / "0.png").touch()
    assert load(tmp_path).fingerprint == before
    Image.new("L", (7, 9), 3).save(tmp_path / "a" / "0.png")
    assert load(tmp_path).fingerprint != before


def test_prediction_sees_what_the_test_split_sees(tmp_path: Path) -> None:
    for name in ("train", "test"):
        write(tmp_path / name / "a", 6, 0 if name == "train" else 7, "RGB")
        write(tmp_path / name / "b", 6, 90 if name == "train" else 97, "RGB")
    data = load(tmp_path, image_size=5)
    (tmp_path / "test" / "a" / "bad.png").write_text("no image")
    inputs = read_inputs([tmp_path / "test"], data.schema)
    wanted = torch.cat([b.inputs for b in data.test.batches(batch_size=5)])
    torch.testing.assert_close(inputs.inputs, wanted)
    assert inputs.names[0] == str(tmp_path / "test" / "a" / "0.png")
    assert inputs.left_out == [(str(tmp_path / "test" / "a" / "bad.png"), "text, no image")]


def test_like_keeps_classes_size_and_statistics(tmp_path: Path) -> None:
    write(tmp_path / "train" / "a", 9, 0)
    write(tmp_path / "train" / "b", 9, 90)
    data = load(tmp_path / "train")
    write(tmp_path / "more" / "b", 4, 90, "RGB", "bmp")
    other = load_like(tmp_path / "more", data.schema)
    batch = next(other.batches(batch_size=9))
    assert batch.target.tolist() == [1, 1, 1, 1]
    assert batch.inputs.shape == (4, 1, 9, 7)


def test_a_look_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "data" / "a", 5, 0)
    write(tmp_path / "data" / "b", 5, 90)
    before = sorted(tmp_path.rglob("*"))
    assert look(tmp_path / "data").counts == {"train": 7, "validation": 1, "test": 2}
    assert sorted(tmp_path.rglob("*")) == before
