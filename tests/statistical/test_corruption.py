"""How often what is hidden: shares against their standard errors, 5 of them allowed."""

import math

import pytest
import torch
from torch import Tensor

from sightline.core.schema import IGNORED
from sightline.data.batch import Batch
from sightline.objectives.denoising import infill, poisson_spans
from sightline.objectives.masked_language import MaskedLanguage
from sightline.objectives.random_places import random_parts
from sightline.objectives.span_corruption import SpanCorruption
from text_models import FIRST_WORD, schema, words

MASK, WORDS = 4, 20 - FIRST_WORD


def agrees(count: float, probability: float, trials: int) -> bool:
    """Within 5 standard errors √(p(1−p)/trials) of the share."""
    return abs(count / trials - probability) < 5 * math.sqrt(probability * (1 - probability) / trials)


def test_of_the_chosen_80_percent_are_masked_10_replaced_and_10_left() -> None:
    """13,000 texts of 10 words: 2 of each are chosen, so 26,000 choices; the standard error of 0.8 is 0.0025."""
    torch.manual_seed(0)
    tokens = words(13_000, 12)
    made = MaskedLanguage(schema(), masked=0.2).prepare(Batch(tokens, tokens, torch.arange(13_000), 13_000))
    hidden = made.target != IGNORED
    assert (hidden.sum(1) == 2).all()
    now, before = made.inputs[hidden], made.target[hidden]
    total = len(now)
    assert agrees(float((now == MASK).sum()), 0.8, total)
    # a random word is the right one once in 13 times
    assert agrees(float((now == before).sum()), 0.1 + 0.1 / WORDS, total)
    changed = (now != before) & (now != MASK)
    counts = torch.bincount(now[changed], minlength=23)
    assert counts.sum() == counts[FIRST_WORD:20].sum()
    for word in range(FIRST_WORD, 20):
        # of those that are another word, by symmetry each is equally likely where words are
        assert agrees(float(counts[word]), 0.1 * (WORDS - 1) / WORDS / WORDS, total)


def test_every_place_is_chosen_alike() -> None:
    """13,000 texts: each of 10 places with probability 0.2, standard error 0.0035."""
    torch.manual_seed(1)
    tokens = words(13_000, 12)
    made = MaskedLanguage(schema(), masked=0.2).prepare(Batch(tokens, tokens, torch.arange(13_000), 13_000))
    chosen = (made.target != IGNORED).sum(0)
    assert chosen[0] == chosen[11] == 0
    assert all(agrees(float(count), 0.2, 13_000) for count in chosen[1:11])


@pytest.mark.parametrize("pairs", ["next-sentence", "sentence-order"])
def test_half_of_the_pairs_are_wrong(pairs: str) -> None:
    torch.manual_seed(2)
    tokens = words(10_000, 12)
    made = MaskedLanguage(schema(), pairs=pairs).prepare(Batch(tokens, tokens, torch.arange(10_000), 10_000))  # type: ignore[arg-type]
    assert isinstance(made.pair, Tensor)
    assert agrees(float(made.pair.sum()), 0.5, 10_000)


def test_the_other_text_is_any_with_equal_chance() -> None:
    """4 texts, 1,500 draws: about 250 for each of the three others of each text."""
    from sightline.objectives.sentence_pair import Part, next_sentence

    torch.manual_seed(3)
    rows = torch.arange(4)
    part = Part(rows, rows, rows)
    counts = torch.zeros(4, 4)
    for _ in range(1_500):
        _, second, wrong = next_sentence(part, part)
        counts[rows, second.row] += wrong
    assert not counts.diagonal().any()
    assert all(agrees(float(counts[i, j]), 1 / 6, 1_500) for i in range(4) for j in range(4) if i != j)


def test_all_divisions_are_equally_likely() -> None:
    """6 in 3 parts: 10 divisions, 20,000 draws."""
    torch.manual_seed(4)
    made = random_parts(torch.full((20_000,), 6), torch.full((20_000,), 3), longest=6, most=3)
    kinds, counts = made.unique(dim=0, return_counts=True)
    assert len(kinds) == math.comb(5, 2)
    assert all(agrees(float(count), 0.1, 20_000) for count in counts)


def test_span_corruption_loses_every_place_but_the_first_and_ends_with_a_span() -> None:
    """Texts of 12 lose 4 in 2 spans. By the counts of divisions, P(place lost) is known; 10,000 draws."""
    torch.manual_seed(5)
    tokens = torch.arange(100, 112).expand(10_000, -1)
    objective = SpanCorruption(schema(), density=0.3, mean_length=2.0)
    made = objective.prepare(Batch(tokens, tokens, torch.arange(10_000), 10_000))
    lost = torch.bincount((made.target[made.target >= 100] - 100).flatten(), minlength=12)
    expected = torch.zeros(12)
    divisions = [(k, n) for k in range(1, 8) for n in range(1, 4)]  # first of 8 kept in 2, of 4 lost in 2
    for kept, noise in divisions:
        places = [*range(kept, kept + noise), *range(8 + noise, 12)]
        expected[places] += 1 / len(divisions)
    assert lost[0] == 0
    assert lost[11] == 10_000
    assert all(agrees(float(c), float(p), 10_000) for c, p in zip(lost[1:11], expected[1:11], strict=True))


def first_lengths(draws: int, mean: float) -> Tensor:
    return poisson_spans(torch.full((draws,), 30), mean, most=30)[:, 0]


def test_infilled_spans_are_poisson_and_some_of_them_empty() -> None:
    """The first of the spans that cover 30 tokens is never cut: 20,000 draws of Poisson(3)."""
    torch.manual_seed(6)
    found = torch.bincount(first_lengths(20_000, 3.0), minlength=8)
    for length in range(8):
        probability = math.exp(-3) * 3**length / math.factorial(length)
        assert agrees(float(found[length]), probability, 20_000)


def test_every_arrangement_of_infilled_spans_is_equally_likely() -> None:
    """Spans of 2 and 0 tokens in a text of 4: slots 4, and 4·3 ways to give two of them to the spans."""
    torch.manual_seed(7)
    spans = torch.tensor([[2, 0]]).expand(12_000, -1)
    noisy, slots = infill(torch.arange(10, 14).expand(12_000, -1), torch.full((12_000,), 4), spans, 4)
    assert (slots == 4).all()
    kinds, counts = noisy.unique(dim=0, return_counts=True)
    found = {tuple(kind): int(count) for kind, count in zip(kinds.tolist(), counts, strict=True)}
    ways: dict[tuple[int, ...], int] = {}
    for first in range(4):
        for second in range(4):
            if first != second:
                left, slow = iter(range(10, 14)), []
                for slot in range(4):
                    if slot == first:
                        next(left), next(left)
                    slow.append(4 if slot in (first, second) else next(left))
                ways[tuple(slow)] = ways.get(tuple(slow), 0) + 1
    assert set(found) == set(ways)
    assert all(agrees(found[kind], number / 12, 12_000) for kind, number in ways.items())
