"""What is hidden from a network, against slow loops over tokens; and that nothing of a text is lost by it."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import IGNORED
from sightline.data.batch import Batch
from sightline.objectives.denoising import Denoising, infill, poisson_spans
from sightline.objectives.masked_language import MaskedLanguage, PairBatch
from sightline.objectives.random_places import choose, random_parts, together
from sightline.objectives.span_corruption import (
    SpanCorruption,
    behind_sentinels,
    lost_and_spans,
    span_mask,
    with_sentinels,
)
from text_models import FIRST_WORD, TEXT, filled_up, schema, words

BEGIN, END, MASK, CLS, SEP = 2, 3, 4, 5, 6


def texts(lengths: list[int], length: int = 12, seed: int = 0) -> Batch:
    present = filled_up(lengths, length)
    inputs = words(len(lengths), length, seed).masked_fill(~present, 0)
    return Batch(inputs, inputs, torch.arange(len(lengths)), len(lengths), present=present)


def rows(tokens: Tensor, present: Tensor | None) -> list[list[int]]:
    """The texts without their filling."""
    if present is None:
        return tokens.tolist()
    return [row[own].tolist() for row, own in zip(tokens, present, strict=True)]


def slow_sentinels(text: list[int], noise: list[bool], sentinels: list[int]) -> tuple[list[int], list[int]]:
    """Both texts of span corruption, token by token."""
    left = iter(sentinels)
    inputs, target, before = [], [], False
    for token, lost in zip(text, noise, strict=True):
        if lost and not before:
            sentinel = next(left)
            inputs.append(sentinel)
            target.append(sentinel)
        (target if lost else inputs).append(token)
        before = lost
    return [*inputs, 1], [*target, 1]


@given(st.lists(st.lists(st.tuples(st.integers(2, 9), st.booleans()), max_size=12), min_size=1, max_size=4))
@settings(max_examples=30)
def test_sentinels_stand_where_a_slow_loop_puts_them(drawn: list[list[tuple[int, bool]]]) -> None:
    longest, sentinels = max(1, *map(len, drawn)), torch.arange(50, 40, -1)
    tokens, noise = torch.zeros(len(drawn), longest).long(), torch.zeros(len(drawn), longest).bool()
    for row, text in enumerate(drawn):
        for place, (token, lost) in enumerate(text):
            tokens[row, place], noise[row, place] = token, lost
    lengths = torch.tensor([len(text) for text in drawn])
    inputs = with_sentinels(tokens, lengths, noise, sentinels, end=1, fill=0, width=longest + 1)
    target = behind_sentinels(tokens, noise, sentinels, end=1, fill=0, width=2 * longest + 1)
    for row, text in enumerate(drawn):
        expected = slow_sentinels([t for t, _ in text], [lost for _, lost in text], sentinels.tolist())
        assert (rows(*inputs)[row], rows(*target)[row]) == expected
        assert not inputs[0][row, len(expected[0]) :].any()
        assert not target[0][row, len(expected[1]) :].any()


def put_together(inputs: list[int], target: list[int], sentinels: tuple[int, ...]) -> list[int]:
    """The text that span corruption took apart."""
    spans: dict[int, list[int]] = {}
    for token in target[:-1]:
        if token in sentinels:
            span = spans.setdefault(token, [])
        else:
            span.append(token)
    return [t for token in inputs[:-1] for t in spans.get(token, [token])]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=6), st.integers(0, 2**20))
@settings(max_examples=30)
def test_both_texts_of_span_corruption_together_are_the_text(lengths: list[int], seed: int) -> None:
    batch = texts(lengths, seed=seed)
    torch.manual_seed(seed)
    made = SpanCorruption(schema(), density=0.3, mean_length=1.5).prepare(batch)
    inputs, target = rows(made.inputs, made.present), [row[row != IGNORED].tolist() for row in made.target]
    numbers, counts = lost_and_spans(12, 0.3, 1.5)
    for row, text in enumerate(rows(batch.inputs, batch.present)):
        if len(text) < 2:
            assert (inputs[row], target[row]) == ([*text, END], [])
            continue
        used = [t for t in target[row] if t in TEXT.sentinels]
        assert used == list(TEXT.sentinels[: int(counts[len(text)])])
        assert [t for t in inputs[row] if t in TEXT.sentinels] == used
        assert inputs[row][0] not in TEXT.sentinels
        assert inputs[row][-2] in TEXT.sentinels
        assert inputs[row][-1] == target[row][-1] == END
        assert len(target[row]) == int(numbers[len(text)]) + len(used) + 1
        assert put_together(inputs[row], target[row], TEXT.sentinels) == text
    full = torch.ones_like(made.inputs, dtype=torch.bool)
    assert torch.equal(made.inputs != 0, full if made.present is None else made.present)


def test_full_texts_need_no_filling_and_the_numbers_are_the_papers() -> None:
    numbers, counts = lost_and_spans(512, 0.15, 3.0)
    assert (int(numbers[512]), int(counts[512])) == (77, 26)  # round(76.8), round(25.67)
    assert numbers[:8].tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
    assert (numbers.diff() >= 0).all()
    assert (counts.diff() >= 0).all()
    dense, parts = lost_and_spans(10, 0.9, 1.0)
    assert (int(dense[10]), int(parts[10])) == (9, 1)  # no two spans without a token between
    batch = Batch(words(4), words(4), torch.arange(4), 4)
    made = SpanCorruption(schema()).prepare(batch)
    assert made.present is None
    assert (made.inputs.shape, made.target.shape) == ((4, 12), (4, 4))
    assert (made.target != IGNORED).all()


def test_text_behind_its_filling_is_corrupted_alike() -> None:
    batch = texts([5])
    behind = Batch(batch.inputs.flip(1), batch.target, batch.indices, 1, present=batch.present.flip(1))  # type: ignore[union-attr]
    objective = SpanCorruption(schema())
    made = objective.prepare(behind)
    target = made.target[made.target != IGNORED].tolist()
    assert (
        put_together(rows(made.inputs, made.present)[0], target, TEXT.sentinels) == batch.inputs[0, :5].flip(0).tolist()
    )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(0, 2**20))
@settings(max_examples=25)
def test_random_parts_are_whole_and_add_up(totals: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    total = torch.tensor(totals)
    parts = torch.minimum(total, torch.randint(1, 5, total.shape))
    made = random_parts(total, parts, longest=9, most=4)
    assert torch.equal(made.sum(1), total)
    assert torch.equal((made > 0).sum(1), parts)
    assert all((row[: int(k)] > 0).all() for row, k in zip(made, parts, strict=True))


def test_a_mask_of_spans_is_that_of_its_lengths() -> None:
    kept, lost = torch.tensor([[3, 1, 2], [4, 0, 0], [0, 0, 0]]), torch.tensor([[1, 2, 1], [3, 0, 0], [0, 0, 0]])
    found = span_mask(kept, lost, 10)
    assert found.int().tolist() == [[0, 0, 0, 1, 0, 1, 1, 0, 0, 1], [0, 0, 0, 0, 1, 1, 1, 0, 0, 0], [0] * 10]


def test_so_many_places_are_chosen_and_only_where_allowed() -> None:
    torch.manual_seed(0)
    allowed = torch.rand(50, 9) < 0.6
    count = torch.minimum(torch.randint(0, 6, (50,)), allowed.sum(1))
    found = choose(allowed, count)
    assert torch.equal(found.sum(1), count)
    assert not (found & ~allowed).any()


def test_text_is_moved_together_in_its_order() -> None:
    tokens, kept = words(6), torch.rand(6, 12, generator=torch.Generator().manual_seed(2)) < 0.5
    moved, lengths = together(tokens, kept)
    for row in range(6):
        assert moved[row, : int(lengths[row])].tolist() == tokens[row, kept[row]].tolist()


@given(st.lists(st.integers(0, 12), min_size=1, max_size=6), st.integers(0, 2**20))
@settings(max_examples=30)
def test_infilling_keeps_what_it_does_not_cover(lengths: list[int], seed: int) -> None:
    """The text without its masks is what is left when that many tokens are taken out in that many stretches."""
    torch.manual_seed(seed)
    n = torch.tensor(lengths)
    covered = (n * 0.4).round().long()
    spans = poisson_spans(covered, 2.0, most=5)
    assert torch.equal(spans.clamp(min=0).sum(1), covered)
    count = (spans >= 0).sum(1)
    assert (count <= covered).all()
    text = torch.arange(100, 112).expand(len(lengths), -1)
    noisy, slots = infill(text, n, spans, MASK)
    for row in range(len(lengths)):
        left, gap, gaps, place = noisy[row, : int(slots[row])].tolist(), 0, [], 100
        for token in [*left, 100 + lengths[row]]:
            if token == MASK:
                gap += 1
                continue
            if gap:
                gaps.append((gap, token - place))
            else:
                assert token == place
            gap, place = 0, token + 1
        assert sum(masks for masks, _ in gaps) == int(count[row])
        assert sum(tokens for _, tokens in gaps) == int(covered[row])


def test_infilled_spans_have_the_lengths_that_were_drawn() -> None:
    torch.manual_seed(0)
    spans = torch.tensor([[3, 0, 2, -1]]).expand(200, -1)
    noisy, slots = infill(torch.arange(100, 110).expand(200, -1), torch.full((200,), 10), spans, MASK)
    assert (slots == 8).all()
    seen = set()
    for row in noisy.tolist():
        gaps, place, run = [], 100, False
        for token in [*row[:8], 110]:
            if token == MASK:
                run = True
                continue
            if run:
                gaps.append(token - place)
            run, place = False, token + 1
        seen.add(tuple(gaps))
    assert {(3, 0, 2), (2, 3, 0), (0, 2, 3), (5,), (3, 2)} <= seen
    assert all(sum(gaps) == 5 for gaps in seen)


def test_bart_writes_the_whole_text_between_begin_and_end() -> None:
    batch = texts([12, 4, 1, 0])
    begun = Batch(batch.inputs.clone(), batch.target, batch.indices, 4, present=batch.present)
    begun.inputs[1, 0] = BEGIN
    made = Denoising(schema()).prepare(begun)
    target = [row[row != IGNORED].tolist() for row in made.target]
    text = rows(batch.inputs, batch.present)
    assert target == [[BEGIN, *text[0][:10], END], [BEGIN, *text[1][1:], END], [BEGIN, *text[2], END], []]
    for row in rows(made.inputs, made.present):
        assert (row[0], row[-1]) == (BEGIN, END)
    assert made.inputs.shape == (4, 12)
    assert rows(made.inputs, made.present)[2] == [BEGIN, MASK, END]
    assert torch.equal(made.inputs == 0, ~made.present)  # type: ignore[operator]


SPECIAL = (BEGIN, END, MASK, CLS, SEP, *TEXT.sentinels)


@given(
    st.lists(st.lists(st.sampled_from((*SPECIAL, 0, 1, *range(7, 20))), max_size=12), min_size=1), st.integers(0, 99)
)
@settings(max_examples=30)
def test_special_tokens_of_a_text_are_neither_left_out_nor_written(drawn: list[list[int]], seed: int) -> None:
    """The text without them comes back; a token for an unknown word is text."""
    batch = texts([len(text) for text in drawn])
    for row, text in enumerate(drawn):
        batch.inputs[row, : len(text)] = torch.tensor(text, dtype=torch.int64)
    plain = [[token for token in text if token not in (*SPECIAL, 0)] for text in drawn]
    torch.manual_seed(seed)
    made = SpanCorruption(schema(), density=0.3, mean_length=1.5).prepare(batch)
    inputs, target = rows(made.inputs, made.present), [row[row != IGNORED].tolist() for row in made.target]
    for row, text in enumerate(plain):
        if len(text) < 2:
            assert (inputs[row], target[row]) == ([*text, END], [])
        else:
            assert put_together(inputs[row], target[row], TEXT.sentinels) == text
    made = Denoising(schema()).prepare(batch)
    for row, text in enumerate(plain):
        found = made.target[row][made.target[row] != IGNORED].tolist()
        assert found == ([BEGIN, *text[:10], END] if text else [])
        assert not {*rows(made.inputs, made.present)[row][1:-1]} & {*SPECIAL, 0} - {MASK}


def test_full_texts_are_told_to_be_full() -> None:
    """A network has a faster way for them than for a mask that is true everywhere."""
    full, cut = texts([12, 12]), texts([12, 9])
    bare = replace(schema(), text=replace(TEXT, classify=None))
    assert full.present is not None
    for objective in (MaskedLanguage(schema()), MaskedLanguage(bare), SpanCorruption(schema())):
        assert objective.prepare(full).present is None
        assert objective.prepare(cut).present is not None
        assert objective.chosen(objective.prepare(full)) is None or not isinstance(objective, SpanCorruption)
    full.inputs[0, 5] = END  # between two documents
    assert SpanCorruption(schema()).prepare(full).present is not None
    alone = Denoising(schema(), share=0.1)  # a mask for one word of ten
    assert alone.prepare(texts([12])).present is None
    assert alone.prepare(texts([9])).present is not None


def test_masked_words_are_a_given_number_and_never_special() -> None:
    torch.manual_seed(0)
    batch = texts([12, 7, 1, 0])
    batch.inputs[0, 3:6] = torch.tensor([1, 3, 22])
    made = MaskedLanguage(schema(), masked=0.3).prepare(batch)
    hidden = made.target != IGNORED
    # of 10 tokens between [CLS] and [SEP] 3 are special: round(0.3 · 7); round(0.3 · 7); at least 1; none
    assert hidden.sum(1).tolist() == [2, 2, 1, 0]
    assert (made.target[hidden] >= FIRST_WORD).all()
    original = torch.where(hidden, made.target, made.inputs)
    text = rows(batch.inputs, batch.present)
    assert rows(original, made.present) == [[CLS, *row[:10], SEP] for row in text]
    assert made.segments is None


def test_without_its_own_tokens_the_text_is_not_framed() -> None:
    bare = replace(schema(), text=replace(TEXT, classify=None))
    made = MaskedLanguage(bare).prepare(texts([12, 7]))
    original = torch.where(made.target != IGNORED, made.target, made.inputs)
    assert torch.equal(original, texts([12, 7]).inputs)
    assert torch.equal(made.present, texts([12, 7]).present)  # type: ignore[arg-type]


def halves(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """Both sentences of each text, as far as they fit."""
    found = []
    for text in rows(batch.inputs, batch.present):
        kept = text[: batch.inputs.shape[1] - 3]
        found.append((kept[: len(kept) // 2], kept[len(kept) // 2 :]))
    return found


def pairs_of(made: PairBatch) -> list[tuple[list[int], list[int]]]:
    """Both sentences of each framed pair, told apart by their segments."""
    original = torch.where(made.target != IGNORED, made.target, made.inputs)
    found = []
    everywhere = torch.ones_like(made.inputs, dtype=torch.bool) if made.present is None else made.present
    for row, present, segments in zip(original, everywhere, made.segments, strict=True):  # type: ignore[arg-type]
        first, second = row[present & (segments == 0)].tolist(), row[present & (segments == 1)].tolist()
        assert (first[0], first[-1], second[-1]) == (CLS, SEP, SEP)
        assert not segments[~present].any()
        found.append((first[1:-1], second[:-1]))
    return found


def test_the_next_sentence_gives_way_to_that_of_another_text() -> None:
    """Not, as the lecture notes have it, to the text's own first sentence: the two do not change places."""
    torch.manual_seed(0)
    batch = texts([12, 12, 9, 6, 12, 11, 5, 12])
    own, replaced = halves(batch), 0
    for _ in range(10):
        made = MaskedLanguage(schema(), pairs="next-sentence").prepare(batch)
        assert made.pair is not None
        for row, ((first, second), wrong) in enumerate(zip(pairs_of(made), made.pair.tolist(), strict=True)):
            assert first == own[row][0]
            others = [half for other, (_, half) in enumerate(own) if other != row]
            assert second in others if wrong else second == own[row][1]
            replaced += wrong
    assert 20 <= replaced <= 60  # of 80, each with probability 1/2: 4.5 standard deviations


