"""New inputs for a trained model: image files, folders of them, rows of tables, or texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.data.columns import encode_known
from sightline.data.document_split import present_on
from sightline.data.documents import documents_of
from sightline.data.frame import class_frame, prompt_frame, source_frame
from sightline.data.image import SUFFIXES, decode, quiet
from sightline.data.image_folder import files_below
from sightline.data.pictures import path_kind, read_bytes
from sightline.data.source import TableSource
from sightline.data.spec import DataSpec
from sightline.data.standardise import standardise
from sightline.data.table import check_table
from sightline.data.table_file import CSV_SUFFIXES, read_csv, read_parquet
from sightline.data.target import read_target_like, text_columns
from sightline.data.text_file import TEXT_SUFFIXES, read_text
from sightline.data.text_like import require_tokenizer, rows_of
from sightline.data.text_spec import Documents, TextSpec
from sightline.data.text_table import strings, text_column
from sightline.data.token_array import token_type
from sightline.data.tokenizer import Tokenizer


@dataclass(frozen=True)
class Inputs:
    """Inputs ready for a model.

    Shapes:
        inputs (n, *input_shape) float32, or (n, longest) int64 tokens; present (n, longest)

    Args:
        names: the file, or the file and data row (from 1), of each.
        inputs: standardised as in training; texts as tokens, filled up to the longest.
        left_out: files that can't be used, and why.
        target: the targets, where every row of the tables has one; none otherwise.
        present: of tokens, those that are text and not filling; none: all are.
        texts: of texts, each as it was read.
    """

    names: list[str]
    inputs: Float[Tensor, "n ..."] | Int[Tensor, "n longest"]
    left_out: list[tuple[str, str]]
    target: Int[Tensor, " n"] | Float[Tensor, " n"] | None = None
    present: Bool[Tensor, "n longest"] | None = None
    texts: list[str] = field(default_factory=list)


def read_inputs(
    paths: Sequence[Path],
    schema: Schema,
    *,
    tokenizer: Tokenizer | None = None,
    column: str | None = None,
    documents: Documents = "file",
) -> Inputs:
    """Read files and folders as inputs of a model trained on a schema.

    Images are cropped and resized as in training. Tables need the columns of training; others, and the
    target, may be there. Of texts a file is an example, or a row of a table.

    Args:
        paths: image files and folders (searched below), CSV and Parquet files, or text files.
        schema: of the data trained on.
        tokenizer: that a model of text was trained with.
        column: of a table that holds the text; none: the one of long text.
        documents: what one example of a text file is: all of it, a paragraph, or a line.

    Raises:
        DataError: when a path does not exist, a table does not fit, or nothing can be used.
        ConfigurationError: where a model of text comes without its tokenizer.

    Lecture: O10, W1
    """
    for path in paths:
        if path_kind(path) == "none":
            raise DataError(expected=f"a file or folder {path}", found="none", do="check the path")
    if schema.kind == "image":
        return _images(paths, schema)
    if schema.kind == "table":
        return _tables(paths, schema)
    return _texts(paths, schema, require_tokenizer(tokenizer, schema), column, documents)


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


def _texts(
    paths: Sequence[Path], schema: Schema, tokenizer: Tokenizer, column: str | None, documents: Documents
) -> Inputs:
    names: list[str] = []
    texts: list[str] = []
    left_out: list[tuple[str, str]] = []
    for path in _files(paths, (*TEXT_SUFFIXES, *CSV_SUFFIXES, ".parquet")):
        found = _texts_in(path, schema, column, documents)
        left_out += [(name, "no text") for name, text in found if not text.strip()]
        names += [name for name, text in found if text.strip()]
        texts += [text for _, text in found if text.strip()]
    if not names:
        raise _nothing("text", left_out, paths)
    frame = {"language": prompt_frame, "sequence": source_frame}.get(schema.task, class_frame)
    rows = frame(tokenizer, schema.input_shape[0]).around(tokenizer.encode_batch(texts))
    ragged = rows_of(rows, token_type(tokenizer.vocabulary_size))
    tokens, real = ragged.filled(np.arange(len(rows)), tokenizer.special("pad") or 0)
    present = present_on(real, torch.device("cpu"))
    return Inputs(names, torch.from_numpy(tokens), left_out, present=present, texts=texts)


def _texts_in(path: Path, schema: Schema, column: str | None, documents: Documents) -> list[tuple[str, str]]:
    """The texts of a file, by name: those of a text file, or one a row of a table."""
    if not path.name.lower().endswith((*CSV_SUFFIXES, ".parquet")):
        text = read_text(path)
        if documents == "file":
            return [(str(path), text)]
        found = documents_of(text, documents)
        return [(f"{path} {documents} {i + 1}", document) for i, document in enumerate(found)]
    named = (column,) if column else ()
    table = read_parquet(path) if path.suffix.lower() == ".parquet" else read_csv(path, named)[0]
    check_table(table, str(path))
    spec = DataSpec(source=str(path), target=schema.target or None, text=TextSpec(column=column))
    chosen = text_column(TableSource(str(path), table), spec)
    if chosen is None:
        raise DataError(
            expected=f"one column of text in {path}",
            found=", ".join(table.column_names),
            do="name the column that the model was trained on",
        )
    return [(f"{path} row {i + 1}", text or "") for i, text in enumerate(strings(table.column(chosen)))]


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
