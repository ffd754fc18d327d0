"""Gradient descent in closed form: equal to its iteration, stable where it says, honest where it grows."""

from decimal import Decimal, localcontext
from math import log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matrices import Drawn, draw, problems, relative
from sightline.core.errors import SightlineError
from sightline.linear import gradient, squared_error, svd_coordinates
from sightline.linear.descent_rates import (
    contraction,
    descent_rates,
    fastest_contraction,
    fastest_rate,
    stability_limit,
    steps_to_shrink,
)
from sightline.linear.geometric_decay import covered
from sightline.linear.gradient_descent import (
    descent_limit,
    excess_by_direction,
    gradient_descent,
    gradient_descent_iterates,
    loss_at,
)

ridges = st.sampled_from([0.0, 1e-6, 0.3])


def start_for(drawn: Drawn, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(drawn.X.shape[1], *drawn.y.shape[1:], generator=generator, dtype=torch.float64)


@given(problems(), st.floats(1e-3, 1.3), ridges, st.booleans())
def test_the_closed_form_is_the_iteration(drawn: Drawn, part: float, ridge: float, from_zero: bool) -> None:
    problem = svd_coordinates(drawn.X, drawn.y)
    rate = part * stability_limit(problem.sigma, ridge)
    start = None if from_zero else start_for(drawn)
    iterates = gradient_descent_iterates(drawn.X, drawn.y, rate, 60, start, ridge)
    closed = gradient_descent(problem, rate, range(61), start, ridge)
    errors = (closed - iterates).flatten(1).norm(dim=1)
    size = iterates.flatten(1).norm(dim=1).cummax(0).values + rate * float(drawn.y.norm())  # y's part that no w reaches
    assert bool((errors <= 1e-10 * size).all())
    assert relative(gradient_descent(problem, rate, 60, start, ridge), closed[60]) < 1e-14


@given(problems(), st.floats(1e-3, 1.3), ridges)
def test_the_loss_in_closed_form_is_the_loss_of_the_iterate(drawn: Drawn, part: float, ridge: float) -> None:
    problem = svd_coordinates(drawn.X, drawn.y)
    rate, start = part * stability_limit(problem.sigma, ridge), start_for(drawn)
    iterates = gradient_descent_iterates(drawn.X, drawn.y, rate, 30, start, ridge)
    losses = torch.stack([squared_error(drawn.X, drawn.y, w, ridge) for w in iterates])
    found = loss_at(problem, rate, range(31), start, ridge)
    highest = losses[0] + drawn.y.square().sum(0)  # rounding is relative to what is subtracted in the loss
    assert bool(((found - losses).abs() <= 1e-10 * torch.maximum(losses, highest)).all())
    excess = excess_by_direction(problem, rate, range(31), start, ridge)
    assert bool((excess >= 0).all())
    if part < 1:
        assert bool((excess.diff(dim=0) <= 0).all()), "below the limit no direction's loss ever rises"


@given(st.floats(-20, 0.3).map(lambda power: 10**power), st.integers(0, 10**15))
def test_what_k_steps_cover_keeps_its_digits(share: float, steps: int) -> None:
    """1 − (1 − x)^k against 60-digit arithmetic, to 1e-12 relative, from x = 1e-20 to x = 2 and up to 10^15 steps."""
    found = covered(torch.tensor([share], dtype=torch.float64), [steps]).item()
    with localcontext() as context:
        context.prec = 60
        exact = 1 - (1 - Decimal(share)) ** steps if steps else Decimal(0)
        assert abs(Decimal(found) - exact) <= Decimal("1e-12") * abs(exact)


def test_factors_of_zero_and_minus_one_are_exact() -> None:
    x = torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)
    expected = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0], [1.0, 0.0, 0.0], [1.0, 2.0, 0.0]], dtype=torch.float64)
    assert torch.equal(covered(x, [0, 1, 2, 10**400 + 1]), expected)


@pytest.mark.parametrize("ridge", [0.0, 0.2])
@pytest.mark.parametrize(("n", "d"), [(9, 4), (4, 9), (5, 5)])
def test_it_converges_just_below_the_limit_and_diverges_just_above(n: int, d: int, ridge: float) -> None:
    drawn = draw(n, d, rank=4, condition=3, seed=n)
    problem = svd_coordinates(drawn.X, drawn.y)
    limit, start = stability_limit(problem.sigma, ridge), start_for(drawn)
    goal = descent_limit(problem, start, ridge)
    distance = {}
    for part in (0.999, 1.001):
        iterates = gradient_descent_iterates(drawn.X, drawn.y, part * limit, 5000, start, ridge)
        distance[part] = float((iterates[-1] - goal).norm() / (start - goal).norm())
    assert distance[0.999] < 0.998**5000 * 1.01  # |c₁| = |1 − 2 · 0.999|
    assert distance[1.001] > 1.002**5000 * 0.01


