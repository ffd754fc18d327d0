"""Bias and variance in simulated noise against their exact values; each figure within 4 of its own standard errors."""

import pytest
import torch
from torch import Tensor

from matrices import draw
from sightline.linear.bias_variance import Filter, decompose_error
from sightline.linear.model_complexity import complexity_curve, polynomial_features, simulate_complexity
from sightline.linear.simulated_errors import simulate_errors

FILTERS: dict[str, Filter] = {
    "least squares": torch.ones_like,
    "ridge": lambda s: s.square() / (s.square() + 0.05),
    "descent": lambda s: 1 - (1 - 0.8 * s.square()) ** 6,
    "truncated": lambda s: (s > 0.3).double(),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("shape", [(12, 5), (5, 12)])
def test_simulated_parts_are_the_exact_ones(name: str, shape: tuple[int, int]) -> None:
    """4,000 repetitions."""
    n, d = shape
    drawn, generator = draw(n, d, rank=5, condition=30, seed=1), torch.Generator().manual_seed(2)
    X_test = torch.randn(9, d, generator=generator, dtype=torch.float64)
    f_test = X_test @ torch.ones(d, dtype=torch.float64) + 0.3 * torch.randn(9, generator=generator).double()
    points: list[dict[str, Tensor]] = [{}, {"X_test": X_test, "signal_test": f_test}]
    for at in points:
        exact = decompose_error(drawn.X, drawn.y, FILTERS[name], 0.3, **at)
        found = simulate_errors(drawn.X, drawn.y, FILTERS[name], 0.3, repetitions=4000, generator=generator, **at)
        assert found.approximation == pytest.approx(float(exact.approximation), abs=1e-12)
        assert abs(found.bias - float(exact.bias)) < 4 * found.bias_standard_error
        assert abs(found.variance - float(exact.variance)) < 4 * found.variance_standard_error
        assert abs(found.total - float(exact.total)) < 4 * found.total_standard_error


def test_the_standard_errors_are_the_spread_over_simulations_and_the_bias_is_not_inflated() -> None:
    """400 simulations of 20 repetitions: means of estimates are right, stated errors are near the seen spread.

    A spread over 400 has a relative standard error of 3.5 %; the jackknife may be too large, by a third at most here.
    The mean's plain square would be too large by variance/20, many of its standard errors.
    """
    drawn, generator = draw(12, 5, rank=5, condition=5, seed=3), torch.Generator().manual_seed(4)
    exact = decompose_error(drawn.X, drawn.y, FILTERS["ridge"], 0.5)
    runs = [
        simulate_errors(drawn.X, drawn.y, FILTERS["ridge"], 0.5, repetitions=20, generator=generator)
        for _ in range(400)
    ]
    for part in ("bias", "variance", "total"):
        values = torch.tensor([getattr(run, part) for run in runs], dtype=torch.float64)
        stated = torch.tensor([getattr(run, part + "_standard_error") for run in runs], dtype=torch.float64)
        spread = float(values.std())
        assert abs(float(values.mean()) - float(getattr(exact, part))) < 4 * spread / 20
        assert 0.85 * spread < float(stated.square().mean().sqrt()) < 1.35 * spread
        if part == "bias":
            assert float(exact.variance) / 20 > 8 * spread / 20


def test_the_simulated_complexity_curve_is_the_exact_one() -> None:
    """3,000 repetitions at 10 degrees, training and test: 20 figures within 4 standard errors each."""
    x, x_test = torch.linspace(-3, 3, 14), torch.linspace(-3, 3, 40)
    X, X_test = polynomial_features(x, 9, -3, 3), polynomial_features(x_test, 9, -3, 3)
    f, f_test = torch.cos(x.double()), torch.cos(x_test.double())
    exact = complexity_curve(X, X_test, f, f_test, 0.2)
    found = simulate_complexity(X, X_test, f, f_test, 0.2, repetitions=3000, generator=torch.Generator().manual_seed(0))
    for stated, values in (
        (found.test_standard_error, found.test),
        (found.training_standard_error, found.training),
    ):
        assert torch.allclose(stated, (values - values.mean(0)).square().sum(0).div(3000 * 2999).sqrt(), rtol=1e-12)
    assert ((found.test.mean(0) - exact.test).abs() < 4 * found.test_standard_error).all()
    assert ((found.training.mean(0) - exact.training).abs() < 4 * found.training_standard_error).all()
