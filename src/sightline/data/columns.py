"""A table's input columns: which can be used, their training statistics, and their encoding.

A number becomes ``(x − mean) / std``, and one more 0/1 input where training had missing values; a
category becomes one 0/1 input for each category of the training rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError, near
from sightline.core.schema import Column, Schema
from sightline.data.found import FoundColumn

MANY = 1000
"""Categories a column may have: each becomes an input."""

FEW = 20
"""A text column with no more different values than this is always a category."""

TRUTH = {"1": "true", "True": "true", "TRUE": "true", "0": "false", "False": "false", "FALSE": "false"}
"""How CSV files spell true and false besides "true" and "false"."""


def column_kind(kind: pa.DataType) -> str:
    """ "number", "category", "date", "empty", or the type's own name where it can't be an input.

    Example:
        >>> column_kind(pa.int64()), column_kind(pa.bool_()), column_kind(pa.null())
        ('number', 'category', 'empty')
    """
    types = pa.types
    if types.is_dictionary(kind):
        return column_kind(kind.value_type)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_boolean(kind) or types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "category"
    if types.is_temporal(kind):
        return "date"
    return "empty" if types.is_null(kind) else str(kind)


def numbers(column: pa.ChunkedArray, name: str) -> npt.NDArray[np.float64]:
    """A column of numbers as float64, NaN where a value is missing.

    Raises:
        DataError: for an infinite value, naming column and row.
    """
    values: npt.NDArray[np.float64] = (
        column.cast(pa.float64(), safe=False).fill_null(float("nan")).to_numpy().astype(np.float64)
    )
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise DataError(
            expected=f"finite numbers in column {name!r}",
            found=f"{values[row]} in data row {row + 1}",
            do="mend the value, or leave it empty if it is not known",
        )
    return values


def texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A category column as text; true/false become "true", "false"."""
    return column.cast(pa.string())


def like_texts(column: pa.ChunkedArray, categories: Sequence[str]) -> pa.ChunkedArray:
    """Further data of a category column as text, each value spelt as it would have been in training.

    Where training had true/false, the other spellings of a CSV file ("True", "1") are the same.

    Example:
        >>> like_texts(pa.chunked_array([["TRUE", "0", "maybe"]]), ("false", "true")).to_pylist()
        ['true', 'false', 'maybe']
    """
    text = texts(column)
    if not set(categories) <= {"true", "false"}:
        return text
    return pa.chunked_array([pa.array([TRUTH.get(v, v) for v in text.to_pylist()], pa.string())])


def count_distinct(column: pa.ChunkedArray) -> int | None:
    """Number of different values, as exact as they are stored; none for types that are not compared."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column_kind(column.type)
    if kind == "empty":
        return 0
    if kind == "number" and pa.types.is_floating(column.type):
        values = numbers(column, "")
        return len(np.unique(values[~np.isnan(values)]))
    if kind == "date" and not pa.types.is_primitive(column.type):
        return len(set(column.drop_null().to_pylist()))
    if kind not in ("number", "category", "date"):
        return None
    distinct: int = pc.count_distinct(column, mode="only_valid").as_py()
    return distinct


def told_apart(value: float) -> bool:
    """Whether a float64 holds a number of its size and digits exactly enough that no neighbour shares it.

    Example:
        >>> told_apart(3.0), told_apart(0.1), told_apart(2.0**63)
        (True, True, False)
    """
    return abs(value) < 2**53 and float(f"{value:.15g}") == value


def look_at(column: pa.ChunkedArray, name: str) -> FoundColumn:
    """Kind, missing and distinct values of a column."""
    kind = column_kind(column.type)
    if kind == "number":
        values = numbers(column, name)
        known = values[~np.isnan(values)]
        kind = kind if len(known) else "empty"
        constant = len(known) > 0 and bool((known == known[0]).all())
        distinct = count_distinct(column)
        same = _why_same(column.type, float(known[0]), distinct) if constant else ""
        return FoundColumn(name, kind, len(values) - len(known), distinct, same)
    if kind == "category":
        distinct = count_distinct(column)
        same = "the same value in each row" if distinct == 1 else ""
        return FoundColumn(name, "empty" if distinct == 0 else kind, column.null_count, distinct, same)
    return FoundColumn(name, kind, column.null_count, count_distinct(column))


def _why_same(kind: pa.DataType, value: float, distinct: int | None) -> str:
    """What is true of numbers that are one and the same float64."""
    if distinct != 1:
        return f"{distinct:,} different values, all near {value:g}, that 64-bit floats can't tell apart"
    if pa.types.is_floating(kind) and not told_apart(value):
        return f"the same value in each row as far as 64-bit floats tell, about {value:g}"
    return "the same value in each row"


def why_unusable(found: FoundColumn, rows: int) -> str | None:
    """Why a column can't be an input; none where it can."""
    if found.kind == "empty":
        return "no value in any row"
    if found.kind not in ("number", "category"):
        return f"{found.kind} values can't be inputs"
    if found.same and found.missing == 0:
        return found.same
    distinct = found.distinct or 0
    if found.kind == "category" and distinct > FEW and (2 * distinct > rows or distinct > MANY):
        return f"text with {distinct:,} different values in {rows:,} rows: free text or a name"
    return None


def looks_like_identifier(column: pa.ChunkedArray) -> bool:
    """Whether the values are consecutive whole numbers, all different."""
    if not pa.types.is_integer(column.type) or column.null_count or len(column) <= FEW:
        return False
    limits = pc.min_max(column).as_py()
    return bool(limits["max"] - limits["min"] + 1 == len(column) and pc.count_distinct(column).as_py() == len(column))


