"""Texts of classes: a table's column with a target beside it, or files and folders that are the classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.data.account import balance, class_notes
from sightline.data.data import Data
from sightline.data.document_split import ClassSplit
from sightline.data.documents import documents_of, require_splits, split_documents
from sightline.data.duplicates import fingerprint
from sightline.data.frame import class_frame
from sightline.data.source import TextSource
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.splits import SPLIT_NAMES, SplitName, SplitRows
from sightline.data.target import Target, read_target
from sightline.data.text import as_data, no_split
from sightline.data.text_account import text_found
from sightline.data.text_file import read_text, stem
from sightline.data.text_pieces import given_splits, split_notes
from sightline.data.text_spec import Documents
from sightline.data.token_array import Stored, Writer
from sightline.data.tokenise import (
    Account,
    SplitWriter,
    identity_of,
    kept_for,
    ragged,
    saved_tokenizer,
    trained_tokenizer,
    write_documents,
)
from sightline.data.tokenizer import Tokenizer

CLASSES_OF_FILES = ("file", "folder")
"""Targets of a folder of texts: each file, or each folder, is a class."""


@dataclass(frozen=True)
class LabelledTexts:
    """Texts, and what is to be predicted of each.

    Args:
        what: where they are from, in a few words.
        texts: the documents; none where there is none.
        target: name of what is to be predicted.
        labels: its value for each.
        classes: names of the classes, where the source gives them.
        given: the split of each, where the source gives it.
        notes: what the account should say.
    """

    what: str
    texts: Sequence[str | None]
    target: str
    labels: pa.ChunkedArray
    classes: Sequence[str] | None = None
    given: Sequence[str] | None = None
    notes: tuple[str, ...] = ()


def files_by_class(source: TextSource, target: str, documents: Documents) -> LabelledTexts:
    """The documents of a folder of texts, with the file or the folder they stand in.

    Args:
        source: the folder.
        target: "file" or "folder".
        documents: what one document is.

    Raises:
        DataError: for fewer than two classes, or a file that can't be read.
    """
    given = given_splits(source)
    texts: list[str | None] = []
    labels: list[str] = []
    splits: list[str] = []
    for number, file in enumerate(source.files):
        found = documents_of(read_text(file), documents)
        texts += found
        labels += [stem(file) if target == "file" else file.parent.name] * len(found)
        splits += [given[number] if given else "train"] * len(found)
    if len(set(labels)) < 2:
        raise DataError(
            expected=f"two {target}s of texts at least in {source.what}, each a class",
            found=", ".join(sorted(set(labels))) or "none",
            do="give the folder that holds them",
        )
    return LabelledTexts(
        source.what,
        texts,
        target,
        pa.chunked_array([pa.array(labels, pa.string())]),
        given=splits if given else None,
        notes=split_notes(given),
    )


def class_data(spec: DataSpec, source: LabelledTexts) -> Data:
    """Documents as tokens, in three splits, each document with its class.

    Args:
        spec: what was asked for.
        source: the documents.

    Raises:
        DataError: for a target that is no classes, too few documents, or none with a text.

    Lecture: W1, F2
    """
    texts, target, given, left_out = _usable(spec, source)
    order = spec.text.order or "random"
    rows = split_documents(len(texts), spec, given=given, labels=target.values, order=order)
    require_splits(rows, spec, source.what, "documents")
    saved = saved_tokenizer(spec.text)
    settled = {"task": "classification", "target": target.name, "classes": target.classes, "given": given}
    content = fingerprint(*(text.encode("utf-8", "surrogatepass") for text in texts), target.values.numpy().tobytes())

    def make(writer: Writer) -> Mapping[str, Any]:
        tokenizer = saved or trained_tokenizer(spec.text, [texts[row] for row in rows.train.tolist()])
        account, out = Account(), SplitWriter(writer, tokenizer)
        write_documents(out, account, tokenizer, class_frame(tokenizer, spec.text.length), rows, texts)
        out.finish()
        return account.facts(tokenizer)

    kept = kept_for(spec, settled, content, saved, make)
    tokenizer = saved or Tokenizer.from_json(kept.facts["tokenizer"])
    schema = Schema(
        kind="text",
        task="classification",
        input_shape=(spec.text.length,),
        target=target.name,
        classes=target.classes,
        standardise="none",
        text=tokenizer.text_schema(spec.text.length, bytes_per_token=kept.facts["bytes_per_token"]),
    )
    splits = {name: _split(name, source.what, kept, target, rows, tokenizer) for name in SPLIT_NAMES}
    found = text_found(
        spec,
        f"{source.what}: {len(texts):,} texts of {len(target.classes)} classes to predict {target.name!r}",
        schema,
        splits,
        kept,
        tokenizer,
        balance=balance(target, rows),
        left_out=left_out,
        notes=(*source.notes, *class_notes(target, rows)),
    )
    return as_data(spec, schema, splits, found, identity_of(spec, settled, content, saved), tokenizer)


def _usable(
    spec: DataSpec, source: LabelledTexts
) -> tuple[list[str], Target, Sequence[str] | None, list[tuple[str, str]]]:
    """The documents that have a text and a class."""
    task = spec.task if spec.task in ("classification", "regression") else None
    filled = [row for row, text in enumerate(source.texts) if text is not None and text.strip()]
    if not filled:
        raise DataError(
            expected=f"texts in {source.what}", found="none in any row", do="name another column (--data.text.column)"
        )
    target = read_target(source.labels.take(pa.array(filled, pa.int64())), source.target, task, source.classes)
    if target.task != "classification":
        raise DataError(
            expected=f"classes in the target {target.name!r}, for texts are told apart by class",
            found=target.why,
            do="choose another target; where its numbers are classes, say so with --data.task classification",
        )
    rows = [filled[row] for row in target.known.tolist()]
    left_out = []
    if len(filled) < len(source.texts):
        left_out.append((f"{len(source.texts) - len(filled):,} rows", "no text"))
    if len(rows) < len(filled):
        left_out.append((f"{len(filled) - len(rows):,} rows", f"no value for the target {target.name!r}"))
    texts = [text for row in rows if (text := source.texts[row]) is not None]
    return texts, target, source.given and [source.given[row] for row in rows], left_out


def _split(name: SplitName, what: str, kept: Stored, target: Target, rows: SplitRows, tokenizer: Tokenizer) -> Split:
    if not len(rows.of(name)):
        return no_split(name, what)
    documents = ragged(kept, f"{name}-tokens")
    return ClassSplit(
        name, target.values[rows.of(name)], documents, pad=tokenizer.special("pad") or 0, tokenizer=tokenizer
    )
