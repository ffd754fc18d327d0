"""The column to predict: classes or numbers, decided from its values and said."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import DataError, near
from sightline.core.schema import Schema, Task
from sightline.data.columns import column_kind, count_distinct, like_texts, numbers, told_apart

FEW = 20
"""Whole numbers with at most this many different values are taken for classes."""

Numbers = npt.NDArray[np.float64]
RowNumbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Target:
    """What is to be predicted, for the rows that say it.

    Shapes:
        values (known,) int64 class numbers or float64 raw numbers; known (known,) int64 rows

    Args:
        name: of the column.
        task: classification or regression; "none" where nothing is to be predicted.
        classes: class names in the order of their numbers; empty for regression.
        values: of the known rows; zeros where nothing is to be predicted.
        known: rows that have a value, ascending.
        why: how the task was decided.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    values: Int[Tensor, " known"] | Float[Tensor, " known"]
    known: Int[Tensor, " known"]
    why: str


def read_target(
    column: pa.ChunkedArray, name: str, task: Task | None = None, classes: Sequence[str] | None = None
) -> Target:
    """Decide what a target column asks for and read it.

    Text and true/false are classes; so are whole numbers with at most 20 different values that repeat;
    all other numbers are regression.

    Args:
        column: the values.
        name: of the column, for messages.
        task: decides it instead.
        classes: names of the classes: whole numbers count them from 0, text is one of them.

    Raises:
        DataError: when there are no values, one value only, an infinite one, or another type.

    Example:
        >>> target = read_target(pa.chunked_array([["no", "yes", None, "no"]]), "bought")
        >>> target.task, target.classes, target.values.tolist(), target.known.tolist()
        ('classification', ('no', 'yes'), [0, 1, 0], [0, 1, 3])
    """
    decided, why = (task, "as asked for") if task else _decide(column, name, classes)
    if decided == "regression":
        values, known = _known_numbers(column, name)
        _refuse_one_value(name, values)
        return Target(name, decided, (), _within_range(values, known, name), torch.from_numpy(known), why)
    labels, known = class_names(column, name, classes)
    _refuse_one_value(name, labels)
    order = tuple(classes) if classes else _in_order(column, labels)
    if len(order) > FEW and 2 * len(order) > len(labels) and not classes:
        raise DataError(
            expected=f"classes that repeat in the target {name!r}",
            found=f"{len(order):,} different values in {len(labels):,} rows",
            do="choose another target: this one looks like an identifier",
        )
    return Target(name, decided, order, _number(labels, order, name), torch.from_numpy(known), why)


def read_target_like(
    column: pa.ChunkedArray, name: str, schema: Schema, classes: Sequence[str] | None = None
) -> Target:
    """Read the target of further data as a schema has it: the same classes, the same task.

    Args:
        column: the values.
        name: of the column, for messages.
        schema: of the data trained on.
        classes: names of the classes where the column holds their numbers.

    Raises:
        DataError: for a class the schema lacks, or values of another kind.
    """
    if schema.task == "regression":
        values, known = _known_numbers(column, name)
        checked = _within_range(values, known, name)
        return Target(name, "regression", (), checked, torch.from_numpy(known), "as in training")
    if column_kind(column.type) == "category":
        column = like_texts(column, schema.classes)
    labels, known = class_names(column, name, classes)
    values_ = _number(labels, schema.classes, name)
    return Target(name, "classification", schema.classes, values_, torch.from_numpy(known), "as in training")


def no_target(count: int) -> Target:
    """The target of examples of which nothing is to be predicted.

    Example:
        >>> no_target(2).values.tolist()
        [0, 0]
    """
    return Target("", "none", (), torch.zeros(count, dtype=torch.int64), torch.arange(count), "there is none")


def number_name(value: float) -> str:
    """The class name of a number.

    Example:
        >>> number_name(2.0), number_name(0.5)
        ('2', '0.5')
    """
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e15 else repr(value)


def text_columns(schema: Schema, target: str) -> list[str]:
    """Columns that held text in training: further files are to be read so, whatever their values look like.

    A target that may have held numbers is left to its values: 2 and 2.0 are one class.

    Args:
        schema: of the data trained on.
        target: name of the target's column.
    """
    columns = [c.name for c in schema.columns if c.kind == "category"]
    return columns if all(map(_names_a_number, schema.classes)) else [*columns, target]


