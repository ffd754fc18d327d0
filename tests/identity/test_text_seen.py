"""Runs of tokens, against plain Python; and which text was evaluated."""

import numpy as np
import pytest
import torch
from torch import Tensor

from sightline.diagnose.text_seen import FACTOR, TextSeen, run_hashes


@pytest.mark.parametrize("length", [1, 2, 3, 16, 24, 37, 64])
def test_hashes_against_a_sum_of_powers(length: int) -> None:
    tokens = np.random.default_rng(length).integers(0, 50_000, (2, 70))
    found = run_hashes(tokens, length)
    assert found.shape == (2, 71 - length)
    for row in range(2):
        for place in (0, 1, 70 - length):
            run = tokens[row, place : place + length].tolist()
            slow = sum(token * pow(FACTOR, length - 1 - k, 1 << 64) for k, token in enumerate(run)) % (1 << 64)
            assert int(found[row, place]) % (1 << 64) == slow


def text(count: int, vocabulary: int = 40) -> Tensor:
    """Tokens with little in common between its parts."""
    return torch.randint(vocabulary, (count,))


def windows(source: Tensor, rows: int = 16, width: int = 32) -> Tensor:
    """Cut at random places."""
    return torch.stack([source[i : i + width] for i in torch.randint(len(source) - width, (rows,)).tolist()])


def seen(train: Tensor, *evaluated: Tensor, width: int = 32) -> TextSeen:
    """Trained on one text, evaluated on others, a batch of each in turn."""
    text_seen = TextSeen()
    for _ in range(120):
        text_seen.train(text_seen.runs(windows(train, width=width)))
    for _ in range(40):
        for source in evaluated:
            text_seen.evaluate(text_seen.runs(windows(source, width=width)))
    return text_seen


@pytest.mark.parametrize("width", [24, 32, 100])
def test_a_part_of_the_training_text_is_known_again(width: int) -> None:
    torch.manual_seed(0)
    whole = text(20_000)
    found = seen(whole, whole[18_000:], width=width).shared()
    assert found.length == {24: 18, 32: 24, 100: 64}[width]
    assert found.vocabulary == 40
    assert found.shared > 0.3 * found.evaluated > 10
    assert found.without < 0.1
    other = seen(whole, text(2_000), width=width).shared()
    assert other.shared == 0 < other.evaluated


def test_batches_of_training_text_among_others_are_no_overlap() -> None:
    torch.manual_seed(1)
    train, other = text(20_000), text(2_000)
    found = seen(train, train, other).shared()
    assert found.shared > 30
    assert found.without == pytest.approx(0.5, abs=0.1)


def test_the_same_runs_are_kept_wherever_they_stand() -> None:
    torch.manual_seed(2)
    x = text(64 * 200).view(64, 200)
    text_seen = TextSeen()
    first = set(text_seen.runs(x))
    assert 8 <= len(first) <= 200
    moved = set(text_seen.runs(torch.cat([text(64 * 5).view(64, 5), x], 1)))
    assert first <= moved
    assert set(text_seen.runs(x[:32])) | set(text_seen.runs(x[32:])) == first


def test_what_repeats_by_itself_or_is_no_text_is_left_out() -> None:
    padding = text(16 * 80, 4).view(16, 80)
    for x in (padding, torch.rand(16, 64), text(100), text(3 * 64).view(3, 64), text(16 * 20).view(16, 20) > 3):
        assert TextSeen().runs(x) == ()
    assert TextSeen().runs(text(16 * 23).view(16, 23)) == ()
    assert TextSeen().shared().evaluated == 0
