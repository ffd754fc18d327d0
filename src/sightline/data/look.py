"""``look``: what a source holds, without writing anything."""

import os
from collections import Counter
from pathlib import Path

from sightline.data.columns import look_at, why_unusable
from sightline.data.found import Found
from sightline.data.hub import PREFIX, look_at_hub
from sightline.data.image_data import image_data
from sightline.data.load import check_target, open_source, source_name
from sightline.data.pictures import path_kind
from sightline.data.source import ImageSource, TableSource, TextSource
from sightline.data.spec import DataSpec
from sightline.data.table import check_table, table_data
from sightline.data.text import ShortTextError
from sightline.data.text_file import read_text
from sightline.data.text_source import special_reader, text_data
from sightline.data.text_table import text_column, text_table_data


def look(source: str | os.PathLike[str], target: str | None = None) -> Found:
    """Say what is there: kinds, counts, shapes, classes, faults. Nothing is written.

    A table without a target is described by its columns; a set on the Hub by what the Hub says of it.

    Args:
        source: as in :func:`~sightline.data.load.load`.
        target: the column to predict, for a table.

    Raises:
        DataError: when it can't be read.

    Lecture: F2

    Example:
        >>> look("iris").counts
        {'train': 108, 'validation': 12, 'test': 30}
    """
    name = source_name(source)
    there = name.removeprefix(PREFIX)
    if name.startswith(PREFIX) and there.strip() and path_kind(Path(there)) == "none":
        return look_at_hub(there)
    spec = DataSpec(source=name, target=target, cache=False)
    reader = special_reader(spec)
    if reader is not None:
        return reader(spec).found
    opened = open_source(name, target)
    check_target(opened, target)
    if isinstance(opened, ImageSource):
        return image_data(spec, opened).found
    if isinstance(opened, TextSource):
        return _text(spec, opened)
    column = text_column(opened, spec)
    if column is not None:
        return text_table_data(spec, opened, column).found
    if target or opened.target:
        return table_data(spec, opened).found
    return _columns_of(opened)


def _text(spec: DataSpec, source: TextSource) -> Found:
    """A text's account; of one too short to train on, what can be counted."""
    try:
        return text_data(spec, source).found
    except ShortTextError as short:
        text = "".join(map(read_text, source.files))
        letters = Counter(text)
        return Found(
            kind="text",
            task="none",
            what=f"{source.what}: a text of {len(text):,} characters, {len(letters)} of them different",
            counts={
                "characters": len(text),
                "lines": len(text.splitlines()),
                "words": len(text.split()),
                "distinct characters": len(letters),
            },
            notes=(
                "most frequent: " + " ".join(repr(c) for c, _ in letters.most_common(8)),
                f"too short to train on as it is: {short.found}, expected {short.expected}; {short.do}",
            ),
        )


def _columns_of(source: TableSource) -> Found:
    check_table(source.table, source.what)
    rows = len(source.table)
    columns = tuple(look_at(source.table.column(c), c) for c in source.table.column_names)
    reasons = [(f"column {c.name}", why_unusable(c, rows)) for c in columns]
    return Found(
        kind="table",
        task="none",
        what=f"{source.what}: a table of {rows:,} rows, {len(columns)} columns",
        counts={"rows": rows},
        columns=columns,
        left_out=tuple((name, why) for name, why in reasons if why),
        notes=(*source.notes, "name the column to predict with --target"),
    )