@given(problems(max_condition=1e6), ridges, st.floats(0.01, 2.5))
def test_the_fastest_rate_makes_the_slowest_direction_fastest(drawn: Drawn, ridge: float, part: float) -> None:
    sigma = svd_coordinates(drawn.X, drawn.y).nonzero

    def slowest(rate: float) -> float:
        return float((1 - 2 * rate * (drawn.sigma.square() + ridge)).abs().max())

    best = fastest_rate(sigma, ridge)
    assert abs(slowest(best) - fastest_contraction(sigma, ridge)) < 1e-12
    assert slowest(best) <= slowest(part * best) + 1e-12
    for other in (0.99, 1.01):
        assert slowest(other * best) > slowest(best) or drawn.condition > 1e4  # there 1 % changes less than is seen
    assert bool(((contraction(sigma, best, ridge) - (1 - 2 * best * (sigma.square() + ridge))).abs() < 1e-15).all())


@given(problems(max_condition=1e6), ridges)
def test_it_ends_at_the_minimum_norm_or_the_ridge_solution(drawn: Drawn, ridge: float) -> None:
    """Tolerance 100 ε (condition + 1/λ): a σ of ε σ₁, zero to the rank but not to ridge's oracle, weighs σ/λ."""
    problem, start = svd_coordinates(drawn.X, drawn.y), start_for(drawn)
    rate = 0.5 * stability_limit(problem.sigma, ridge)
    end = gradient_descent(problem, rate, 10**18, ridge=ridge)
    d = drawn.X.shape[1]
    if ridge:
        stacked = torch.cat([drawn.X, ridge**0.5 * torch.eye(d, dtype=torch.float64)])
        y = torch.cat([drawn.y, drawn.y.new_zeros(d, *drawn.y.shape[1:])])
        expected = torch.linalg.lstsq(stacked, y.reshape(len(y), -1), driver="gelsd").solution.reshape(end.shape)
        from_start = expected
    else:
        expected = torch.linalg.pinv(drawn.X) @ drawn.y
        from_start = expected + start - torch.linalg.pinv(drawn.X) @ (drawn.X @ start)
    tolerance = 100 * 2.3e-16 * (drawn.condition + (1 / ridge if ridge else 0))
    size = float(drawn.y.norm() * drawn.condition + start.norm())
    assert float((end - expected).norm()) < tolerance * size
    assert float((descent_limit(problem, ridge=ridge) - end).norm()) <= 1e-14 * size
    assert float((gradient_descent(problem, rate, 10**18, start, ridge) - from_start).norm()) < tolerance * size
    assert float((descent_limit(problem, start, ridge) - from_start).norm()) < tolerance * size
    assert float(end.norm()) <= float(descent_limit(problem, start, ridge).norm()) * (1 + 1e-12) or ridge > 0


@given(problems(), st.integers(0, 40))
def test_from_zero_it_never_leaves_the_row_space(drawn: Drawn, steps: int) -> None:
    problem = svd_coordinates(drawn.X, drawn.y)
    V = problem.V[:, : problem.rank]
    w = gradient_descent(problem, 0.7 * stability_limit(problem.sigma), steps)
    iterated = gradient_descent_iterates(drawn.X, drawn.y, 0.7 * stability_limit(problem.sigma), steps)[-1]
    for found in (w, iterated):
        rounding = float(found.norm()) + 2 * steps * float(drawn.y.norm())  # σ₁ = 1: what the steps could add up to
        assert float((found - V @ (V.mT @ found)).norm()) <= 1e-14 * rounding


