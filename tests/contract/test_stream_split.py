"""Streamed images give the batches of images in memory."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from sightline.core.errors import DataError
from sightline.data import Data, Split, StreamSplit, TensorSplit, load
from sightline.data.table_file import map_arrow, unpack_parquet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for c in "ab":
        (tmp_path / "photos" / c).mkdir(parents=True)
        for i in range(20):
            pixels = generator.integers(0, 256, (20, 20 + i % 3, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / c / f"{i}.png")
    (tmp_path / "photos" / "a" / "bad.png").write_text("no image")
    return tmp_path / "photos"


def both(folder: Path) -> tuple[Data, Data]:
    memory, stream = load(folder, image_size=8), load(folder, image_size=8, memory_gib=0.0, workers=3)
    assert isinstance(memory.train, TensorSplit)
    assert isinstance(stream.train, StreamSplit)
    assert isinstance(stream.train, Split)
    return memory, stream


@pytest.mark.parametrize(
    "how",
    [
        {"batch_size": 5},
        {"batch_size": 5, "order": torch.randperm(29)},
        {"batch_size": 4, "order": torch.randperm(29), "start": 3},
        {"batch_size": 7, "rank": 1, "world": 2},
        {"batch_size": 7, "smallest": 3},
    ],
)
def test_same_batches(folder: Path, how: dict[str, int]) -> None:
    memory, stream = both(folder)
    assert len(memory.train) == len(stream.train) == 29
    assert stream.schema == memory.schema
    assert stream.fingerprint == memory.fingerprint
    pairs = list(zip(memory.train.batches(**how), stream.train.batches(**how), strict=True))  # type: ignore[arg-type]
    assert len(pairs) >= 4
    for a, b in pairs:
        assert torch.equal(a.inputs, b.inputs)
        assert torch.equal(a.target, b.target)
        assert torch.equal(a.indices, b.indices)
        assert a.global_size == b.global_size


def test_the_account_is_the_same_and_says_that_it_streams(folder: Path) -> None:
    memory, stream = both(folder)
    assert memory.found.counts == stream.found.counts
    assert memory.found.left_out == stream.found.left_out
    assert any("streamed" in note for note in stream.found.notes)
    assert not any("streamed" in note for note in memory.found.notes)


def test_pictures(folder: Path) -> None:
    memory, stream = both(folder)
    a, b = memory.test.picture(3), stream.test.picture(3)
    assert a is not None
    assert b is not None
    assert a.tobytes() == b.tobytes()
    assert stream.test.row(3) is None


def test_an_epoch_may_be_left_early_and_begun_again(folder: Path) -> None:
    _, stream = both(folder)
    first = next(stream.train.batches(batch_size=4))
    again = next(stream.train.batches(batch_size=4))
    assert torch.equal(first.inputs, again.inputs)


def test_an_image_that_vanishes_is_named(folder: Path) -> None:
    _, stream = both(folder)
    for path in folder.rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"\.png"):
        list(stream.train.batches(batch_size=4))


def test_large_parquet_files_are_memory_mapped(tmp_path: Path, folder: Path) -> None:
    table = pa.table(
        {
            "image": [{"bytes": (folder / c / f"{i}.png").read_bytes(), "path": None} for c in "ab" for i in range(20)],
            "label": [c for c in "ab" for _ in range(20)],
        }
    )
    (tmp_path / "set").mkdir()
    pq.write_table(table, tmp_path / "set" / "train.parquet")
    mapped = map_arrow(unpack_parquet(tmp_path / "set" / "train.parquet"))
    assert mapped.equals(table)
    memory = load(tmp_path / "set", image_size=8)
    before = pa.total_allocated_bytes()
    stream = load(tmp_path / "set", image_size=8, memory_gib=0.0)
    assert pa.total_allocated_bytes() - before < table.nbytes
    assert stream.fingerprint == memory.fingerprint


def test_another_process_is_sent_the_files_not_the_images(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = [Image.fromarray(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for _ in range(60)]
    cells = []
    for image in images:
        path = tmp_path / "one.png"
        image.save(path)
        cells.append({"bytes": path.read_bytes(), "path": None})
    table = pa.table({"image": cells, "label": [i % 2 for i in range(60)]})
    (tmp_path / "set").mkdir()
    for name, part in (("train", table.slice(0, 40)), ("test", table.slice(40))):
        pq.write_table(part, tmp_path / "set" / f"{name}.parquet")
    split = load(tmp_path / "set", image_size=8, memory_gib=0.0).test
    assert isinstance(split, StreamSplit)
    sent = pickle.dumps(split)
    assert len(sent) < table.nbytes / 10
    again = pickle.loads(sent)  # noqa: S301 its own bytes
    assert len(again) == 20
    for a, b in zip(split.batches(batch_size=7), again.batches(batch_size=7), strict=True):
        assert torch.equal(a.inputs, b.inputs)
        assert torch.equal(a.target, b.target)


@pytest.mark.parametrize("kind", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow_files_and_streams_are_mapped(
    tmp_path: Path, kind: Callable[..., pa.ipc.RecordBatchStreamWriter]
) -> None:
    table = pa.table({"x": list(range(50))})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, kind(sink, table.schema) as writer:
        writer.write_table(table)
    before = pa.total_allocated_bytes()
    assert map_arrow(tmp_path / "x.arrow").equals(table)
    assert pa.total_allocated_bytes() - before < table.nbytes
    (tmp_path / "bad.arrow").write_bytes(b"ARROW1 nothing")
    with pytest.raises(DataError, match=r"bad\.arrow"):
        map_arrow(tmp_path / "bad.arrow")
