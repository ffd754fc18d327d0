"""Beam search: exhaustive where it is wide enough, greedy where it is narrow, and never stopped too early."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sightline.generate import Banned, Beam, Continuation, Greedy, NoRepeatedNgram, generate

Scores = Callable[[Tensor, Tensor], Tensor]
V = 3


def by_chance(seed: int, *, size: int = V) -> Scores:
    """Random scores of each text, the same whatever stands beside it."""
    table = 1.5 * torch.randn(4999, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def scores(tokens: Tensor, present: Tensor) -> Tensor:
        texts = [row[real].tolist() for row, real in zip(tokens, present, strict=True)]
        return table[[hash(tuple(text)) % len(table) for text in texts]]

    return scores


def log_probability(scores: Scores, prompt: list[int], text: tuple[int, ...]) -> float:
    total = 0.0
    for count in range(len(text)):
        tokens = torch.tensor([[*prompt, *text[:count]]])
        total += scores(tokens, torch.ones_like(tokens).bool())[0].log_softmax(0)[text[count]].item()
    return total


def exhaustive(
    scores: Scores, prompt: list[int], *, longest: int, end: tuple[int, ...], alpha: float, size: int = V
) -> list[tuple[float, tuple[int, ...]]]:
    """Every text that ends with its first end token, or has the longest length without one; the best first."""
    texts = []
    for length in range(1, longest + 1):
        for text in itertools.product(range(size), repeat=length):
            inside = not any(token in end for token in text[:-1])
            if inside and (text[-1] in end or length == longest):
                texts.append((log_probability(scores, prompt, text) / ((5 + length) / 6) ** alpha, text))
    return sorted(texts, key=lambda one: -one[0])


def slow_beam_search(
    scores: Scores, prompt: list[int], *, width: int, longest: int, end: tuple[int, ...], alpha: float, wanted: int
) -> list[tuple[float, tuple[int, ...]]]:
    """One prompt, one text at a time, no stopping before the longest length."""
    going: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    finished = []
    for length in range(1, longest + 1):
        tried = []
        for total, text in going:
            tokens = torch.tensor([[*prompt, *text]])
            chances = scores(tokens, torch.ones_like(tokens).bool())[0].log_softmax(0)
            tried += [(total + chances[v].item(), (*text, v)) for v in range(len(chances))]
        tried.sort(key=lambda one: -one[0])
        finished += [(total, text) for total, text in tried[:width] if text[-1] in end]
        going = [(total, text) for total, text in tried if text[-1] not in end][:width]
        if length == longest:
            finished += going
    ranked = [(total / ((5 + len(text)) / 6) ** alpha, text) for total, text in finished]
    return sorted(ranked, key=lambda one: -one[0])[:wanted]


def ranked(found: Continuation) -> list[tuple[float, tuple[int, ...]]]:
    return [(one.score, one.tokens) for one in (found, *found.others)]


def same(found: list[tuple[float, tuple[int, ...]]], right: list[tuple[float, tuple[int, ...]]]) -> bool:
    scores = [score for score, _ in right]
    return [text for _, text in found] == [text for _, text in right] and [
        score for score, _ in found
    ] == pytest.approx(scores, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("end", [(), (2,), (0, 1)], ids=str)
def test_a_beam_that_holds_every_beginning_searches_exhaustively(alpha: float, end: tuple[int, ...]) -> None:
    """V = 3, T = 3: 27 beginnings; the best five of four random score functions, prompts side by side."""
    for seed in range(4):
        scores, prompts = by_chance(seed), [[0], [1, 2]]
        beam = Beam(V**3, length_penalty=alpha, num_results=5)
        found = generate(scores, prompts, max_new_tokens=3, method=beam, end=end)
        for prompt, one in zip(prompts, found, strict=True):
            right = exhaustive(scores, prompt, longest=3, end=end, alpha=alpha)
            assert same(ranked(one), right[:5])
            assert one.log_probability == pytest.approx(log_probability(scores, prompt, one.tokens))
            assert one.finished == (one.tokens[-1] in end)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.5])
def test_batched_and_stopped_is_what_one_by_one_to_the_end_gives(width: int, alpha: float) -> None:
    """12 prompts whose searches stop at different steps, to length 7, with one and two end tokens."""
    prompts = [[i, *range(i % 3)] for i in range(12)]
    for seed, end in ((1, (2,)), (2, (0, 3))):
        scores = by_chance(seed, size=5)
        beam = Beam(width, length_penalty=alpha, num_results=(width + 1) // 2)
        found = generate(scores, prompts, max_new_tokens=7, method=beam, end=end)
        for prompt, one in zip(prompts, found, strict=True):
            right = slow_beam_search(
                scores, prompt, width=width, longest=7, end=end, alpha=alpha, wanted=beam.num_results
            )
            assert same(ranked(one), right)


def test_it_stops_as_soon_as_nothing_better_can_come() -> None:
    """Every text ends with 0.9; after the first end token no other is more than 0.1 likely, however long it gets."""
    calls = []

    def scores(tokens: Tensor, present: Tensor) -> Tensor:
        calls.append(len(tokens))
        return torch.tensor([0.9, 0.06, 0.04]).log().expand(len(tokens), 3)

    generate(scores, [[1]], max_new_tokens=50, method=Beam(2, length_penalty=0.0), end=0)
    assert calls == [1]
    calls.clear()
    generate(scores, [[1]], max_new_tokens=50, method=Beam(2, length_penalty=0.0, num_results=2), end=0)
    assert calls == [1, 2]
    calls.clear()  # −0.1054 ≥ −2.81/((5 + N)/6) for N = 155 and no longer
    bound = math.ceil(6 * math.log(0.06) / math.log(0.9)) - 5
    generate(scores, [[1]], max_new_tokens=bound - 1, method=Beam(2, length_penalty=1.0), end=0)
    assert calls == [1]
    calls.clear()
    generate(scores, [[1]], max_new_tokens=bound + 1, method=Beam(2, length_penalty=1.0), end=0)
    assert calls == [1, 2]


def test_the_usual_early_stops_miss_the_best() -> None:
    """A text that ends at once is found first; a longer one has a better score per token.

    Neither stopping when a text is finished nor the bound at the present length would find it.
    """
    first, later = torch.tensor([0.51, 0.49]).log(), torch.tensor([1e-4, 1 - 1e-4]).log()

    def scores(tokens: Tensor, present: Tensor) -> Tensor:
        rows = [later if count > 1 else first for count in present.sum(1).tolist()]
        return torch.stack(rows)

    found = generate(scores, [[1]], max_new_tokens=10, method=Beam(1, length_penalty=1.0), end=0)[0]
    assert found.tokens == (1,) * 10
    assert found.score > math.log(0.51) > math.log(0.49) / ((5 + 1) / 6)


@pytest.mark.parametrize("end", [(), (2,), (0, 3)], ids=str)
def test_width_1_without_length_penalty_is_greedy(end: tuple[int, ...]) -> None:
    prompts = [[i] for i in range(8)]
    for seed in range(4):
        scores = by_chance(seed, size=5)
        greedy = generate(scores, prompts, max_new_tokens=6, method=Greedy(), end=end)
        narrow = generate(scores, prompts, max_new_tokens=6, method=Beam(1, length_penalty=0.0), end=end)
        assert [one.tokens for one in narrow] == [one.tokens for one in greedy]
        assert [one.log_probability for one in narrow] == pytest.approx([one.log_probability for one in greedy])


def test_a_wider_beam_finds_what_greedy_decoding_misses() -> None:
    """The lecture's tree: the likelier first token leads to less likely texts."""
    chain = torch.tensor([[0.0, 0.6, 0.4], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0]]).log()
    found = {w: generate(lambda t, p: chain[t[:, -1]], [[0]], max_new_tokens=2, method=Beam(w))[0] for w in (1, 2)}
    assert (found[1].tokens, found[2].tokens) == ((1, 0), (2, 0))
    assert math.exp(found[2].log_probability) == pytest.approx(0.4)
    assert math.exp(found[1].log_probability) == pytest.approx(0.24)


