"""A tokenizer trained on texts: characters, words, byte-level BPE or WordPiece."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal, get_args

from sightline.core.errors import ConfigurationError, DataError
from sightline.core.kinds import a_kind
from sightline.core.words import one_of
from sightline.data.character_table import ONE_CHARACTER
from sightline.data.special_tokens import names_of
from sightline.data.tokenizer import Tokenizer

if TYPE_CHECKING:
    import tokenizers

LONGEST_WORD = 1000
"""Characters of a word that are looked at together in training."""

Kind = Literal["characters", "words", "bpe", "wordpiece"]

LEAST_COUNT = 2
"""How often a pair must stand side by side in the training texts to become one token."""

STRINGS = "give strings, read from files in UTF-8"

NO_SPACE = (
    r" (?=[.,;:!?%…)\]}»”])"  # before closing marks
    r"|(?<=[(\[{«“¿¡]) "  # after opening ones
    r"|(?<=\w) (?=['’] (?:s|t|d|m|ll|re|ve)\b)|(?<=\w ['’]) (?=(?:s|t|d|m|ll|re|ve)\b)"  # in it's, don't, we'll
    r"|(?<=\w) (?=- \w)|(?<=\w -) (?=\w)"  # in well-known
)
"""The spaces between two words that are taken out again."""


def train_tokenizer(
    kind: str, texts: Iterable[str], *, vocabulary_size: int | None, lowercase: bool = False, sentinels: int = 0
) -> Tokenizer:
    """Train a tokenizer; the same texts give the same file, byte for byte.

    - characters: one token for each Unicode character of the texts, in the order of their code points.
    - words: the most frequent words; a mark of punctuation is a word, and all other words are unknown. Spaces are lost.
    - bpe: byte-level byte-pair encoding as GPT-2's, from 256 bytes on: it writes any Unicode, whatever it was trained
      on.
    - wordpiece: as BERT's: control characters left out, Chinese characters set apart, a word cut into the longest
      pieces that the vocabulary has, those after the first marked ``##``. The pieces themselves are chosen by how often
      they stand side by side, as in BPE. A word of known characters is never unknown, unless it has more than 100.

    The special tokens come first: ``<pad> <unk> <s> </s> <mask>`` for characters and words, ``<|endoftext|> <|pad|>
    <|mask|>`` for bpe, ``[PAD] [UNK] [CLS] [SEP] [MASK]`` for wordpiece; then the sentinels ``<extra_id_0>`` ….
    ``<s>``, ``[CLS]`` and ``<|endoftext|>`` begin a text and stand before one to be classified; ``</s>``, ``[SEP]`` and
    ``<|endoftext|>`` end a sentence and a text. bpe has no unknown token, and needs none.

    Args:
        kind: characters, words, bpe or wordpiece.
        texts: the training texts; wordpiece goes through them twice, and keeps in memory what can't be read again.
        vocabulary_size: most tokens, the special ones included; none: as many as there are characters, or words.
        lowercase: whether texts are put in lower case first; wordpiece then leaves accents out too, as BERT does.
        sentinels: how many spans can be left out of one text (T5 has 100).

    Raises:
        ConfigurationError: for an unknown kind, or a vocabulary too small for the alphabet.
        DataError: for texts without a character, or a word.

    Source: see :class:`Tokenizer`.

    Lecture: W1

    Example:
        >>> tokenizer = train_tokenizer("bpe", ["low lower lowest"] * 9, vocabulary_size=262)
        >>> tokenizer.pieces(tokenizer.encode("lower slow"))
        ['low', 'e', 'r', ' ', 's', 'low']
    """
    one_of(kind, get_args(Kind), "tokenizer")
    if sentinels < 0 or (vocabulary_size is None and kind in ("bpe", "wordpiece")):
        asked = f"sentinels = {sentinels}" if sentinels < 0 else f"vocabulary_size = {vocabulary_size} for {kind}"
        raise ConfigurationError(
            expected="a number of tokens, and none or more sentinels", found=asked, do="for example 8000 tokens"
        )
    special = names_of(kind, sentinels)
    size = sys.maxsize if vocabulary_size is None else vocabulary_size
    if isinstance(texts, str):
        texts = [texts]
    elif kind == "wordpiece" and isinstance(texts, Iterator):
        texts = list(texts)
    return _TRAIN[kind](_Texts(texts), size, lowercase, special)


class _Texts:
    """The texts, each a string of whole characters; one at least must have any.

    Args:
        texts: the texts.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = texts

    def __iter__(self) -> Iterator[str]:
        empty = True
        for number, text in enumerate(self.texts, 1):
            if not isinstance(text, str):
                raise DataError(expected=f"a string as text {number}", found=a_kind(text), do=STRINGS)
            try:
                text.encode()
            except UnicodeEncodeError as error:
                found = f"half of a surrogate pair at character {error.start}"
                raise DataError(expected=f"text {number} in Unicode", found=found, do=STRINGS) from error
            empty = empty and not text
            yield text
        if empty:
            raise _nothing("character")


