"""From a table with a target to three splits of standardised rows."""

from collections.abc import Sequence

import pyarrow as pa

from sightline.core.errors import DataError, near
from sightline.core.schema import Column, Schema
from sightline.data.account import balance, class_notes, target_statistics
from sightline.data.columns import (
    Unseen,
    encode,
    encode_known,
    fit_column,
    look_at,
    looks_like_identifier,
    raw_values,
    vocabulary,
    why_unusable,
)
from sightline.data.data import Data
from sightline.data.duplicates import find_duplicates, fingerprint, row_hashes
from sightline.data.found import Found, FoundColumn
from sightline.data.source import TableSource
from sightline.data.spec import DataSpec
from sightline.data.splits import SPLIT_NAMES, SplitRows, assign
from sightline.data.target import Target, read_target, read_target_like
from sightline.data.tensor_split import TensorSplit


def table_data(spec: DataSpec, source: TableSource) -> Data:
    """Split, standardise and describe a table.

    Args:
        spec: what was asked for.
        source: the table.

    Raises:
        DataError: when target or inputs can't be used.
    """
    name = pick_target(source, spec.target)
    classes = source.classes if name == source.target else None
    asked = read_target(source.table.column(name), name, spec.task, classes)
    table = source.table.take(pa.array(asked.known.numpy()))
    given = source.given and [source.given[i] for i in asked.known.tolist()]
    found_columns = [look_at(table.column(c), c) for c in table.column_names]
    usable, unusable = _choose(found_columns, name, len(table))
    if not usable:
        raise DataError(
            expected="at least one column a model can learn from",
            found="; ".join(f"{c}: {why}" for c, why in unusable) or f"{name!r} is the only column",
            do="add columns of numbers or categories",
        )
    rows = assign(
        given,
        asked.values,
        validation_fraction=spec.validation_fraction,
        test_fraction=spec.test_fraction,
        seed=spec.split_seed,
    )
    train = table.take(pa.array(rows.train.numpy()))
    columns = tuple(fit_column(train.column(c), c) for c in usable)
    inputs, unseen = encode(table, columns)
    schema = _schema(asked, rows, columns, inputs.shape[1])
    splits = {
        n: TensorSplit(
            n, inputs[rows.of(n)], asked.values[rows.of(n)], schema, table.take(pa.array(rows.of(n).numpy()))
        )
        for n in SPLIT_NAMES
    }
    hashes = row_hashes(raw_values(table, usable))
    found = Found(
        kind="table",
        task=asked.task,
        what=f"{source.what}: a table of {len(table):,} rows, {len(usable)} columns to predict {name!r} from",
        counts={n: len(splits[n]) for n in SPLIT_NAMES},
        balance=balance(asked, rows),
        input_shape=schema.input_shape,
        columns=tuple(found_columns),
        left_out=(
            *_rows_without_target(source.table, asked),
            *((f"column {c}", why) for c, why in unusable),
        ),
        duplicates=tuple(find_duplicates({n: hashes[rows.of(n).numpy()] for n in SPLIT_NAMES})),
        notes=(
            f"{name}: {asked.task} ({asked.why})",
            *source.notes,
            *class_notes(asked, rows),
            *_column_notes(table, usable, unseen),
        ),
    )
    content = fingerprint(
        repr((name, asked.task, asked.classes)).encode(errors="surrogatepass"),
        repr(vocabulary(table, usable)).encode(errors="surrogatepass"),
        hashes.tobytes(),
        asked.values.numpy().tobytes(),
        repr(given).encode(),
    )
    return Data(spec.source, spec, schema, splits["train"], splits["validation"], splits["test"], found, content)


def table_like(source: TableSource, schema: Schema, target: str | None) -> TensorSplit:
    """All rows of another table, encoded as the schema says.

    Args:
        source: the table.
        schema: of the data trained on.
        target: name of the column to predict; none: as in the schema.

    Raises:
        DataError: when a column or the target is missing, or holds what training did not have.
    """
    name = pick_target(source, target or schema.target)
    classes = source.classes if name == source.target else None
    asked = read_target_like(source.table.column(name), name, schema, classes)
    if len(asked.known) == 0:
        raise DataError(
            expected=f"values in {name!r} of {source.what}", found="none in any row", do="fill the column in"
        )
    table = source.table.take(pa.array(asked.known.numpy()))
    inputs = encode_known(table, schema, source.what)
    return TensorSplit("test", inputs, asked.values, schema, table)


def pick_target(source: TableSource, asked: str | None) -> str:
    """The target's name, known to be one of the columns.

    Raises:
        DataError: when none is named, it is no column, two columns share a name, or there are no rows.
    """
    check_table(source.table, source.what)
    names = source.table.column_names
    name = asked or source.target
    if name is None:
        raise DataError(
            expected="the name of the column to predict",
            found=f"none named; {source.what} has these: {', '.join(names)}",
            do=f"name one with --target, for instance --target {names[-1]}",
        )
    if name not in names:
        raise DataError(expected=f"a column {name!r} in {source.what}", found="no such column", do=near(name, names))
    return name


def check_table(table: pa.Table, what: str) -> None:
    """Refuse a table without rows, or with two columns of one name.

    Raises:
        DataError: for either.
    """
    names = table.column_names
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DataError(
            expected=f"columns of different names in {what}", found=f"{twice[0]!r} twice", do="rename one of them"
        )
    if len(table) == 0:
        raise DataError(expected=f"rows in {what}", found="none", do="check that it is the right file")


def _choose(found: Sequence[FoundColumn], target: str, rows: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Columns that can be inputs, and the others with the reason."""
    reasons = {c.name: why_unusable(c, rows) for c in found if c.name != target}
    return [c for c, why in reasons.items() if not why], [(c, why) for c, why in reasons.items() if why]


def _schema(target: Target, rows: SplitRows, columns: tuple[Column, ...], inputs: int) -> Schema:
    mean, std = target_statistics(target, rows)
    return Schema(
        kind="table",
        task=target.task,
        input_shape=(inputs,),
        target=target.name,
        classes=target.classes,
        target_mean=mean,
        target_std=std,
        standardise="none",
        columns=columns,
    )


def _column_notes(table: pa.Table, usable: list[str], unseen: list[Unseen]) -> list[str]:
    notes = [
        f"{u.column}: {u.count:,} rows outside training hold a category training lacks, such as {u.value!r};"
        " it sets none of the column's inputs"
        for u in unseen
    ]
    return notes + [
        f"{c}: consecutive whole numbers, which looks like an identifier; it is used all the same"
        for c in usable
        if looks_like_identifier(table.column(c))
    ]


def _rows_without_target(table: pa.Table, target: Target) -> list[tuple[str, str]]:
    known = set(target.known.tolist())
    absent = [i + 1 for i in range(len(table)) if i not in known]
    if not absent:
        return []
    listed = ", ".join(map(str, absent[:10])) + ("…" if len(absent) > 10 else "")
    return [(f"{len(absent):,} rows (data rows {listed})", f"no value for the target {target.name!r}")]
