"""Where momentum converges, how fast, and the fastest there is: the formulas against eigenvalues, runs and searches."""

from collections.abc import Callable, Sequence
from math import log, sqrt
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import Tensor

from matrices import draw
from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import svd_coordinates
from sightline.linear.companion_matrix import companion, curvatures, error_factors
from sightline.linear.momentum import momentum, momentum_iterates
from sightline.linear.momentum_forms import AveragedMomentum, HeavyBall, Velocity
from sightline.linear.momentum_stability import (
    critical_momentum,
    eigenvalues,
    is_stable,
    largest_stable_rate,
    spectral_radius,
    stability_map,
)
from sightline.linear.optimal_momentum import optimal_momentum

ONE = torch.ones(1, dtype=torch.float64)  # σ = 1, so the curvature is 2
MOMENTA = st.floats(0, 0.99)


def measured_radius(sigma: Tensor, method: HeavyBall, ridge: float = 0.0) -> float:
    """The worst direction's largest eigenvalue, by LAPACK."""
    return float(torch.linalg.eigvals(companion(sigma, method, ridge)).abs().max())


@given(st.floats(1e-6, 10), MOMENTA, st.booleans(), st.sampled_from([0.0, 0.3]))
def test_the_eigenvalues_are_the_companion_matrixs(rate: float, m: float, ahead: bool, ridge: float) -> None:
    """By trace and determinant, which no closeness to a double eigenvalue disturbs."""
    sigma = torch.tensor([1.0, 0.5, 0.01], dtype=torch.float64)
    method = HeavyBall(rate, m, nesterov=ahead)
    z, M = eigenvalues(sigma, method, ridge), companion(sigma, method, ridge)
    scale = 1 + float(M.abs().max()) ** 2
    trace, determinant = torch.einsum("rii->r", M), torch.linalg.det(M)
    torch.testing.assert_close(z.sum(-1), trace.to(z), rtol=0, atol=1e-14 * scale)
    torch.testing.assert_close(z.prod(-1), determinant.to(z), rtol=0, atol=1e-14 * scale)
    torch.testing.assert_close(z.abs().amax(-1), spectral_radius(sigma, method, ridge), rtol=1e-13, atol=1e-15)
    assert bool((z[:, 0].abs() >= z[:, 1].abs()).all())
    assert float(spectral_radius(sigma, method, ridge).max()) == pytest.approx(
        measured_radius(sigma, method, ridge), abs=1e-7 * scale
    )


@settings(max_examples=40)
@given(MOMENTA, st.booleans(), st.floats(0.01, 100), st.sampled_from([0.0, 0.3]))
def test_the_limit_is_where_the_measured_radius_crosses_one(m: float, ahead: bool, top: float, ridge: float) -> None:
    sigma = torch.tensor([top, top / 7], dtype=torch.float64)
    limit = largest_stable_rate(sigma, HeavyBall(123.0, m, nesterov=ahead), ridge)
    low, high = 0.5 * limit, 2 * limit
    for _ in range(50):
        middle = (low + high) / 2
        stable = measured_radius(sigma, HeavyBall(middle, m, nesterov=ahead), ridge) < 1
        low, high = (middle, high) if stable else (low, middle)
    assert limit == pytest.approx(low, rel=1e-10)
    for factor, expected in ((0.999, True), (1.0, False), (1.001, False)):
        method = HeavyBall(factor * limit, m, nesterov=ahead)
        assert is_stable(sigma, method, ridge) is expected
        assert (float(spectral_radius(sigma, method, ridge).max()) < 1) is expected or factor == 1.0
    for form in (AveragedMomentum, Velocity):
        other = form.from_heavy_ball(HeavyBall(limit, m, nesterov=ahead))
        assert largest_stable_rate(sigma, other, ridge) == pytest.approx(other.rate, rel=1e-12)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("beta", [1.0, 0.5, 0.1])
def test_runs_converge_below_the_limit_and_diverge_above(beta: float, ahead: bool) -> None:
    drawn = draw(7, 4, rank=4, condition=3, seed=2)
    problem, start = svd_coordinates(drawn.X, drawn.y), torch.ones(4, dtype=torch.float64)
    limit = largest_stable_rate(problem.sigma, AveragedMomentum(1.0, beta, nesterov=ahead))
    written = (2 - beta) / beta / float(drawn.sigma[0]) ** 2 / ((3 - 2 * beta) if ahead else 1)
    assert limit == pytest.approx(written, rel=1e-12)
    best = torch.linalg.lstsq(drawn.X, drawn.y[:, None]).solution[:, 0]
    errors = []
    for factor in (0.98, 1.02):
        method = AveragedMomentum(factor * limit, beta, nesterov=ahead)
        seen = momentum_iterates(drawn.X, drawn.y, method, 500, start).weights
        errors.append(float((seen[-1] - best).norm() / (seen[0] - best).norm()))
        far = momentum(problem, method, 20000 if factor < 1 else 500, start)
        errors.append(float((far - best).norm() / (seen[0] - best).norm()))
    assert errors[0] < 0.8
    assert errors[1] < 1e-10
    assert min(errors[2:]) > 2


