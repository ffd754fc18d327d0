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
from sightline.data.extra import require_image_source, require_no_extra
from sightline.data.hub import PREFIX, parquet_files, read_hub, read_parquet_folder
from sightline.data.image import SUFFIXES
from sightline.data.image_data import image_data, images_like
from sightline.data.image_folder import read_image_folder, without_single_class
from sightline.data.pictures import entries, path_kind
from sightline.data.source import ImageSource, Source, TableSource, TextSource
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.table import table_data, table_like
from sightline.data.table_file import CSV_SUFFIXES, read_csv
from sightline.data.target import text_columns
from sightline.data.text_classes import CLASSES_OF_FILES
from sightline.data.text_file import is_text_file
from sightline.data.text_like import require_tokenizer, special_like, text_like
from sightline.data.text_source import read_text_folder, require_no_text, special_reader, text_data
from sightline.data.text_spec import TextSpec
from sightline.data.text_table import text_column, text_table_data
from sightline.data.tokenizer import Tokenizer


def load(source: str | os.PathLike[str], **fields: Any) -> Data:
    """Load a data set.

    Args:
        source: name of an embedded set ("digits"), a path (folder of images, by class or without, CSV or Parquet
            table, folder of Parquet files, text file or folder of them), or "hf:owner/name".
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
    reader = special_reader(spec)
    if reader is not None:
        require_no_extra(spec, "a file of texts")
        return reader(spec)
    source = open_source(spec.source, spec.target, spec.memory_gib if spec.cache else math.inf, text_columns_of(spec))
    check_source(source, spec)
    if isinstance(source, TextSource):
        return text_data(spec, source)
    column = text_column(source, spec) if isinstance(source, TableSource) else None
    if isinstance(source, TableSource) and column is not None:
        return text_table_data(spec, source, column)
    require_no_text(spec, source)
    return load_images(spec, source) if isinstance(source, ImageSource) else table_data(spec, source)


def load_images(spec: DataSpec, source: ImageSource) -> Data:
    """The data of a source of images, with those of ``data.extra`` to train on.

    Args:
        spec: what was asked for.
        source: the images.

    Raises:
        DataError: when either can't be used, or they do not fit together.
    """
    if spec.target is None and spec.task is None and spec.extra is None:
        source = without_single_class(source)
    if spec.extra is None:
        return image_data(spec, source)
    memory = spec.memory_gib if spec.cache else math.inf
    return image_data(spec, source, require_image_source(spec, open_source(spec.extra, memory_gib=memory)))


def text_columns_of(spec: DataSpec) -> list[str]:
    """The columns that a configuration takes for text, whatever their values look like.

    Example:
        >>> text_columns_of(DataSpec(source="reviews.csv", text=TextSpec(column="review")))
        ['review']
    """
    return [name for name in (spec.text.column, spec.text.pair) if name is not None]


def load_like(
    source: str | os.PathLike[str],
    schema: Schema,
    *,
    target: str | None = None,
    tokenizer: Tokenizer | None = None,
    text: TextSpec | None = None,
) -> Split:
    """All examples of another source, read as the data a model was trained on.

    Args:
        source: as in :func:`load`.
        schema: of the data trained on: size, classes, columns, statistics.
        target: name of the column to predict; none: as in the schema. Images that come with classes of
            their own, in folders for one, are measured by these.
        tokenizer: that a model of text was trained with.
        text: how its texts became examples; none: as by default.

    Raises:
        ConfigurationError: where a model of text comes without its tokenizer.
        DataError: when the source does not fit the schema; first of all when it is of another kind.

    Lecture: F2, O10

    Example:
        >>> iris = load("iris")
        >>> len(load_like("iris", iris.schema))
        150
    """
    name = source_name(source)
    if schema.kind == "text":
        return _texts_like(DataSpec(source=name, target=target, text=text or TextSpec()), schema, tokenizer)
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


def _texts_like(spec: DataSpec, schema: Schema, tokenizer: Tokenizer | None) -> Split:
    tokenizer = require_tokenizer(tokenizer, schema)
    special = special_like(spec, schema, tokenizer)
    if special is not None:
        return special
    as_text = [*text_columns(schema, spec.target or schema.target), *([spec.text.column] if spec.text.column else [])]
    return text_like(spec, open_source(spec.source, text=as_text), schema, tokenizer)


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


def check_source(source: Source, spec: DataSpec) -> None:
    """Refuse a target that a source of images or a text does not have (a table's is checked where it is read), and
    further examples for anything but images.

    Raises:
        DataError: saying what the source has instead.
        ConfigurationError: for further examples of a table or a text.
    """
    if not isinstance(source, ImageSource):
        require_no_extra(spec, "a table" if isinstance(source, TableSource) else "a text")
    target = spec.target
    if target is None or isinstance(source, TableSource):
        return
    if isinstance(source, TextSource):
        if target in CLASSES_OF_FILES and len(source.files) > 1:
            return
        raise DataError(
            expected=f"no target for {source.what}: a text has no columns"
            + ("; of a folder each file or folder can be a class" if len(source.files) > 1 else ""),
            found=f"target {target!r}",
            do="leave the target away" + (", or name 'file' or 'folder'" if len(source.files) > 1 else ""),
        )
    if target != source.target:
        raise DataError(
            expected=f"no target for {source.what}: its images come "
            + ("without" if source.labels is None else f"with their own, {source.target!r}"),
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
            expected=f"images, texts or Parquet files in {path}",
            found=f"the table {tables[0]}",
            do=f"give the table itself: {path / tables[0]}",
        )
    return read_text_folder(path) or read_image_folder(path)


def _open_file(path: Path, target: str | None, memory_gib: float, text: Sequence[str]) -> Source:
    name = path.name.lower()
    if name.endswith(CSV_SUFFIXES):
        table, notes = read_csv(path, text)
        return TableSource(str(path), table, notes=notes)
    if name.endswith(".parquet"):
        return read_parquet_folder(path, [path], target, memory_gib)
    if is_text_file(path) or name.endswith(".md"):
        return TextSource(str(path), (path,), path)
    if path.suffix.lower() in SUFFIXES:
        found, do = "a single image", "give the folder that holds the images, or a folder for each class"
    else:
        found, do = f"a file ending in {path.suffix!r}", "rename it if it is one of these"
    raise DataError(
        expected="a folder of images or of texts, .csv, .tsv, .parquet, .txt, .conll or .json",
        found=f"{path}: {found}",
        do=do,
    )
