"""Tokenisers against slow, obvious twins, and what they promise of special tokens."""

import json
import pickle
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch

from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import TextSchema
from sightline.data.special_tokens import ROLES, names_of
from sightline.data.tokenizer import Tokenizer
from sightline.data.tokenizer_match import require_matching
from sightline.data.train_tokenizer import train_tokenizer

KINDS = ("characters", "words", "bpe", "wordpiece")
LINES = [
    "Call me Ishmael. Some years ago, never mind how long precisely,",
    "having little or no money in my purse, and nothing particular to interest me on shore,",
    "I thought I would sail about a little and see the watery part of the world.",
    "It is a way I have of driving off the spleen and regulating the circulation.",
    "Naïve café, 東京 (Tōkyō), 😀\tend\r\n",
]


def trained(kind: str, **options: Any) -> Tokenizer:
    return train_tokenizer(kind, LINES, **{"vocabulary_size": 400, **options})


def library(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    """What anyone else makes of the file."""
    return tokenizers.Tokenizer.from_str(tokenizer.to_json())


def named(tokenizer: Tokenizer, ids: Any) -> list[str]:
    vocabulary = {token: name for name, token in library(tokenizer).get_vocab().items()}
    return [vocabulary[token] for token in ids]


# characters


def test_characters_are_numbered_by_code_point() -> None:
    tokenizer = train_tokenizer("characters", ["b😀a\n", "é b"], vocabulary_size=None)
    assert named(tokenizer, range(11)) == ["<pad>", "<unk>", "<s>", "</s>", "<mask>", "\n", " ", "a", "b", "é", "😀"]
    assert tokenizer.vocabulary_size == 11
    assert tokenizer.encode("a\n😀z\U0010ffff") == [7, 5, 10, 1, 1]


@pytest.mark.parametrize("lowercase", [False, True])
def test_the_table_of_characters_is_the_librarys_own_encoding(lowercase: bool) -> None:
    tokenizer = trained("characters", lowercase=lowercase, sentinels=2)
    assert tokenizer.kind == "characters"
    for text in [*LINES, "", "ΣÉ ẞ unknown: żółw \r\n\x00\U0001f600", "\n\n  "]:
        ids = tokenizer.encode(text)
        assert ids == library(tokenizer).encode(text).ids
        assert tokenizer.decode(ids) == library(tokenizer).decode(ids)
    whole = "".join(LINES)
    assert tokenizer.vocabulary_size == 7 + len(set(whole.lower() if lowercase else whole))
    assert tokenizer.decode(tokenizer.encode(whole)) == (whole.lower() if lowercase else whole)
    assert not lowercase or tokenizer.encode("MONEY") == tokenizer.encode("money")


def test_words_of_one_letter_are_words() -> None:
    tokenizer = train_tokenizer("words", ["a b c"], vocabulary_size=None)
    assert tokenizer.kind == "words"
    assert named(tokenizer, tokenizer.encode("a ab")) == ["a", "<unk>"]


def test_characters_take_room_for_all() -> None:
    needed = 5 + len(set("".join(LINES)))
    assert trained("characters", vocabulary_size=needed).vocabulary_size == needed
    with pytest.raises(ConfigurationError, match=f"at least {needed}"):
        trained("characters", vocabulary_size=needed - 1)


# words


@pytest.mark.parametrize("lowercase", [False, True])
def test_the_most_frequent_words_and_marks(lowercase: bool) -> None:
    text = "The cat -- the CAT! -- sat; the dog's sat, it's 5% so_so"
    tokenizer = train_tokenizer("words", [text], vocabulary_size=5 + 8, lowercase=lowercase)
    count = Counter(re.findall(r"[^\W_]+|[^\w\s]|_", text.lower() if lowercase else text))
    frequent = sorted(count, key=lambda word: (-count[word], word))[:8]
    assert named(tokenizer, range(13)) == [*names_of("words", 0), *frequent]
    assert tokenizer.encode("the zebra-cat") == [tokenizer.encode("the")[0], 1, tokenizer.encode("-")[0], *(
        tokenizer.encode("cat"))]  # fmt: skip
    assert (tokenizer.encode("THE") == tokenizer.encode("the")) is lowercase


@pytest.mark.parametrize(
    "text",
    [
        "Yes, he said; no: (never) [at all]! Why? 5%… “so” ¿si? «oui».",
        "It's a well-known cat's tail, we'll see; they’ve won, I'm sure, he'd go",
        "one - - two",
        "a 'quoted' word",
        "",
        "end",
    ],
)
def test_words_are_set_with_single_spaces(text: str) -> None:
    tokenizer = train_tokenizer("words", [text, "x"], vocabulary_size=None)
    wanted = {"a 'quoted' word": "a ' quoted ' word"}.get(text, text)
    ids = tokenizer.encode(text.replace(" ", " \n\t "))
    assert tokenizer.decode(ids) == wanted
    assert library(tokenizer).decode(ids) == wanted
    assert tokenizer.encode(tokenizer.decode(ids)) == ids
    assert "".join(tokenizer.pieces(ids)) == text.replace(" ", "")


# byte-level BPE


def slow_bpe(words: dict[str, int], alphabet: list[str], merges: int) -> list[tuple[str, str]]:
    """Join the pair that stands most often side by side, again and again; of equals, the one of the smaller numbers."""
    number = {letter: i for i, letter in enumerate(alphabet)}
    split = {word: list(word) for word in words}
    done: list[tuple[str, str]] = []
    while len(done) < merges:
        count: Counter[tuple[str, str]] = Counter()
        for word, parts in split.items():
            for pair in pairwise(parts):
                count[pair] += words[word]
        best = min(count, key=lambda pair: (-count[pair], number[pair[0]], number[pair[1]]), default=None)
        if best is None or count[best] < 2:
            break
        done.append(best)
        number.setdefault("".join(best), len(number))
        split = {word: joined(parts, best) for word, parts in split.items()}
    return done


def joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    i = 0
    while i < len(parts):
        both = tuple(parts[i : i + 2]) == pair
        out.append("".join(pair) if both else parts[i])
        i += 2 if both else 1
    return out


def slow_encode(word: str, merges: list[tuple[str, str]]) -> list[str]:
    parts = list(word)
    for pair in merges:
        parts = joined(parts, pair)
    return parts


def test_bpe_joins_the_most_frequent_pair_first() -> None:
    text = " ".join(re.findall("[a-z]+", " ".join(LINES).lower()))
    tokenizer = train_tokenizer("bpe", [text], vocabulary_size=330, sentinels=1)
    words = Counter(word.replace(" ", "Ġ") for word in re.findall(" ?[a-z]+", text))
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    merges = slow_bpe(words, alphabet, 330 - 4 - 256)
    assert len(merges) > 40
    saved = json.loads(tokenizer.to_json())["model"]
    assert [tuple(pair) for pair in saved["merges"]] == merges
    assert named(tokenizer, range(tokenizer.vocabulary_size)) == [
        *("<|endoftext|>", "<|pad|>", "<|mask|>", "<extra_id_0>"),
        *alphabet,
        *("".join(pair) for pair in merges),
    ]
    for word in ["particular", "nothing", "ishmaelites", "xyzzy"]:
        assert named(tokenizer, tokenizer.encode(word)) == slow_encode(word, merges)


def test_bpe_writes_what_it_never_saw() -> None:
    tokenizer = train_tokenizer("bpe", ["plain words"], vocabulary_size=300)
    text = "  東京\n\n\t😀é e\u0301 \x00\x7f\U0010ffff\r\n "
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.special("unknown") is None
    assert tokenizer.pieces(tokenizer.encode("é")) == ["\ufffd", "\ufffd"]
    assert trained("bpe", lowercase=True).decode(tokenizer.encode("AB")) == "AB"
    lower = trained("bpe", lowercase=True)
    assert lower.decode(lower.encode("ÀB")) == "àb"


# WordPiece


def slow_wordpiece(word: str, vocabulary: set[str]) -> list[str]:
    """The longest piece first."""
    parts: list[str] = []
    while word:
        mark = "##" if parts else ""
        best = next((word[:n] for n in range(len(word), 0, -1) if mark + word[:n] in vocabulary), None)
        if best is None:
            return ["[UNK]"]
        parts.append(mark + best)
        word = word[len(best) :]
    return parts


def test_wordpiece_takes_the_longest_piece_that_it_has() -> None:
    tokenizer = train_tokenizer("wordpiece", LINES * 2, lowercase=True, vocabulary_size=150)
    vocabulary = set(library(tokenizer).get_vocab())
    assert len(vocabulary) == 150
    assert any(len(name) > 3 and name.startswith("##") for name in vocabulary)
    for word in ["particular", "particularly", "shoreward", "is", "qqq", "naive", "i", "xenon"]:
        assert named(tokenizer, tokenizer.encode(word)) == slow_wordpiece(word, vocabulary), word
    assert named(tokenizer, tokenizer.encode("Ünïts\x00 of 東京!")) == named(
        tokenizer, tokenizer.encode("units of 東 京 !")
    )
    assert tokenizer.decode(tokenizer.encode("Particularly, of  shores.")) == "particularly, of shores."


def test_wordpiece_never_calls_a_word_of_known_letters_unknown() -> None:
    tokenizer = train_tokenizer("wordpiece", ["Ab! 東"], vocabulary_size=20)
    assert named(tokenizer, range(5, 11)) == ["##A", "##b", "!", "A", "b", "東"]
    assert named(tokenizer, tokenizer.encode("bAAb!!東東")) == ["b", "##A", "##A", "##b", "!", "!", "東", "東"]
    with pytest.raises(ConfigurationError, match="at least 11"):
        train_tokenizer("wordpiece", ["Ab! 東"], vocabulary_size=10)


# all kinds


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_training_twice_gives_the_same_file(kind: str, lowercase: bool) -> None:
    again = LINES * 3
    first = train_tokenizer(kind, iter(again), vocabulary_size=300, lowercase=lowercase, sentinels=3)
    for _ in range(3):
        assert train_tokenizer(
            kind, again, vocabulary_size=300, lowercase=lowercase, sentinels=3
        ).to_json() == first.to_json()  # fmt: skip
    assert Tokenizer.from_json(first.to_json()).to_json() == first.to_json()


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_come_first_and_have_their_roles(kind: str) -> None:
    tokenizer = trained(kind, sentinels=2)
    names = names_of(kind, 2)
    assert named(tokenizer, range(len(names))) == list(names)
    assert tokenizer.special_tokens == {name: i for i, name in enumerate(names)}
    assert tokenizer.sentinels == (len(names) - 2, len(names) - 1)
    roles = {role: tokenizer.special(role) for role in ROLES}
    others = {"pad": 0, "unknown": 1, "begin": 2, "end": 3, "mask": 4, "classify": 2, "separator": 3}
    bpe = {"pad": 1, "unknown": None, "begin": 0, "end": 0, "mask": 2, "classify": 0, "separator": 0}
    assert roles == (bpe if kind == "bpe" else others)
    assert trained(kind).sentinels == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_letters_of_a_special_token_are_letters(kind: str) -> None:
    texts = [*LINES, " ".join(names_of(kind, 2)) * 5, "".join(names_of(kind, 2)) * 5]
    tokenizer = train_tokenizer(kind, texts, vocabulary_size=500, sentinels=2)
    for name, token in tokenizer.special_tokens.items():
        text = f"see {name}{name} {name}"
        ids = tokenizer.encode(text)
        assert not set(ids) & set(tokenizer.special_tokens.values())
        assert "".join(tokenizer.decode(ids).split()) == "".join(text.split())
        assert [array.tolist() for array in tokenizer.encode_batch([text, name])] == [ids, tokenizer.encode(name)]
        assert tokenizer.encode(text, special=True).count(token) == 3
        assert tokenizer.encode(text, special=True) == library(tokenizer).encode(text).ids


@pytest.mark.parametrize("kind", KINDS)
def test_many_texts_are_encoded_as_each_is(kind: str) -> None:
    tokenizer = trained(kind, lowercase=True)
    texts = ["", *LINES, "ÀÉ", ""]
    arrays = tokenizer.encode_batch(texts)
    assert [array.tolist() for array in arrays] == [tokenizer.encode(text) for text in texts]
    assert {array.dtype for array in arrays} == {np.dtype(np.int32)}
    assert tokenizer.encode_batch([]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_decoding_leaves_special_tokens_out_or_names_them(kind: str) -> None:
    tokenizer = trained(kind, sentinels=1)
    pad, [sentinel] = tokenizer.special("pad"), tokenizer.sentinels
    assert pad is not None
    word = tokenizer.encode("mind")
    ids = [pad, *word, sentinel, *word, pad]
    assert tokenizer.decode(ids).split() == tokenizer.decode([*word, *word]).split()
    assert "<extra_id_0>" in tokenizer.decode(ids, special=True)
    assert tokenizer.pieces(ids)[-1] == names_of(kind, 0)[pad]
    assert len(tokenizer.pieces(ids)) == len(ids)
    for form in (np.array(ids, np.uint16), torch.tensor(ids), tuple(ids)):
        assert tokenizer.decode(form) == tokenizer.decode(ids)
    assert tokenizer.decode([]) == ""
    assert tokenizer.pieces([]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickled_tokenizer_is_the_same(kind: str) -> None:
    tokenizer = trained(kind)
    tokenizer.encode("warm")
    assert pickle.loads(pickle.dumps(tokenizer)).encode(LINES[0]) == tokenizer.encode(LINES[0])  # noqa: S301


def test_bytes_per_token() -> None:
    assert trained("characters").bytes_per_token("Naïve café") == 12 / 10
    assert trained("bpe").bytes_per_token("é") == 1.0
    assert train_tokenizer("words", ["to be"], vocabulary_size=9).bytes_per_token("to be to be") == 11 / 4
    with pytest.raises(DataError, match="none of them a token"):
        trained("words").bytes_per_token("  ")


def test_facts_for_a_report() -> None:
    assert train_tokenizer("words", ["to be"], vocabulary_size=9).describe() == "words: 7 tokens, 5 of them special"
    assert train_tokenizer("bpe", ["to"], vocabulary_size=2000).describe("to").endswith("; 1.00 bytes a token")


def test_the_schema_says_what_a_model_must_know() -> None:
    schema = trained("bpe", sentinels=2, vocabulary_size=280).text_schema(64, target_length=8, bytes_per_token=3.5)
    assert schema == TextSchema(
        280, 64, 8, 3.5, pad=1, unknown=None, begin=0, end=0, mask=2, classify=0, separator=0, sentinels=(3, 4)
    )


def test_only_the_models_own_tokenizer_is_taken() -> None:
    tokenizer = trained("words", sentinels=2, vocabulary_size=50)
    schema = tokenizer.text_schema(16)
    size = schema.vocabulary_size
    assert size == 50
    require_matching(tokenizer, schema)
    for filled in (-(-size // 64) * 64, -(-size // 128) * 128):
        require_matching(tokenizer, replace(schema, vocabulary_size=filled))
    require_matching(tokenizer, replace(schema, pad=None, sentinels=()))
    for wrong in (size - 1, size + 1, -(-size // 128) * 128 + 128):
        with pytest.raises(DataError, match=f"a tokenizer with {wrong} tokens.*\n.*a words tokenizer with {size}"):
            require_matching(tokenizer, replace(schema, vocabulary_size=wrong))
    with pytest.raises(DataError, match=r"number 3 is the mask token\n.*it is number 4"):
        require_matching(tokenizer, replace(schema, mask=3))
    with pytest.raises(DataError, match=r"number 1 is the unknown token\n.*there is none"):
        require_matching(trained("bpe"), replace(trained("bpe").text_schema(16), unknown=1))
    with pytest.raises(DataError, match=r"3 sentinels from number 5\n.*with 2 sentinels from number 5"):
        require_matching(tokenizer, replace(schema, sentinels=(5, 6, 7)))
    bare = trained("words", vocabulary_size=40)
    with pytest.raises(DataError, match=r"with 1 sentinels from number 5\n.*with 0 sentinels\n") as caught:
        require_matching(bare, replace(bare.text_schema(16), sentinels=(5,)))
    assert "saved with the model" in caught.value.do


# bad input


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("kind", KINDS)
def test_texts_that_teach_nothing_are_refused(kind: str) -> None:
    for texts in ([], [""], iter(["", ""]), ""):
        with pytest.raises(DataError, match=r"text to train a tokenizer on\n.*not one character"):
            train_tokenizer(kind, texts, vocabulary_size=500)
    if kind in ("words", "wordpiece"):
        with pytest.raises(DataError, match="not one word"):
            train_tokenizer(kind, [" \n\t"], vocabulary_size=500)
    with pytest.raises(DataError, match=r"text 2 in Unicode\n.*half of a surrogate pair at character 1"):
        train_tokenizer(kind, ["fine", "a\ud800"], vocabulary_size=500)
    bad: Any = ["fine", b"bytes"]
    with pytest.raises(DataError, match=r"a string as text 2\n.*a bytes"):
        train_tokenizer(kind, bad, vocabulary_size=500)
    one, listed, padded = (
        train_tokenizer(kind, texts, vocabulary_size=500).to_json() for texts in (LINES[0], [LINES[0]], [LINES[0], ""])
    )
    assert one == listed == padded


@pytest.mark.usefixtures("as_a_user_calls")
def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'wordpiece'"):
        train_tokenizer("word-piece", LINES, vocabulary_size=500)
    with pytest.raises(ConfigurationError, match="sentinels = -1"):
        train_tokenizer("bpe", LINES, vocabulary_size=500, sentinels=-1)
    with pytest.raises(ConfigurationError, match="vocabulary_size = None for wordpiece"):
        train_tokenizer("wordpiece", LINES, vocabulary_size=None)
    with pytest.raises(ConfigurationError, match="at least 261: the special tokens, and one for each of 256 bytes"):
        train_tokenizer("bpe", LINES, vocabulary_size=260, sentinels=2)
    assert train_tokenizer("bpe", LINES, vocabulary_size=261, sentinels=2).vocabulary_size == 261
    with pytest.raises(ConfigurationError, match="at least 6: the special tokens, and one word at least"):
        train_tokenizer("words", LINES, vocabulary_size=5)
    assert train_tokenizer("words", LINES, vocabulary_size=6).vocabulary_size == 6


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_text_and_no_token_is_refused(kind: str) -> None:
    tokenizer = trained(kind)
    size = tokenizer.vocabulary_size
    bad: Any = 5
    for ids in ([0, size], [-1], np.array([size], np.uint16)):
        for back in (tokenizer.decode, tokenizer.pieces):
            with pytest.raises(DataError, match=f"ids from 0 to {size - 1}.*\n.*unknown token id {ids[-1]}"):
                back(ids)
    for shape in ([[1, 2]], [1.5]):
        wrong: Any = shape
        with pytest.raises(DataError, match="whole numbers one after another"):
            tokenizer.decode(wrong)
    with pytest.raises(DataError, match="half of a surrogate pair"):
        tokenizer.encode("a\ud800")
    with pytest.raises(DataError, match=r"half of a surrogate pair.* as text 2 of 2"):
        tokenizer.encode_batch(["fine", "a\udfff"])
    with pytest.raises(DataError, match="an int"):
        tokenizer.encode(bad)
    with pytest.raises(DataError, match="an int as text 1 of 2"):
        tokenizer.encode_batch([bad, "fine"])
    with pytest.raises(ConfigurationError, match="did you mean 'mask'"):
        tokenizer.special("masks")


def test_a_word_without_an_end_takes_no_more_time_than_its_length() -> None:
    """DNA on one line, or a file of one letter: pairs are counted within 1,000 characters at a time."""
    text = "ACGT" * 50_000
    tokenizer = train_tokenizer("bpe", [text], vocabulary_size=300)
    assert tokenizer.decode(tokenizer.encode(text[:5000])) == text[:5000]
    halves = train_tokenizer("bpe", [text[i : i + 1000] for i in range(0, len(text), 1000)], vocabulary_size=300)
    assert halves.to_json() == tokenizer.to_json()
