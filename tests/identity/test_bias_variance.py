"""Bias, variance, approximation, noise: the parts against the estimator's own mean and covariance."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from matrices import Drawn, draw, problems, relative
from sightline.core.errors import SightlineError
from sightline.linear.best_filter import best_factors, error_under_prior
from sightline.linear.bias_variance import decompose_error, errors_by_direction
from sightline.linear.error_sweeps import sweep_ridge, sweep_steps
from sightline.linear.model_complexity import (
    complexity_curve,
    polynomial_complexity,
    polynomial_features,
    simulate_complexity,
)
from sightline.linear.simulated_errors import simulate_errors

RIDGE = 0.3


def ridge_filter(sigma: Tensor) -> Tensor:
    return sigma.square() / (sigma.square() + RIDGE)


def hat(X: Tensor, X_test: Tensor, ridge: float = RIDGE) -> Tensor:
    """The slow twin: the matrix that turns targets into predictions, by a solve."""
    gram = X.mT @ X + ridge * torch.eye(X.shape[1], dtype=X.dtype)
    found: Tensor = X_test @ torch.linalg.solve(gram, X.mT)
    return found


@given(problems(max_condition=1e6, outputs=False))
def test_the_parts_add_up_to_the_expected_error_of_the_hat_matrix(drawn: Drawn) -> None:
    """E‖HY − Y'‖²/n = ‖Hf − f‖²/n + noise ‖H‖²/n + noise, with H by a plain solve; λ keeps it well conditioned."""
    X, f, noise = drawn.X, drawn.y, 0.7
    found = decompose_error(X, f, ridge_filter, noise)
    H = hat(X, X)
    expected = (H @ f - f).square().mean() + noise * H.square().sum() / len(f) + noise
    assert relative(found.total, expected) < 1e-12
    directions = errors_by_direction(X, f, ridge_filter, noise)
    assert relative(directions.predicted_bias.sum(), found.bias) < 1e-12
    assert relative(directions.predicted_variance.sum(), found.variance) < 1e-12
    assert relative(found.variance, noise * H.square().sum() / len(f)) < 1e-12


@given(problems(max_condition=1e4, outputs=False), st.integers(1, 15))
def test_at_test_points_too_and_the_approximation_is_the_misfit_of_the_best_weights(drawn: Drawn, m: int) -> None:
    X, f, noise = drawn.X, drawn.y, 0.7
    generator = torch.Generator().manual_seed(m)
    X_test, f_test = (torch.randn(m, *size, generator=generator).double() for size in ((X.shape[1],), ()))
    found = decompose_error(X, f, ridge_filter, noise, X_test=X_test, signal_test=f_test)
    H = hat(X, X_test)
    assert relative(found.total, (H @ f - f_test).square().mean() + noise * H.square().sum() / m + noise) < 1e-10
    best = torch.linalg.lstsq(X_test, f_test, driver="gelsd").solution
    assert relative(found.approximation + 1, (X_test @ best - f_test).square().mean() + 1) < 1e-10
    at_training = decompose_error(X, f, ridge_filter, noise, X_test=X, signal_test=f)
    assert relative(at_training.total, decompose_error(X, f, ridge_filter, noise).total) < 1e-10


@given(problems(max_condition=1e8, outputs=False))
def test_sweeps_are_their_members_and_go_the_ways_they_must(drawn: Drawn) -> None:
    X, f = drawn.X, drawn.y
    ridges = [0.0, 1e-3, 0.1, 1.0, 30.0]
    swept = sweep_ridge(X, f, ridges, noise=0.5)
    for index, ridge in enumerate(ridges):
        alone = decompose_error(X, f, lambda s, r=ridge: s.square() / (s.square() + r), 0.5)  # type: ignore[misc]
        assert relative(swept.bias[index], alone.bias) < 1e-12
        assert relative(swept.variance[index], alone.variance) < 1e-12
    assert (swept.bias.diff() >= -1e-15).all()
    assert (swept.variance.diff() <= 1e-15).all()
    # least squares: no bias, and noise/n for each direction there is
    assert float(swept.bias[0]) < 1e-30
    assert float(swept.variance[0]) == pytest.approx(0.5 * drawn.rank / len(f), rel=1e-12)

    steps = sweep_steps(X, f, 0.4, [0, 1, 5, 50], noise=0.5)  # σ₁ = 1
    for index, k in enumerate([0, 1, 5, 50]):
        w = torch.zeros(X.shape[1], dtype=torch.float64)
        for _ in range(k):
            w = w + 0.8 * X.mT @ (f - X @ w)
        assert relative(steps.approximation + steps.bias[index] + 1, (X @ w - f).square().mean() + 1) < 1e-12


