"""Survival and contamination over random examples: exact values within 4 standard errors, limits within O(1/n) more."""

from math import sqrt

import pytest
import torch

from sightline.linear.deterministic_equivalent import expected_errors, isotropic_error
from sightline.linear.simulated_survival import simulate_survival
from sightline.linear.survival import survival, survival_of


def within(values: torch.Tensor, expected: float, *, also: float = 0.0) -> bool:
    """Their mean lies within 4 standard errors of what is expected, and a stated further distance."""
    return abs(float(values.mean()) - expected) < 4 * float(values.std()) / sqrt(len(values)) + also


@pytest.mark.parametrize("d", [5, 15, 40, 90])
def test_isotropic_examples_have_exactly_the_error_known(d: int) -> None:
    """4,000 repetitions, n = 20; no tolerance beside the standard error."""
    found = simulate_survival(
        torch.ones(d),
        torch.ones(d) * (2 / d) ** 0.5,
        samples=20,
        noise=0.5,
        repetitions=4000,
        generator=torch.Generator().manual_seed(d),
    )
    assert within(found.error, isotropic_error(20, d, norm=2**0.5, noise=0.5))
    assert within(found.survival, min(1.0, 20 / d))


@pytest.mark.parametrize("ridge", [0.0, 0.3, 20.0])
@pytest.mark.parametrize("d", [30, 200])
def test_the_equivalent_is_right_to_order_one_over_n(d: int, ridge: float) -> None:
    """n = 80, spectrum i^−½: 400 repetitions. Beside the standard errors, 3/n of the error's scale is allowed."""
    n, spectrum = 80, 1 / torch.arange(1, d + 1, dtype=torch.float64).sqrt()
    w = torch.zeros(d, dtype=torch.float64)
    w[[0, 3, 20]] = torch.tensor([1.0, -1.0, 2.0]).double()
    exact = expected_errors(spectrum, w, samples=n, noise=0.4, ridge=ridge)
    found = simulate_survival(
        spectrum, w, samples=n, noise=0.4, ridge=ridge, repetitions=400, generator=torch.Generator().manual_seed(d)
    )
    assert within(found.error, exact.test, also=3 / n * exact.test)
    assert within(found.survival, exact.survival.survival, also=3 / n)
    assert within(found.contamination, exact.survival.contamination, also=3 / n * exact.test)


def test_training_error_is_the_test_error_times_the_share_of_the_ridge() -> None:
    """n = 80, d = 120, λ = 10: 300 repetitions, 3/n allowed beside the standard error."""
    n, d, ridge = 80, 120, 10.0
    generator = torch.Generator().manual_seed(0)
    w = torch.ones(d, dtype=torch.float64) / d**0.5
    X = torch.randn(300, n, d, generator=generator, dtype=torch.float64)
    y = X @ w + 0.6 * torch.randn(300, n, generator=generator, dtype=torch.float64)
    K = X @ X.mT + ridge * torch.eye(n, dtype=torch.float64)
    residual = ridge * torch.linalg.solve(K, y)
    exact = expected_errors(torch.ones(d), w, samples=n, noise=0.36, ridge=ridge)
    assert within(residual.square().mean(1), exact.training, also=3 / n * exact.training)


def test_given_the_examples_it_is_exact_over_the_noise() -> None:
    """20,000 draws of the noise on one X: mean and variance of SU, and CN²."""
    generator = torch.Generator().manual_seed(5)
    X, root = (torch.randn(rows, 9, generator=generator, dtype=torch.float64) for rows in (6, 9))
    w, C = torch.ones(9, dtype=torch.float64), root @ root.mT
    exact = survival(X, w, noise=0.5, ridge=0.1, covariance=C)
    y = X @ w + 0.5**0.5 * torch.randn(20000, 6, generator=generator, dtype=torch.float64)
    K = X @ X.mT + 0.1 * torch.eye(6, dtype=torch.float64)
    found = survival_of(torch.linalg.solve(K, y.mT).mT @ X, w, C)
    assert within(found.survival, exact.survival)
    assert within((found.survival - exact.survival).square(), exact.survival_variance)
    assert within(found.contamination, exact.contamination)
    assert within(found.error(0.5), exact.error)