@settings(max_examples=40)
@given(problems(max_condition=10), st.floats(1.05, 50.0), ridges)
def test_beyond_the_limit_it_grows_to_infinities_of_the_right_sign(drawn: Drawn, part: float, ridge: float) -> None:
    """The direction of growth against an iteration that is rescaled after every step, so that it cannot overflow."""
    problem, start = svd_coordinates(drawn.X, drawn.y), start_for(drawn)
    rate, steps = part * stability_limit(problem.sigma, ridge), 20_001
    error = start - descent_limit(problem, start, ridge)
    one_step = torch.eye(len(start), dtype=torch.float64) - 2 * rate * (
        drawn.X.mT @ drawn.X + ridge * torch.eye(len(start), dtype=torch.float64)
    )
    doubled = one_step / one_step.norm()
    power = torch.eye(len(start), dtype=torch.float64)
    for bit in reversed(range(steps.bit_length())):  # one_step^steps by squaring, rescaled
        power = power @ power
        power = power @ doubled if steps >> bit & 1 else power
        power = power / power.norm()
    expected = power @ error
    found = gradient_descent(problem, rate, [steps, 10**6, 10**400], start, ridge)
    assert not bool(found.isnan().any())
    clear = expected.abs() > 1e-6 * expected.norm(dim=0)
    assert bool((found[0][clear] == expected[clear].sign() * torch.inf).all())
    assert bool((loss_at(problem, rate, steps, start, ridge) == torch.inf).all())


def test_a_direction_that_starts_at_its_solution_stays_there_beyond_the_limit() -> None:
    X, y = torch.diag(torch.tensor([2.0, 1.0])), torch.tensor([6.0, 1.0])
    start = torch.tensor([3.0, 0.0])
    found = gradient_descent(svd_coordinates(X, y), 0.5, 10**9, start)
    assert found.tolist() == [3.0, 1.0]
    assert loss_at(svd_coordinates(X, y), 0.5, 10**9, start).item() == 0.0


def test_the_notes_sign_runs_away_from_the_solution() -> None:
    """Errata 1 and 4: w ← w − 2ηXᵀ(y − Xw) is w ← w + η∇L, which climbs by 1 + 2ησ² at every step."""
    drawn = draw(8, 3, rank=3, condition=4, seed=0)
    X, y, rate = drawn.X, drawn.y, 0.1
    goal = descent_limit(svd_coordinates(X, y))
    iterates = gradient_descent_iterates(X, y, rate, 200)
    notes, lost_sign = [torch.zeros(3, dtype=torch.float64)], torch.zeros(3, dtype=torch.float64)
    for _ in range(200):
        notes.append(notes[-1] - 2 * rate * X.mT @ (y - X @ notes[-1]))
        each = torch.stack([gradient(X[i : i + 1], y[i : i + 1], lost_sign) for i in range(8)])
        lost_sign = lost_sign + (rate * 8 / 8) * each.sum(0)  # 002 §2 with α = nη: θ ← θ + (α/n) Σ ∇Lᵢ
    distances = (torch.stack(notes) - goal).norm(dim=1)
    assert relative(lost_sign, notes[-1]) < 1e-10
    assert bool((distances.diff() > 0).all())
    assert float(distances[-1] / distances[0]) > 1.2**200 * 0.1
    assert float((iterates[-1] - goal).norm()) < float((iterates[0] - goal).norm())
    assert bool(((iterates - goal).norm(dim=1).diff() <= 0).all())


def test_steps_to_shrink_are_the_first_that_do() -> None:
    factors = torch.tensor([0.0, 0.5, -0.5, 0.9, -0.999, 0.1, 1.0, -1.0, 1.5], dtype=torch.float64)
    for factor in (0.25, 0.01, 1e-6):
        found = steps_to_shrink(factors, factor)
        for c, k in zip(factors[:6].tolist(), found[:6].tolist(), strict=True):
            assert abs(c) ** k <= factor * (1 + 1e-12)
            assert k == 1 or abs(c) ** (k - 1) > factor
        assert found[6:].isinf().all()


def test_the_report_of_rates_counts_a_direction_too_slow_for_one_minus_x() -> None:
    problem = svd_coordinates(torch.diag(torch.tensor([1.0, 1e-9], dtype=torch.float64)), torch.ones(2))
    found = descent_rates(problem, rate=0.5)
    assert (found.limit, found.converges, found.slowest) == (1.0, True, 1)
    assert found.contraction[1] == 1.0  # 1 − 1e-18 has no float of its own
    assert found.steps[1].item() == pytest.approx(torch.log(torch.tensor(100.0).double()).item() / 1e-18, rel=1e-12)
    beyond = descent_rates(problem, rate=2.0)
    assert (beyond.converges, beyond.slowest, beyond.steps[0].item()) == (False, 0, float("inf"))
    assert descent_rates(problem).rate == found.fastest


