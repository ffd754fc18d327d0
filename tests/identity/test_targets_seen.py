"""Targets that are tokens of the input."""

import pytest
import torch

from sightline.diagnose.record import TargetsSeen
from sightline.diagnose.targets_seen import note_tokens


def text(rows: int = 4, length: int = 9) -> torch.Tensor:
    """Tokens of which hardly two neighbours are the same."""
    return torch.stack([torch.randperm(50)[:length] for _ in range(rows)])


@pytest.mark.parametrize("time_first", [False, True])
def test_the_next_token(time_first: bool) -> None:
    torch.manual_seed(0)
    whole = text()
    x, y = whole[:, :-1], whole[:, 1:]
    x, y = (x.T, y.T) if time_first else (x, y)
    seen = TargetsSeen()
    note_tokens(seen, x, y.reshape(-1))
    assert (seen.ahead, seen.ahead_axis) == (1, 0 if time_first else 1)
    assert seen.in_input < 0.2


def test_the_whole_is_given_and_the_last_answer_left_out() -> None:
    torch.manual_seed(1)
    x = text()
    seen = TargetsSeen()
    note_tokens(seen, x, x[:, 1:].reshape(-1))
    assert (seen.ahead, seen.in_input) == (1, 0)


def test_the_token_itself_and_targets_left_out() -> None:
    torch.manual_seed(2)
    x = text()
    seen = TargetsSeen()
    note_tokens(seen, x, x)
    assert seen.in_input == 1
    assert seen.ahead < 0.2
    hidden = x.roll(-1, 1).masked_fill(torch.rand(x.shape) < 0.5, -100)
    seen = TargetsSeen()
    note_tokens(seen, x, hidden)
    assert seen.ahead == 1
    seen = TargetsSeen()
    note_tokens(seen, x, torch.full_like(x, -100))
    assert (seen.ahead, seen.in_input) == (0, 0)


def test_classes_of_texts_are_no_tokens() -> None:
    seen = TargetsSeen()
    note_tokens(seen, text(4, 9), torch.tensor([1, 2, 3, 0]))
    assert (seen.ahead, seen.in_input) == (0, 0)