def _names_a_number(name: str) -> bool:
    try:
        return math.isfinite(float(name)) and number_name(float(name)) == name
    except ValueError:
        return False


def class_names(
    column: pa.ChunkedArray, name: str, classes: Sequence[str] | None = None
) -> tuple[list[str], RowNumbers]:
    """The class of each labelled row, by name, and the rows that are labelled.

    Args:
        column: names, true/false, or numbers.
        name: of the column, for messages.
        classes: names that whole numbers stand for; -1 marks a row without a label.

    Raises:
        DataError: for a number that stands for no class, or values of another kind.
    """
    kind = column_kind(column.type)
    if kind == "category":
        strings = column.cast(pa.string())
        return strings.drop_null().to_pylist(), np.flatnonzero(strings.is_valid().to_numpy())
    values, known = _known_numbers(column, name)
    if classes is None and pa.types.is_integer(column.type):
        return [str(v) for v in column.drop_null().to_pylist()], known
    if classes is None:
        return [number_name(v) for v in values.tolist()], known
    wrong = (values != np.round(values)) | (values < -1) | (values >= len(classes))
    if wrong.any():
        raise DataError(
            expected=f"class numbers 0 to {len(classes) - 1} in {name!r}",
            found=f"{values[wrong][0]:g} in data row {int(known[wrong][0]) + 1}",
            do="mend the row, or the class names stored with the file",
        )
    labelled = values >= 0
    return [classes[int(v)] for v in values[labelled]], known[labelled]


def _decide(column: pa.ChunkedArray, name: str, classes: Sequence[str] | None) -> tuple[Task, str]:
    if column_kind(column.type) == "category":
        return "classification", "true/false" if pa.types.is_boolean(column.type) else "text"
    if classes is not None:
        return "classification", "class labels"
    values, _ = _known_numbers(column, name)
    distinct = count_distinct(column) or 0
    if np.all(values == np.round(values)) and distinct <= FEW and 2 * distinct <= len(values):
        return "classification", f"{distinct} different whole numbers"
    return "regression", f"numbers, {distinct:,} different values in {len(values):,} rows"


def _known_numbers(column: pa.ChunkedArray, name: str) -> tuple[Numbers, RowNumbers]:
    kind = column_kind(column.type)
    if kind not in ("number", "empty"):
        raise DataError(
            expected=f"numbers or classes in the target {name!r}, as its use asks for",
            found=f"values of type {column.type}",
            do="choose another target",
        )
    values = numbers(column, name)
    known = np.flatnonzero(~np.isnan(values))
    return values[known], known


def _refuse_one_value(name: str, values: Sequence[str] | Numbers) -> None:
    if len(values) == 0:
        raise DataError(expected=f"values in the target {name!r}", found="none in any row", do="choose another target")
    if all(v == values[0] for v in values):
        exact = isinstance(values[0], str) or told_apart(float(values[0]))
        raise DataError(
            expected=f"at least two different values in the target {name!r}",
            found=f"{values[0]} in each of {len(values):,} rows"
            + (": there is nothing to learn" if exact else ", as far as 64-bit floats tell"),
            do="choose another target, or add examples of another value",
        )


def _within_range(values: Numbers, known: RowNumbers, name: str) -> Tensor:
    """The numbers as float64, of a size whose spread and errors float32 can hold."""
    too_large = np.abs(values) > np.finfo(np.float32).max
    if too_large.any():
        place = int(np.flatnonzero(too_large)[0])
        raise DataError(
            expected=f"numbers in the target {name!r} below 3e38 in size",
            found=f"{values[place]:g} in data row {int(known[place]) + 1}",
            do="mend or remove the row",
        )
    return torch.from_numpy(values)


def _in_order(column: pa.ChunkedArray, labels: list[str]) -> tuple[str, ...]:
    """The names sorted: numbers by value, text by letter."""
    by_value = column_kind(column.type) == "number"
    return tuple(sorted(set(labels), key=lambda v: (float(v), v))) if by_value else tuple(sorted(set(labels)))


def _number(labels: list[str], classes: Sequence[str], name: str) -> Tensor:
    number = {c: i for i, c in enumerate(classes)}
    strange = next((label for label in labels if label not in number), None)
    if strange is not None:
        raise DataError(
            expected=f"classes in {name!r} that are known: {', '.join(list(classes)[:10])}",
            found=repr(strange),
            do=near(strange, classes),
        )
    return torch.tensor([number[label] for label in labels], dtype=torch.int64)
