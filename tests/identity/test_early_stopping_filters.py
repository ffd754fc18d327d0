"""Early stopping beside ridge: the filters, the matching of time to λ, and the bounds that hold on any data."""

from math import exp

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matrices import Drawn, problems, relative
from sightline.core.errors import SightlineError
from sightline.linear import svd_coordinates
from sightline.linear.closest_ridge import beside_ridge, closest_ridge
from sightline.linear.descent_rates import stability_limit
from sightline.linear.early_stopping import (
    descent_filter,
    flow_filter,
    largest_filter_gap,
    matching_ridge,
    matching_steps,
    relative_risk_bound,
)
from sightline.linear.gradient_descent import gradient_descent

spectra = st.lists(st.floats(-6, 1).map(lambda power: 10**power), min_size=1, max_size=8).map(
    lambda values: torch.tensor(sorted(values, reverse=True), dtype=torch.float64)
)


@given(problems(max_condition=1e6), st.floats(1e-3, 0.99), st.integers(0, 10**4))
def test_the_filter_is_what_descent_does_to_the_solution(drawn: Drawn, part: float, steps: int) -> None:
    problem = svd_coordinates(drawn.X, drawn.y)
    rate = part * stability_limit(problem.sigma)
    filters = descent_filter(problem.nonzero, rate, steps)
    reached = problem.coordinates(gradient_descent(problem, rate, steps))[: problem.rank]
    one = [1] * (reached.ndim - 1)
    full = problem.y_tilde[: problem.rank] / problem.nonzero.reshape(-1, *one)
    assert relative(reached, filters.reshape(-1, *one) * full) < 1e-12


@given(spectra, st.floats(1e-3, 0.5), st.integers(1, 10**4))
def test_up_to_half_the_limit_every_filter_rises_with_time(sigma: torch.Tensor, part: float, steps: int) -> None:
    rate = part * stability_limit(sigma)
    filters = descent_filter(sigma, rate, [steps, steps + 1, 10 * steps])
    assert bool((filters.diff(dim=0) >= 0).all())
    assert bool(((filters > 0) & (filters <= 1)).all())
    # below it a step covers no more of the distance than flow's exponential leaves: (1 − x)^k ≤ e^{−kx}
    assert bool((filters[0] >= flow_filter(sigma, rate * steps) * (1 - 1e-12)).all())


@given(spectra, st.floats(0.01, 100.0))
def test_small_steps_become_flow(sigma: torch.Tensor, time: float) -> None:
    """|(1 − x/k)^k − e^{−x}| ≤ x²e^{−x}/k · (1 + small); k = 10^9 steps keep it below 1e-9 as x²e^{−x} < 0.55."""
    steps = 10**9
    if 2 * time * float(sigma[0]) ** 2 < 1e6:
        assert float((descent_filter(sigma, time / steps, steps) - flow_filter(sigma, time)).abs().max()) < 1e-9


@given(st.floats(1e-6, 10.0), st.integers(1, 10**9))
def test_matching_is_its_own_inverse_and_exact_to_first_order(rate: float, steps: int) -> None:
    ridge = matching_ridge(rate, steps)
    assert matching_steps(rate, ridge) == pytest.approx(steps, rel=1e-14)
    sigma = torch.tensor([1e-5], dtype=torch.float64) * ridge**0.5  # σ²/λ = 1e-10 = x
    g, f = sigma.square() / (sigma.square() + ridge), flow_filter(sigma, rate * steps)
    assert float((f / g - 1).abs()) < 1e-10  # f/g = 1 + x/2 + …: any other constant in λ = 1/(2ηk) is off by order 1
    assert float((f / g - 1).abs()) > 1e-11


def test_the_largest_gap_and_the_risk_bound_are_the_suprema() -> None:
    """Against a million points, and the equation of each: nothing is above, and the value is reached."""
    x = torch.logspace(-6, 6, 1_000_001, dtype=torch.float64)
    gap = -torch.expm1(-x) - x / (1 + x)
    ratio = (-torch.expm1(-x) * (1 + x) / x).square()
    for values, found in ((gap, largest_filter_gap()), (ratio, relative_risk_bound())):
        best = float(values.max())
        assert best <= found.value * (1 + 1e-15)
        assert best == pytest.approx(found.value, rel=1e-9)
        assert float(x[values.argmax()]) == pytest.approx(found.at, rel=1e-3)
    assert bool((gap >= -1e-15).all()), "at the matched time descent has fitted no less than ridge in any direction"
    gap_at, ratio_at = largest_filter_gap().at, relative_risk_bound().at
    assert (1 + gap_at) ** 2 == pytest.approx(exp(gap_at), rel=1e-14)
    assert 1 + ratio_at + ratio_at**2 == pytest.approx(exp(ratio_at), rel=1e-14)
    assert 1.685 < relative_risk_bound().value < 1.6862


