"""Data sets of the Hugging Face Hub: a folder of Parquet files in their layout, or ``hf:owner/name``."""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sightline.core.errors import DataError, near
from sightline.data.found import Found
from sightline.data.mapped_pictures import MappedPictures
from sightline.data.pictures import ArrowPictures, file_identity
from sightline.data.source import ImageSource, TableSource
from sightline.data.splits import SplitName
from sightline.data.table import check_table
from sightline.data.table_file import map_arrow, read_parquet, unpack_parquet, unpacked_bytes

SPLIT_WORD = re.compile(r"(?:^|[-_./])(train|validation|valid|val|dev|test)(?=$|[-_./\d])", re.IGNORECASE)
SPLIT_OF: dict[str, SplitName] = {
    "train": "train", "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip
LABELS = ("label", "labels", "class", "target", "fine_label")
PREFIX = "hf:"

Features = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """Some rows of a set.

    Args:
        split: train, validation or test.
        name: of the file, for messages.
        table: the rows.
        files: Arrow files the rows are mapped from, in order; none where they are in memory.
    """

    split: str
    name: str
    table: pa.Table
    files: tuple[Path, ...] = ()


def parquet_files(root: Path) -> list[Path]:
    """Parquet files in a folder and in those below it, sorted; hidden ones left out."""
    found = (p for p in root.rglob("*.parquet") if p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(root).parts))


def read_parquet_folder(
    root: Path, files: Sequence[Path], target: str | None, memory_gib: float = float("inf")
) -> ImageSource | TableSource:
    """Read Parquet files; names such as ``train-00000-of-00002.parquet`` give the splits.

    Args:
        root: the folder, or the one file.
        files: its Parquet files.
        target: column to predict; none: the column of class labels.
        memory_gib: files that are larger together are memory-mapped from the cache folder.

    Raises:
        DataError: when a file can't be read, or the columns do not fit together.
    """
    large = sum(map(unpacked_bytes, files)) > memory_gib * 2**30
    parts = []
    for file in files:
        mapped = (unpack_parquet(file),) if large else ()
        table = map_arrow(mapped[0]) if mapped else read_parquet(file)
        parts.append(Part(_split_of(file, root), file.name, table, mapped))
    identity = "\n".join(map(file_identity, files)).encode(errors="surrogatepass")
    return combine(parts, _features(parts[0].table), str(root), identity, target)


def read_hub(name: str, target: str | None) -> ImageSource | TableSource:
    """Fetch ``owner/name`` through ``datasets``, which keeps it in its own cache.

    Args:
        name: of the set on the Hub.
        target: column to predict; none: the column of class labels.

    Raises:
        DataError: when the set is unknown, or the Hub can't be reached.
    """
    import datasets

    try:
        loaded = datasets.load_dataset(name)
    except Exception as error:  # the Hub, the network and each file format raise their own
        raise _not_fetched(name, error) from error
    parts, caches = [], []
    for split, rows in loaded.items():
        files = tuple(Path(file["filename"]) for file in rows.cache_files)
        parts.append(Part(_split_of_word(str(split)), f"{name} {split}", rows.data.table, files))
        caches += [file_identity(file) for file in files]
        features = rows.features.to_dict()
    return combine(parts, features, PREFIX + name, "\n".join(caches).encode(), target)


def look_at_hub(name: str) -> Found:
    """What the Hub says of a set; its data are not fetched and nothing is kept.

    Raises:
        DataError: when the set is unknown, or the Hub can't be reached.
    """
    import datasets

    with tempfile.TemporaryDirectory() as aside:
        try:
            info = datasets.load_dataset_builder(name, cache_dir=aside).info
        except Exception as error:  # as in read_hub
            raise _not_fetched(name, error) from error
    features = info.features.to_dict() if info.features else {}
    counts = {str(k): int(v.num_examples) for k, v in (info.splits or {}).items()}
    image = _first(features, "Image")
    return Found(
        kind="image" if image else "table",
        task="classification" if _first(features, "ClassLabel") else "none",
        what=f"{PREFIX}{name}: " + (f"images in {image!r}" if image else f"a table of {len(features)} columns"),
        counts=counts,
        notes=tuple(f"{k}: {v.get('dtype') or v.get('_type')}" for k, v in features.items() if isinstance(v, Mapping)),
    )


