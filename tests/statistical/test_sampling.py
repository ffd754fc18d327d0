"""Sampling: tokens come as often as they should, and texts of different rows are independent.

20,000 draws: a frequency p has standard error √(p(1−p)/20,000), at most 0.0035; 4.5 of them are allowed.
"""

import math

import pytest
import torch

from sightline.generate import Sample, draw, generate

DRAWS = 20_000


@pytest.mark.parametrize("method", [Sample(), Sample(temperature=2.0), Sample(top_k=3), Sample(top_p=0.7)], ids=repr)
def test_tokens_come_with_their_probability(method: Sample) -> None:
    scores = torch.tensor([2.0, -1.0, 1.0, 0.5, 1.5, -torch.inf], dtype=torch.float64)
    chances = torch.rand(DRAWS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    chosen = method.choose(scores.expand(DRAWS, 6), chances)
    frequencies = chosen.bincount(minlength=6) / DRAWS
    wanted = method.distribution(scores[None])[0]
    for frequency, p in zip(frequencies.tolist(), wanted.tolist(), strict=True):
        assert abs(frequency - p) <= 4.5 * math.sqrt(p * (1 - p) / DRAWS)


def test_ends_of_the_interval_and_tokens_without_probability() -> None:
    chances = torch.tensor([0.0, 0.5, 1 - 2**-53], dtype=torch.float64)
    for weights in ([0.0, 1.0, 0.0, 1.0, 0.0], [0.0, 0.1, 0.0, 0.1, 0.0], [0.0, 3.0, 0.0, 3.0, 0.0]):
        assert draw(torch.tensor([weights]).expand(3, 5), chances).tolist() == [1, 3, 3]


def test_texts_of_equal_prompts_and_of_seeds_are_independent() -> None:
    """Two coins a text, 2,000 texts of one prompt: the four outcomes and their halves are as frequent as they should.

    The standard error of a quarter is 0.0097.
    """
    scores = torch.tensor([[0.5, 0.5]]).log()
    found = generate(
        lambda tokens, present: scores.expand(len(tokens), 2), [[0]] * 2000, max_new_tokens=2, method=Sample(), seed=3
    )
    outcomes = torch.tensor([2 * one.tokens[0] + one.tokens[1] for one in found]).bincount(minlength=4) / 2000
    assert (outcomes - 0.25).abs().max() < 4.5 * math.sqrt(0.25 * 0.75 / 2000)
    firsts = [one.tokens[0] for one in found]
    agree = sum(a == b for a, b in zip(firsts[::2], firsts[1::2], strict=True)) / 1000
    assert abs(agree - 0.5) < 4.5 * math.sqrt(0.25 / 1000)
