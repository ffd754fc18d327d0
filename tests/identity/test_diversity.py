"""Mean distances against double loops; the ratio of two."""

import math

import pytest
import torch

from sightline.core.errors import InputError
from sightline.objectives.diversity import distance_within_classes, diversity, pairwise_distance
from sightline.objectives.standard_error import Estimate


def slow(images: torch.Tensor) -> float:
    pairs = [(i, j) for i in range(len(images)) for j in range(i)]
    return sum(float((images[i] - images[j]).double().norm()) for i, j in pairs) / len(pairs)


def test_every_pair_counts_once() -> None:
    images = torch.rand(17, 1, 3, 2, generator=torch.Generator().manual_seed(0))
    assert pairwise_distance(images).value == pytest.approx(slow(images), rel=1e-6)


def test_classes_count_alike_whatever_their_size() -> None:
    images = torch.rand(12, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0] * 7 + [2] * 4 + [5])
    found = distance_within_classes(images, labels)
    assert found.value == pytest.approx((slow(images[:7]) + slow(images[7:11])) / 2, rel=1e-6)
    errors = [pairwise_distance(part).standard_error for part in (images[:7], images[7:11])]
    assert found.standard_error == pytest.approx(math.hypot(*errors) / 2)


def test_images_that_are_all_alike_have_no_distance() -> None:
    alike = torch.rand(1, 784).repeat(50, 1)
    assert pairwise_distance(alike).value < 1e-6
    assert diversity(pairwise_distance(alike), Estimate(2.0, 0.1)).value < 1e-6
    assert math.isnan(diversity(Estimate(1.0, 0.1), Estimate(0.0, 0.0)).value)


def test_the_ratio_carries_both_errors() -> None:
    found = diversity(Estimate(3.0, 0.3), Estimate(2.0, 0.1))
    assert found.value == 1.5
    assert found.standard_error == pytest.approx(1.5 * math.hypot(0.3 / 3, 0.1 / 2))


def test_one_image_has_no_other() -> None:
    with pytest.raises(InputError, match="two images"):
        pairwise_distance(torch.zeros(1, 4))
    with pytest.raises(InputError, match="a class with two images"):
        distance_within_classes(torch.zeros(2, 4), torch.tensor([0, 1]))
