"""Each choice of E[x] against a loop over its definition."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from sightline.core.schema import Schema
from sightline.data import Split, fit_standardiser, load, standardise
from sightline.data.spec import Standardise
from sightline.data.standardise import PATCH_FLOOR

N, C, H, W = 5, 2, 4, 3


def pixels() -> Tensor:
    x = torch.randint(0, 256, (N, C, H, W), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    x[:, 0, 0, 0] = 77  # a pixel that never changes
    x[2, 1] = 200  # an image whose channel never changes
    x[3] = x[3] // 64 + 100  # an image with little contrast
    return x


def moments(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))


def neighbours(i: int, j: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(i - 1, i + 2) for b in range(j - 1, j + 2) if 0 <= a < H and 0 <= b < W]


def slow(x: Tensor, kind: str) -> Tensor:
    v = x.double().div(255).tolist()
    out = torch.empty(x.shape, dtype=torch.float64)
    for n in range(N):
        for c in range(C):
            for i in range(H):
                for j in range(W):
                    if kind == "channel":
                        over = [v[m][c][a][b] for m in range(N) for a in range(H) for b in range(W)]
                    elif kind == "position":
                        over = [v[m][c][i][j] for m in range(N)]
                    elif kind == "image":
                        over = [v[n][c][a][b] for a in range(H) for b in range(W)]
                    elif kind == "patch":
                        over = [v[n][c][a][b] for a, b in neighbours(i, j)]
                    mean, std = {"midpoint": (128 / 255, 0.5), "none": (0.0, 1.0)}.get(kind) or moments(over)
                    if kind == "patch":
                        std = max(std, PATCH_FLOOR)
                    out[n, c, i, j] = (v[n][c][i][j] - mean) / (std if std > 1e-12 else 1.0)
    return out


KINDS: list[Standardise] = ["channel", "position", "midpoint", "image", "patch", "none"]


@pytest.mark.parametrize("kind", KINDS)
def test_is_the_definition(kind: Standardise) -> None:
    x = pixels()
    mean, std = fit_standardiser(x, kind)
    schema = Schema("image", "none", (C, H, W), standardise=kind, image_mean=mean, image_std=std)
    torch.testing.assert_close(standardise(x, schema).double(), slow(x, kind), rtol=1e-4, atol=2e-5)


def test_one_choice_of_each_kind_is_tested() -> None:
    assert len(set(KINDS)) == 6


@pytest.mark.parametrize("kind", ["channel", "position"])
def test_training_images_get_mean_0_and_deviation_1(kind: Standardise) -> None:
    train = load("digits", standardise=kind).train
    x = torch.cat([b.inputs for b in train.batches(batch_size=500)]).double()
    assert abs(x.mean().item()) < 1e-5
    deviation = x.std((0, 2, 3), correction=0) if kind == "channel" else x.std(0, correction=0)
    assert ((deviation - 1).abs().lt(1e-5) | deviation.eq(0)).all()


def as_numbers(split: Split, index: int) -> Tensor:
    picture = split.picture(index)
    assert picture is not None
    return torch.from_numpy(np.array(picture)) / 255


def test_statistics_are_those_of_the_training_split_alone() -> None:
    data = load("digits")
    train = torch.stack([as_numbers(data.train, i) for i in range(len(data.train))])
    assert data.schema.image_mean[0] == pytest.approx(train.mean().item(), abs=1e-6)
    test = next(data.test.batches(batch_size=4))
    by_hand = (as_numbers(data.test, 3) - train.mean()) / train.std(correction=0)
    torch.testing.assert_close(test.inputs[3, 0], by_hand, rtol=1e-5, atol=1e-5)


def test_large_sets_are_summed_exactly() -> None:
    x = torch.full((5000, 1, 2, 2), 255, dtype=torch.uint8)
    x[:2500] = 0
    assert fit_standardiser(x, "channel") == ((0.5,), (0.5,))


def test_sets_of_the_size_of_mnist_do_not_overflow() -> None:
    """60,000 images of 28 × 28: count·Σx² is more than 63 bits hold."""
    half = torch.tensor([40, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    mean, std = fit_standardiser(half.expand(60_000, 3, 392, 2), "channel")
    assert mean == pytest.approx([147.5 / 255] * 3)
    assert std == pytest.approx([107.5 / 255] * 3)
