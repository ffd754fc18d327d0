"""The picture of augmented examples: written when there is something to see, and shown in the report."""

from io import BytesIO
from pathlib import Path
from sys import modules  # the package holds a function of the name fit

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.core.errors import RunFolderError
from sightline.core.run_folder import RunFolder
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.data import DataSpec, TensorSplit, load
from sightline.data.augment import Augment, Augmenter
from sightline.models import MLP, mlp
from sightline.report import render
from sightline.train import Plan, fit, resume
from sightline.train.gallery import (
    COPIES,
    EXAMPLES,
    TILE,
    _lines,
    _name,
    draw_gallery,
    fitted,
    gallery_rows,
    write_gallery,
)


def folder(parent: Path) -> RunFolder:
    made = RunFolder.create(parent, "run")
    made.write("spec.yaml", "name: run\n")
    made.set_status("running")
    return made


def of(shape: tuple[int, int, int], augment: Augment, count: int = 10) -> tuple[TensorSplit, Augmenter]:
    schema = Schema("image", "classification", shape, classes=("cat", "dog"), image_mean=(0.5,) * shape[0])
    pixels = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return TensorSplit("train", pixels, torch.arange(count) % 2, schema), Augmenter(augment, schema, Seeds(0))


def test_a_run_that_augments_leaves_a_picture_and_the_report_shows_it(tmp_path: Path) -> None:
    data = load("digits", augment={"rotation": 10, "mixup": 0.4})
    run = fit(mlp(data.schema, width=4, depth=1), data, Plan(epochs=1, batch_size=500), runs=tmp_path, quiet=True)
    with Image.open(run.folder.path / "samples/augmented.png") as picture:
        picture.load()
        assert picture.info["Description"] == "rotated by up to ±10°; mixup with α = 0.4"
        assert picture.getpixel((1, 1)) == (255, 255, 255)
        assert 2 * TILE < picture.width < COPIES * TILE  # one epoch, one copy
    page = render(run.folder)
    assert "What the network sees" in page
    assert page.count("rotated by up to ±10°; mixup with α = 0.4") == 2  # the caption and the words for who can't see
    assert 'class="gallery" src="data:image/png;base64,' in page
    assert len(page) < 1_500_000


def test_a_run_that_does_not_augment_leaves_none(tmp_path: Path) -> None:
    data = load("digits")
    run = folder(tmp_path)
    assert write_gallery(run, data, seed=0, epochs=9) is None
    assert not run.has("samples/augmented.png")
    assert "What the network sees" not in render(run)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 20, 30), (1, 1, 1), (3, 100, 200), (1, 300, 2)])
def test_each_row_begins_with_the_image_as_it_is(shape: tuple[int, int, int]) -> None:
    split, augmenter = of(shape, Augment(flip=True, brightness=0.5))
    rows = gallery_rows(split, augmenter)
    assert [len(row) for row in rows] == [COPIES + 1] * EXAMPLES
    sizes = {tile.picture.size for row in rows for tile in row}
    assert len(sizes) == 1
    assert TILE / 2 <= max(next(iter(sizes))) <= TILE
    first = np.asarray(rows[0][0].picture.convert("RGB"))
    originals = [np.asarray(split.picture(i).convert("RGB")) for i in range(10)]  # type: ignore[union-attr]
    if max(shape[1:]) <= TILE:
        factor = TILE // max(shape[1:])
        assert any(np.array_equal(first[::factor, ::factor], original) for original in originals)
        if shape != (1, 1, 1):
            assert len({row[0].picture.tobytes() for row in rows}) == EXAMPLES
    sheet = draw_gallery(rows)
    assert sheet.size[0] >= (COPIES + 1) * TILE
    for copy in rows[0][1:]:
        assert copy.picture.size == rows[0][0].picture.size


def test_the_copies_are_what_the_augmenter_makes() -> None:
    split, augmenter = of((1, 4, 4), Augment(alternating_flip=True))
    for row in gallery_rows(split, augmenter):
        plain, mirrored = np.asarray(row[0].picture), np.asarray(row[0].picture)[:, ::-1]
        found = [np.asarray(tile.picture) for tile in row[1:]]
        begins = np.array_equal(found[0], mirrored)
        for number, picture in enumerate(found):
            assert np.array_equal(picture, mirrored if begins == (number % 2 == 0) else plain)


def test_fewer_examples_than_rows_are_all_shown() -> None:
    split, augmenter = of((3, 8, 8), Augment(cutmix=1.0), count=2)
    rows = gallery_rows(split, augmenter)
    assert len(rows) == 2
    assert draw_gallery(rows).size[1] > 0


