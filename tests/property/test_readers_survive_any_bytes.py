"""Whatever bytes a reader is given: it succeeds or raises our error, without a warning."""

import io
import json
import string
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sightline.core.errors import DataError
from sightline.core.schema import Column, Schema
from sightline.data import load, look, read_inputs
from sightline.data.image import decode, quiet, read_header

SQUAD = ["context", "qas", "question", "answers", "text", "answer_start", "paragraphs"]
FEW = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def encoded(format_: str, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").resize((17, 13)).convert(mode).save(file, format_)
    return file.getvalue()


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1.0, 2.0, None] * 8, "b": ["x", "y", "y"] * 8}), file)
    return file.getvalue()


TABLE = Schema(
    "table",
    "classification",
    (3,),
    target="c",
    classes=("x", "y"),
    columns=(Column("a", "number", missing=True), Column("b", "category", categories=("x",))),
)
IMAGE = Schema("image", "classification", (1, 8, 8), classes=("x", "y"), image_mean=(0.5,), image_std=(0.5,))

FILES = {
    "png": encoded("PNG"),
    "grey.png": encoded("PNG", "L"),
    "palette.png": encoded("PNG", "P"),
    "jpg": encoded("JPEG"),
    "cmyk.jpg": encoded("JPEG", "CMYK"),
    "gif": encoded("GIF", "P"),
    "bmp": encoded("BMP"),
    "tif": encoded("TIFF"),
    "deep.tif": encoded("TIFF", "I;16"),
    "webp": encoded("WEBP"),
    "ppm": encoded("PPM"),
}


LABELLED = st.lists(st.sampled_from(["a O", "b B", "c", "", " ", "-DOCSTART- O", "\x0b x"]), max_size=12).map(
    lambda lines: "\n".join(lines).encode()
)
QUESTIONS = st.recursive(
    st.sampled_from([None, 0, -1, "b", "a b c", [], {}, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(SQUAD), inner, max_size=4),
    max_leaves=12,
).map(lambda inner: json.dumps({"data": [{"paragraphs": [{"context": "a b c", "qas": inner}, inner]}, inner]}).encode())


def survives(action: Callable[[], object]) -> None:
    with suppress(DataError):
        action()


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with some bytes changed, cut off or put in."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["change", "cut", "insert", "drop"])):
            case "change" if place < len(content):
                content[place] = draw(st.integers(0, 255))
            case "cut" if place > 8:
                del content[place:]
            case "insert":
                content[place:place] = draw(st.binary(max_size=8))
            case _:
                del content[place : place + draw(st.integers(0, 8))]
    return bytes(content)


def read_image(content: bytes) -> None:
    with quiet():
        survives(lambda: read_header(content, "x"))
        survives(lambda: decode(content, "x", 8, 8, 1))
        survives(lambda: decode(content, "x", 8, 8, 3))


@FEW
@given(st.binary(max_size=200))
def test_image_of_any_bytes(content: bytes) -> None:
    read_image(content)


@pytest.mark.parametrize("kind", FILES)
@FEW
@given(st.data())
def test_damaged_image(kind: str, data: st.DataObject) -> None:
    read_image(data.draw(damaged(FILES[kind])))


CELLS = st.sampled_from(
    ["1", "-2.5", "", "NA", "nan", "inf", "1e308", "-1e308", "1e-320", "true", "x", '"', '"a,b"', "2020-01-02",
     "\x00", "é", "9" * 30, "12:30", " ", ";", "0x1F"]
)  # fmt: skip
TABLES = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=12).map(
    lambda rows: "\n".join(",".join(row) for row in rows).encode()
)
RECTANGLES = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=4, max_size=12).map(
        lambda rows: ("\n".join(",".join(r) for r in [list(string.ascii_letters[:n]), *rows])).encode()
    )
)


@FEW
@given(content=st.binary(max_size=200) | TABLES | RECTANGLES, target=st.sampled_from([None, "a", "b", "1", ""]))
def test_csv_of_any_bytes(content: bytes, target: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    survives(lambda: look(path))
    survives(lambda: load(path, target=target))


@FEW
@given(content=RECTANGLES)
def test_csv_of_any_cells(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    survives(lambda: look(path))
    survives(lambda: load(path, target="a"))
    survives(lambda: load(path, target="a", task="classification"))
    survives(lambda: load(path, target="a", task="regression"))


@FEW
@given(content=st.binary(max_size=200) | damaged(parquet()))
def test_parquet_of_any_bytes(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    survives(lambda: look(path))
    survives(lambda: load(path, target="b", cache=False))
    survives(lambda: load(tmp_path, target="b", cache=False))


@pytest.mark.parametrize("name", ["x.txt", "x.txt.gz"])
@FEW
@given(content=st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_text_of_any_bytes(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    blocks = {"tokenizer": "characters", "length": 2}
    survives(lambda: load(path, text=blocks, cache=False))
    survives(lambda: load(path, text={**blocks, "documents": "line", "form": "padded"}, cache=False))


@pytest.mark.parametrize("name", ["x.conll", "x.json", "x.en"])
@FEW
@given(content=st.binary(max_size=200) | LABELLED | QUESTIONS)
def test_labels_questions_and_pairs_of_any_bytes(name: str, content: bytes, tmp_path: Path) -> None:
    path, pair = tmp_path / name, tmp_path / "pair"
    path.write_bytes(content)
    pair.write_bytes(b"one\ntwo\n\nfour\n")
    text = {"tokenizer": "characters", "length": 8, "pair": str(pair) if name == "x.en" else None}
    survives(lambda: load(path, text=text, cache=False))


@FEW
@given(contents=st.lists(st.binary(max_size=60) | st.sampled_from(sorted(FILES.values())), min_size=2, max_size=8))
def test_folder_of_any_bytes(contents: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("folder")
    for i, content in enumerate(contents):
        (root / "ab"[i % 2]).mkdir(exist_ok=True)
        (root / "ab"[i % 2] / f"{i}.png").write_bytes(content)
    survives(lambda: load(root, cache=False))
    survives(lambda: look(root))


@FEW
@given(content=st.binary(max_size=200) | RECTANGLES)
def test_prediction_inputs_of_any_bytes(content: bytes, tmp_path: Path) -> None:
    table, image = tmp_path / "x.csv", tmp_path / "x.jpg"
    table.write_bytes(content)
    image.write_bytes(content)
    survives(lambda: read_inputs([table], TABLE))
    survives(lambda: read_inputs([image], IMAGE))


def test_each_kind_of_image_is_whole_before_it_is_damaged() -> None:
    assert len(FILES) == 11
    for content in FILES.values():
        assert decode(content, "x", 13, 17, 3).shape == (3, 13, 17)