def test_averaging_bears_rates_that_descent_does_not() -> None:
    """L6: the filter lets η pass 1/σ₁²; 19 times at β = 0.1."""
    rate = 18.0
    averaged, plain = AveragedMomentum(rate, 0.1), AveragedMomentum(rate, 1.0)
    assert largest_stable_rate(ONE, AveragedMomentum(1.0, 1.0)) == pytest.approx(1.0, rel=1e-15)
    X, y = torch.eye(1), torch.ones(1)
    assert float((momentum_iterates(X, y, averaged, 200).weights[-1] - 1).abs()) < 1e-2
    assert float(momentum_iterates(X, y, plain, 50).weights[-1].abs()) > 1e6


def test_the_map_is_below_one_exactly_inside_the_region() -> None:
    x = torch.linspace(-0.5, 4.5, 201, dtype=torch.float64) + 1e-3
    m = torch.linspace(0, 0.995, 100, dtype=torch.float64)
    for ahead in (False, True):
        limit = 2 * (1 + m) / (1 + 2 * m) if ahead else 2 * (1 + m)
        inside = (x[None, :] > 0) & (x[None, :] < limit[:, None])
        found = stability_map(x, m, nesterov=ahead)
        assert torch.equal(found < 1, inside)
        assert 0.1 < float(inside.double().mean()) < 0.9
        for row, column in ((3, 30), (50, 60), (99, 150)):
            method = HeavyBall(float(x[column]) / 2, float(m[row]), nesterov=ahead)
            assert float(found[row, column]) == pytest.approx(float(spectral_radius(ONE, method)), rel=1e-12)


@given(st.floats(1e-4, 0.999), st.booleans())
def test_critical_momentum_is_the_fastest_for_its_rate(x: float, ahead: bool) -> None:
    m = float(critical_momentum(ONE, x / 2, nesterov=ahead))
    # at the double eigenvalue a rounding of m by ε moves the radius by √ε
    close = 20 * sqrt(torch.finfo(torch.float64).eps)
    assert float(spectral_radius(ONE, HeavyBall(x / 2, m, nesterov=ahead))) == pytest.approx(1 - sqrt(x), abs=close)
    others = [min(max(m + shift, 0.0), 0.9999) for shift in (-0.5, -0.1, -1e-3, -1e-6, 1e-6, 1e-3, 0.1, 0.5)]
    for other in others:
        assert measured_radius(ONE, HeavyBall(x / 2, other, nesterov=ahead)) > 1 - sqrt(x) - close
        if abs(other - m) >= 1e-3:
            assert measured_radius(ONE, HeavyBall(x / 2, other, nesterov=ahead)) > 1 - sqrt(x)


def test_past_one_step_critical_momentum_swings() -> None:
    m = float(critical_momentum(ONE, 2.25 / 2))
    assert m == pytest.approx(0.25)
    assert float(spectral_radius(ONE, HeavyBall(2.25 / 2, m))) == pytest.approx(0.5, abs=1e-7)
    assert m < 0.3 < 0.5 < float(spectral_radius(ONE, HeavyBall(2.25 / 2, 0.3)))


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("condition", [1.5, 30.0])
def test_no_search_finds_a_faster_pair(condition: float, ahead: bool) -> None:
    """Over (α, m) by LAPACK's eigenvalues on a spectrum with directions between the extremes, from several starts."""
    sigma = torch.logspace(0, -log(condition) / log(10), 9, dtype=torch.float64)
    found = optimal_momentum(sigma)
    best = found.nesterov if ahead else found.heavy_ball

    def worst(point: Sequence[float]) -> float:
        rate, m = float(point[0]), float(point[1])
        inside = rate > 0 and 0 <= m < 1
        return measured_radius(sigma, HeavyBall(rate, m, nesterov=ahead)) if inside else 2.0

    close = 20 * sqrt(torch.finfo(torch.float64).eps)  # the radius at a double eigenvalue
    assert worst([best.method.rate, best.method.momentum]) == pytest.approx(best.radius, abs=close)
    reached = []
    for rate, m in ((0.5, 0.5), (best.method.rate * 1.1, best.method.momentum * 0.9)):
        search = minimize(worst, [rate, m], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12})
        search = minimize(worst, search.x, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12})
        reached.append(search.fun)
    assert min(reached) > best.radius - close
    assert min(reached) < best.radius + 1e-3 * (1 - best.radius) + close