@given(problems(max_condition=1e3, outputs=False, full_rank=True), st.floats(0.1, 10), st.floats(0.1, 10))
def test_the_best_ridge_is_noise_over_the_priors_variance(drawn: Drawn, noise: float, prior: float) -> None:
    """Against a grid of λ around it; and the best factors are no worse than any others, direction by direction."""
    best = noise / prior
    grid = best * torch.logspace(-2, 2, 41, dtype=torch.float64)
    factors = drawn.sigma.square() / (drawn.sigma.square() + grid[:, None])
    errors = error_under_prior(drawn.sigma, factors, noise, prior)
    assert int(errors.argmin()) == 20
    truth = torch.full_like(drawn.sigma, prior**0.5)
    assert relative(best_factors(drawn.sigma, truth, noise), factors[20]) < 1e-12
    expected = (prior * (1 - factors).square() + noise * (factors / drawn.sigma).square()).sum(1)
    assert relative(errors, expected) < 1e-12


def test_features_of_zeros_leave_all_of_the_signal_as_approximation() -> None:
    X, f = torch.zeros(4, 2), torch.ones(4)
    for found in (sweep_ridge(X, f, [0.0, 1.0], 0.5), sweep_steps(X, f, 1.0, [0, 5], 0.5)):
        assert found.total.tolist() == [1.5, 1.5]
        assert found.approximation == 1


