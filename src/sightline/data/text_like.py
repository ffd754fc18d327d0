"""Further texts for a trained model: in its tokens, all of them one split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from sightline.core.errors import ConfigurationError, DataError, near
from sightline.core.schema import IGNORED, Schema
from sightline.data.document_split import ClassSplit, NextTokenSplit, Ragged, SequenceSplit, SpanSplit, TokenClassSplit
from sightline.data.frame import Frame, Tokens, class_frame, source_frame, target_frame, text_frame
from sightline.data.source import Source, TableSource, TextSource
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.table import pick_target
from sightline.data.target import read_target_like
from sightline.data.text import ShortTextError, flat
from sightline.data.text_classes import CLASSES_OF_FILES, files_by_class
from sightline.data.text_pairs import PairedTexts, line_pairs, paired
from sightline.data.text_pieces import require_text
from sightline.data.text_source import TABLE_SUFFIXES, usual_form, whole_documents
from sightline.data.text_spans import read_questions, write_questions
from sightline.data.text_spec import Form
from sightline.data.text_table import strings, text_column
from sightline.data.token_array import TokenArray, token_type
from sightline.data.token_labels import pieces_of, read_sentences
from sightline.data.token_split import BlockSplit
from sightline.data.tokenise import Count
from sightline.data.tokenizer import Tokenizer
from sightline.data.tokenizer_match import require_matching


def special_like(spec: DataSpec, schema: Schema, tokenizer: Tokenizer) -> Split | None:
    """A file of pairs, labelled words or questions as the split of a trained model; none for any other source.

    Args:
        spec: what is asked for: the source, and how its texts become examples.
        schema: of the data trained on.
        tokenizer: that it was trained with.

    Raises:
        DataError: when the file does not fit.
    """
    path = Path(spec.source)
    is_table = path.name.lower().endswith(TABLE_SUFFIXES)
    if schema.task == "sequence" and spec.text.pair is not None and path.is_file() and not is_table:
        return _pairs(line_pairs(path, Path(spec.text.pair), named="pair"), schema, tokenizer)
    if schema.task == "token-classification":
        return _labelled_words(path, schema, tokenizer)
    if schema.task == "span":
        return _questions(path, schema, tokenizer)
    return None


def text_like(spec: DataSpec, source: Source, schema: Schema, tokenizer: Tokenizer) -> Split:
    """All texts of a source as the split of a trained model.

    Args:
        spec: what is asked for: the target, and how texts become examples.
        source: the texts.
        schema: of the data trained on.
        tokenizer: that it was trained with.

    Raises:
        DataError: when the source does not fit the schema.
    """
    column = _column(source, spec) if isinstance(source, TableSource) else None
    if schema.task == "language":
        if isinstance(source, TextSource):
            require_text(source)
            return _language(whole_documents(source, spec), source.what, usual_form(spec), schema, tokenizer)
        if isinstance(source, TableSource) and column is not None:
            rows = [text for text in strings(source.table.column(column)) if text and text.strip()]
            return _language(rows, source.what, spec.text.form or "packed", schema, tokenizer)
    if schema.task == "classification":
        if isinstance(source, TextSource) and (spec.target or schema.target) in CLASSES_OF_FILES:
            found = files_by_class(source, spec.target or schema.target, spec.text.documents)
            return _classes(found.texts, found.labels, found.what, schema, tokenizer)
        if isinstance(source, TableSource) and column is not None:
            target = pick_target(source, spec.target or schema.target)
            values = source.table.column(target)
            return _classes(
                strings(source.table.column(column)), values, source.what, schema, tokenizer, source.classes
            )
    if schema.task == "sequence" and isinstance(source, TableSource) and column is not None:
        pair = spec.text.pair or schema.target
        if pair not in source.table.column_names:
            raise DataError(
                expected=f"a column {pair!r} in {source.what}, with the other text of each row",
                found="no such column",
                do=near(pair, source.table.column_names),
            )
        others = strings(source.table.column(pair))
        return _pairs(
            paired(source.what, strings(source.table.column(column)), others, schema.target), schema, tokenizer
        )
    raise DataError(
        expected=f"texts for {schema.task}, as in training",
        found=f"{source.what}, which holds none",
        do="give data like those the model was trained on"
        + ("; of a table with the text in a column of the same name" if isinstance(source, TableSource) else ""),
    )


def _column(source: TableSource, spec: DataSpec) -> str | None:
    """The column of text; where it is named it was named in training, and there is no other to choose now."""
    try:
        return text_column(source, spec)
    except DataError as error:
        raise DataError(
            expected=error.expected, found=error.found, do="give a table with the columns of the one trained on"
        ) from error


def require_tokenizer(tokenizer: Tokenizer | None, schema: Schema) -> Tokenizer:
    """The tokenizer of a model of text, known to be there and to fit.

    Raises:
        ConfigurationError: where there is none.
        DataError: for one of another vocabulary.
    """
    assert schema.text is not None
    if tokenizer is None:
        raise ConfigurationError(
            expected=f"the tokenizer of {schema.text.vocabulary_size:,} tokens that the model was trained with",
            found="none",
            do="give the run's own: tokenizer=run.tokenizer",
        )
    require_matching(tokenizer, schema.text)
    return tokenizer


def rows_of(rows: Sequence[Tokens], dtype: np.dtype[np.generic]) -> Ragged:
    """Rows of unequal length in memory."""
    starts = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
    return Ragged(TokenArray(flat(rows, dtype)), TokenArray(starts))


def _pad(tokenizer: Tokenizer) -> int:
    return tokenizer.special("pad") or 0


def _framed(texts: Sequence[str], frame: Frame, tokenizer: Tokenizer) -> Ragged:
    return rows_of(frame.around(tokenizer.encode_batch(texts)), token_type(tokenizer.vocabulary_size))


def _language(texts: list[str], what: str, form: Form, schema: Schema, tokenizer: Tokenizer) -> Split:
    length = schema.input_shape[0]
    frame, dtype = text_frame(tokenizer, length), token_type(tokenizer.vocabulary_size)
    encoded: list[Tokens] = list(tokenizer.encode_batch(texts))
    count = Count()
    count.add(texts, encoded, tokenizer.special("unknown"))
    count.add_terms(texts, encoded, frame, form)
    split: Split
    if form == "padded":
        documents = rows_of(frame.around(encoded), dtype)
        split = NextTokenSplit("test", None, documents, pad=_pad(tokenizer), tokenizer=tokenizer)
        split.bytes_per_term = count.bytes_per_term
        return split
    ends = np.array(frame.after if form == "packed" else (), np.int64)
    stream = flat([part for tokens in encoded for part in (tokens, ends)], dtype)
    if len(stream) <= length:
        raise ShortTextError(
            expected=f"a block of {length} tokens and the next one in {what}",
            found=f"{len(stream):,} tokens",
            do="give more text",
        )
    split = BlockSplit("test", TokenArray(stream), length, tokenizer=tokenizer)
    split.bytes_per_term = count.bytes_per_term
    return split


def _classes(
    texts: Sequence[str | None],
    labels: pa.ChunkedArray,
    what: str,
    schema: Schema,
    tokenizer: Tokenizer,
    classes: Sequence[str] | None = None,
) -> Split:
    filled = [row for row, text in enumerate(texts) if text is not None and text.strip()]
    target = read_target_like(labels.take(pa.array(filled, pa.int64())), schema.target, schema, classes)
    kept = [text for row in target.known.tolist() if (text := texts[filled[row]]) is not None]
    if not kept:
        raise DataError(
            expected=f"texts with a value in {schema.target!r} in {what}", found="none", do="fill the columns in"
        )
    frame = class_frame(tokenizer, schema.input_shape[0])
    documents = _framed(kept, frame, tokenizer)
    return ClassSplit("test", target.values, documents, pad=_pad(tokenizer), tokenizer=tokenizer)


def _pairs(pairs: PairedTexts, schema: Schema, tokenizer: Tokenizer) -> Split:
    assert schema.text is not None
    documents = _framed(pairs.sources, source_frame(tokenizer, schema.text.length), tokenizer)
    others = _framed(pairs.targets, target_frame(tokenizer, schema.text.target_length), tokenizer)
    return SequenceSplit("test", documents, others, pad=_pad(tokenizer), tokenizer=tokenizer)


def _labelled_words(path: Path, schema: Schema, tokenizer: Tokenizer) -> Split:
    sentences = read_sentences(path)
    numbers = {label: number for number, label in enumerate(schema.classes)}
    strange = next((label for s in sentences for _, label in s if label not in numbers), None)
    if strange is not None:
        raise DataError(
            expected=f"labels of training in {path}: {', '.join(schema.classes[:10])}",
            found=repr(strange),
            do="give a file with the same labels",
        )
    frame = class_frame(tokenizer, schema.input_shape[0])
    marks = Frame((IGNORED,) * len(frame.before), (IGNORED,) * len(frame.after), frame.most)
    words = pieces_of(sentences, tokenizer)
    both = [words.of(sentence, numbers) for sentence in sentences]
    documents = rows_of(frame.around([t for t, _ in both]), token_type(tokenizer.vocabulary_size))
    labels = rows_of(marks.around([m for _, m in both]), np.dtype(np.int32))
    return TokenClassSplit("test", documents, labels, pad=_pad(tokenizer), tokenizer=tokenizer)


def _questions(path: Path, schema: Schema, tokenizer: Tokenizer) -> Split:
    texts, questions, _ = read_questions(path)
    written = write_questions(tokenizer, texts, questions, schema.input_shape[0])
    if not written.kept:
        raise DataError(
            expected=f"questions in {path} whose answers stand in the first {schema.input_shape[0]} tokens",
            found="none",
            do="give another file",
        )
    documents = rows_of(written.tokens, token_type(tokenizer.vocabulary_size))
    second, spans = torch.tensor(written.second), torch.tensor(written.spans)
    return SpanSplit("test", documents, second, spans, pad=_pad(tokenizer), tokenizer=tokenizer)
