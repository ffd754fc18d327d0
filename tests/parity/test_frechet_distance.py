"""The Fréchet distance against scipy's matrix root, closed forms, and a slow twin where covariances are singular."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from sightline.core.errors import InputError
from sightline.generate.frechet_distance import frechet_distance


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_covariance(root: Tensor, rows: int, seed: int) -> Tensor:
    """Rows of mean 0 whose covariance is exactly root rootᵀ."""
    centred = normal(rows, len(root), seed=seed)
    white: Tensor = torch.linalg.qr(centred - centred.mean(0)).Q * math.sqrt(rows - 1)
    return white @ root.mT


def slow_twin(a: Tensor, b: Tensor) -> float:
    """Every step of the definition: covariances, roots of their eigenvalues, those of Σ_a^½ Σ_b Σ_a^½ again."""
    first, second = (torch.cov(x.mT) for x in (a, b))

    def root(matrix: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        found: Tensor = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.mT
        return found

    overlap = torch.trace(root(root(first) @ second @ root(first)))
    between = (a.mean(0) - b.mean(0)).square().sum()
    return float(between + torch.trace(first) + torch.trace(second) - 2 * overlap)


def test_equals_scipy() -> None:
    a, b = normal(50, 6) @ normal(6, 6, seed=1) + 1, normal(70, 6, seed=2) @ normal(6, 6, seed=3)
    first, second = np.cov(a.numpy().T), np.cov(b.numpy().T)
    expected = float(((a.mean(0) - b.mean(0)) ** 2).sum()) + np.trace(
        first + second - 2 * np.real(sqrtm(first @ second))
    )
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_one_dimension() -> None:
    a, b = normal(9, 1), 3 * normal(14, 1, seed=1) + 2
    expected = (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-12)


def test_commuting_covariances_and_means_apart() -> None:
    """Σ_a and Σ_b of the same eigenvectors: Σ_i (σ_i − τ_i)² + ‖Δμ‖²."""
    turn = torch.linalg.qr(normal(4, 4)).Q
    sigma, tau = torch.tensor([3.0, 1.0, 0.5, 2.0]).double(), torch.tensor([1.0, 1.0, 4.0, 0.1]).double()
    a, b = with_covariance(turn * sigma, 30, 1), with_covariance(turn * tau, 40, 2)
    expected = float((sigma - tau).square().sum()) + 4 * 0.25
    assert frechet_distance(a + 0.5, b) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("rows", [2, 4, 11])
def test_fewer_rows_than_features(rows: int) -> None:
    a, b = normal(rows, 12, seed=rows), normal(7, 12, seed=1) + 0.3
    assert frechet_distance(a, b) == pytest.approx(slow_twin(a, b), rel=1e-6)
    assert frechet_distance(a, a.flip(0)) == pytest.approx(0, abs=1e-12)


def test_covariances_without_a_common_direction_just_add_up() -> None:
    a, b = torch.zeros(5, 6, dtype=torch.float64), torch.zeros(8, 6, dtype=torch.float64)
    a[:, :2], b[:, 3:5] = normal(5, 2), normal(8, 2, seed=1)
    expected = a.var(0).sum() + b.var(0).sum() + (a.mean(0) - b.mean(0)).square().sum()
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-12)


def test_symmetric_and_the_same_in_turned_coordinates() -> None:
    a, b, turn = normal(20, 5), normal(15, 5, seed=1) * 2, torch.linalg.qr(normal(5, 5, seed=2)).Q
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-12)
    assert frechet_distance(a @ turn + 7, b @ turn + 7) == pytest.approx(frechet_distance(a, b), rel=1e-10)


def test_small_differences_of_float32_features_far_from_the_origin() -> None:
    a = (1000 + normal(40, 3)).float()
    assert frechet_distance(a, a + 1) == pytest.approx(3, rel=1e-4)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (torch.zeros(1, 3), torch.zeros(4, 3), "at least 2 rows"),
        (torch.zeros(4, 3), torch.zeros(0, 3), "at least 2 rows"),
        (torch.zeros(4), torch.zeros(4, 3), "at least 2 rows"),
        (torch.zeros(4, 2), torch.zeros(4, 3), "one space"),
        (torch.zeros(4, 3), torch.full((4, 3), torch.nan), "finite"),
        ([[1.0]], torch.zeros(4, 3), "at least 2 rows"),
    ],
)
def test_what_is_refused(a: Tensor, b: Tensor, words: str, as_a_user_calls: None) -> None:
    with pytest.raises(InputError, match=words):
        frechet_distance(a, b)