@given(st.integers(2, 14), st.integers(0, 10**6))
def test_the_nested_complexity_curve_is_a_separate_fit_for_every_degree(n: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    X, X_test = (torch.randn(rows, n, generator=generator, dtype=torch.float64) for rows in (n, 9))
    f, f_test = (torch.randn(rows, generator=generator, dtype=torch.float64) for rows in (n, 9))
    noise = 0.4
    curve = complexity_curve(X, X_test, f, f_test, noise)
    for p in curve.complexity:
        U, sigma, Vh = torch.linalg.svd(X[:, :p], full_matrices=False)
        H, H_test = U @ U.mT, X_test[:, :p] @ (Vh.mT / sigma) @ U.mT
        condition = float(sigma[0] / sigma[-1])
        expected = (H_test @ f - f_test).square().mean() + noise * H_test.square().sum() / 9 + noise
        assert relative(curve.test[p - 1], expected) < 1e-13 * condition + 1e-12
        rest = torch.eye(n, dtype=torch.float64) - H
        training = (rest @ f).square().mean() + noise * rest.square().sum() / n
        assert float((curve.training[p - 1] - training).abs()) < 1e-12
        best = torch.linalg.lstsq(X_test[:, :p], f_test, driver="gelsd").solution
        left = (X_test[:, :p] @ best - f_test).square().mean()
        assert float((curve.approximation[p - 1] - left).abs()) < 1e-10


def test_the_u_of_polynomials_on_a_cosine() -> None:
    """The lectures' example: approximation falls, variance rises, the best degree lies between, training falls on."""
    x, x_test = torch.linspace(-5, 5, 16), torch.linspace(-5, 5, 200)
    curve = polynomial_complexity(torch.cos, x, x_test, degree=15, noise=0.05)
    assert 1 < curve.best < 16
    assert float(curve.test[-1]) > 10 * float(curve.test.min())
    assert (curve.approximation.diff() <= 1e-15).all()
    assert (curve.variance.diff() > 0).all()
    assert (curve.training.diff() < 0).all()
    assert float(curve.training[-1]) < 1e-20
    # cos is even: degree 2k + 1 approximates as 2k does, on points as even as these
    assert torch.allclose(curve.approximation[0::2], curve.approximation[1::2], atol=1e-13)
    powers = torch.stack([x.double() ** k for k in range(16)], 1)
    features = polynomial_features(x, 15, -5, 5)
    assert torch.linalg.matrix_rank(torch.cat([powers[:, :4], features[:, :4]], 1)) == 4
    assert torch.linalg.cond(features) < 1e-6 * torch.linalg.cond(powers)


X, f = draw(6, 3, rank=3, condition=5, seed=0).X, torch.ones(6)
NAN = torch.full((6,), float("nan"))
DRAW = torch.Generator().manual_seed(0)
BAD: list[Callable[[], object]] = [
    lambda: decompose_error(X, NAN, ridge_filter, 0.1),
    lambda: decompose_error(NAN[:, None], f, ridge_filter, 0.1),
    lambda: decompose_error(torch.ones(0, 2), f, ridge_filter, 0.1),
    lambda: decompose_error(X, torch.ones(5), ridge_filter, 0.1),
    lambda: decompose_error(X, f, ridge_filter, -0.1),
    lambda: decompose_error(X, f, lambda s: s[:2], 0.1),
    lambda: decompose_error(X, f, lambda s: s / 0, 0.1),
    lambda: decompose_error(X, f, ridge_filter, 0.1, X_test=X),
    lambda: decompose_error(X, f, ridge_filter, 0.1, X_test=X[:, :2], signal_test=f),
    lambda: errors_by_direction(X, f, ridge_filter, float("nan")),
    lambda: sweep_ridge(X, f, [0.1, -1.0], 0.1),
    lambda: sweep_ridge(X, f, [], 0.1),
    lambda: sweep_steps(X, f, 0.0, [1], 0.1),
    lambda: sweep_steps(X, f, float("inf"), [1], 0.1),
    lambda: sweep_steps(X, f, 0.1, [-1], 0.1),
    lambda: sweep_steps(X, f, 0.1, [], 0.1),
    lambda: best_factors(torch.ones(2), torch.ones(3), 0.1),
    lambda: best_factors(torch.ones(2), torch.ones(2), 0.0),
    lambda: error_under_prior(torch.zeros(2), torch.ones(2), 0.1, 1.0),
    lambda: error_under_prior(torch.ones(2), torch.ones(2), 0.1, -1.0),
    lambda: simulate_errors(X, f, ridge_filter, 0.1, repetitions=2, generator=DRAW),
    lambda: simulate_errors(X, f, lambda s: torch.ones(2, 3), 0.1, repetitions=9, generator=DRAW),
    lambda: polynomial_features(NAN, 2),
    lambda: polynomial_features(torch.tensor([2.0]), 2),
    lambda: polynomial_features(f, -1),
    lambda: polynomial_features(f, 1, 1.0, 1.0),
    lambda: polynomial_complexity(torch.cos, f, f, degree=2, noise=0.1),
    lambda: polynomial_complexity(torch.cos, torch.linspace(0, 1, 4), f, degree=4, noise=0.1),
    lambda: complexity_curve(X, X[:, :2], f, f, 0.1),
    lambda: complexity_curve(torch.ones(6, 2), torch.ones(6, 2), f, f, 0.1),
    lambda: complexity_curve(X, X, f, NAN, 0.1),
    lambda: complexity_curve(X, X, f, f, -0.1),
    lambda: simulate_complexity(X, X, f, f, 0.1, repetitions=1, generator=DRAW),
]


@pytest.mark.parametrize("call", BAD)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_refused_in_three_parts(call: Callable[[], object]) -> None:
    with pytest.raises(SightlineError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))


def test_every_refusal_is_here() -> None:
    assert len(BAD) == 33