def _characters(texts: Iterable[str], size: int, lowercase: bool, special: tuple[str, ...]) -> Tokenizer:
    """A word a character, none unknown."""
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers

    lower = normalizers.Lowercase() if lowercase else None
    letters: set[str] = set()
    for text in texts:
        letters.update(text if lower is None else lower.normalize_str(text))
    _require_room(size, len(special) + len(letters), f"one for each of {len(letters)} characters")
    vocabulary = {token: number for number, token in enumerate([*special, *sorted(letters)])}
    tokenizer = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(ONE_CHARACTER), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return _finished(tokenizer, lower, special)


def _words(texts: Iterable[str], size: int, lowercase: bool, special: tuple[str, ...]) -> Tokenizer:
    """The most frequent words, cut at white space and at every mark of punctuation."""
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

    _require_room(size, len(special) + 1, "one word at least")
    tokenizer = tokenizers.Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix=" ", cleanup=False),  # no word begins with a space: all get one before them
            decoders.Fuse(),
            decoders.Replace(tokenizers.Regex(NO_SPACE), ""),
        ]
    )
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    trainer = trainers.WordLevelTrainer(vocab_size=size, special_tokens=list(special), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() == len(special):
        raise _nothing("word")
    return _finished(tokenizer, tokenizer.normalizer, special)


def _bpe(texts: Iterable[str], size: int, lowercase: bool, special: tuple[str, ...]) -> Tokenizer:
    """Pairs of bytes, the most frequent joined first."""
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    _require_room(size, len(special) + len(alphabet), f"one for each of {len(alphabet)} bytes")
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=LEAST_COUNT, special_tokens=list(special), initial_alphabet=alphabet,
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(_without_giants(texts), trainer)
    return _finished(tokenizer, tokenizer.normalizer, special)


def _wordpiece(texts: Iterable[str], size: int, lowercase: bool, special: tuple[str, ...]) -> Tokenizer:
    """Pieces of words; every character of the texts alone, and as a continuation where it can be one.

    Left to itself the library numbers the continuations in an order that changes from one training to the next, and
    breaks ties by these numbers: here they are given, in order, before the training.
    """
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

    normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    cut = pre_tokenizers.BertPreTokenizer()
    letters: set[str] = set()
    for text in texts:
        letters.update(text)
    known = normalizer.normalize_str("".join(sorted(letters)))
    alphabet = sorted({letter for letter in known if not letter.isspace()})
    if not alphabet:
        raise _nothing("word")
    parts = {letter: cut.pre_tokenize_str(normalizer.normalize_str(f"a{letter}")) for letter in alphabet}
    inside = [f"##{letter}" for letter in alphabet if len(parts[letter]) == 1]
    _require_room(
        size, len(special) + len(alphabet) + len(inside), f"{len(alphabet)} characters, alone and within words"
    )
    draft = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    draft.normalizer, draft.pre_tokenizer = normalizer, cut
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=LEAST_COUNT, special_tokens=[*special, *inside], initial_alphabet=alphabet,
        show_progress=False,
    )  # fmt: skip
    draft.train_from_iterator(_without_giants(texts), trainer)
    vocabulary = json.loads(draft.to_str())["model"]["vocab"]
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.WordPiece()
    return _finished(tokenizer, normalizer, special)


def _without_giants(texts: Iterable[str]) -> Iterator[str]:
    """The texts, with a cut after every 1,000 characters of a word: training takes the square of a word's length."""
    for text in texts:
        start = 0
        for word in re.finditer(rf"\S{{{LONGEST_WORD + 1},}}", text):
            for place in range(word.start() + LONGEST_WORD, word.end(), LONGEST_WORD):
                yield text[start:place]
                start = place
        yield text[start:]


_TRAIN: dict[str, Callable[[Iterable[str], int, bool, tuple[str, ...]], Tokenizer]] = {
    "characters": _characters,
    "words": _words,
    "bpe": _bpe,
    "wordpiece": _wordpiece,
}


def _finished(
    tokenizer: "tokenizers.Tokenizer", normalizer: "tokenizers.normalizers.Normalizer | None", special: tuple[str, ...]
) -> Tokenizer:
    """Ours, from the library's."""
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.add_special_tokens(list(special))
    return Tokenizer(tokenizer.to_str(pretty=True))


def _nothing(what: str) -> DataError:
    return DataError(
        expected="text to train a tokenizer on", found=f"not one {what}", do="check that it is the right file"
    )


def _require_room(size: int, needed: int, why: str) -> None:
    if size < needed:
        raise ConfigurationError(
            expected=f"vocabulary_size of at least {needed}: the special tokens, and {why}",
            found=str(size),
            do=f"give {needed} or more, or bpe, which needs 256 and its special tokens whatever the text",
        )
