"""New inputs for a trained model: image files, folders of them, or rows of tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.data.columns import encode_known
from sightline.data.image import SUFFIXES, decode, quiet
from sightline.data.image_folder import files_below
from sightline.data.pictures import path_kind, read_bytes
from sightline.data.standardise import standardise
from sightline.data.table import check_table
from sightline.data.table_file import CSV_SUFFIXES, read_csv, read_parquet
from sightline.data.target import read_target_like, text_columns


@dataclass(frozen=True)
class Inputs:
    """Inputs ready for a model.

    Shapes:
        inputs (n, *input_shape) float32

    Args:
        names: the file, or the file and data row (from 1), of each.
        inputs: standardised as in training.
        left_out: files that can't be used, and why.
        target: the targets, where every row of the tables has one; none otherwise.
    """

    names: list[str]
    inputs: Float[Tensor, "n ..."]
    left_out: list[tuple[str, str]]
    target: Int[Tensor, " n"] | Float[Tensor, " n"] | None = None


def read_inputs(paths: Sequence[Path], schema: Schema) -> Inputs:
    """Read files and folders as inputs of a model trained on a schema.

    Images are cropped and resized as in training. Tables need the columns of training; others, and the
    target, may be there.

    Args:
        paths: image files and folders (searched below), or CSV and Parquet files.
        schema: of the data trained on.

    Raises:
        DataError: when a path does not exist, a table does not fit, or nothing can be used.

    Lecture: O10
    """
    for path in paths:
        if path_kind(path) == "none":
            raise DataError(expected=f"a file or folder {path}", found="none", do="check the path")
    if schema.kind == "image":
        return _images(paths, schema)
    if schema.kind == "table":
        return _tables(paths, schema)
    raise DataError(expected="a model of images or tables", found=f"one of {schema.kind}", do="give another run")


def _images(paths: Sequence[Path], schema: Schema) -> Inputs:
    channels, height, width = schema.input_shape
    names: list[str] = []
    pixels = []
    left_out: list[tuple[str, str]] = []
    with quiet():
        for path in _files(paths, SUFFIXES):
            try:
                pixels.append(decode(read_bytes(path), str(path), height, width, channels))
                names.append(str(path))
            except DataError as error:
                left_out.append((str(path), error.found))
    if not pixels:
        raise _nothing("image", left_out, paths)
    return Inputs(names, standardise(torch.from_numpy(np.stack(pixels)), schema), left_out)


def _tables(paths: Sequence[Path], schema: Schema) -> Inputs:
    names: list[str] = []
    parts, targets = [], []
    text = text_columns(schema, schema.target)
    for path in _files(paths, (*CSV_SUFFIXES, ".parquet")):
        table = read_parquet(path) if path.suffix.lower() == ".parquet" else read_csv(path, text)[0]
        check_table(table, str(path))
        parts.append(encode_known(table, schema, str(path)))
        names += [f"{path} row {i + 1}" for i in range(len(table))]
        targets.append(_target(table, schema))
    if not parts:
        raise _nothing("table", [], paths)
    known = [t for t in targets if t is not None]
    return Inputs(names, torch.cat(parts), [], torch.cat(known) if len(known) == len(parts) else None)


def _target(table: pa.Table, schema: Schema) -> Tensor | None:
    """The targets, where each row has one."""
    if schema.target not in table.column_names:
        return None
    target = read_target_like(table.column(schema.target), schema.target, schema)
    return target.values if len(target.known) == len(table) else None


def _files(paths: Sequence[Path], suffixes: Iterable[str]) -> list[Path]:
    """The files named, and those of the wanted kinds in the folders named."""
    files = []
    for path in paths:
        below = files_below(path) if path.is_dir() else [path]
        files += [f for f in below if not path.is_dir() or f.name.lower().endswith(tuple(suffixes))]
    return files


def _nothing(kind: str, left_out: list[tuple[str, str]], paths: Sequence[Path]) -> DataError:
    why = f"; the first of {len(left_out)}: {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
    return DataError(
        expected=f"at least one {kind} that can be used",
        found=f"none in {', '.join(map(str, paths))}{why}",
        do=f"give {kind} files, or a folder that holds some",
    )