def combine(
    parts: Sequence[Part], features: Features, what: str, identity: bytes, target: str | None
) -> ImageSource | TableSource:
    """One source from the rows of all splits.

    Args:
        parts: the rows.
        features: the columns' meanings as ``datasets`` writes them.
        what: where they are from, for messages.
        identity: what changes when the data change.
        target: column to predict; none: the column of class labels.

    Raises:
        DataError: when the splits' columns differ, or no column of labels is found.
    """
    try:
        table = pa.concat_tables([p.table.replace_schema_metadata(None) for p in parts], promote_options="default")
    except pa.ArrowException as error:
        raise DataError(
            expected=f"the same columns in all files of {what}",
            found=" ".join(str(error).split())[:300],
            do="give files of one data set",
        ) from error
    check_table(table, what)
    image = _image_column(table, features)
    if target is not None and target not in table.column_names:
        holds = ", a table" if image is None else ", a set of images"
        raise DataError(
            expected=f"a column {target!r} in {what}{holds}",
            found="no such column",
            do=near(target, table.column_names),
        )
    splits = {p.split for p in parts if len(p.table)}
    given = [p.split for p in parts for _ in range(len(p.table))] if splits != {"train"} else None
    if "train" not in splits:
        raise DataError(
            expected=f"training rows in {what}", found=f"only {', '.join(sorted(splits))}", do="add the training file"
        )
    label = target or _first(features, "ClassLabel")
    classes = _class_names(features.get(label)) if label else None
    if image is None:
        return TableSource(what, table, label, classes, given)
    label = label or next((name for name in LABELS if name in table.column_names), None)
    if label is None or label == image:
        raise DataError(
            expected=f"the name of the column to predict in {what}",
            found=f"none named; it has these: {', '.join(table.column_names)}",
            do="name one with --target",
        )
    names = [f"{p.name} row {i + 1}" for p in parts for i in range(len(p.table))]
    files = tuple(f for p in parts for f in p.files) if all(p.files for p in parts) else ()
    source = identity and identity + image.encode()
    if files and sum(len(map_arrow(f)) for f in files) == len(table):
        pictures: ArrowPictures = MappedPictures(files, image, names, source)
    else:
        pictures = ArrowPictures(pc.struct_field(table.column(image), "bytes"), names, source)
    return ImageSource(what, pictures, label, table.column(label), classes, given)


def _split_of(file: Path, root: Path) -> str:
    """The split a file's name or folder tells; "train" where it tells none."""
    return _split_of_word(str(file.relative_to(root)) if root.is_dir() else file.name)


def _split_of_word(text: str) -> str:
    return split_word(text) or "train"


def split_word(text: str) -> SplitName | None:
    """The split that a name tells; none where it tells none.

    Example:
        >>> split_word("wiki.valid.txt"), split_word("emma.txt")
        ('validation', None)
    """
    found = SPLIT_WORD.search(text)
    return SPLIT_OF[found.group(1).lower()] if found else None


def _features(table: pa.Table) -> dict[str, Any]:
    """The meanings ``datasets`` leaves in a Parquet file's metadata; empty where there are none."""
    stored = (table.schema.metadata or {}).get(b"huggingface")
    if stored is None:
        return {}
    try:
        features = json.loads(stored)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}  # written by another program: the columns' types tell enough
    return features if isinstance(features, dict) else {}


def _first(features: Features, kind: str) -> str | None:
    return next((k for k, v in features.items() if isinstance(v, Mapping) and v.get("_type") == kind), None)


def _class_names(feature: Any) -> list[str] | None:
    names = feature.get("names") if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel" else None
    return [str(n) for n in names] if isinstance(names, list) and names else None


def _image_column(table: pa.Table, features: Features) -> str | None:
    """The first column of images: by its feature, or by its type (a struct with bytes)."""
    for field in table.schema:
        feature = features.get(field.name)
        by_feature = isinstance(feature, Mapping) and feature.get("_type") == "Image"
        if (by_feature or not feature) and _is_image(field.type):
            return str(field.name)
    return None


def _is_image(kind: pa.DataType) -> bool:
    place = kind.get_field_index("bytes") if pa.types.is_struct(kind) else -1
    return place >= 0 and kind.field(place).type in (pa.binary(), pa.large_binary())


def _not_fetched(name: str, error: Exception) -> DataError:
    return DataError(
        expected=f"the data set {name!r} from the Hugging Face Hub",
        found=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
        do="check the name and the network; a local folder is given by its path",
    )
