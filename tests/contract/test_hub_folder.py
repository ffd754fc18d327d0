"""Folders of Parquet files in the Hugging Face layout, as ``datasets`` writes them."""

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from sightline.core.errors import DataError
from sightline.data import TensorSplit, load, look

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import datasets

NAMES = ["cat", "dog", "eel"]


def pictures(count: int, seed: int) -> "datasets.Dataset":
    generator = np.random.default_rng(seed)
    images = [Image.fromarray(generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)) for _ in range(count)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    return datasets.Dataset.from_dict({"image": images, "label": [i % 3 for i in range(count)]}, features=features)


@pytest.mark.parametrize(
    "files",
    [
        ("train.parquet", "test.parquet"),
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
        ("train/0000.parquet", "test/0000.parquet"),
    ],
)
def test_images_with_class_labels(tmp_path: Path, files: tuple[str, str]) -> None:
    for name, count in zip(files, (30, 9), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        pictures(count, count).to_parquet(tmp_path / name)
    data = load(tmp_path, validation_fraction=0.2)
    assert data.schema.classes == tuple(NAMES)
    assert data.schema.input_shape == (3, 6, 6)
    assert data.found.counts == {"train": 24, "validation": 6, "test": 9}
    assert isinstance(data.test, TensorSplit)
    original = pictures(9, 9)
    for i in range(9):
        assert torch.equal(data.test.inputs[i], torch.from_numpy(np.array(original[i]["image"])).permute(2, 0, 1))
        assert data.test.target[i] == original[i]["label"]


@pytest.mark.parametrize("word", ["validation", "valid", "val", "dev"])
def test_names_of_the_validation_split(tmp_path: Path, word: str) -> None:
    pictures(30, 0).to_parquet(tmp_path / "train-00000-of-00001.parquet")
    pictures(6, 1).to_parquet(tmp_path / f"{word}-00000-of-00001.parquet")
    assert load(tmp_path).found.counts == {"train": 24, "validation": 6, "test": 6}


def test_hf_prefix_and_single_file(tmp_path: Path) -> None:
    pictures(30, 0).to_parquet(tmp_path / "all.parquet")
    for source in (f"hf:{tmp_path}", str(tmp_path), str(tmp_path / "all.parquet")):
        assert load(source).found.counts == {"train": 22, "validation": 2, "test": 6}


def test_through_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = datasets.DatasetDict(train=pictures(30, 0), validation=pictures(6, 1), test=pictures(6, 2))
    monkeypatch.setattr(datasets, "load_dataset", lambda name: loaded if name == "owner/name" else None)
    data = load("hf:owner/name")
    assert data.found.counts == {"train": 30, "validation": 6, "test": 6}
    assert data.schema.classes == tuple(NAMES)


def test_in_memory_sets_of_one_name_do_not_share_a_cache_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = []
    for seed in (0, 1):
        loaded = datasets.DatasetDict(train=pictures(30, seed))
        monkeypatch.setattr(datasets, "load_dataset", lambda name, loaded=loaded: loaded)
        prints.append(load("hf:owner/name").fingerprint)
    assert prints[0] != prints[1]


def test_unlabelled_rows_are_left_out(tmp_path: Path) -> None:
    labelled = pictures(30, 0)
    labelled.to_parquet(tmp_path / "train.parquet")
    table = pq.read_table(tmp_path / "train.parquet")
    labels = pa.array([-1, *table["label"].to_pylist()[1:]], pa.int64())
    pq.write_table(table.set_column(1, "label", labels), tmp_path / "train.parquet")
    data = load(tmp_path)
    assert sum(data.found.counts.values()) == 29
    assert any("no value for 'label'" in note for note in data.found.notes)


def test_target_overrides_the_label(tmp_path: Path) -> None:
    pictures(30, 0).add_column("weight", [float(i) + 0.5 for i in range(30)]).to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path, target="weight")
    assert (data.schema.task, data.schema.target) == ("regression", "weight")
    with pytest.raises(DataError, match="did you mean 'weight'"):
        load(tmp_path, target="wieght")


def test_without_metadata(tmp_path: Path) -> None:
    pictures(30, 0).to_parquet(tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet").replace_schema_metadata({"huggingface": "no json"})
    pq.write_table(table, tmp_path / "t.parquet")
    assert load(tmp_path).schema.classes == ("0", "1", "2")


def test_broken_cells_are_left_out(tmp_path: Path) -> None:
    pictures(30, 0).to_parquet(tmp_path / "train.parquet")
    table = pq.read_table(tmp_path / "train.parquet")
    cells = table["image"].to_pylist()
    cells[4] = {"bytes": b"nothing", "path": None}
    cells[7] = {"bytes": None, "path": "gone.png"}
    pq.write_table(table.set_column(0, "image", pa.array(cells, table["image"].type)), tmp_path / "train.parquet")
    left_out = load(tmp_path).found.left_out
    assert [name for name, _ in left_out] == ["train.parquet row 5", "train.parquet row 8"]


def test_values_are_a_table(tmp_path: Path) -> None:
    rows = {"x": [float(i) for i in range(30)], "kind": [i % 2 for i in range(30)]}
    features = datasets.Features({"x": datasets.Value("float32"), "kind": datasets.ClassLabel(names=["odd", "even"])})
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path)
    assert (data.schema.kind, data.schema.classes, data.schema.target) == ("table", ("odd", "even"), "kind")


def test_a_look_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    pictures(30, 0).to_parquet(tmp_path / "data" / "t.parquet")
    before = sorted(tmp_path.rglob("*"))
    assert look(tmp_path / "data").counts["train"] == 22
    assert sorted(tmp_path.rglob("*")) == before


def test_real_folders(real_data: Path) -> None:
    found = look(real_data / "mnist")
    assert found.counts == {"train": 54_000, "validation": 6_000, "test": 10_000}
    assert found.input_shape == (1, 28, 28)