def fit_column(column: pa.ChunkedArray, name: str) -> Column:
    """Statistics of one input column over the training rows.

    Raises:
        DataError: for numbers too large to average.
    """
    if column_kind(column.type) == "category":
        text = texts(column)
        return Column(
            name,
            "category",
            categories=tuple(sorted(text.unique().drop_null().to_pylist())),
            missing=text.null_count > 0,
        )
    values = numbers(column, name)
    known = values[~np.isnan(values)]
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)
    if not (np.isfinite(mean) and np.isfinite(std)):
        raise DataError(
            expected=f"numbers in column {name!r} that can be averaged",
            found=f"values up to {np.abs(known).max():g}",
            do="give the column in another unit",
        )
    constant = len(known) == 0 or bool((known == known[0]).all())
    return Column(name, "number", mean=mean, std=1.0 if constant or std == 0 else std, missing=len(known) < len(values))


@dataclass(frozen=True)
class Unseen:
    """A category that training did not have.

    Args:
        column: its column.
        value: the category.
        row: first row it stands in, from 0.
        count: rows it or another unseen category stands in.
    """

    column: str
    value: str
    row: int
    count: int


def encode(table: pa.Table, columns: tuple[Column, ...]) -> tuple[Float[Tensor, "rows inputs"], list[Unseen]]:
    """The model's inputs for a table's rows, and the categories training did not have.

    Shapes:
        returns (rows, Σ column.width) float32

    Args:
        table: holds every column, others too.
        columns: what to encode, with training statistics.

    Raises:
        DataError: for an infinite value, or values of another kind than training had.
    """
    parts: list[npt.NDArray[np.float32]] = []
    unseen = []
    for column in columns:
        values = table.column(column.name)
        if column.kind == "number":
            parts.append(_encode_number(values, column))
            continue
        if column_kind(values.type) not in ("number", "category", "date", "empty"):
            raise DataError(
                expected=f"categories in column {column.name!r}, as in training",
                found=f"values of type {values.type}",
                do="mend the column",
            )
        text = like_texts(values, column.categories)
        found = pc.index_in(text, value_set=pa.array(column.categories, pa.string()))
        place = found.fill_null(-1).to_numpy()
        parts.append((place[:, None] == np.arange(len(column.categories))).astype(np.float32))
        strange = np.flatnonzero((place < 0) & text.is_valid().to_numpy())
        if len(strange):
            unseen.append(Unseen(column.name, text[int(strange[0])].as_py(), int(strange[0]), len(strange)))
    return torch.from_numpy(np.concatenate(parts, axis=1)), unseen


def encode_known(table: pa.Table, schema: Schema, what: str) -> Float[Tensor, "rows inputs"]:
    """The model's inputs for new rows, which must hold what training had.

    Args:
        table: the rows; columns the schema does not name are passed over.
        schema: of the data trained on.
        what: where the rows are from, for messages.

    Raises:
        DataError: for a missing column, a category training did not have, or values of another kind.
    """
    for column in schema.columns:
        if column.name not in table.column_names:
            raise DataError(
                expected=f"a column {column.name!r} in {what}, as in training",
                found=f"these: {', '.join(table.column_names)}",
                do=near(column.name, table.column_names),
            )
    inputs, unseen = encode(table, schema.columns)
    if unseen:
        first = unseen[0]
        known = next(c.categories for c in schema.columns if c.name == first.column)
        raise DataError(
            expected=f"categories in column {first.column!r} of {what} that training had",
            found=f"{first.value!r} in data row {first.row + 1}",
            do=near(first.value, known) + " Or leave the value empty",
        )
    return inputs


def _encode_number(values: pa.ChunkedArray, column: Column) -> npt.NDArray[np.float32]:
    if column_kind(values.type) not in ("number", "empty"):
        raise DataError(
            expected=f"numbers in column {column.name!r}, as in training",
            found=f"{values.type} values, such as {values.drop_null()[0].as_py()!r}",
            do="mend the column",
        )
    x = numbers(values, column.name)
    missing = np.isnan(x)
    with np.errstate(over="ignore"):
        scaled = np.where(missing, 0.0, (x - column.mean) / column.std).astype(np.float32)
    if not np.isfinite(scaled).all():
        row = int(np.flatnonzero(~np.isfinite(scaled))[0])
        raise DataError(
            expected=f"numbers in column {column.name!r} of the size seen in training (mean {column.mean:g})",
            found=f"{x[row]:g} in data row {row + 1}",
            do="mend the value",
        )
    inputs = [scaled, missing.astype(np.float32)] if column.missing else [scaled]
    return np.stack(inputs, axis=1)


def raw_values(table: pa.Table, names: list[str]) -> npt.NDArray[np.float64]:
    """Values as they stand, categories as numbers of their own: two rows are equal where these are."""
    parts = []
    for name in names:
        column = table.column(name)
        if column_kind(column.type) == "number":
            parts.append(numbers(column, name))
        else:
            text = texts(column)
            places = pc.index_in(text, value_set=text.unique().drop_null())
            parts.append(places.cast(pa.float64()).fill_null(float("nan")).to_numpy().astype(np.float64))
    return np.stack(parts, axis=1)


def vocabulary(table: pa.Table, names: list[str]) -> list[tuple[str, list[str]]]:
    """Each column's name and the texts that :func:`raw_values` numbers; none for numbers."""
    columns = [(name, table.column(name)) for name in names]
    return [
        (name, [] if column_kind(c.type) == "number" else texts(c).unique().drop_null().to_pylist())
        for name, c in columns
    ]
