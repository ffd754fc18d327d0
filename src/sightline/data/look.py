"""``look``: what a source holds, without writing anything."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from sightline.core.config import read
from sightline.core.errors import ConfigurationError
from sightline.data.columns import look_at, why_unusable
from sightline.data.extra import require_no_extra
from sightline.data.found import Found
from sightline.data.hub import PREFIX, look_at_hub
from sightline.data.load import check_source, load_images, open_source, source_name, text_columns_of
from sightline.data.pictures import path_kind
from sightline.data.source import ImageSource, TableSource, TextSource
from sightline.data.spec import DataSpec
from sightline.data.table import check_table, table_data
from sightline.data.text import ShortTextError
from sightline.data.text_file import read_text
from sightline.data.text_source import require_no_text, special_reader, text_data
from sightline.data.text_table import text_column, text_table_data


def look(source: str | os.PathLike[str], target: str | None = None, **fields: Any) -> Found:
    """Say what is there: kinds, counts, shapes, classes, faults. Nothing is written.

    A table without a target is described by its columns; a set on the Hub by what the Hub says of it.

    Args:
        source: as in :func:`~sightline.data.load.load`.
        target: the column to predict, for a table; of texts also "file" or "folder".
        fields: any other field of :class:`~sightline.data.spec.DataSpec`, such as ``text={"pair": "german.txt"}``.

    Raises:
        DataError: when it can't be read.
        ConfigurationError: for a field that does not exist, has a wrong value, or does not apply to the source.

    Lecture: F2

    Example:
        >>> look("iris").counts
        {'train': 108, 'validation': 12, 'test': 30}
    """
    return look_spec(read(DataSpec, {"source": source_name(source), "target": target, **fields}))


def look_spec(spec: DataSpec) -> Found:
    """Say what there is of the data that a configuration asks for; see :func:`look`."""
    spec = spec.replace(cache=False)
    there = spec.source.removeprefix(PREFIX)
    if spec.source.startswith(PREFIX) and there.strip() and path_kind(Path(there)) == "none":
        _require_plain(spec)
        return look_at_hub(there)
    reader = special_reader(spec)
    if reader is not None:
        require_no_extra(spec, "a file of texts")
        return reader(spec).found
    opened = open_source(spec.source, spec.target, text=text_columns_of(spec))
    check_source(opened, spec)
    if isinstance(opened, TextSource):
        return _text(spec, opened)
    column = text_column(opened, spec) if isinstance(opened, TableSource) else None
    if isinstance(opened, TableSource) and column is not None:
        return text_table_data(spec, opened, column).found
    require_no_text(spec, opened)
    if isinstance(opened, ImageSource):
        return load_images(spec, opened).found
    if spec.target or opened.target:
        return table_data(spec, opened).found
    return _columns_of(opened)


def _require_plain(spec: DataSpec) -> None:
    """Refuse options for a set that is not fetched."""
    if spec != DataSpec(source=spec.source, target=spec.target, cache=False):
        raise ConfigurationError(
            expected=f"no options for {spec.source}: what is told of it is what the Hub says, its data are not fetched",
            found="some",
            do="leave them away, or fetch the set and give its folder",
        )


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
