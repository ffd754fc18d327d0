"""``load``: look at what is given, read it, and say what was found."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sightline.core.config import read
from sightline.core.errors import DataError, near
from sightline.core.schema import Schema
from sightline.data.data import Data
from sightline.data.embedded import DATASETS
from sightline.data.hub import PREFIX, parquet_files, read_hub, read_parquet_folder
from sightline.data.image import SUFFIXES
from sightline.data.image_data import image_data, images_like
from sightline.data.image_folder import read_image_folder
from sightline.data.pictures import entries, path_kind
from sightline.data.source import ImageSource, Source, TableSource, TextSource
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.table import table_data, table_like
from sightline.data.table_file import CSV_SUFFIXES, read_csv
from sightline.data.target import text_columns
from sightline.data.text import read_plain, text_data, to_text


def load(source: str | os.PathLike[str], **fields: Any) -> Data:
    """Load a data set.

    Args:
        source: name of an embedded set ("digits"), a path (folder of images by class, CSV or Parquet
            table, folder of Parquet files, text file), or "hf:owner/name".
        fields: any field of :class:`~sightline.data.spec.DataSpec`, such as ``target="price"``.

    Raises:
        DataError: when it can't be read or used, or the source is no name or path, saying why.
        ConfigurationError: for a field that does not exist or has a wrong value.

    Lecture: F1, F2, O10

    Example:
        >>> data = load("digits")
        >>> len(data.train), len(data.validation), len(data.test), data.schema.input_shape
        (1294, 144, 359, (1, 8, 8))
    """
    return load_spec(read(DataSpec, {"source": source_name(source), **fields}))


def load_spec(spec: DataSpec) -> Data:
    """Load the data set a configuration asks for; see :func:`load`."""
    source = open_source(spec.source, spec.target, spec.memory_gib if spec.cache else math.inf)
    check_target(source, spec.target)
    if isinstance(source, ImageSource):
        return image_data(spec, source)
    if isinstance(source, TableSource):
        return table_data(spec, source)
    return text_data(spec, source)


def load_like(source: str | os.PathLike[str], schema: Schema, *, target: str | None = None) -> Split:
    """All examples of another source, read as the data a model was trained on.

    Args:
        source: as in :func:`load`.
        schema: of the data trained on: size, classes, columns, statistics.
        target: name of the column to predict; none: as in the schema. Images that come with classes of
            their own, in folders for one, are measured by these.

    Raises:
        DataError: when the source does not fit the schema; first of all when it is of another kind.

    Lecture: F2, O10

    Example:
        >>> iris = load("iris")
        >>> len(load_like("iris", iris.schema))
        150
    """
    name = source_name(source)
    opened = open_source(name, target, text=text_columns(schema, target or schema.target))
    if isinstance(opened, ImageSource) and schema.kind == "image":
        return images_like(DataSpec(source=name, cache=False), opened, schema)
    if isinstance(opened, TableSource) and schema.kind == "table":
        return table_like(opened, schema, target)
    kinds = {ImageSource: "images", TableSource: "a table", TextSource: "a text"}
    raise DataError(
        expected=f"data of the kind trained on: {schema.kind}",
        found=f"{source} is {kinds[type(opened)]}",
        do="give data like those the model was trained on",
    )


def source_name(source: object) -> str:
    """The source as text.

    Raises:
        DataError: for anything but text and paths.

    Example:
        >>> source_name(Path("photos"))
        'photos'
    """
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else None
    if not isinstance(name, str):
        raise DataError(
            expected="the name of an embedded data set, a path, or hf:owner/name, as text",
            found=f"{source!r}, of type {type(source).__name__}",
            do="give the name or path in quotes",
        )
    return name


def check_target(source: Source, target: str | None) -> None:
    """Refuse a target that a source of images or a text does not have. A table's is checked where it is read.

    Raises:
        DataError: saying what the source has instead.
    """
    if target is None or isinstance(source, TableSource):
        return
    if isinstance(source, TextSource):
        raise DataError(
            expected=f"no target for {source.what}: a text has no columns",
            found=f"target {target!r}",
            do="leave the target away",
        )
    if target != source.target:
        raise DataError(
            expected=f"no target for {source.what}: its images come with their own, {source.target!r}",
            found=f"target {target!r}",
            do="leave the target away",
        )


def open_source(
    source: str, target: str | None = None, memory_gib: float = math.inf, text: Sequence[str] = ()
) -> Source:
    """Find out what a source is, and read it as it stands.

    Args:
        source: as in :func:`load`.
        target: column to predict, where the user names it.
        memory_gib: larger Parquet files are unpacked into the cache folder and memory-mapped.
        text: columns of a CSV file to read as text whatever their values look like.

    Raises:
        DataError: when there is nothing of that name, or it can't be read.
    """
    if source in DATASETS:
        return DATASETS[source]()
    if not source.removeprefix(PREFIX).strip():
        raise DataError(
            expected="an embedded data set, a path, or hf:owner/name",
            found=f"{source!r}, which names nothing",
            do="give a name; the folder you are in is '.'",
        )
    path = Path(source.removeprefix(PREFIX))
    kind = path_kind(path)
    if source.startswith(PREFIX) and kind == "none":
        return read_hub(source.removeprefix(PREFIX), target)
    if kind == "folder":
        return _open_folder(path, target, memory_gib)
    if kind == "none":
        raise DataError(
            expected="an embedded data set, a path, or hf:owner/name",
            found=f"no file, folder or embedded set {source!r}",
            do=f"check the path; of the embedded sets, {near(source, DATASETS)}",
        )
    return _open_file(path, target, memory_gib, text)


def _open_folder(path: Path, target: str | None, memory_gib: float) -> Source:
    files = parquet_files(path)
    if files:
        return read_parquet_folder(path, files, target, memory_gib)
    tables = [p.name for p in entries(path) if p.name.lower().endswith(CSV_SUFFIXES)]
    if tables:
        raise DataError(
            expected=f"images by class or Parquet files in {path}",
            found=f"the table {tables[0]}",
            do=f"give the table itself: {path / tables[0]}",
        )
    return read_image_folder(path)


def _open_file(path: Path, target: str | None, memory_gib: float, text: Sequence[str]) -> Source:
    name = path.name.lower()
    if name.endswith(CSV_SUFFIXES):
        table, notes = read_csv(path, text)
        return TableSource(str(path), table, notes=notes)
    if name.endswith(".parquet"):
        return read_parquet_folder(path, [path], target, memory_gib)
    if name.endswith((".txt", ".txt.gz", ".text", ".md")):
        return TextSource(str(path), to_text(read_plain(path), path))
    if path.suffix.lower() in SUFFIXES:
        found, do = "a single image", "give the folder that holds a folder for each class"
    else:
        found, do = f"a file ending in {path.suffix!r}", "rename it if it is one of these"
    raise DataError(
        expected="a folder of images by class, .csv, .tsv, .parquet or .txt", found=f"{path}: {found}", do=do
    )
