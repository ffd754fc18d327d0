"""Texts as tokens: the tokenizer is trained on the training texts, then every split is written down in its tokens."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sightline.core.config import plain
from sightline.core.errors import ConfigurationError, near
from sightline.data.document_split import Ragged
from sightline.data.duplicates import as_hashes, content_hash, fingerprint
from sightline.data.frame import Frame, Tokens
from sightline.data.pictures import path_kind
from sightline.data.spec import DataSpec
from sightline.data.splits import SPLIT_NAMES, SplitName, SplitRows
from sightline.data.text_spec import SENTINELS, VOCABULARY_SIZE, Form, TextSpec
from sightline.data.token_array import Make, Stored, Values, Writer, stored, token_type
from sightline.data.tokenizer import Tokenizer
from sightline.data.train_tokenizer import train_tokenizer

KINDS = ("characters", "words", "bpe", "wordpiece")
BEGINNING = 120
"""Characters of the text that are shown."""

Texts = Callable[[], Iterator[tuple[SplitName, list[str]]]]
"""Gives a corpus piece by piece, each piece of one split; it can be asked again and gives the same."""


@dataclass(frozen=True)
class TrainingTexts:
    """The training texts of a corpus, one after the other; they can be gone through again.

    Args:
        texts: the corpus.
    """

    texts: Texts

    def __iter__(self) -> Iterator[str]:
        for split, documents in self.texts():
            if split == "train":
                yield from documents


def saved_tokenizer(text: TextSpec) -> Tokenizer | None:
    """The saved tokenizer that is asked for; none where one is to be trained.

    Raises:
        ConfigurationError: for what is neither a kind nor a saved tokenizer.
        DataError: when it can't be read.
    """
    name = text.tokenizer
    if name in KINDS:
        return None
    if not name.startswith("hf:") and path_kind(Path(name)) == "none":
        raise ConfigurationError(
            expected="data.text.tokenizer: a kind of tokenizer, or the path of a saved one",
            found=f"{name!r}, which is neither",
            do=near(name, KINDS),
        )
    return Tokenizer.load(name)


def trained_tokenizer(text: TextSpec, texts: Iterable[str]) -> Tokenizer:
    """A tokenizer of the kind asked for, trained on texts.

    Raises:
        DataError: when the texts are empty, or the vocabulary is too small for them.
    """
    letters = text.tokenizer == "characters"
    sentinels = text.sentinels if text.sentinels is not None else 0 if letters else SENTINELS
    size = text.vocabulary_size if text.vocabulary_size is not None else None if letters else VOCABULARY_SIZE
    return train_tokenizer(
        text.tokenizer,
        texts,
        vocabulary_size=size,
        lowercase=text.lowercase,
        sentinels=sentinels,
    )


@dataclass
class Count:
    """What one split holds.

    Args:
        characters: letters and all.
        bytes: of the text in UTF-8.
        lines: of the text.
        words: what stands between white space.
        documents: files, paragraphs, lines or rows.
        tokens: without special ones.
        unknown: of them, those the vocabulary does not have.
        terms: of a text to be written on, the tokens that are to be predicted, end tokens among them.
        term_bytes: of the text they stand for.
    """

    characters: int = 0
    bytes: int = 0
    lines: int = 0
    words: int = 0
    documents: int = 0
    tokens: int = 0
    unknown: int = 0
    terms: int = 0
    term_bytes: float = 0.0

    @property
    def bytes_per_term(self) -> float | None:
        """Bytes a predicted token stands for; none where nothing is predicted, or unknown tokens hide the text."""
        return self.term_bytes / self.terms if self.terms and not self.unknown else None

    def add(self, documents: Sequence[str], tokens: Sequence[Tokens], unknown: int | None) -> None:
        """Count some more documents."""
        self.documents += len(documents)
        for document in documents:
            self.characters += len(document)
            self.bytes += _bytes_of(document)
            self.lines += document.count("\n") + (not document.endswith("\n"))
            self.words += len(document.split())
        for part in tokens:
            self.tokens += len(part)
            if unknown is not None:
                self.unknown += int((part == unknown).sum())

    def add_terms(self, documents: Sequence[str], tokens: Sequence[Tokens], frame: Frame, form: Form) -> None:
        """Count what is to be predicted of some documents.

        Where a part of a document is (it is cut off, or nothing stands before its first token), its bytes are shared
        evenly among its tokens. The few tokens of a stream that its blocks leave out count too.
        """
        if form != "padded":
            ends = len(frame.after) * len(documents) if form == "packed" else 0
            self.terms += sum(map(len, tokens)) + ends
            self.term_bytes += sum(map(_bytes_of, documents))
            return
        for document, part in zip(documents, tokens, strict=True):
            kept = min(len(part), frame.room)
            self.terms += max(len(frame.before) + kept + len(frame.after) - 1, 0)
            asked = kept if frame.before else max(kept - 1, 0)
            self.term_bytes += _bytes_of(document) * asked / max(len(part), 1)


def _bytes_of(document: str) -> int:
    return len(document.encode("utf-8", "surrogatepass"))


@dataclass
class Account:
    """What was found while texts were made into tokens.

    Args:
        counts: of each split.
        letters: the different characters.
        beginning: the first characters of the first training document.
        cut_off: documents longer than an example.
    """

    counts: dict[SplitName, Count] = field(default_factory=lambda: {name: Count() for name in SPLIT_NAMES})
    letters: set[str] = field(default_factory=set)
    beginning: str = ""
    cut_off: int = 0

    def add(self, split: SplitName, documents: Sequence[str], tokens: Sequence[Tokens], unknown: int | None) -> None:
        """Count some more documents of a split."""
        self.counts[split].add(documents, tokens, unknown)
        for document in documents:
            self.letters |= set(document)
        if split == "train" and not self.beginning:
            self.beginning = next((document.strip()[:BEGINNING] for document in documents if document.strip()), "")

    def facts(self, tokenizer: Tokenizer) -> dict[str, Any]:
        """All of it, for JSON."""
        train = self.counts["train"]
        return {
            "tokenizer": tokenizer.to_json(),
            "counts": {name: vars(count) for name, count in self.counts.items()},
            "letters": len(self.letters),
            "beginning": self.beginning,
            "cut_off": self.cut_off,
            "bytes_per_token": train.term_bytes / train.terms if train.terms else train.bytes / max(train.tokens, 1),
        }


def write_documents(
    out: "SplitWriter",
    account: Account,
    tokenizer: Tokenizer,
    frame: Frame,
    rows: SplitRows,
    texts: Sequence[str],
    name: str = "tokens",
) -> None:
    """Write documents, each in its frame, into the arrays of their splits."""
    for split in SPLIT_NAMES:
        documents = [texts[row] for row in rows.of(split).tolist()]
        tokens = tokenizer.encode_batch(documents) if documents else []
        account.add(split, documents, tokens, tokenizer.special("unknown"))
        account.cut_off += frame.cut_off(tokens)
        out.add(f"{split}-{name}", frame.around(tokens))
        if name == "tokens":
            out.hashes(f"{split}-hashes", documents)


class SplitWriter:
    """Writes documents of each split into flat arrays: their tokens, and where each begins.

    Args:
        writer: where the arrays go.
        tokenizer: whose tokens they are.
    """

    def __init__(self, writer: Writer, tokenizer: Tokenizer) -> None:
        self.writer, self.type = writer, token_type(tokenizer.vocabulary_size)
        self.lengths: dict[str, list[Values]] = {}

    def add(self, name: str, rows: Sequence[Tokens], dtype: np.dtype[Any] | None = None) -> None:
        """Rows of numbers, one after the other, to the end of an array."""
        self.lengths.setdefault(name, []).append(np.array([len(row) for row in rows], np.int64))
        flat = np.concatenate(rows) if rows else np.zeros(0)
        self.writer.append(name, flat.astype(dtype or self.type))

    def numbers(self, name: str, values: Values) -> None:
        """Numbers as they are to the end of an array."""
        self.writer.append(name, values)

    def hashes(self, name: str, texts: Sequence[str]) -> None:
        """16 bytes for each text."""
        digests = [content_hash(text.encode("utf-8", "surrogatepass")) for text in texts]
        self.writer.append(name, as_hashes(digests).view(np.uint8))

    def finish(self) -> None:
        """Write where each row begins."""
        for name, lengths in self.lengths.items():
            self.writer.append(f"{name}-starts", np.concatenate(([0], np.cumsum(np.concatenate(lengths)))))


def ragged(kept: Stored, name: str) -> Ragged:
    """The rows of a :class:`SplitWriter`."""
    return Ragged(kept.arrays[name], kept.arrays[f"{name}-starts"])


def kept_for(spec: DataSpec, what: Mapping[str, Any], content: str, tokenizer: Tokenizer | None, make: Make) -> Stored:
    """The arrays of a text, from the cache folder where they are kept there.

    Args:
        spec: what was asked for.
        what: all else that the arrays depend on.
        content: a hash of the texts.
        tokenizer: the saved tokenizer, where there is one.
        make: writes the arrays.
    """
    return stored(identity_of(spec, what, content, tokenizer) if spec.cache else None, make)


def identity_of(spec: DataSpec, what: Mapping[str, Any], content: str, tokenizer: Tokenizer | None) -> str:
    """A hash that differs where the texts differ, or what becomes of them."""
    text = plain(spec.text)
    # paths may be typed in several ways; what stands there is in the content, and in the saved tokenizer
    text["pair"] = None
    if spec.text.tokenizer not in KINDS:
        text["tokenizer"] = "saved"
    asked = {
        **what,
        "text": text,
        "validation": spec.validation_fraction,
        "test": spec.test_fraction,
        "seed": spec.split_seed,
    }
    saved = tokenizer.to_json() if tokenizer is not None else ""
    return fingerprint(
        b"2", repr(sorted(asked.items())).encode(errors="surrogatepass"), content.encode(), saved.encode()
    )
