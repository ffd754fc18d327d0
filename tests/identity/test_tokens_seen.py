"""How far the tokens of evaluation are from those of training, against plain lists and known answers."""

from collections import Counter
from math import sqrt

import pytest
import torch
from torch import Tensor

from sightline.diagnose.tokens_seen import MOST_VOCABULARY, TokenShift, TokensSeen


def shift(train: Tensor, other: Tensor) -> TokenShift | None:
    """In batches."""
    seen = TokensSeen()
    for batch in train.split(50):
        seen.note(batch, training=True)
    for batch in other.split(40):
        seen.note(batch, training=False)
    return seen.shift()


def known(train: Tensor, other: Tensor) -> TokenShift:
    """Where it is known that something is said."""
    found = shift(train, other)
    assert found is not None
    return found


def slowly(a: list[int], b: list[int]) -> float:
    """½ Σ |p − q|, less what chance gives."""
    p, q = Counter(a), Counter(b)
    every = sorted({*a, *b})
    apart = sum(abs(p[t] / len(a) - q[t] / len(b)) for t in every) / 2
    chance = sum(sqrt((p[t] + q[t]) / (len(a) + len(b))) for t in every) * sqrt(1 / len(a) + 1 / len(b)) * 0.4
    return max(0.0, apart - chance)


def text(rows: int, low: int = 2, high: int = 30, length: int = 8) -> Tensor:
    """Any tokens."""
    return torch.randint(low, high, (rows, length))


def test_against_lists() -> None:
    torch.manual_seed(0)
    train, other = text(300), text(200, 12, 34)
    found = known(train, other)
    assert found.anywhere == pytest.approx(slowly(train.flatten().tolist(), other.flatten().tolist()), abs=1e-4)
    starts = [slowly(train[:, i].tolist(), other[:, i].tolist()) for i in range(3)]
    assert found.leading == pytest.approx(max(starts), abs=1e-4)
    assert found.place == starts.index(max(starts))
    new = [int(t) for t in other[:, found.place] if int(t) not in set(train[:, found.place].tolist())]
    assert found.unknown == pytest.approx(len(new) / 200, abs=1e-4)


def test_one_text_and_two_alphabets() -> None:
    torch.manual_seed(1)
    alike = known(text(400), text(300))
    assert alike.anywhere < 0.02
    assert alike.leading < 0.1
    apart = known(text(400), text(300, 40, 70))
    assert apart.anywhere > 0.85
    assert apart.unknown == 1


def test_another_start_alone() -> None:
    torch.manual_seed(2)
    other = text(300)
    other[:, 1] = torch.randint(30, 50, (300,))
    found = known(text(400), other)
    assert found.anywhere < 0.2
    assert found.leading > 0.75
    assert (found.place, found.unknown) == (1, 1.0)


@pytest.mark.parametrize("at_the_front", [False, True])
def test_padding_of_different_lengths(at_the_front: bool) -> None:
    torch.manual_seed(3)
    train, other = text(400), text(300)
    for x, most in ((train, 4), (other, 6)):
        blank = torch.arange(8) >= 8 - torch.randint(0, most, (len(x), 1))
        x[blank.flip(1) if at_the_front else blank] = 0
    found = known(train, other)
    if not at_the_front:
        assert found.anywhere < 0.05
        assert found.leading < 0.1


def test_words_left_out_at_random_in_training() -> None:
    torch.manual_seed(4)
    train = text(400).masked_fill(torch.rand(400, 8) < 0.25, 1)
    found = known(train, text(300))
    assert found.anywhere < 0.05
    assert found.leading < 0.12
    marked = text(400)
    marked[:, 0] = torch.where(torch.rand(400) < 0.25, 1, marked[:, 0])  # at the start alone it is a mark
    assert known(marked, text(300)).leading > 0.15


def test_what_is_written_token_by_token_is_no_data() -> None:
    torch.manual_seed(5)
    seen, train = TokensSeen(), text(400)
    seen.note(train, training=True)
    for _ in range(120):
        written = torch.full((1, 3), 40)
        seen.note(written, training=False)  # a prompt
        for _ in range(5):
            written = torch.cat([written, torch.randint(40, 60, (1, 1))], 1)
            seen.note(written, training=False)
    for _ in range(60):
        seen.note(torch.full((4, 8), 50), training=False)  # four answers to one prompt
    assert seen.shift() is None


def test_a_second_pass_tells_nothing_new() -> None:
    torch.manual_seed(6)
    train, other = text(400), text(300, 20, 40)
    once, often = TokensSeen(), TokensSeen()
    for seen, passes in ((once, 1), (often, 4)):
        seen.note(train, training=True)
        for _ in range(passes):
            for batch in other.split(60):
                seen.note(batch, training=False)
    assert once.shift() == often.shift() is not None


def test_too_little_to_tell() -> None:
    torch.manual_seed(7)
    enough = text(300)
    for train, other in (
        (enough[:90], enough),
        (enough, enough[:90]),
        (enough.float(), enough),
        (enough[:, :2], enough[:, :2]),
        (enough[:, 0], enough[:, 0]),
        (enough % 3, enough % 3),
        (torch.randint(10 * MOST_VOCABULARY, (2_000, 8)), enough),
    ):
        assert shift(train, other) is None
    assert TokensSeen().shift() is None
