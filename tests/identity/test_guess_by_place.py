"""Constant guesses of several numbers, each place with one of its own, against plain sums."""

from statistics import fmean, median

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD

from sightline.diagnose import Watch
from sightline.diagnose.constant_guess import ENOUGH, constant_guess, guess_by_place
from sightline.diagnose.reading import Reading


def rows(count: int = 80) -> list[list[float]]:
    """Three numbers each, around different middles."""
    torch.manual_seed(0)
    numbers = torch.randn(count, 3) * torch.tensor([1.0, 0.1, 3.0]) + torch.tensor([0.0, 5, 1])
    found: list[list[float]] = numbers.tolist()
    return found


def test_squares_against_plain_sums() -> None:
    every = rows()
    columns = list(zip(*every, strict=True))
    inside = fmean(fmean((v - fmean(column)) ** 2 for v in column) for column in columns)
    numbers = [v for row in every for v in row]
    whole = fmean((v - fmean(numbers)) ** 2 for v in numbers)
    found = guess_by_place("mse_loss", every)
    assert found == pytest.approx(inside / whole * 80 / 79)
    assert found is not None
    assert found < 0.6


def test_distances_against_plain_sums() -> None:
    every = rows()
    columns = list(zip(*every, strict=True))
    inside = fmean(fmean(abs(v - median(column)) for v in column) for column in columns)
    numbers = [v for row in every for v in row]
    whole = fmean(abs(v - median(numbers)) for v in numbers)
    assert guess_by_place("l1_loss", every) == pytest.approx(inside / whole * 80 / 79)


def test_places_that_are_alike() -> None:
    torch.manual_seed(1)
    alike = torch.randn(400, 5).tolist()
    assert guess_by_place("mse_loss", alike) == pytest.approx(1, abs=0.02)
    binary = (torch.rand(400, 5) < torch.tensor([0.02, 0.02, 0.5, 0.98, 0.98])).float().tolist()
    found = guess_by_place("binary_cross_entropy", binary)
    assert found is not None
    assert 0.2 < found < 0.4


def test_what_does_not_tell() -> None:
    every = rows()
    assert guess_by_place("mse_loss", every[: ENOUGH - 1]) is None
    assert guess_by_place("triplet_margin_loss", every) is None
    assert guess_by_place("mse_loss", [[1.0, 1.0]] * 80) is None  # nothing to guess
    assert guess_by_place("mse_loss", [[float("inf"), 1.0]] * 80) is None
    assert guess_by_place("mse_loss", []) is None


def test_the_guess_of_a_mean_picture() -> None:
    torch.manual_seed(2)
    rim = torch.tensor([0.0, 4.0, -4.0, 1.0])
    x = torch.randn(200, 4)
    y = x * 0.5 + rim
    network = nn.Linear(4, 4)
    sgd = SGD(network.parameters(), lr=0.01)
    with Watch() as w:
        for _ in range(8):
            sgd.zero_grad()
            F.mse_loss(network(x), y).backward()
            sgd.step()
    by_place = float((y - y.mean(0)).square().mean())
    guess = Reading(w.record).guess
    assert guess == pytest.approx(by_place, rel=0.1)
    one = constant_guess("mse_loss", {}, y.flatten().tolist())
    assert one is not None
    assert one > 10 * by_place
