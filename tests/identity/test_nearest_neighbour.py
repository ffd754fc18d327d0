"""Nearest images against all distances one by one; the memorisation check on planted copies and on smooth images."""

import math

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.generate.nearest_neighbour import Nearness, chance_of_as_many, memorisation, nearest_images, share_below


def images(count: int, seed: int) -> Tensor:
    return torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("block", [1, 16, 70, 1000])
def test_equals_all_distances(block: int) -> None:
    made, real = images(30, 0), images(70, 1)
    every = torch.cdist(made.flatten(1).double(), real.flatten(1).double()).square()
    found = nearest_images(made, iter(real.split(block)))
    assert torch.equal(found.indices, every.argmin(1))
    torch.testing.assert_close(found.squared.double(), every.amin(1), rtol=1e-5, atol=0)
    whole = nearest_images(made, real)
    assert torch.equal(whole.indices, found.indices)


def test_a_copy_has_distance_0() -> None:
    real = images(50, 0)
    found = nearest_images(real[[49, 7]], iter(real.split(8)))
    assert found.indices.tolist() == [49, 7]
    assert found.squared.tolist() == [0, 0]


def test_share_below_by_hand() -> None:
    real = torch.arange(1.0, 200.0)  # 199 values: the second smallest marks 1 %
    found = share_below(torch.tensor([0.5, 2.0, 2.5, 9.0]), real)
    assert found.threshold == 2
    assert found.share.value == 0.5
    assert found.share.standard_error == pytest.approx(0.25)
    assert found.expected == pytest.approx(2 / 200)
    assert found.too_many
    assert not share_below(torch.tensor([0.5, 9.0, 9.0, 9.0]), real).too_many
    ties = share_below(torch.zeros(5), torch.tensor([0.0] * 5 + [1.0] * 94))
    assert ties.expected == pytest.approx(5 / 100)
    few = share_below(torch.zeros(3), torch.tensor([3.0, 4.0]))
    assert few.threshold == 3
    assert few.expected == pytest.approx(1 / 3)


@pytest.mark.parametrize(("n", "rank", "m"), [(5, 1, 7), (4, 3, 3), (6, 2, 150)])
def test_the_chance_by_counting_orders(n: int, rank: int, m: int) -> None:
    """Of the C(n + m, n) orders those with exactly j of the n before the rank-th of the m: C(j + r − 1, j) ways in
    front, C(n − j + m − r, n − j) behind."""
    orders = [math.comb(j + rank - 1, j) * math.comb(n - j + m - rank, n - j) for j in range(n + 1)]
    assert sum(orders) == math.comb(n + m, n)
    for below in range(n + 1):
        expected = sum(orders[below:]) / sum(orders)
        assert chance_of_as_many(below, n, rank, m) == pytest.approx(expected, rel=1e-9)


def nearness(of: Tensor) -> Nearness:
    training, held_out = images(400, 1), images(200, 2)
    return Nearness(nearest_images(of, training).squared, nearest_images(of, held_out).squared)


def test_copies_are_found_and_smooth_images_are_not_taken_for_them() -> None:
    real, fresh = nearness(images(200, 3)), images(200, 4)
    plain = memorisation(nearness(fresh), real)
    assert not plain.memorised
    assert not plain.smooth
    planted = fresh.clone()
    planted[:20] = images(400, 1)[100:120]
    found = memorisation(nearness(planted), real)
    assert found.memorised
    assert found.nearer.share.value >= 0.1
    assert found.copies.share.value >= 0.1
    smooth = memorisation(nearness((fresh + images(200, 5) + images(200, 6) + images(200, 7)) / 4), real)
    assert smooth.nearer.share.value > 0.05
    assert smooth.smooth
    assert not smooth.memorised


def test_an_image_that_is_in_both_is_no_copy() -> None:
    both = Nearness(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 4.0]))
    assert both.ratio.tolist() == [1.0, 0.0]


def test_what_is_refused(as_a_user_calls: None) -> None:
    with pytest.raises(InputError, match="shape"):
        nearest_images(images(2, 0), torch.zeros(3, 1, 5, 5))
    with pytest.raises(InputError, match="none"):
        nearest_images(images(2, 0), iter([]))
    with pytest.raises(ConfigurationError, match="level"):
        share_below(torch.zeros(3), torch.zeros(3), 1.0)
    with pytest.raises(InputError, match="NaN"):
        share_below(torch.tensor([torch.nan]), torch.zeros(3))
    with pytest.raises(InputError, match="none"):
        share_below(torch.zeros(3), torch.zeros(0))
