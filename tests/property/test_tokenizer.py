"""Whatever the text: what a tokenizer promises of it holds; whatever the file: it is read or refused."""

import json
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.core.errors import DataError
from sightline.data.special_tokens import names_of
from sightline.data.tokenizer import Tokenizer
from sightline.data.train_tokenizer import train_tokenizer

FEW = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
KINDS = ("characters", "words", "bpe", "wordpiece")
KNOWN = "The quick brown fox's den - it's well-known! (Not [at] all; 5% of 東京…) do not, n't 'm 've\n\t  ##a </s>"
HARD = ["\x00", "\x1b", "\u200d", "e\u0301", "\u0301", "\U0001f468\u200d\U0001f469", "\U0010ffff", "\ufeff", "\ufffd",
        "\uffff", "\r\n", "\u2028", "\u00a0", "ß", "İ", "Ω", "가", "각", "\u202e", "#", "▁", "Ġ"]  # fmt: skip
ANY_TEXT = st.text(max_size=40) | st.lists(st.sampled_from(HARD) | st.text(max_size=3), max_size=12).map("".join)


@cache
def trained(kind: str, lowercase: bool = False) -> Tokenizer:
    """Each once."""
    return train_tokenizer(kind, [KNOWN] * 3, vocabulary_size=320, lowercase=lowercase, sentinels=2)


@cache
def library(kind: str, lowercase: bool) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(trained(kind, lowercase).to_json())


@settings(FEW, max_examples=120)
@given(ANY_TEXT)
def test_byte_level_bpe_gives_any_unicode_back(text: str) -> None:
    tokenizer = trained("bpe")
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not set(ids) & set(tokenizer.special_tokens.values())


@settings(FEW, max_examples=40)
@given(st.text(alphabet=KNOWN))
def test_known_characters_come_back(text: str) -> None:
    tokenizer = trained("characters")
    ids = tokenizer.encode(text)
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.special("unknown") not in ids


@pytest.mark.parametrize("lowercase", [False, True])
@FEW
@given(ANY_TEXT)
def test_characters_are_looked_up_as_the_library_does(lowercase: bool, text: str) -> None:
    assert trained("characters", lowercase).encode(text) == library("characters", lowercase).encode(text).ids


WORDS = st.lists(st.sampled_from([*KNOWN.split(" "), "fox's", "don't", "--", "((", "a-b", "#", "'"]), max_size=12)


@pytest.mark.parametrize("kind", ["words", "wordpiece"])
@settings(FEW, max_examples=40)
@given(WORDS)
def test_decoded_words_are_the_same_tokens_again(kind: str, words: list[str]) -> None:
    tokenizer = trained(kind)
    ids = [token for token in tokenizer.encode(" ".join(words)) if token != tokenizer.special("unknown")]
    assert tokenizer.encode(tokenizer.decode(ids)) == ids


NAMES = sorted({name for kind in KINDS for name in names_of(kind, 2)})


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(st.lists(st.sampled_from([*NAMES, " ", "x", "\n", "<", "[", "|>"]) | st.text(max_size=3), max_size=10))
def test_no_ordinary_text_becomes_a_special_token(kind: str, parts: list[str]) -> None:
    tokenizer = trained(kind)
    ids = set(tokenizer.encode("".join(parts)))
    assert not (ids & set(tokenizer.special_tokens.values())) - {tokenizer.special("unknown")}


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(st.lists(ANY_TEXT, max_size=5))
def test_a_batch_is_its_texts(kind: str, texts: list[str]) -> None:
    tokenizer = trained(kind, lowercase=True)
    together = tokenizer.encode_batch(texts)
    assert [ids.tolist() for ids in together] == [tokenizer.encode(text) for text in texts]
    for ids in together:
        assert len(tokenizer.pieces(ids)) == len(ids)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(st.lists(st.integers(0, 400), max_size=12))
def test_any_known_tokens_are_text_and_others_refused(kind: str, ids: list[int]) -> None:
    tokenizer = trained(kind)
    if any(token >= tokenizer.vocabulary_size for token in ids):
        with pytest.raises(DataError, match="unknown token id"):
            tokenizer.decode(ids)
    else:
        assert tokenizer.decode(np.array(ids, np.int64)) == tokenizer.decode(ids)
        assert len(tokenizer.decode(ids, special=True)) >= len(tokenizer.decode(ids))


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    """Characters changed, or a part of the object left out or of another form."""
    saved = trained(kind).to_json()
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(saved)))
        saved = saved[:place] + data.draw(st.text(max_size=2)) + saved[place + data.draw(st.integers(0, 5)) :]
    else:
        content = json.loads(saved)
        where = data.draw(st.sampled_from([content, content["model"], content["added_tokens"][0]]))
        field = data.draw(st.sampled_from(sorted(where)))
        where[field] = data.draw(st.sampled_from([None, 0, -1, "x", [], {}, [["a", 1.0]], {"a": 7}, [1], True]))
        saved = json.dumps(content)
    (tmp_path / "tokenizer.json").write_text(saved)
    with suppress(DataError):
        tokenizer = Tokenizer.load(tmp_path)
        assert tokenizer.to_json() == saved
        tokenizer.decode(tokenizer.encode(KNOWN))


@FEW
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(DataError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path)