@given(st.floats(1.001, 1e5), st.floats(0.01, 100), st.sampled_from([0.0, 0.5]))
def test_the_tunings_agree_with_one_another_and_with_the_radius(condition: float, low: float, ridge: float) -> None:
    sigma = torch.tensor([low * condition, low], dtype=torch.float64)
    found = optimal_momentum(sigma, ridge)
    h = curvatures(sigma, ridge)
    kappa = sqrt(float(h[0] / h[1]))
    assert found.condition == pytest.approx(kappa, rel=1e-13)
    close = 20 * sqrt(torch.finfo(torch.float64).eps)
    for tuned in (found.gradient_descent, found.nesterov, found.heavy_ball):
        assert float(spectral_radius(sigma, tuned.method, ridge).max()) == pytest.approx(tuned.radius, abs=close)
        assert is_stable(sigma, tuned.method, ridge)
    assert found.gradient_descent.gap <= found.nesterov.gap * (1 + 1e-9)
    assert found.nesterov.gap <= found.heavy_ball.gap * (1 + 1e-9)
    averaged = AveragedMomentum.from_heavy_ball(found.heavy_ball.method)
    assert averaged.rate == pytest.approx(1 / sqrt(float(h[0] * h[1])), rel=1e-15 * (kappa + 100))
    assert averaged.beta == pytest.approx(4 * kappa / (kappa + 1) ** 2, rel=1e-15 * (kappa + 100))
    # the slow end is critically damped in both accelerated methods
    slow = [
        float(critical_momentum(sigma[1:], t.method.rate, t.method.nesterov, ridge))
        for t in (found.heavy_ball, found.nesterov)
    ]
    assert slow[0] == pytest.approx(found.heavy_ball.method.momentum, abs=1e-13)
    assert slow[1] == pytest.approx(found.nesterov.method.momentum, abs=1e-13)


def test_the_steps_saved_are_the_condition_number() -> None:
    """Gradient descent needs about κ² / 2 · ln(1/factor) steps, the heavy ball κ / 2 · ln(1/factor)."""
    sigma = torch.tensor([1000.0, 1.0], dtype=torch.float64)
    found = optimal_momentum(sigma)
    plain, ahead, ball = (t.steps_to_shrink(1e-3) for t in (found.gradient_descent, found.nesterov, found.heavy_ball))
    assert plain / ball == pytest.approx(1000, rel=1e-5)
    assert ahead / ball == pytest.approx(sqrt(3), rel=1e-3)
    assert plain == pytest.approx(1e6 / 2 * log(1e3), rel=1e-5)
    error = error_factors(sigma, found.gradient_descent.method, [int(plain), int(plain) + 1]).abs().amax(1)
    assert float(error[0]) >= 1e-3 * (1 - 1e-9) >= float(error[1])
    k = int(ball)
    early, late = error_factors(sigma, found.heavy_ball.method, [k, 2 * k])[:, 1].tolist()
    assert late / early == pytest.approx(1e-3 * 2, rel=0.1)  # ρᵏ and the factor k of a double eigenvalue
    assert optimal_momentum(torch.ones(2)).heavy_ball.steps_to_shrink(0.5) == 0.0


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_makes_no_sense_is_refused() -> None:
    ball = HeavyBall(0.1, 0.5)
    functions: tuple[Callable[[Any], object], ...] = (
        lambda s: eigenvalues(s, ball),
        lambda s: spectral_radius(s, ball),
        lambda s: largest_stable_rate(s, ball),
        lambda s: is_stable(s, ball),
        lambda s: critical_momentum(s, 0.1),
        optimal_momentum,
        lambda s: stability_map(s, torch.zeros(1)),
    )
    for wrong in (torch.ones(0), torch.ones(2, 2), torch.tensor([float("nan")]), [1.0]):
        for function in functions:
            with pytest.raises(DataError):
                function(wrong)
    for function in functions[:-1]:
        with pytest.raises(DataError, match="negative"):
            function(torch.tensor([1.0, -1.0]))
    for call in (
        lambda: spectral_radius(ONE, ball, ridge=-1.0),
        lambda: largest_stable_rate(ONE, ball, ridge=float("nan")),
        lambda: critical_momentum(ONE, 0.0),
        lambda: critical_momentum(ONE, 2.0),
        lambda: critical_momentum(ONE, 0.6, nesterov=True),
        lambda: optimal_momentum(ONE, ridge=-1.0),
        lambda: optimal_momentum(ONE).heavy_ball.steps_to_shrink(1.0),
    ):
        with pytest.raises(ConfigurationError):
            call()
    for call in (
        lambda: optimal_momentum(torch.tensor([1.0, 0.0])),
        lambda: stability_map(ONE, torch.tensor([0.5, 1.0])),
    ):
        with pytest.raises(DataError):
            call()
    assert largest_stable_rate(torch.zeros(2), ball) == float("inf")
    assert is_stable(torch.zeros(2), ball)


@pytest.mark.parametrize("scale", [1e-150, 1e-90, 1.0, 1e90, 1e150])
def test_the_tuning_scales_with_the_matrix(scale: float) -> None:
    found = optimal_momentum(torch.tensor([3.0, 1.0], dtype=torch.float64) * scale).heavy_ball.method
    assert found.momentum == pytest.approx(0.25, rel=1e-12)
    assert found.rate * scale * scale == pytest.approx(0.125, rel=1e-12)
