"""Tables with a column of text: which column it is, and what becomes of it."""

from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from sightline.core.errors import DataError, near
from sightline.data.columns import column_kind, look_at, why_unusable
from sightline.data.data import Data
from sightline.data.duplicates import fingerprint
from sightline.data.source import TableSource
from sightline.data.spec import DataSpec
from sightline.data.table import check_table, pick_target
from sightline.data.text import Corpus, language_data
from sightline.data.text_classes import LabelledTexts, class_data
from sightline.data.text_pairs import pair_data, paired
from sightline.data.text_pieces import document_pieces

LONG = 20
"""Mean number of characters from which a column that can be no category is taken for one of text."""


def text_column(source: TableSource, spec: DataSpec) -> str | None:
    """The column of text a model is to read; none where the table is one of numbers and categories.

    It is the column that is named. Where none is, it is the only column beside the target, if that one holds long
    texts: many different ones, 20 characters on average. Without a target it is the only column of long texts, be the
    others what they may.

    Raises:
        DataError: when the named column is missing or holds no text.
    """
    table, target = source.table, spec.target or source.target
    named = spec.text.column
    if named is not None:
        check_table(table, source.what)
        if named not in table.column_names:
            raise DataError(
                expected=f"a column {named!r} in {source.what}",
                found="no such column",
                do=near(named, table.column_names),
            )
        if not _is_text(table.column(named)):
            raise DataError(
                expected=f"text in column {named!r} of {source.what}",
                found=f"values of type {table.column(named).type}",
                do="name another column (--data.text.column)",
            )
        return named
    if len(set(table.column_names)) < len(table.column_names):
        return None  # refused where the table is read
    others = [name for name in table.column_names if name != target]
    long = [name for name in others if _is_long(table.column(name), name)]
    if len(long) != 1:
        return None
    return long[0] if target is None or len(others) == 1 else None


def text_table_data(spec: DataSpec, source: TableSource, column: str) -> Data:
    """The texts of a table: with classes, with other texts, or to be written on.

    Args:
        spec: what was asked for.
        source: the table.
        column: of the text.

    Raises:
        DataError: when the target or the texts can't be used.
    """
    check_table(source.table, source.what)
    texts = strings(source.table.column(column))
    if spec.text.pair is not None:
        if spec.text.pair not in source.table.column_names:
            raise DataError(
                expected=f"a column {spec.text.pair!r} in {source.what}",
                found="no such column",
                do=near(spec.text.pair, source.table.column_names),
            )
        others = strings(source.table.column(spec.text.pair))
        return pair_data(spec, paired(source.what, texts, others, spec.text.pair, source.given))
    if spec.task != "language" and (spec.target or source.target):
        name = pick_target(source, spec.target)
        if name == column:
            raise DataError(
                expected="a target that is not the text itself",
                found=f"{name!r} for both",
                do="name another target, or leave it away to learn to write such texts",
            )
        classes = source.classes if name == source.target else None
        labelled = LabelledTexts(
            source.what, texts, name, source.table.column(name), classes, source.given, source.notes
        )
        return class_data(spec, labelled)
    rows = [i for i, text in enumerate(texts) if text and text.strip()]
    documents = [cast(str, texts[i]) for i in rows]
    if not documents:
        raise DataError(
            expected=f"texts in column {column!r} of {source.what}", found="none in any row", do="name another column"
        )
    given = source.given and [source.given[i] for i in rows]
    order = spec.text.order or "order"
    content = fingerprint(*(text.encode("utf-8", "surrogatepass") for text in documents), repr(given).encode())
    corpus = Corpus(
        f"{source.what}, column {column!r}",
        lambda: document_pieces(spec, documents, order, given=given),
        content,
        spec.text.form or "packed",
        order,
        source.notes,
    )
    return language_data(spec, corpus)


def strings(column: pa.ChunkedArray) -> list[str | None]:
    """A column's values as text."""
    values: list[str | None] = column.cast(pa.string()).to_pylist()
    return values


def _is_text(column: pa.ChunkedArray) -> bool:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return column_kind(column.type) == "category" and not pa.types.is_boolean(kind)


def _is_long(column: pa.ChunkedArray, name: str) -> bool:
    if not _is_text(column) or not why_unusable(look_at(column, name), len(column)):
        return False
    mean = pc.mean(pc.utf8_length(column.cast(pa.string()))).as_py()
    return mean is not None and mean >= LONG