def test_in_sentence_order_the_two_change_places() -> None:
    torch.manual_seed(0)
    batch = texts([12, 12, 9, 6, 12, 11, 5, 12])
    made = MaskedLanguage(schema(), pairs="sentence-order").prepare(batch)
    assert made.pair is not None
    assert set(made.pair.tolist()) == {0, 1}
    for pair, own, wrong in zip(pairs_of(made), halves(batch), made.pair.tolist(), strict=True):
        assert pair == (own[::-1] if wrong else own)


def test_a_single_text_keeps_its_next_sentence() -> None:
    for seed in range(5):
        torch.manual_seed(seed)
        made = MaskedLanguage(schema(), pairs="next-sentence").prepare(texts([12]))
        assert made.pair is not None
        assert made.pair.tolist() == [0]
        assert pairs_of(made) == halves(texts([12]))


def test_a_divided_batch_of_pairs_keeps_each_pairs_own_label() -> None:
    made = MaskedLanguage(schema(), pairs="sentence-order").prepare(texts([12] * 8))
    first, second = made.to("cpu").split(2)
    assert isinstance(second, PairBatch)
    assert torch.equal(torch.cat([first.pair, second.pair]), made.pair)  # type: ignore[list-item,arg-type,attr-defined]
    assert torch.equal(second.segments, made.segments[4:])  # type: ignore[arg-type,index]


@pytest.mark.parametrize("pairs", ["none", "next-sentence"])
def test_too_short_texts_are_refused(pairs: str) -> None:
    with pytest.raises(DataError, match="at least 5 tokens"):
        MaskedLanguage(schema(), pairs=pairs).prepare(texts([3], length=3))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="at least 3 tokens"):
        Denoising(schema()).prepare(texts([2], length=2))


def test_too_few_sentinels_are_told_beforehand_and_for_longer_texts() -> None:
    with pytest.raises(ConfigurationError, match=r"4 sentinels.*12 tokens"):
        SpanCorruption(schema(), density=0.3, mean_length=1.0)
    objective = SpanCorruption(schema(), density=0.25, mean_length=1.0)
    with pytest.raises(ConfigurationError, match=r"5 sentinels.*20 tokens"):
        objective.prepare(texts([20], length=20))
