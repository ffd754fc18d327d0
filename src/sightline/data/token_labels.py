"""Sentences of words, each word with a class: CoNLL's layout, a word and its label a line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sightline.core.errors import DataError
from sightline.core.schema import IGNORED, Schema
from sightline.data.data import Data
from sightline.data.document_split import TokenClassSplit
from sightline.data.documents import aligned_lines, require_splits, split_documents
from sightline.data.duplicates import fingerprint
from sightline.data.frame import Frame, Tokens, class_frame
from sightline.data.spec import DataSpec
from sightline.data.split import Split
from sightline.data.splits import SPLIT_NAMES, SplitName
from sightline.data.text import as_data, no_split
from sightline.data.text_account import text_found
from sightline.data.text_file import read_text
from sightline.data.token_array import Stored, Writer
from sightline.data.tokenise import (
    Account,
    SplitWriter,
    identity_of,
    kept_for,
    ragged,
    saved_tokenizer,
    trained_tokenizer,
)
from sightline.data.tokenizer import Tokenizer

LABEL_SUFFIXES = (".conll", ".iob", ".iob2", ".bio")

Sentence = list[tuple[str, str]]


def read_sentences(path: Path) -> list[Sentence]:
    """Words with their labels: the first and the last entry of each line; an empty line ends a sentence.

    Raises:
        DataError: for a line with one entry, or a file without a word.
    """
    return sentences_of(read_text(path), str(path))


def sentences_of(text: str, what: str) -> list[Sentence]:
    """The sentences of a file's text; see :func:`read_sentences`.

    Example:
        >>> sentences_of("Ada NNP B-PER\\ncame VBD O\\n\\nYes UH O\\n", "x")
        [[('Ada', 'B-PER'), ('came', 'O')], [('Yes', 'O')]]
    """
    sentences: list[Sentence] = [[]]
    for number, line in enumerate(aligned_lines(text), start=1):
        entries = line.split()
        if not entries or entries[0] == "-DOCSTART-":
            sentences.append([])
        elif len(entries) == 1:
            raise DataError(
                expected=f"a word and its label in each line of {what}",
                found=f"{entries[0]!r} alone in line {number}",
                do="write the label behind it, O where it is of no class",
            )
        else:
            sentences[-1].append((entries[0], entries[-1]))
    found = [sentence for sentence in sentences if sentence]
    if not found:
        raise DataError(expected=f"words with labels in {what}", found="none", do="check that it is the right file")
    return found


@dataclass(frozen=True)
class WordPieces:
    """The tokens of each different word, encoded once.

    Args:
        tokens: of a word, with a space before it where it is not the first of its sentence.
        leading: how many of them are that space and nothing else.
    """

    tokens: Mapping[str, Tokens]
    leading: Mapping[str, int]

    def of(self, sentence: Sentence, numbers: Mapping[str, int]) -> tuple[Tokens, Tokens]:
        """A sentence's tokens, and of each its class: that of a word stands at its first piece."""
        tokens: list[Tokens] = []
        labels: list[Tokens] = []
        for place, (word, label) in enumerate(sentence):
            written = f" {word}" if place else word
            pieces, skip = self.tokens[written], self.leading[written]
            marks = np.full(len(pieces), IGNORED, np.int64)
            marks[skip : skip + 1] = numbers[label]
            tokens.append(pieces)
            labels.append(marks)
        return np.concatenate(tokens), np.concatenate(labels)


def pieces_of(sentences: Sequence[Sentence], tokenizer: Tokenizer) -> WordPieces:
    """The tokens of every word of some sentences."""
    written = {f" {word}" if place else word for s in sentences for place, (word, _) in enumerate(s)}
    words = sorted(written)
    tokens = dict(zip(words, tokenizer.encode_batch(words), strict=True))
    leading = {}
    for word, ids in tokens.items():
        texts = tokenizer.pieces(ids.tolist())
        leading[word] = next((i for i, text in enumerate(texts) if text.strip()), 0)
    return WordPieces(tokens, leading)


def token_label_data(spec: DataSpec, path: Path) -> Data:
    """Sentences as tokens, in three splits, with a class for the first piece of each word.

    Args:
        spec: what was asked for.
        path: a file in CoNLL's layout.

    Raises:
        DataError: when it can't be read, or has fewer than two classes or too few sentences.

    Lecture: W1, F2
    """
    sentences = read_sentences(path)
    classes = tuple(sorted({label for sentence in sentences for _, label in sentence}))
    if len(classes) < 2:
        raise DataError(
            expected=f"at least two labels in {path}", found=f"{classes[0]!r} at each word", do="check the last column"
        )
    rows = split_documents(len(sentences), spec, order=spec.text.order or "random")
    require_splits(rows, spec, str(path), "sentences")
    saved = saved_tokenizer(spec.text)
    settled = {"task": "token-classification"}
    content = fingerprint(repr(sentences).encode(errors="surrogatepass"))
    texts = [" ".join(word for word, _ in sentence) for sentence in sentences]
    numbers = {label: number for number, label in enumerate(classes)}

    def make(writer: Writer) -> Mapping[str, Any]:
        tokenizer = saved or trained_tokenizer(spec.text, [texts[row] for row in rows.train.tolist()])
        frame, words = class_frame(tokenizer, spec.text.length), pieces_of(sentences, tokenizer)
        marks = Frame((IGNORED,) * len(frame.before), (IGNORED,) * len(frame.after), frame.most)
        account, out = Account(), SplitWriter(writer, tokenizer)
        for name in SPLIT_NAMES:
            chosen = rows.of(name).tolist()
            both = [words.of(sentences[row], numbers) for row in chosen]
            tokens, labels = [t for t, _ in both], [m for _, m in both]
            account.add(name, [texts[row] for row in chosen], tokens, tokenizer.special("unknown"))
            account.cut_off += frame.cut_off(tokens)
            out.add(f"{name}-tokens", frame.around(tokens))
            out.add(f"{name}-labels", marks.around(labels), np.dtype(np.int32))
            out.hashes(f"{name}-hashes", [texts[row] for row in chosen])
        out.finish()
        return account.facts(tokenizer)

    kept = kept_for(spec, settled, content, saved, make)
    tokenizer = saved or Tokenizer.from_json(kept.facts["tokenizer"])
    schema = Schema(
        kind="text",
        task="token-classification",
        input_shape=(spec.text.length,),
        target="label",
        classes=classes,
        standardise="none",
        text=tokenizer.text_schema(spec.text.length, bytes_per_token=kept.facts["bytes_per_token"]),
    )
    splits = {name: _split(name, str(path), kept, tokenizer) for name in SPLIT_NAMES}
    what = f"{path}: {len(sentences):,} sentences, their words of {len(classes)} classes"
    found = text_found(spec, what, schema, splits, kept, tokenizer)
    return as_data(spec, schema, splits, found, identity_of(spec, settled, content, saved), tokenizer)


def _split(name: SplitName, what: str, kept: Stored, tokenizer: Tokenizer) -> Split:
    documents, labels = ragged(kept, f"{name}-tokens"), ragged(kept, f"{name}-labels")
    if not len(documents):
        return no_split(name, what)
    return TokenClassSplit(name, documents, labels, pad=tokenizer.special("pad") or 0, tokenizer=tokenizer)