def test_scores_and_penalty() -> None:
    beam = Beam(4, length_penalty=0.6, num_results=4)
    found = generate(by_chance(3), [[0]], max_new_tokens=4, method=beam, end=2)[0]
    for one in (found, *found.others):
        assert one.score == pytest.approx(one.log_probability / ((5 + len(one.tokens)) / 6) ** 0.6)
    assert len(found.others) == 3
    assert [one.score for one in (found, *found.others)] == sorted((s for s, _ in ranked(found)), reverse=True)
    assert len({one.tokens for one in (found, *found.others)}) == 4


def test_rules_hold_and_dead_ends_are_left() -> None:
    """With rules that leave two texts there are two results, and no beginning that is impossible is carried on."""
    scores = by_chance(5)
    found = generate(
        scores, [[0]], max_new_tokens=2, method=Beam(3, num_results=3), rules=[NoRepeatedNgram(1), Banned([0])]
    )[0]
    assert {one.tokens for one in (found, *found.others)} == {(1, 2), (2, 1)}
    for one in (found, *found.others):
        assert one.log_probability == pytest.approx(log_probability(scores, [0], one.tokens))
    ended = generate(scores, [[0]], max_new_tokens=9, method=Beam(3), end=2, rules=[NoRepeatedNgram(1), Banned([0])])[0]
    assert ended.tokens in ((2,), (1, 2))
    held = generate(scores, [[0]], max_new_tokens=4, min_new_tokens=2, method=Beam(9, num_results=9), end=(1, 2))[0]
    assert {len(one.tokens) for one in (held, *held.others)} == {3, 4}


def test_beams_stream_when_their_prompt_is_done() -> None:
    told: list[tuple[int, int]] = []
    found = generate(
        by_chance(7), [[0], [1], [2]], max_new_tokens=4, method=Beam(2), end=2, stream=lambda *new: told.append(new)
    )
    for row, one in enumerate(found):
        assert tuple(token for prompt, token in told if prompt == row) == one.tokens
    rows = [row for row, _ in told]
    assert sum(a != b for a, b in itertools.pairwise(rows)) == 2