def test_labels_follow_the_mix() -> None:
    split, augmenter = of((1, 4, 4), Augment(mixup=1.0))
    images, target = split.inputs[:2], torch.tensor([0, 1])
    given = augmenter.epoch(0)(images, target, torch.arange(2), number=0)
    assert given.mix is not None
    object.__setattr__(given.mix, "partner", torch.tensor([1, 1]))
    object.__setattr__(given.mix, "share", torch.tensor([0.7, 0.7]))
    assert _lines(given, 0, split.schema) == ("cat (70 %)", "+ dog (30 %)")
    assert _lines(given, 1, split.schema) == ("dog",)


def test_numbers_are_labels_too(tmp_path: Path) -> None:
    schema = Schema("image", "regression", (1, 4, 4), target="age", image_mean=(0.5,))
    split, _ = of((1, 4, 4), Augment())
    ages = TensorSplit("train", split.inputs, torch.full((10,), 12.345678, dtype=torch.float64), schema)
    rows = gallery_rows(ages, Augmenter(Augment(mixup=1.0), schema, Seeds(0)))
    assert {tile.lines for row in rows for tile in row} == {("12.35",)}


def test_long_names_are_cut_to_the_tile() -> None:
    assert fitted("cat", 50) == "cat"
    assert fitted("an extraordinarily long name", 80).endswith("…")
    assert fitted("abc", 0) == "…"


def test_a_large_picture_becomes_a_jpeg_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    run = folder(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    run.write("samples/augmented.png", buffer.getvalue())
    page = render(run)
    assert 'class="gallery" src="data:image/jpeg;base64,' in page
    assert len(page) < 1_500_000
    run.write("samples/augmented.png", buffer.getvalue()[:5000])
    with pytest.raises(RunFolderError, match=r"augmented\.png"):
        render(run)


def test_two_channels_have_no_picture(tmp_path: Path) -> None:
    data = load("digits", augment={"flip": True})
    object.__setattr__(data, "schema", Schema("image", "none", (2, 8, 8)))
    assert write_gallery(folder(tmp_path), data, seed=0, epochs=9) is None
    assert DataSpec(source="digits").augment == Augment()


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("a\nb", "a b"),
        (" a\t\r\n b ", "a b"),
        ("a\x00\x1b[0mb\u200b", "a [0mb"),
        ("\n", "class 1"),
        ("猫", "class 1"),
        ("cat 猫", "class 1"),
        ("50 % of it…", "50 % of it…"),
    ],
)
def test_any_class_name_can_be_drawn(name: str, drawn: str) -> None:
    """On one line, without control characters; by its number where the font has not its letters."""
    schema = Schema("image", "classification", (1, 4, 4), classes=("dog", name), image_mean=(0.5,))
    assert _name(torch.tensor(1), schema) == drawn
    split, _ = of((1, 4, 4), Augment())
    rows = gallery_rows(replace_schema(split, schema), Augmenter(Augment(mixup=1.0), schema, Seeds(0)))
    draw_gallery(rows)


def replace_schema(split: TensorSplit, schema: Schema) -> TensorSplit:
    return TensorSplit("train", split.inputs, split.target, schema)


@pytest.mark.parametrize("copies", [1, 2, 7])
def test_no_more_epochs_are_shown_than_the_run_has(tmp_path: Path, copies: int) -> None:
    data = load("digits", augment={"flip": True})
    path = write_gallery(folder(tmp_path), data, seed=0, epochs=copies)
    assert path is not None
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"))
    ink = np.flatnonzero((pixels[40:100] < 250).any(0))  # the first row's tiles, 106 pixels from one to the next
    assert copies * (TILE + 10) < ink.max() < (copies + 2) * (TILE + 10)
    heading = np.flatnonzero((pixels[15:36] < 250).any(0))
    assert heading.max() < pixels.shape[1] - 10  # not cut at the edge


def test_a_run_whose_gallery_fails_is_marked_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load("digits", augment={"flip": True})
    model, plan = mlp(data.schema, width=4, depth=1), Plan(epochs=1, batch_size=500)

    def fails(*_: object) -> None:
        raise ValueError("no room to draw")

    with monkeypatch.context() as patch:
        patch.setattr(modules["sightline.train.carry_out"], "write_gallery", fails)
        with pytest.raises(ValueError, match="no room to draw"):
            fit(model, data, plan, name="run", runs=tmp_path, quiet=True)
    run = RunFolder.open(tmp_path / "run")
    assert run.status()["state"] == "failed"
    assert "no room to draw" in run.status()["why"]


def test_a_run_stopped_before_its_gallery_has_it_when_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load("digits", augment={"flip": True})
    model, plan = mlp(data.schema, width=4, depth=1), Plan(epochs=1, batch_size=500)

    def stops(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(modules["sightline.train.carry_out"], "write_gallery", stops)
        with pytest.raises(KeyboardInterrupt):
            fit(model, data, plan, name="run", runs=tmp_path, quiet=True)
    assert not RunFolder.open(tmp_path / "run").has("samples/augmented.png")
    run = resume(tmp_path / "run", quiet=True)
    assert isinstance(run.model, MLP)
    assert run.folder.has("samples/augmented.png")
