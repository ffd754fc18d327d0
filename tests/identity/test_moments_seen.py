"""Windows of series that share moments, against sets of plain numbers."""

import pytest
import torch
from torch import Tensor

from sightline.diagnose.moments_seen import FEWEST, MomentsSeen

WIDTH = 16


def windows(series: Tensor) -> Tensor:
    """All windows of a series (time, features)."""
    return series.unfold(0, WIDTH, 1).transpose(1, 2).contiguous()


def slowly(trained: Tensor, evaluated: Tensor) -> float:
    """Share of the windows evaluated that hold, inside, what a window trained on begins or ends with."""
    features = trained.shape[2]
    run = -(-6 // features)
    ends = {tuple(w[at : at + run].flatten().tolist()) for w in trained for at in (0, WIDTH - run)}
    inner = [{tuple(w[at : at + run].flatten().tolist()) for at in range(1, WIDTH - run)} for w in evaluated]
    return sum(bool(ends & moments) for moments in inner) / len(inner)


def shared(trained: Tensor, evaluated: Tensor) -> float:
    """In batches."""
    seen = MomentsSeen()
    for batch in trained.split(32):
        seen.note(batch, training=True)
    for batch in evaluated.split(50):
        seen.note(batch, training=False)
    return seen.shared()


@pytest.mark.parametrize("features", [1, 2, 7])
def test_against_sets(features: int) -> None:
    torch.manual_seed(features)
    every = windows(torch.randn(300, features))
    order = torch.randperm(len(every))
    for trained, evaluated in (
        (every[order[:200]], every[order[200:]]),
        (every[order[:40]], every[order[200:]]),
        (every[:200], every[190:]),
        (every[:200], every[200 + WIDTH :]),
    ):
        assert shared(trained, evaluated) == pytest.approx(slowly(trained, evaluated), abs=1e-12)


def test_split_at_random_and_in_time() -> None:
    torch.manual_seed(3)
    series = torch.randn(400, 3)
    every = windows(series)
    order = torch.randperm(len(every))
    assert shared(every[order[:300]], every[order[300:]]) > 0.9
    assert shared(windows(series[:300]), windows(series[300:])) == 0
    assert shared(every[:270], every[270:]) < 0.2  # only those at the seam


def test_what_is_trained_on_later_was_not_known() -> None:
    torch.manual_seed(4)
    series = torch.randn(400, 3)
    seen = MomentsSeen()
    for start in range(0, 400, 80):
        batch = windows(series[start : start + 80])
        seen.note(batch, training=False)
        seen.note(batch, training=True)
    assert seen.shared() == 0


@pytest.mark.parametrize(
    "series",
    [
        torch.ones(400, 3),
        torch.arange(400).div(100, rounding_mode="floor").float()[:, None].expand(400, 3),
        (torch.arange(400) % 4).float()[:, None],
    ],
    ids=["constant", "steps", "coarse, round and round"],
)
def test_moments_that_come_again_by_themselves(series: Tensor) -> None:
    every = windows(series)
    order = torch.randperm(len(every))
    assert shared(every[order[:300]], every[order[300:]]) == 0


def test_what_is_no_series() -> None:
    torch.manual_seed(5)
    every = windows(torch.randn(200, 3))
    for x in (every[:, : FEWEST - 1], every[:, :, 0], every[..., None], every.long(), torch.randn(100, 12, 60)):
        assert shared(x[: len(x) // 2], x) == 0
    assert shared(every[:5], every) == 0
    assert shared(every, every[:10]) == 0
    assert MomentsSeen().shared() == 0
