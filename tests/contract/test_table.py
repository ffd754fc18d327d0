"""Tables: what becomes of numbers, categories, missing values and targets of each kind."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from sightline.data import Data, load, load_like, read_inputs

N = 60
PLACES = ["Ulm", "Bonn", "Kiel"]


def columns() -> dict[str, list[object]]:
    generator = np.random.default_rng(0)
    return {
        "area": [None if i % 10 == 3 else float(v) for i, v in enumerate(generator.normal(100, 20, N))],
        "rooms": [int(v) for v in generator.integers(1, 6, N)],
        "place": [None if i % 15 == 4 else PLACES[i % 3] for i in range(N)],
        "garden": [bool(i % 2) for i in range(N)],
        "price": [float(v) for v in generator.normal(300, 50, N)],
        "sold": ["yes" if i % 4 else "no" for i in range(N)],
    }


def csv(path: Path, separator: str = ",", start: str = "") -> Path:
    table = columns()
    lines = [separator.join(table)]
    for row in zip(*table.values(), strict=True):
        lines.append(separator.join("" if v is None else str(v) for v in row))
    path.write_text(start + "\n".join(lines), encoding="utf-8")
    return path


def parquet(path: Path) -> Path:
    table = pa.table(columns())
    table = table.set_column(2, "place", table["place"].dictionary_encode())
    pq.write_table(table, path)
    return path


def everything(data: Data) -> torch.Tensor:
    return torch.cat([b.inputs for s in (data.train, data.validation, data.test) for b in s.batches(batch_size=99)])


def test_encoding_by_hand(tmp_path: Path) -> None:
    data = load(csv(tmp_path / "h.csv"), target="price")
    kinds = {c.name: (c.kind, c.width, c.missing) for c in data.schema.columns}
    assert kinds == {
        "area": ("number", 2, True),
        "rooms": ("number", 1, False),
        "place": ("category", 3, True),
        "garden": ("category", 2, False),
        "sold": ("category", 2, False),
    }
    assert data.schema.input_shape == (10,)
    rows = [data.train.row(i) for i in range(len(data.train))]
    known = [float(str(r["area"])) for r in rows if r and r["area"] is not None]
    for split in (data.train, data.validation, data.test):
        inputs = next(split.batches(batch_size=N)).inputs
        for i in range(len(split)):
            row = split.row(i)
            assert row is not None
            area = 0.0 if row["area"] is None else (float(str(row["area"])) - np.mean(known)) / np.std(known)
            wanted = [area, float(row["area"] is None)]
            assert inputs[i, :2].tolist() == pytest.approx(wanted, abs=1e-5)
            assert inputs[i, 3:6].tolist() == [float(row["place"] == p) for p in sorted(PLACES)]
            assert inputs[i, 6:8].tolist() == [float(row["garden"] is v) for v in (False, True)]
            assert split.target[i].item() == pytest.approx(float(str(row["price"])), rel=1e-6)


def test_statistics_are_scikit_learn_s(tmp_path: Path) -> None:
    data = load(csv(tmp_path / "h.csv"), target="price")
    rows = [data.train.row(i) for i in range(len(data.train))]
    rooms = np.array([[r["rooms"]] for r in rows if r], dtype=float)
    scaler = StandardScaler().fit(rooms)
    column = next(c for c in data.schema.columns if c.name == "rooms")
    assert (column.mean, column.std) == pytest.approx((scaler.mean_[0], scaler.scale_[0]))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_separators_and_byte_order_mark(tmp_path: Path, separator: str, start: str) -> None:
    plain = load(csv(tmp_path / "h.csv"), target="price")
    other = load(csv(tmp_path / "other.csv", separator, start), target="price")
    assert other.schema == plain.schema
    assert torch.equal(everything(other), everything(plain))


def test_parquet_and_gzip_are_as_csv(tmp_path: Path) -> None:
    plain = load(csv(tmp_path / "h.csv"), target="sold")
    (tmp_path / "z.csv.gz").write_bytes(gzip.compress((tmp_path / "h.csv").read_bytes()))
    for path in (tmp_path / "z.csv.gz", parquet(tmp_path / "h.parquet")):
        other = load(path, target="sold")
        assert other.schema == plain.schema
        assert torch.equal(everything(other), everything(plain))


TARGETS: dict[str, tuple[list[object], str, tuple[str, ...]]] = {
    "text": (["b", "a"] * 20, "classification", ("a", "b")),
    "true or false": ([True, False] * 20, "classification", ("false", "true")),
    "few whole numbers": ([10, 2, 3, 2] * 10, "classification", ("2", "3", "10")),
    "whole floats": ([0.0, 1.0] * 20, "classification", ("0", "1")),
    "many whole numbers": (list(range(40)), "regression", ()),
    "floats": ([0.5, 1.5] * 20, "regression", ()),
}


@pytest.mark.parametrize("name", TARGETS)
def test_task_is_decided_by_the_target(tmp_path: Path, name: str) -> None:
    values, task, classes = TARGETS[name]
    pq.write_table(pa.table({"x": np.arange(40) ** 2, "y": values}), tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", target="y")
    assert (data.schema.task, data.schema.classes) == (task, classes)
    assert any(note.startswith(f"y: {task} (") for note in data.found.notes)


def test_task_can_be_asked_for(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": np.arange(40) ** 2, "y": [1, 2, 3, 4] * 10}), tmp_path / "t.parquet")
    assert load(tmp_path / "t.parquet", target="y").schema.task == "classification"
    assert load(tmp_path / "t.parquet", target="y", task="regression").schema.task == "regression"


def test_category_that_only_the_test_split_has(tmp_path: Path) -> None:
    rows = [("train", "red", i % 2) for i in range(20)] + [("train", "blue", i % 2) for i in range(20)]
    for name, more in (("train", rows), ("test", [("", "green", 0), ("", "red", 1)])):
        table = {"colour": [c for _, c, _ in more], "n": list(range(len(more))), "y": [y for *_, y in more]}
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet")
    data = load(tmp_path, target="y")
    inputs = next(data.test.batches(batch_size=9)).inputs
    assert inputs[:, :2].tolist() == [[0, 0], [0, 1]]
    assert any("'green'" in note for note in data.found.notes)


def test_prediction_sees_what_training_saw(tmp_path: Path) -> None:
    data = load(csv(tmp_path / "h.csv"), target="price")
    inputs = read_inputs([tmp_path / "h.csv"], data.schema)
    assert len(inputs.names) == N
    assert inputs.names[0].endswith("h.csv row 1")
    assert inputs.target is not None
    by_price = {t.item(): x for t, x in zip(inputs.target, inputs.inputs, strict=True)}
    batch = next(data.test.batches(batch_size=N))
    for x, t in zip(batch.inputs, batch.target, strict=True):
        torch.testing.assert_close(by_price[t.item()], x)
    (tmp_path / "no.csv").write_text("sold,garden,place,rooms,area,more\nyes,true,,2,,7\n")
    unknown = read_inputs([tmp_path / "no.csv"], data.schema)
    assert unknown.target is None
    assert unknown.inputs[0, :2].tolist() == [0, 1]
    assert unknown.inputs[0, 3:6].tolist() == [0, 0, 0]


def test_like_keeps_classes_and_statistics(tmp_path: Path) -> None:
    data = load(csv(tmp_path / "h.csv"), target="sold")
    (tmp_path / "m.csv").write_text("area,rooms,place,garden,price,sold\n100,2,Ulm,True,250,yes\n")
    other = load_like(tmp_path / "m.csv", data.schema)
    assert other.target.tolist() == [1]


def test_breast_cancer_as_csv_is_the_embedded_one(tmp_path: Path) -> None:
    embedded = load("breast_cancer")
    rows = [s.row(i) for s in (embedded.train, embedded.validation, embedded.test) for i in range(len(s))]
    names = list(rows[0] or {})
    lines = [",".join(names)] + [",".join(str((r or {})[n]) for n in names) for r in rows]
    (tmp_path / "c.csv").write_text("\n".join(lines))
    data = load(tmp_path / "c.csv", target="diagnosis")
    assert data.schema.input_shape == embedded.schema.input_shape
    assert sorted(data.schema.classes) == sorted(embedded.schema.classes)
    assert sum(data.found.counts.values()) == 569
