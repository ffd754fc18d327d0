"""Further tables are read as the training table was, whatever their own values look like."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from sightline.core.errors import DataError
from sightline.data import Schema, load, load_like, look, read_inputs

N = 60


def schema(path: Path, values: list[str], target: str = "y") -> Schema:
    """Of a table with a column of these values, one of numbers and a target ``y``."""
    rows = [f"{values[i % len(values)]},{i * 7 % 13},{['no', 'yes'][i * i % 5 % 2]}" for i in range(N)]
    path.write_text("zip,x,y\n" + "\n".join(rows) + "\n")
    return load(path, target=target).schema


CASES: dict[str, tuple[list[str], str, list[int]]] = {
    "numbers among texts": (["01", "02", "K1"], "02\n01\n02", [1, 0, 1]),
    "dates among texts": (["2020-01-01", "2020-01-02", "none"], "2020-01-02\n2020-01-01", [1, 0]),
    "true among texts": (["true", "false", "unclear"], "true\nfalse", [1, 0]),
    "true and false": (["True", "False"], "True\nFalse\ntrue", [1, 0, 1]),
    "true and false as 1 and 0": (["True", "False"], "1\n0", [1, 0]),
}


@pytest.mark.parametrize("case", CASES)
def test_categories(tmp_path: Path, case: str) -> None:
    values, column, wanted = CASES[case]
    known = schema(tmp_path / "t.csv", values)
    assert known.columns[0].categories == tuple(sorted(v.lower() if v in ("True", "False") else v for v in values))
    lines = column.split("\n")
    (tmp_path / "new.csv").write_text("zip,x,y\n" + "\n".join(f"{v},3,yes" for v in lines) + "\n")
    width = known.columns[0].width
    for inputs in (
        read_inputs([tmp_path / "new.csv"], known).inputs,
        next(load_like(tmp_path / "new.csv", known).batches(batch_size=9)).inputs,
    ):
        assert inputs[:, :width].argmax(1).tolist() == wanted
        assert inputs[:, :width].sum(1).tolist() == [1.0] * len(lines)


@pytest.mark.parametrize("case", CASES)
def test_classes(tmp_path: Path, case: str) -> None:
    values, column, wanted = CASES[case]
    known = schema(tmp_path / "t.csv", values, target="zip")
    lines = column.split("\n")
    (tmp_path / "new.csv").write_text("zip,x,y\n" + "\n".join(f"{v},3,yes" for v in lines) + "\n")
    assert load_like(tmp_path / "new.csv", known).target.tolist() == wanted
    target = read_inputs([tmp_path / "new.csv"], known).target
    assert target is not None
    assert target.tolist() == wanted


def test_classes_that_are_numbers_are_compared_as_numbers(tmp_path: Path) -> None:
    known = schema(tmp_path / "t.csv", ["1", "2", "10"], target="zip")
    assert known.classes == ("1", "2", "10")
    (tmp_path / "new.csv").write_text("zip,x,y\n10.0,3,yes\n1.0,3,no\n")
    assert load_like(tmp_path / "new.csv", known).target.tolist() == [2, 0]


def test_parquet_is_compared_as_text(tmp_path: Path) -> None:
    known = schema(tmp_path / "t.csv", ["1", "2", "K1"])
    pq.write_table(pa.table({"zip": [2, 1], "x": [3, 3]}), tmp_path / "new.parquet")
    assert read_inputs([tmp_path / "new.parquet"], known).inputs[:, :3].argmax(1).tolist() == [1, 0]
    pq.write_table(pa.table({"zip": [[2], [1]], "x": [3, 3]}), tmp_path / "new.parquet")
    with pytest.raises(DataError, match="list"):
        read_inputs([tmp_path / "new.parquet"], known)


# --- decimal commas ----------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(tmp_path: Path, separator: str) -> None:
    numbers = np.random.default_rng(0).normal(0, 30, N).round(2).tolist()
    for name, sign in (("comma", ","), ("point", ".")):
        rows = [
            [str(v).replace(".", sign), "" if i % 9 == 4 else str(i % 7), "ab"[i % 2]] for i, v in enumerate(numbers)
        ]
        lines = [separator.join(r) for r in [["v", "n", "y"], *rows]]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    comma, point = (load(tmp_path / f"{name}.csv", target="y") for name in ("comma", "point"))
    assert comma.schema == point.schema
    assert comma.fingerprint == point.fingerprint
    note = "decimal commas: 1,5 is read as one and a half in v"
    assert note in comma.found.notes
    assert note not in point.found.notes
    assert note in look(tmp_path / "comma.csv").notes
    assert torch.equal(
        read_inputs([tmp_path / "comma.csv"], point.schema).inputs,
        read_inputs([tmp_path / "point.csv"], point.schema).inputs,
    )


@pytest.mark.parametrize(("separator", "odd"), [(";", "1,5 or 2"), (";", "1.234,5"), (";", "x"), (",", '"1,5"')])
def test_no_decimal_commas(tmp_path: Path, separator: str, odd: str) -> None:
    values = ['"1,5"', '"2,5"', odd]
    rows = [separator.join([values[i % 3], str(i), "ab"[i % 2]]) for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join([separator.join("vny"), *rows]))
    data = load(tmp_path / "t.csv", target="y")
    assert data.schema.columns[0].kind == "category"
