"""Simulated stochastic gradient descent against its exact moments: 4,000 runs, within 5 standard errors.

A case compares means, second moments and losses at five steps: 65 numbers, of which one is beyond 5 standard errors
about once in 25,000 cases where the averages are normal. The seeds are fixed.
"""

import pytest
import torch

from matrices import draw
from sightline.linear import svd_coordinates
from sightline.linear.gradient_descent import descent_limit
from sightline.linear.stationary_noise import mean_square_limit, stationary_covariance
from sightline.linear.stochastic_gradient import stochastic_gradient_iterates, stochastic_gradient_moments

CHAINS, STANDARD_ERRORS = 4000, 5


@pytest.mark.parametrize(("batch", "replacement"), [(1, True), (4, True), (4, False)])
def test_simulated_moments_are_the_exact_ones(batch: int, replacement: bool) -> None:
    drawn = draw(10, 3, rank=3, condition=4, seed=11)
    start, steps = torch.tensor([1.0, -1.0, 0.5]), [1, 3, 10, 30, 60]
    rate = 0.3 * mean_square_limit(drawn.X, batch, replacement)
    generator = torch.Generator().manual_seed(100 + batch)
    runs = stochastic_gradient_iterates(
        drawn.X, drawn.y, rate, batch, 60, generator, CHAINS, start, replacement=replacement
    )
    exact = stochastic_gradient_moments(drawn.X, drawn.y, rate, batch, 60, start, replacement)
    error = runs - descent_limit(svd_coordinates(drawn.X, drawn.y), start)
    squares = error[..., :, None] * error[..., None, :]
    losses = (error @ drawn.X.mT).square().sum(-1)
    compared = 0
    for samples, expected in ((runs, exact.mean), (squares, exact.error), (losses, exact.excess)):
        for step in steps:
            standard_error = samples[step].std(0) / CHAINS**0.5
            assert bool((standard_error > 0).all())
            away = (samples[step].mean(0) - expected[step]).abs() / standard_error
            assert float(away.max()) < STANDARD_ERRORS, (step, away)
            compared += away.numel()
    assert compared == 5 * (3 + 9 + 1)


def test_the_spread_in_the_end_is_the_stationary_covariance() -> None:
    """After 400 steps, where the slowest direction has forgotten its start to 1e-6."""
    drawn = draw(10, 2, rank=2, condition=2, seed=12)
    rate = 0.3 * mean_square_limit(drawn.X, 2)
    run = stochastic_gradient_iterates(drawn.X, drawn.y, rate, 2, 400, torch.Generator().manual_seed(5), chains=CHAINS)[
        -1
    ]
    assert (1 - 2 * rate * float(drawn.sigma[-1]) ** 2) ** 400 < 1e-6
    error = run - descent_limit(svd_coordinates(drawn.X, drawn.y))
    squares = error[:, :, None] * error[:, None, :]
    away = (squares.mean(0) - stationary_covariance(drawn.X, drawn.y, rate, 2)) / (squares.std(0) / CHAINS**0.5)
    assert float(away.abs().max()) < STANDARD_ERRORS