def risk(filters: torch.Tensor, sigma: torch.Tensor, w: torch.Tensor, noise: float) -> torch.Tensor:
    """E‖ŵ − w‖² of ŵᵢ = fᵢ (wᵢ + ε/σᵢ): bias and variance, summed over the directions."""
    return ((1 - filters).square() * w.square() + noise * (filters / sigma).square()).sum()


@given(spectra, st.floats(-3, 8).map(lambda power: 10**power), st.floats(1e-6, 1e3), st.integers(0, 10**6))
def test_flow_has_at_most_that_factor_of_its_matched_ridges_risk(
    sigma: torch.Tensor, time: float, noise: float, seed: int
) -> None:
    ridge = sigma.square() / (sigma.square() + 1 / (2 * time))
    flow = flow_filter(sigma, time)
    bound = relative_risk_bound().value
    w = torch.randn(len(sigma), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for truth in (w, torch.ones_like(w), torch.zeros_like(w)):  # any w; the prior average E w² = 1; only noise
        assert float(risk(flow, sigma, truth, noise)) <= bound * float(risk(ridge, sigma, truth, noise)) * (1 + 1e-12)


def test_the_factor_is_reached_where_there_is_only_variance() -> None:
    bound = relative_risk_bound()
    sigma, time = torch.tensor([3.0], dtype=torch.float64), bound.at / 18
    none = torch.zeros(1, dtype=torch.float64)
    ridge = sigma.square() / (sigma.square() + 1 / (2 * time))
    ratio = risk(flow_filter(sigma, time), sigma, none, 1.0) / risk(ridge, sigma, none, 1.0)
    assert float(ratio) == pytest.approx(bound.value, rel=1e-14)


@settings(max_examples=30)
@given(problems(largest=6, max_condition=10, outputs=False), st.floats(0.05, 20.0))
def test_the_risk_from_filters_is_the_risk_of_the_estimators(drawn: Drawn, time: float) -> None:
    """Dense oracle: the flow's estimator as a matrix exponential, the ridge's as a solve; to 1e-10."""
    X, d = drawn.X, drawn.X.shape[1]
    problem = svd_coordinates(X, drawn.y)
    V = problem.V[:, : problem.rank]
    w = V @ torch.ones(problem.rank, dtype=torch.float64)
    big = torch.zeros(2 * d, 2 * d, dtype=torch.float64)  # exp([[−2tG, 1], [0, 0]]) holds ∫₀¹ e^{−2tGs} ds
    big[:d, :d], big[:d, d:] = -2 * time * X.mT @ X, torch.eye(d, dtype=torch.float64)
    flow = 2 * time * torch.linalg.matrix_exp(big)[:d, d:] @ X.mT
    ridge = torch.linalg.solve(X.mT @ X + torch.eye(d, dtype=torch.float64) / (2 * time), X.mT)
    filters = (
        flow_filter(problem.nonzero, time),
        problem.nonzero.square() / (problem.nonzero.square() + 1 / (2 * time)),
    )
    for estimator, factors in zip((flow, ridge), filters, strict=True):
        dense = (estimator @ X @ w - w).square().sum() + 0.3 * estimator.square().sum()
        ones = torch.ones(problem.rank, dtype=torch.float64)
        assert relative(risk(factors, problem.nonzero, ones, 0.3), dense) < 1e-10


@settings(max_examples=50)
@given(problems(max_condition=1e4), st.floats(0.01, 0.99), st.integers(1, 3000))
def test_the_closest_ridge_is_nearer_than_any_other(drawn: Drawn, part: float, steps: int) -> None:
    problem = svd_coordinates(drawn.X, drawn.y)
    rate = part * stability_limit(problem.sigma)
    w = gradient_descent(problem, rate, steps)
    d = drawn.X.shape[1]

    def solved(ridge: float) -> torch.Tensor:
        one = [1] * (drawn.y.ndim - 1)
        sigma, y_tilde = problem.nonzero.reshape(-1, *one), problem.y_tilde[: problem.rank]
        return problem.V[:, : problem.rank] @ (sigma / (sigma.square() + ridge) * y_tilde)

    found = beside_ridge(problem, rate, steps)
    distance = (solved(found.closest) - w).norm()
    assert abs(float(distance / w.norm()) - found.closest_weights) < 1e-12 * drawn.condition
    assert abs(float((solved(found.matched) - w).norm() / w.norm()) - found.matched_weights) < 1e-12 * drawn.condition
    predicted, best = drawn.X @ w, drawn.X @ solved(found.matched)
    assert abs(float((best - predicted).norm() / predicted.norm()) - found.matched_predictions) < 1e-10
    best = drawn.X @ solved(found.closest)
    assert abs(float((best - predicted).norm() / predicted.norm()) - found.closest_predictions) < 1e-10
    slack = 1e-12 * drawn.condition * float(w.norm())
    for other in torch.logspace(-12, 6, 100, dtype=torch.float64).tolist():
        assert float(distance) <= float((solved(other) - w).norm()) + slack
    assert found.closest_weights <= found.matched_weights * (1 + 1e-9) + slack
    by_predictions = closest_ridge(problem, rate, steps, of="predictions")
    nearest = float((drawn.X @ solved(by_predictions) - predicted).norm())
    for other in torch.logspace(-12, 6, 50, dtype=torch.float64).tolist():
        assert nearest <= float((drawn.X @ solved(other) - predicted).norm()) + 1e-12 * float(predicted.norm())
    if found.matched > 0.01:  # the solve squares the condition; where λ is not tiny it can still be the oracle
        gram = drawn.X.mT @ drawn.X + found.matched * torch.eye(d, dtype=torch.float64)
        assert relative(solved(found.matched), torch.linalg.solve(gram, drawn.X.mT @ drawn.y)) < 1e-10


def test_one_direction_is_matched_exactly() -> None:
    problem = svd_coordinates(torch.full((1, 1), 2.0), torch.ones(1))
    kept = (1 - 2 * 0.1 * 4) ** 3
    assert closest_ridge(problem, 0.1, 3) == pytest.approx(4 * kept / (1 - kept), rel=1e-14)
    assert beside_ridge(problem, 0.1, 3).closest_weights < 1e-14


@pytest.mark.parametrize("steps", [1000, 1030, 1080, 10**6])
def test_a_ridge_at_the_edge_of_float64_is_still_found(steps: int) -> None:
    """What is left of the slower direction falls from 1e-160 to nothing; the closest λ falls with it."""
    problem = svd_coordinates(torch.diag(torch.tensor([1.0, 0.9])), torch.ones(2))
    slow, fast = (1 - 0.5 * float(problem.sigma[1]) ** 2) ** steps, 0.5**steps
    assert fast / 2 <= closest_ridge(problem, 0.25, steps) <= slow
    assert beside_ridge(problem, 0.25, steps).closest_weights < 1e-15


def test_where_descent_overshoots_no_ridge_is_nearest() -> None:
    problem = svd_coordinates(torch.ones(1, 1), torch.ones(1))
    assert closest_ridge(problem, 0.9, 1) == 0.0  # f = 1.8


@settings(max_examples=50)
@given(problems(max_condition=1e4), st.floats(0.01, 0.1), st.integers(100, 10**5))
def test_no_filter_differs_from_its_matched_ridge_by_more_than_the_bound(drawn: Drawn, part: float, steps: int) -> None:
    """For flow at the same time; and descent is within x²e^{−x}/k of flow, at small steps."""
    problem = svd_coordinates(drawn.X, drawn.y)
    found = beside_ridge(problem, part * stability_limit(problem.sigma), steps)
    gap = flow_filter(found.sigma, found.time) - found.matched_ridge
    assert bool((gap <= largest_filter_gap().value * (1 + 1e-12)).all())
    assert bool((gap >= -1e-15).all())
    assert found.matched_gap <= largest_filter_gap().value + 2 / steps


NAN = float("nan")
PROBLEM = svd_coordinates(torch.ones(3, 2), torch.ones(3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: descent_filter(torch.tensor([-1.0]), 0.1, 1),
        lambda: descent_filter(torch.tensor([NAN]), 0.1, 1),
        lambda: descent_filter(torch.ones(1), 0.0, 1),
        lambda: descent_filter(torch.ones(1), 0.1, -1),
        lambda: flow_filter(torch.ones(1), -1.0),
        lambda: flow_filter(torch.ones(0), 1.0),
        lambda: matching_ridge(0.0, 1),
        lambda: matching_ridge(0.1, 0),
        lambda: matching_steps(0.1, 0.0),
        lambda: matching_steps(NAN, 1.0),
        lambda: closest_ridge(PROBLEM, 0.1, 0),
        lambda: closest_ridge(PROBLEM, 1.0, 5),
        lambda: closest_ridge(PROBLEM, -1.0, 5),
        lambda: closest_ridge(PROBLEM, 0.1, 5, of="norms"),  # type: ignore[arg-type]
        lambda: closest_ridge(svd_coordinates(torch.ones(3, 2), torch.zeros(3)), 0.1, 5),
        lambda: closest_ridge(svd_coordinates(torch.zeros(3, 2), torch.ones(3)), 0.1, 5),
        lambda: beside_ridge(PROBLEM, NAN, 5),
        lambda: beside_ridge(PROBLEM, 0.1, NAN),  # type: ignore[arg-type]
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_refused_in_three_parts(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SightlineError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))