ONES, NAN = torch.ones(3, 2), float("nan")
PROBLEM = svd_coordinates(ONES, torch.ones(3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: gradient_descent(PROBLEM, 0.0, 1),
        lambda: gradient_descent(PROBLEM, NAN, 1),
        lambda: gradient_descent(PROBLEM, 1e308, 1),
        lambda: gradient_descent(PROBLEM, 0.1, -1),
        lambda: gradient_descent(PROBLEM, 0.1, []),
        lambda: gradient_descent(PROBLEM, 0.1, [1, -1]),
        lambda: gradient_descent(PROBLEM, 0.1, NAN),  # type: ignore[arg-type]
        lambda: gradient_descent(PROBLEM, 0.1, 1, torch.ones(3)),
        lambda: gradient_descent(PROBLEM, 0.1, 1, torch.tensor([1.0, NAN])),
        lambda: gradient_descent(PROBLEM, 0.1, 1, ridge=-1.0),
        lambda: loss_at(PROBLEM, -0.1, 1),
        lambda: loss_at(PROBLEM, 0.1, 1, ridge=NAN),
        lambda: excess_by_direction(PROBLEM, 0.1, 1, ridge=-1e-9),
        lambda: descent_limit(PROBLEM, ridge=-1.0),
        lambda: descent_limit(PROBLEM, torch.ones(2, 2)),
        lambda: gradient_descent_iterates(ONES, torch.ones(2), 0.1, 1),
        lambda: gradient_descent_iterates(ONES * NAN, torch.ones(3), 0.1, 1),
        lambda: gradient_descent_iterates(torch.ones(0, 2), torch.ones(0), 0.1, 1),
        lambda: gradient_descent_iterates(ONES, torch.ones(3), 0.0, 1),
        lambda: gradient_descent_iterates(ONES, torch.ones(3), 0.1, 2.5),  # type: ignore[arg-type]
        lambda: gradient_descent_iterates(ONES, torch.ones(3), 0.1, 1, ridge=-1.0),
        lambda: contraction(torch.tensor([1.0, -1.0]), 0.1),
        lambda: contraction(torch.ones(1, 1), 0.1),
        lambda: stability_limit(torch.tensor([NAN])),
        lambda: stability_limit(torch.ones(2), ridge=-1.0),
        lambda: fastest_rate(torch.zeros(2)),
        lambda: fastest_contraction(torch.zeros(0)),
        lambda: steps_to_shrink(torch.ones(1), 1.0),
        lambda: steps_to_shrink(torch.tensor([NAN]), 0.5),
        lambda: descent_rates(svd_coordinates(torch.zeros(2, 2), torch.ones(2))),
        lambda: descent_rates(PROBLEM, rate=-1.0),
        lambda: descent_rates(PROBLEM, factor=0.0),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_refused_in_three_parts(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SightlineError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))


def test_a_matrix_of_zeros_moves_nothing() -> None:
    problem = svd_coordinates(torch.zeros(3, 2), torch.ones(3))
    start = torch.tensor([1.0, 2.0])
    assert stability_limit(problem.sigma) == float("inf")
    assert gradient_descent(problem, 1.0, 10**9, start).tolist() == [1.0, 2.0]
    assert loss_at(problem, 1.0, 5, start).item() == 3.0


@pytest.mark.parametrize("condition", [1e3, 1e6, 6e7, 1e8, 1e12])
def test_at_the_fastest_rate_both_ends_are_equally_slow(condition: float) -> None:
    """Both take ln 100 / −ln((κ² − 1)/(κ² + 1)) steps, about κ² ln 10, however near 2 the steepest one's 2ησ² is."""
    sigma = torch.tensor([1.0, 1 / condition], dtype=torch.float64)
    found = descent_rates(svd_coordinates(torch.diag(sigma), torch.ones(2)))
    assert found.converges
    assert found.steps.tolist() == pytest.approx([condition**2 * log(10)] * 2, rel=1e-5)


def test_the_limit_holds_where_the_squares_are_no_numbers() -> None:
    sigma = torch.tensor([1e-150, 1e-162], dtype=torch.float64)
    found = descent_limit(svd_coordinates(torch.diag(sigma), torch.tensor([1e-150, 1e-162], dtype=torch.float64)))
    assert relative(found, torch.ones(2, dtype=torch.float64)) < 1e-14
