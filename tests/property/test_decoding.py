"""Decoding over any scores, and text given out piece by piece."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.data.train_tokenizer import train_tokenizer
from sightline.generate import Sample, TextStream, draw, keep_nucleus, keep_top_k

SCORES = st.lists(st.one_of(st.floats(-30, 30), st.just(-float("inf"))), min_size=1, max_size=30).filter(
    lambda scores: max(scores) > -float("inf")
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=40)
@given(SCORES, st.integers(1, 40), st.floats(1e-6, 1, exclude_min=True), st.floats(0.05, 20))
def test_filters_keep_the_likeliest_and_never_all_is_gone(scores: list[float], k: int, p: float, t: float) -> None:
    given_scores = torch.tensor([scores], dtype=torch.float64)
    for kept in (keep_top_k(given_scores, k), keep_nucleus(given_scores, p)):
        stays = kept.isfinite()[0]
        assert stays[given_scores[0].argmax()]
        assert torch.equal(kept[0, stays], given_scores[0, stays])
        if not stays.all() and stays.any():
            gone = given_scores[0, ~stays].max()
            assert gone <= given_scores[0, stays].min()
    assert keep_top_k(given_scores, k).isfinite().sum() >= min(k, int(given_scores.isfinite().sum()))
    inside = keep_nucleus(given_scores, p).isfinite()[0]
    assert given_scores.softmax(1)[0, inside].sum() >= p - 1e-9
    chances = Sample(temperature=t, top_k=k, top_p=p).distribution(given_scores)
    torch.testing.assert_close(chances.sum(1), torch.ones(1, dtype=torch.float64))


@settings(max_examples=40)
@given(SCORES, st.floats(0, 1, exclude_max=True))
def test_what_is_drawn_has_a_probability_and_lies_where_it_should(scores: list[float], u: float) -> None:
    chances = torch.tensor([scores], dtype=torch.float64).softmax(1)
    token = int(draw(chances, torch.tensor([u], dtype=torch.float64)))
    assert chances[0, token] > 0
    assert chances[0, :token].sum() <= u + 1e-12
    assert u <= chances[0, : token + 1].sum() + 1e-12


@settings(max_examples=40)
@given(TEXT)
def test_a_byte_stream_gives_the_text_and_no_half_character(text: str) -> None:
    stream = TextStream(lambda tokens: bytes(tokens).decode(errors="replace"))
    pieces = [stream.add(byte) for byte in text.encode()]
    assert "".join(pieces) + stream.finish() == text


@settings(max_examples=40)
@given(st.lists(st.integers(0, 255), max_size=40))
def test_bytes_that_are_no_text_come_out_as_they_are_decoded(values: list[int]) -> None:
    stream = TextStream(lambda tokens: bytes(tokens).decode(errors="replace"))
    pieces = [stream.add(value) for value in values]
    assert "".join(pieces) + stream.finish() == bytes(values).decode(errors="replace")


TOKENIZERS = [
    train_tokenizer(kind, ["the (first) word, and the second one; no more. über €"], vocabulary_size=size)
    for kind, size in (("bpe", 280), ("words", 40), ("wordpiece", 80), ("characters", None))
]


@settings(max_examples=40)
@given(st.sampled_from(TOKENIZERS), st.data())
def test_tokens_of_every_kind_stream_as_they_are_decoded(tokenizer, data) -> None:  # type: ignore[no-untyped-def]
    tokens = data.draw(st.lists(st.integers(0, tokenizer.vocabulary_size - 1), max_size=20))
    stream = TextStream(tokenizer.decode)
    assert "".join(map(stream.add, tokens)) + stream.finish() == tokenizer.decode(tokens)
