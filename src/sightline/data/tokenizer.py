"""Tokenisers: text to the numbers of its tokens and back, all on the library ``tokenizers``."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Int
from torch import Tensor

from sightline.core.errors import DataError
from sightline.core.kinds import a_kind
from sightline.core.schema import TextSchema
from sightline.core.words import one_of
from sightline.data.character_table import character_table
from sightline.data.special_tokens import (
    ROLES,
    named_in,
    roles_of,
    sentinels_of,
    unknown_of,
    with_roles,
    without_special,
)
from sightline.data.tokenizer_files import FILE, build, check_added, damaged, plain_content, read_object, read_saved

if TYPE_CHECKING:
    import tokenizers

Ids = Sequence[int] | npt.NDArray[np.integer[Any]] | Int[Tensor, " tokens"]

KIND_OF = {"BPE": "bpe", "WordPiece": "wordpiece", "Unigram": "unigram", "WordLevel": "words"}
"""What we call the models of the library."""

MOST_TOKENS = 2**24
"""A file that numbers its tokens up to more than this is no vocabulary."""


class Tokenizer:
    """A vocabulary and the rule that cuts a text into its tokens.

    It is what its file says: a ``tokenizer.json``, ours or any other of the library ``tokenizers``. Padding, truncation
    and merge dropout in the file are left aside: a text always becomes the same tokens, all of them. Ordinary text
    never becomes a special token: the six letters ``[MASK]`` are encoded as other letters are, unless ``special=True``.

    Args:
        saved: the text of a tokenizer.json.
        where: the file's name, for messages.

    Raises:
        DataError: when the file is damaged.

    Source: Sennrich et al., Neural Machine Translation of Rare Words with Subword Units, 2016 (byte-pair encoding);
        Radford et al., Language Models are Unsupervised Multitask Learners, 2019, section 2.2 (over bytes); Wu et al.,
        Google's Neural Machine Translation System, 2016, section 4.1 (WordPiece).

    Lecture: W1

    Example:
        >>> from sightline.data.train_tokenizer import train_tokenizer
        >>> tokenizer = train_tokenizer("characters", ["to be"], vocabulary_size=None)
        >>> tokenizer.pieces(tokenizer.encode("bot!"))
        ['b', 'o', 't', '<unk>']
    """

    def __init__(self, saved: str, *, where: str = FILE) -> None:
        content = read_object(saved, where)
        self._saved, self._content = saved, plain_content(content)
        self._whole = build(self._content, where)
        vocabulary: dict[str, int] = self._whole.get_vocab(with_added_tokens=True)
        if not vocabulary or max(vocabulary.values()) >= MOST_TOKENS:
            found = f"a token with the number {max(vocabulary.values()):,}" if vocabulary else "no token in it"
            raise damaged(where, found)
        check_added(content, vocabulary, where)
        named, unknown = named_in(content), unknown_of(content["model"])
        special = {t.content for t in self._whole.get_added_tokens_decoder().values() if t.special}
        special |= {unknown} if unknown in vocabulary else set()
        self.special_tokens: dict[str, int] = {name: vocabulary[name] for name in sorted(special)}
        self._roles = roles_of(self.special_tokens, unknown, named)
        self._table = character_table(content, vocabulary, self.special_tokens, unknown)
        self.kind: str = "characters" if self._table else KIND_OF[type(self._whole.model).__name__]
        self.vocabulary_size: int = max(vocabulary.values()) + 1
        self._is_special = np.isin(np.arange(self.vocabulary_size), list(self.special_tokens.values()))
        self.sentinels: tuple[int, ...] = sentinels_of(self.special_tokens)

    @classmethod
    def from_json(cls, text: str) -> "Tokenizer":
        """Read :meth:`to_json`'s text, or any other tokenizer.json's.

        Raises:
            DataError: when it is damaged.
        """
        return cls(text)

    @classmethod
    def load(cls, source: str | Path) -> "Tokenizer":
        """A saved tokenizer.

        In a folder, and on the Hub, ``tokenizer_config.json`` and ``special_tokens_map.json`` are read too, for the
        names of the special tokens; what they say is kept in :meth:`to_json`. No pickle is read, and no program run.

        Args:
            source: a folder with tokenizer.json, the file itself, or ``"hf:owner/name"``.

        Raises:
            DataError: when there is none, or it is damaged.

        Lecture: W1

        Example:
            >>> Tokenizer.load("no/such/folder")
            Traceback (most recent call last):
            sightline.core.errors.DataError: expected:   tokenizer.json in no/such/folder
            found:      no such file
            what to do: give a folder with tokenizer.json, the file itself, or 'hf:owner/name'
        """
        saved, named = read_saved(source)
        tokenizer = cls(saved, where=f"{FILE} of {source}")
        ids: dict[str, int] = tokenizer._whole.get_vocab(with_added_tokens=True)
        named = {role: name for role, name in named.items() if name in ids}
        special = tokenizer.special_tokens | {name: ids[name] for name in named.values()}
        unknown = unknown_of(tokenizer._content["model"])
        if roles_of(special, unknown, named) == tokenizer._roles:
            return tokenizer
        content = with_roles(read_object(saved, str(source)), named, ids)
        return cls(json.dumps(content, indent=2, ensure_ascii=False), where=f"{FILE} of {source}")

    def to_json(self) -> str:
        """The tokenizer.json: the same text for the same tokenizer, byte for byte."""
        return self._saved

    def special(self, name: str) -> int | None:
        """The id of a special token; none where the vocabulary has none.

        Args:
            name: pad, unknown, begin, end, mask, classify or separator.

        Raises:
            ConfigurationError: for any other name.
        """
        return self._roles.get(one_of(name, ROLES, "special token"))

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """The ids of a text's tokens; nothing is put before or after them.

        Args:
            text: any Unicode.
            special: whether the letters of a special token, such as ``[MASK]``, are that token. Otherwise they are
                letters: a text from outside can't say what only its reader may.

        Raises:
            DataError: for what is no text, or holds half of a surrogate pair.

        Lecture: W1
        """
        try:
            if self._table is not None and not special:
                ids: list[int] = self._table.encode(self._normalised(text)).tolist()
                return ids
            [encoded] = (self._whole if special else self._ordinary).encode_batch_fast([text], add_special_tokens=False)
            return list(encoded.ids)
        except Exception as error:  # the library raises nothing narrower
            raise _not_encoded([text], error) from error

    def encode_batch(self, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        """The ids of many texts, encoded side by side on all cores.

        Args:
            texts: any Unicode.

        Raises:
            DataError: as :meth:`encode`, saying which text it is.

        Lecture: W1

        Example:
            >>> from sightline.data.train_tokenizer import train_tokenizer
            >>> tokenizer = train_tokenizer("words", ["no, no, yes"], vocabulary_size=100)
            >>> tokenizer.encode_batch(["yes, no", "no"])
            [array([7, 5, 6], dtype=int32), array([6], dtype=int32)]
        """
        try:
            if self._table is not None:
                texts = [self._normalised(text) for text in texts]
                ends = np.cumsum([len(text) for text in texts])
                return np.split(self._table.encode("".join(texts)), ends[:-1]) if texts else []
            encoded = self._ordinary.encode_batch_fast(texts, add_special_tokens=False)
        except Exception as error:  # as in encode
            raise _not_encoded(texts, error) from error
        return [np.array(one.ids, dtype=np.int32) for one in encoded]

    def decode(self, ids: Ids, *, special: bool = False) -> str:
        """The text of some tokens.

        Characters and byte-level BPE give back exactly what was encoded, where no character is unknown. Words are set
        with single spaces, none before a comma, a full stop or a closing bracket, none after an opening one; WordPiece
        joins its pieces and leaves one space between words: the spaces of the text are lost with both.

        Args:
            ids: one after another.
            special: whether special tokens are written by their names; otherwise they are left out, the unknown too.

        Raises:
            DataError: for an id outside the vocabulary.

        Lecture: W1
        """
        tokens = self._checked(ids)
        if not special:
            tokens = tokens[~self._is_special[tokens]]
            if self._table is not None:
                return self._table.decode(tokens)
        return str(self._whole.decode(tokens.tolist(), skip_special_tokens=False))

    def unknown(self, text: str) -> tuple[str, ...]:
        """The parts of a text that the vocabulary does not have, each once, in their order.

        Raises:
            DataError: as :meth:`encode`.

        Lecture: W1

        Example:
            >>> from sightline.data.train_tokenizer import train_tokenizer
            >>> train_tokenizer("words", ["to be"], vocabulary_size=100).unknown("to see or to be")
            ('see', 'or')
        """
        number = self.special("unknown")
        if number is None or number not in self.encode(text):
            return ()
        encoded = self._ordinary.encode(text, add_special_tokens=False)
        found = [
            text[slice(*place)] for token, place in zip(encoded.ids, encoded.offsets, strict=True) if token == number
        ]
        return tuple(dict.fromkeys(found))

    def pieces(self, ids: Ids) -> list[str]:
        """Each token's own text, for display.

        WordPiece's ``##`` stays; a byte-level token that is a part of a character shows as U+FFFD.

        Args:
            ids: one after another.

        Raises:
            DataError: for an id outside the vocabulary.

        Lecture: W1
        """
        tokens = self._checked(ids).tolist()
        if "ByteLevel" in self._decoders:
            return list(self._whole.decode_batch([[token] for token in tokens], skip_special_tokens=False))
        names = [self._whole.id_to_token(token) or "" for token in tokens]
        return [name.replace("▁", " ") for name in names] if "Metaspace" in self._decoders else names

    def bytes_per_token(self, text: str) -> float:
        """UTF-8 bytes of a text over its tokens: bits per byte are bits per token over this.

        Raises:
            DataError: for a text without tokens.

        Lecture: W1
        """
        [tokens] = self.encode_batch([text])
        if not len(tokens):
            raise DataError(expected="a text with tokens", found=f"{len(text)} characters, none of them a token",
                            do="give a longer text")  # fmt: skip
        return len(text.encode()) / len(tokens)

    def describe(self, text: str | None = None) -> str:
        """Kind, size and special tokens in one line, and how far it shortens a text, if one is given.

        Example:
            >>> from sightline.data.train_tokenizer import train_tokenizer
            >>> train_tokenizer("characters", ["to be"], vocabulary_size=None).describe("bet")
            'characters: 10 tokens, 5 of them special; 1.00 bytes a token'
        """
        size = f"{self.kind}: {self.vocabulary_size:,} tokens, {len(self.special_tokens)} of them special"
        return size if text is None else f"{size}; {self.bytes_per_token(text):.2f} bytes a token"

    def text_schema(self, length: int, *, target_length: int = 0, bytes_per_token: float = 1.0) -> TextSchema:
        """What a model must know of the tokens.

        Args:
            length: most tokens in one example.
            target_length: most tokens in the text to be predicted; 0: there is none.
            bytes_per_token: of the training text.
        """
        return TextSchema(self.vocabulary_size, length, target_length, bytes_per_token, sentinels=self.sentinels,
                          **self._roles)  # fmt: skip

    def _checked(self, ids: Ids) -> npt.NDArray[np.int64]:
        """Ids as an array, each in the vocabulary."""
        tokens = np.asarray(ids)
        if tokens.size == 0:
            return np.zeros(0, dtype=np.int64)
        if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise DataError(
                expected="ids of tokens, whole numbers one after another",
                found=f"{tokens.dtype} of shape {tokens.shape}",
                do="decode one text at a time",
            )
        outside = tokens[(tokens < 0) | (tokens >= self.vocabulary_size)]
        if len(outside):
            raise DataError(
                expected=f"ids from 0 to {self.vocabulary_size - 1}, the vocabulary of the {self.kind} tokenizer",
                found=f"the unknown token id {int(outside[0])}",
                do="use the tokenizer that the model was trained with",
            )
        return tokens.astype(np.int64)

    def _normalised(self, text: str) -> str:
        """A text after the file's own normalisation, lower case for example."""
        normalizer = self._whole.normalizer
        return text if normalizer is None else str(normalizer.normalize_str(text))

    @cached_property
    def _ordinary(self) -> "tokenizers.Tokenizer":
        """The library's tokenizer, the letters of special tokens being letters."""
        ordinary = build(without_special(self._content, self.special_tokens), FILE)
        ordinary.encode_special_tokens = True
        return ordinary

    @cached_property
    def _decoders(self) -> set[str]:
        """Kinds of the steps that turn tokens into text."""
        decoder = self._content.get("decoder") or {}
        return {step.get("type") for step in decoder.get("decoders", [decoder])}


def _not_encoded(texts: Sequence[str], error: Exception) -> DataError:
    """The error for the first of some texts that is none; the library's own words where all are."""
    for number, text in enumerate(texts, 1):
        found = None if isinstance(text, str) else a_kind(text)
        if found is None and any("\ud800" <= letter <= "\udfff" for letter in text):
            found = "half of a surrogate pair, which is no character"
        if found:
            where = f" as text {number} of {len(texts)}" if len(texts) > 1 else ""
            return DataError(expected="text in Unicode", found=found + where, do="read the file as UTF-8")
    return DataError(
        expected="a tokenizer that has a token for every part of the text",
        found=" ".join(str(error).split())[:300],
        do="use one with an unknown token, or byte-level BPE",
    )
