"""Each fault in a user's data gives an error in three parts, or is left out and listed."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sightline.core.errors import ConfigurationError, DataError
from sightline.data import load, load_like, look, read_inputs
from sightline.data.image import decode
from sightline.data.load import source_name


def picture(seed: int, size: tuple[int, int] = (6, 6), mode: str = "RGB") -> Image.Image:
    array = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(array).convert(mode)


def folder(root: Path, classes: str = "ab", count: int = 5) -> Path:
    for c in classes:
        (root / c).mkdir(parents=True)
        for i in range(count):
            picture(ord(c) * 100 + i).save(root / c / f"{i}.png")
    return root


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


ROWS = "\n".join(f"{i},{i * 7 % 5},{'yes' if i % 3 else 'no'}" for i in range(30))
GOOD = f"x,y,label\n{ROWS}\n"


def refuse(*words: str, source: Path | str, **fields: object) -> None:
    with pytest.raises(DataError) as caught:
        load(source, **fields)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.expected
    assert caught.value.do


# --- paths -----------------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    refuse("nowhere.csv", "check the path", source=tmp_path / "nowhere.csv")


def test_misspelt_embedded_set() -> None:
    refuse("did you mean 'digits'", source="digts")


def test_unknown_kind_of_file(tmp_path: Path) -> None:
    refuse(".xlsx", source=table(tmp_path / "a.xlsx", "x"))


def test_single_image(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    refuse("a single image", source=tmp_path / "a.png")


def test_unknown_field() -> None:
    with pytest.raises(ConfigurationError, match="standardise"):
        load("digits", standardize="channel")
    with pytest.raises(ConfigurationError, match="validation_fraction"):
        load("digits", validation_fraction=1.5)


# --- folders ---------------------------------------------------------------------------------------


def test_empty_folder(tmp_path: Path) -> None:
    refuse("an empty folder", source=tmp_path)


def test_folder_of_one_image(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    refuse("training, validation and test", "1 usable", source=tmp_path)


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.doc").write_text("x")
    refuse("none in it or its folders", "it holds a; b.doc is a document", source=tmp_path)


def test_folder_with_a_table(tmp_path: Path) -> None:
    table(tmp_path / "house.csv", GOOD)
    refuse("give the table itself", "house.csv", source=tmp_path)


def test_one_class(tmp_path: Path) -> None:
    """To be told apart there must be two; without anything to tell the images are images without classes."""
    refuse("at least two different", source=folder(tmp_path, "a"), task="classification")
    assert load(tmp_path).schema.task == "none"


def test_one_image_class_is_trained_and_reported(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "single").mkdir()
    picture(9).save(tmp_path / "single" / "x.png")
    found = load(tmp_path).found
    assert found.balance["train"]["single"] == 1
    assert any("a single example of single" in note for note in found.notes)


def test_test_without_train(tmp_path: Path) -> None:
    folder(tmp_path / "test")
    refuse("'train'", source=tmp_path)


def test_tested_class_that_is_never_trained(tmp_path: Path) -> None:
    folder(tmp_path / "train", "ab")
    folder(tmp_path / "test", "abc")
    refuse("'c'", "none in training", source=tmp_path)


def test_too_few_images(tmp_path: Path) -> None:
    refuse("training, validation and test", source=folder(tmp_path, "ab", 1))


# --- single images ---------------------------------------------------------------------------------


def broken(kind: str) -> bytes:
    file = io.BytesIO()
    picture(3, (90, 70)).save(file, "JPEG")
    return {
        "text": b"this is no image at all",
        "empty": b"",
        "truncated": file.getvalue()[:900],
        "noise": bytes(range(256)),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "why"),
    [("text", "text, no image"), ("empty", "an empty file"), ("truncated", "truncated"), ("noise", "no known image")],
)
def test_one_broken_image_of_many_is_left_out_and_listed(tmp_path: Path, kind: str, why: str) -> None:
    folder(tmp_path)
    (tmp_path / "a" / "bad.jpg").write_bytes(broken(kind))
    data = load(tmp_path)
    ((path, reason),) = data.found.left_out
    assert path == str(Path("a") / "bad.jpg")
    assert why in reason
    assert sum(data.found.counts.values()) == 10
    assert "bad.jpg" in str(data.found)


def test_mostly_broken(tmp_path: Path) -> None:
    folder(tmp_path, count=2)
    for i in range(5):
        (tmp_path / "a" / f"bad{i}.jpg").write_bytes(b"text")
    refuse("5 of 9 are broken", "text, no image", source=tmp_path)


def test_bomb() -> None:
    file = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(file, "PNG")
    with pytest.raises(DataError, match="decoded safely"):
        decode(file.getvalue(), "bomb.png", 8, 8, 1)


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def test_cmyk() -> None:
    pixels = decode(saved(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "JPEG"), "x", 4, 4, 3)
    assert pixels[0].min() > 200, "red"
    assert pixels[1:].max() < 60


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(format_: str) -> None:
    deep = Image.fromarray(np.array([[0, 257, 25700, 65535]], dtype=np.uint16))
    assert decode(saved(deep, format_), "x", 1, 4, 1).tolist() == [[[0, 1, 100, 255]]]
    assert decode(saved(deep, format_), "x", 1, 4, 3)[2].tolist() == [[0, 1, 100, 255]]


def test_floating_point_pixels() -> None:
    with pytest.raises(DataError, match="floating-point"):
        decode(saved(Image.new("F", (4, 4), 0.5), "TIFF"), "x", 4, 4, 1)


def test_transparency_is_laid_on_white() -> None:
    half = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert decode(saved(half, "PNG"), "x", 2, 2, 3).max() == pytest.approx(127, abs=1)
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([200, 0, 0] * 256)
    assert decode(saved(palette, "PNG", transparency=0), "x", 2, 2, 3).min() == 255


def test_animation_gives_its_first_frame_and_is_noted(tmp_path: Path) -> None:
    folder(tmp_path)
    frames = [Image.new("RGB", (6, 6), (255, 0, 0)), Image.new("RGB", (6, 6), (0, 0, 255))]
    (tmp_path / "a" / "moving.gif").write_bytes(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    pixels = decode((tmp_path / "a" / "moving.gif").read_bytes(), "x", 6, 6, 3)
    assert (pixels[0].min(), pixels[2].max()) == (255, 0)
    assert any("first frame" in note for note in load(tmp_path).found.notes)


def test_the_camera_s_orientation_is_applied() -> None:
    image = Image.new("L", (8, 4), 0)
    image.paste(255, (0, 0, 4, 4))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right: the left half comes to the top
    pixels = decode(saved(image, "JPEG", exif=exif, quality=95), "x", 8, 4, 1)
    assert pixels[0, :3].min() > 200
    assert pixels[0, 5:].max() < 60


def test_mixed_sizes_are_cut_to_one(tmp_path: Path) -> None:
    folder(tmp_path)
    picture(5, (30, 50)).save(tmp_path / "a" / "tall.png")
    data = load(tmp_path)
    assert data.schema.input_shape == (3, 64, 64)
    assert "2 different" in data.found.sizes
    assert "64 × 64" in data.found.sizes


# --- tables ----------------------------------------------------------------------------------------


def test_no_target_named(tmp_path: Path) -> None:
    refuse("x, y, label", "--target", source=table(tmp_path / "t.csv", GOOD))
    assert [c.name for c in look(tmp_path / "t.csv").columns] == ["x", "y", "label"]


def test_unknown_target(tmp_path: Path) -> None:
    refuse("did you mean 'label'", source=table(tmp_path / "t.csv", GOOD), target="lable")


@pytest.mark.parametrize("value", ["inf", "-inf"])
def test_infinite_value(tmp_path: Path, value: str) -> None:
    text = GOOD.replace("\n4,", f"\n{value},")
    refuse("'x'", "inf in data row 5", source=table(tmp_path / "t.csv", text), target="label")


def test_infinite_target(tmp_path: Path) -> None:
    text = "x,y\n" + "\n".join(f"{i},{i}.5" for i in range(30)) + "\n31,inf\n"
    refuse("'y'", "inf in data row 31", source=table(tmp_path / "t.csv", text), target="y")


def test_constant_target(tmp_path: Path) -> None:
    text = "x,y\n" + "\n".join(f"{i},3" for i in range(9))
    refuse("nothing to learn", "3", source=table(tmp_path / "t.csv", text), target="y")


def test_target_without_values(tmp_path: Path) -> None:
    text = "x,y\n" + "\n".join(f"{i}," for i in range(9))
    refuse("none in any row", source=table(tmp_path / "t.csv", text), target="y")


def test_rows_without_target_are_left_out_and_listed(tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    lines[3] = lines[3].rpartition(",")[0] + ","
    lines[9] = lines[9].rpartition(",")[0] + ","
    data = load(table(tmp_path / "t.csv", "\n".join(lines)), target="label")
    assert data.found.left_out[0][0] == "2 rows (data rows 3, 9)"
    assert sum(data.found.counts.values()) == 28


def test_useless_columns_are_left_out_and_listed(tmp_path: Path) -> None:
    head, *rows = GOOD.splitlines()
    rows = [f"{r},,7,2020-01-{i % 28 + 1:02},name {i}" for i, r in enumerate(rows)]
    data = load(table(tmp_path / "t.csv", "\n".join([head + ",empty,same,day,who", *rows])), target="label")
    reasons = dict(data.found.left_out)
    assert set(reasons) == {"column empty", "column same", "column day", "column who"}
    assert "date" in reasons["column day"]
    assert [c.name for c in data.schema.columns] == ["x", "y"]
    assert any("identifier" in note and note.startswith("x:") for note in data.found.notes)


def test_no_usable_column(tmp_path: Path) -> None:
    text = "who,y\n" + "\n".join(f"name {i},{i % 2}" for i in range(50))
    refuse("can learn from", "who", source=table(tmp_path / "t.csv", text), target="y")


@pytest.mark.parametrize("content", ["", "\n\n", "x,y\n"])
def test_empty_table(tmp_path: Path, content: str) -> None:
    refuse("t.csv", source=table(tmp_path / "t.csv", content), target="y")


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    refuse("'x' twice", source=table(tmp_path / "t.csv", "x,x,y\n1,2,3\n4,5,6\n"), target="y")


def test_ragged_lines(tmp_path: Path) -> None:
    refuse("Expected 3 columns", source=table(tmp_path / "t.csv", GOOD + "1,2\n"), target="label")


@pytest.mark.parametrize(("name", "target"), [("t.csv", "y"), ("t.txt", None)])
def test_no_utf_8(tmp_path: Path, name: str, target: str | None) -> None:
    path = tmp_path / name
    path.write_bytes("x,y\ncafé,1\n".encode("latin-1"))
    refuse("byte 7 is 0xe9", name, source=path, target=target)


def test_numbers_too_large(tmp_path: Path) -> None:
    text = "x,y\n" + "\n".join(f"{5 + i % 3}e307,{i % 2}" for i in range(20))
    refuse("averaged", "'x'", source=table(tmp_path / "t.csv", text), target="y")


def test_regression_of_text(tmp_path: Path) -> None:
    refuse("'label'", source=table(tmp_path / "t.csv", GOOD), target="label", task="regression")


def test_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": [1, 2], "y": [1, 2]}), path)
    path.write_bytes(path.read_bytes()[:-3])
    refuse("a whole Parquet file", "t.parquet", source=path, target="y")


def test_damaged_gzip(tmp_path: Path) -> None:
    (tmp_path / "t.txt.gz").write_bytes(b"\x1f\x8b nothing")
    refuse("gzip", source=tmp_path / "t.txt.gz")


def test_a_short_text_can_be_described_but_not_trained_on(tmp_path: Path) -> None:
    path = table(tmp_path / "t.txt", "to be\nor not\n")
    assert look(path).counts == {"characters": 13, "lines": 2, "words": 4, "distinct characters": 8}
    refuse("a block of 128 tokens", source=path)


# --- what is said is true --------------------------------------------------------------------------


def unusable(tmp_path: Path, values: pa.Array) -> str:
    count = len(values)
    columns = {"big": values, "x": list(range(count)), "y": [i % 2 for i in range(count)]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    return dict(load(tmp_path / "t.parquet", target="y").found.left_out)["column big"]


def test_numbers_float64_can_t_tell_apart_are_not_called_the_same(tmp_path: Path) -> None:
    big = [2**63 + i for i in range(30)]
    assert "30 different values" in unusable(tmp_path, pa.array(big, pa.uint64()))
    assert unusable(tmp_path, pa.array([2**63] * 30, pa.uint64())) == "the same value in each row"
    assert unusable(tmp_path, pa.array([3.5] * 30)) == "the same value in each row"
    text = "big,x,y\n" + "\n".join(f"{b},{i},{i % 2}" for i, b in enumerate(big))
    left_out = dict(load(table(tmp_path / "t.csv", text), target="y").found.left_out)
    assert "as far as 64-bit floats tell" in left_out["column big"]


def test_targets_float64_can_t_tell_apart(tmp_path: Path) -> None:
    values = pa.array([2**63 + i for i in range(30)], pa.uint64())
    pq.write_table(pa.table({"x": range(30), "y": values}), tmp_path / "t.parquet")
    refuse("as far as 64-bit floats tell", source=tmp_path / "t.parquet", target="y")
    pq.write_table(
        pa.table({"x": range(30), "y": pa.array([2**63 + i % 2 for i in range(30)], pa.uint64())}),
        tmp_path / "t.parquet",
    )
    assert load(tmp_path / "t.parquet", target="y").schema.classes == (str(2**63), str(2**63 + 1))


def test_distinct_values_of_each_type(tmp_path: Path) -> None:
    days = pa.array(np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]"))
    lists = pa.array([[i] for i in range(10)])
    columns = {
        "day": days,
        "list": lists,
        "none": pa.nulls(10),
        "big": pa.array([2**63 + i % 3 for i in range(10)], pa.uint64()),
    }
    columns["kind"] = pa.array(list("ababababab")).dictionary_encode()
    columns["rate"] = pa.array([i % 4 / 3 for i in range(10)])
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    found = look(tmp_path / "t.parquet")
    assert {c.name: c.distinct for c in found.columns} == {
        "day": 10, "list": None, "none": 0, "big": 3, "kind": 2, "rate": 4,
    }  # fmt: skip
    assert "–" in str(found)


def test_sizes_are_those_of_the_images_used(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "a" / "bad.jpg").write_bytes(broken("truncated"))
    assert load(tmp_path, image_size=4).found.sizes.startswith("6 × 6;")


# --- sources that are none -------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["", " ", "hf:", "hf: "])
def test_a_source_that_names_nothing(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder(tmp_path))
    refuse("names nothing", source=source)
    with pytest.raises(DataError, match="names nothing"):
        look(source)
    with pytest.raises(DataError, match="names nothing"):
        load_like(source, load("digits").schema)


@pytest.mark.parametrize("source", [3, None, b"iris", ["iris"]])
def test_a_source_that_is_no_name(source: object) -> None:
    with pytest.raises(DataError, match=type(source).__name__):
        source_name(source)


def test_loading_a_number() -> None:
    code = "from sightline.data import load\nload(3)"  # apart, as here the types are checked beforehand
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "DataError: expected:   the name of an embedded data set" in result.stderr


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_a_target_that_an_embedded_set_lacks(name: str) -> None:
    refuse("'foo'", source=name, target="foo")
    with pytest.raises(DataError, match="'foo'"):
        look(name, "foo")
    assert load("digits", target="digit").schema == load("digits").schema


def test_a_target_of_a_text(tmp_path: Path) -> None:
    refuse("'foo'", "no columns", source=table(tmp_path / "t.txt", "to be"), target="foo")


# --- prediction ------------------------------------------------------------------------------------

CARS = "colour,speed,fast\n" + "\n".join(
    f"{'red' if i % 2 else 'blue'},{i},{'no' if i < 20 else 'yes'}" for i in range(40)
)


def test_unseen_category(tmp_path: Path) -> None:
    schema = load(table(tmp_path / "t.csv", CARS), target="fast").schema
    new = table(tmp_path / "new.csv", "speed,colour\n1,red\n2,gren\n")
    with pytest.raises(DataError) as caught:
        read_inputs([new], schema)
    assert "'gren' in data row 2" in str(caught.value)
    assert "'colour'" in str(caught.value)


def test_missing_column(tmp_path: Path) -> None:
    schema = load(table(tmp_path / "t.csv", CARS), target="fast").schema
    with pytest.raises(DataError, match="'speed'"):
        read_inputs([table(tmp_path / "new.csv", "colour,sped\nred,3\n")], schema)


def test_text_in_a_column_of_numbers(tmp_path: Path) -> None:
    schema = load(table(tmp_path / "t.csv", CARS), target="fast").schema
    with pytest.raises(DataError, match="'quick'"):
        read_inputs([table(tmp_path / "new.csv", "colour,speed\nred,quick\n")], schema)


def test_nothing_to_predict(tmp_path: Path) -> None:
    schema = load("digits").schema
    with pytest.raises(DataError, match="at least one image"):
        read_inputs([tmp_path], schema)
    with pytest.raises(DataError, match="text, no image"):
        read_inputs([table(tmp_path / "a.jpg", "some text, long enough")], schema)
    with pytest.raises(DataError, match="nowhere"):
        read_inputs([tmp_path / "nowhere"], schema)


def test_evaluation_on_data_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a table"):
        load_like("iris", load("digits").schema)
    with pytest.raises(DataError, match="known: 0, 1"):
        load_like(folder(tmp_path), load("digits").schema)


def test_another_kind_is_said_before_the_target_is_looked_for(tmp_path: Path) -> None:
    schema = load(table(tmp_path / "t.csv", CARS), target="fast").schema
    with pytest.raises(DataError) as caught:
        load_like(folder(tmp_path / "photos"), schema, target="fast")
    assert "kind trained on: table" in str(caught.value)
    assert "is images" in str(caught.value)
    cells = [{"bytes": p.read_bytes(), "path": None} for p in sorted((tmp_path / "photos").rglob("*.png"))]
    pq.write_table(pa.table({"image": cells, "label": [0, 1] * 5}), tmp_path / "images.parquet")
    with pytest.raises(DataError, match="a set of images"):
        load_like(tmp_path / "images.parquet", schema, target="fast")


def test_images_in_folders_are_measured_by_a_run_that_named_its_target(tmp_path: Path) -> None:
    data = load(folder(tmp_path))
    assert len(load_like(tmp_path, data.schema, target="label")) == 10


def test_hub_that_can_t_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    monkeypatch.setattr(datasets, "load_dataset_builder", unreachable)
    refuse("no network", "owner/none", source="hf:owner/none")
    with pytest.raises(DataError, match="no network"):
        look("hf:owner/none")


def test_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path)

    def denied(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    refuse("Permission denied", source=tmp_path)
