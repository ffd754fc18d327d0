"""Momentum: one method in three forms, and its closed form equal to its iteration."""

from collections.abc import Callable
from decimal import Decimal, localcontext
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from matrices import Drawn, draw, problems, relative
from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import gradient, svd_coordinates
from sightline.linear.companion_matrix import companion, curvatures, error_factors, powers_less_identity
from sightline.linear.gradient_descent import gradient_descent
from sightline.linear.momentum import momentum, momentum_iterates
from sightline.linear.momentum_forms import AveragedMomentum, HeavyBall, Velocity
from sightline.linear.momentum_stability import largest_stable_rate
from sightline.linear.optimal_momentum import optimal_momentum

EPSILON = torch.finfo(torch.float64).eps
FORMS = (AveragedMomentum, HeavyBall, Velocity)


@st.composite
def heavy_balls(pick: st.DrawFn, drawn: Drawn, ridge: float, *, largest: float = 0.97) -> HeavyBall:
    """A heavy ball inside its stability region on a problem."""
    m, ahead = pick(st.floats(0, 0.95)), pick(st.booleans())
    limit = largest_stable_rate(drawn.sigma, HeavyBall(1.0, m, nesterov=ahead), ridge)
    return HeavyBall(pick(st.floats(0.01, largest)) * limit, m, nesterov=ahead)


def random_start(drawn: Drawn, seed: int) -> tuple[Tensor, Tensor]:
    """w₀ and u₀, with parts outside the row space."""
    generator = torch.Generator().manual_seed(seed)
    w, u = torch.randn(2, drawn.X.shape[1], *drawn.y.shape[1:], generator=generator, dtype=torch.float64)
    return w, u


@settings(max_examples=30)
@given(st.data(), problems(), st.sampled_from([0.0, 0.0, 1e-3, 0.7]))
def test_the_three_forms_are_one_method(data: st.DataObject, drawn: Drawn, ridge: float) -> None:
    ball = data.draw(heavy_balls(drawn, ridge))
    w, u = random_start(drawn, seed=1)
    expected = momentum_iterates(drawn.X, drawn.y, ball, 40, w, u, ridge)
    for form in FORMS:
        method = form.from_heavy_ball(ball)
        found = momentum_iterates(drawn.X, drawn.y, method, 40, w, u, ridge)
        assert relative(found.weights, expected.weights) < 1e-12, form
        back = method.heavy_ball()
        assert back.rate == pytest.approx(ball.rate, rel=1e-14)
        assert back.nesterov == ball.nesterov
        assert back.momentum == pytest.approx(ball.momentum, abs=1e-15)
        moved = found.weights.diff(dim=0)
        assert relative(method.velocity_scale * found.states[1:], moved) < 1e-12 * (1 + 40 * float(w.norm()))


@settings(max_examples=30)
@given(st.data(), problems(), st.sampled_from([0.0, 0.0, 1e-3, 0.7]))
def test_the_closed_form_is_the_iteration(data: st.DataObject, drawn: Drawn, ridge: float) -> None:
    ball = data.draw(heavy_balls(drawn, ridge))
    method = data.draw(st.sampled_from(FORMS)).from_heavy_ball(ball)
    w, u = random_start(drawn, seed=2)
    every = momentum_iterates(drawn.X, drawn.y, method, 60, w, u, ridge).weights
    problem = svd_coordinates(drawn.X, drawn.y)
    assert relative(momentum(problem, method, range(61), w, u, ridge), every) < 1e-10
    assert relative(momentum(problem, method, [60, 0, 7, 7], w, u, ridge), every[[60, 0, 7, 7]]) < 1e-10
    assert relative(momentum(problem, method, 33, w, u, ridge), every[33]) < 1e-10
    assert momentum(problem, method, []).shape == (0, *w.shape)


@settings(max_examples=40)
@given(st.data(), problems(max_condition=1e4, full_rank=True))
def test_errors_along_a_direction_move_by_the_companion_matrix(data: st.DataObject, drawn: Drawn) -> None:
    ball = data.draw(heavy_balls(drawn, 0.0))
    w, u = random_start(drawn, seed=3)
    problem = svd_coordinates(drawn.X, drawn.y)
    every = momentum_iterates(drawn.X, drawn.y, ball, 12, w, u)
    M = companion(problem.sigma, ball)
    best = problem.y_tilde / problem.sigma.reshape(-1, *[1] * (problem.y_tilde.ndim - 1))
    error, velocity = problem.coordinates(w) - best, problem.coordinates(u)
    scale = float(best.norm() + error.norm() + velocity.norm())
    for k in range(1, 13):
        state = torch.stack([error, velocity], 1)
        error, velocity = torch.einsum("rij,rj...->ri...", M, state).unbind(1)
        assert float((problem.coordinates(every.weights[k]) - best - error).norm()) < 1e-11 * scale
    h = curvatures(problem.sigma)
    expected = ball.momentum * (1 - ball.rate * h if ball.nesterov else torch.ones_like(h))
    torch.testing.assert_close(torch.linalg.det(M), expected, rtol=1e-12, atol=1e-13)


@settings(max_examples=40)
@given(st.data(), problems(max_condition=1e3))
def test_from_zero_the_limit_has_the_least_norm(data: st.DataObject, drawn: Drawn) -> None:
    problem = svd_coordinates(drawn.X, drawn.y)
    ball = optimal_momentum(drawn.sigma).heavy_ball.method
    least = torch.linalg.lstsq(drawn.X, drawn.y.reshape(len(drawn.y), -1), driver="gelsd", rcond=1e-9).solution
    least = least.reshape(problem.d, *drawn.y.shape[1:])
    steps = int(60 * drawn.condition) + 100
    found = momentum(problem, ball, steps)
    assert float((found - least).norm()) < 1e-12 * drawn.condition * (1 + float(least.norm()))
    w, u = random_start(drawn, seed=4)
    w_row_space = problem.V[:, : problem.rank] @ problem.V[:, : problem.rank].mT @ w
    moved = momentum(problem, ball, steps, w)
    assert float((moved - (least + w - w_row_space)).norm()) < 1e-12 * drawn.condition * (1 + float(moved.norm()))
    coasted = momentum(problem, ball, steps, w, u) - moved  # nothing outside brakes a velocity but its own decay
    outside = u - problem.V[:, : problem.rank] @ problem.V[:, : problem.rank].mT @ u
    m = ball.momentum
    assert float((coasted - m / (1 - m) * outside).norm()) < 1e-12 * drawn.condition * (1 + float(coasted.norm()))


@settings(max_examples=15)
@given(st.data(), problems(max_condition=1e6))
def test_without_momentum_it_is_gradient_descent(data: st.DataObject, drawn: Drawn) -> None:
    rate = data.draw(st.floats(0.01, 0.99)) / float(drawn.sigma[0] ** 2)
    w, _ = random_start(drawn, seed=5)
    for method in (AveragedMomentum(rate, 1.0), HeavyBall(rate, 0.0), Velocity(rate, 0.0, nesterov=True)):
        found, point = momentum(svd_coordinates(drawn.X, drawn.y), method, 20, w), w
        for _ in range(20):
            point = point - rate * gradient(drawn.X, drawn.y, point)
        assert relative(found, point) < 1e-11
    factors = error_factors(drawn.sigma, HeavyBall(rate, 0.0), range(21))
    expected = (1 - rate * curvatures(drawn.sigma)) ** torch.arange(21)[:, None]
    torch.testing.assert_close(factors, expected, rtol=0, atol=1e-14)


def exact_power_less_identity(A: Tensor, steps: int) -> Tensor:
    """(I + A)ᵏ − I in 80 digits."""

    def times(left: list[list[Decimal]], right: list[list[Decimal]]) -> list[list[Decimal]]:
        return [
            [sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*right, strict=True)]
            for row in left
        ]

    with localcontext(prec=80):
        square = [[Decimal(float(A[i, j])) + (i == j) for j in range(2)] for i in range(2)]
        power = [[Decimal(1), Decimal(0)], [Decimal(0), Decimal(1)]]
        while steps:
            power = times(power, square) if steps % 2 else power
            square, steps = times(square, square), steps // 2
        return torch.tensor([[float(power[i][j] - (i == j)) for j in range(2)] for i in range(2)], dtype=torch.float64)


@given(st.integers(0, 10**17), st.floats(1e-18, 1.0), st.floats(0, 0.99))
def test_powers_keep_their_digits_for_slow_directions_and_many_steps(steps: int, pull: float, m: float) -> None:
    """Against 80-digit arithmetic, away from critical damping: 100ε/(1 − m) of the largest entry of each column."""
    assume(abs(pull / (1 - m**0.5) ** 2 - 1) > 0.1)
    A = torch.tensor([[-pull, m], [-pull, m - 1]], dtype=torch.float64)
    found = powers_less_identity(A[None], [steps])[0, 0]
    expected = exact_power_less_identity(A, steps)
    bound = 100 * EPSILON / (1 - m) * expected.abs().amax(0)
    assert bool(((found - expected).abs() <= bound).all()), (found, expected)


def test_a_slow_direction_is_exact_where_one_minus_its_pull_rounds_to_one() -> None:
    X, y = torch.diag(torch.tensor([1.0, 1e-9], dtype=torch.float64)), torch.tensor([1.0, 1.0], dtype=torch.float64)
    ball, steps = HeavyBall(0.5, 0.5), 10**17
    found = momentum(svd_coordinates(X, y), ball, steps)
    # e^(−kαh/(1−m)) for a direction this slow; the correction to the exponent is of order αh
    expected = -torch.expm1(torch.tensor(-steps * 0.5 * 2e-18 / 0.5, dtype=torch.float64)) / 1e-9
    assert relative(found[1], expected) < 1e-13


@pytest.mark.parametrize("condition", [10.0, 200.0])
def test_the_fastest_heavy_ball_swings_out_before_it_settles(condition: float) -> None:
    """Double eigenvalues at both ends: a rounding of α or m by ε is k²ε here, whatever the algorithm."""
    sigma = torch.tensor([condition, 1.0], dtype=torch.float64)
    best = optimal_momentum(sigma).heavy_ball.method
    steps = int(4 * condition)
    k, root = torch.arange(steps, dtype=torch.float64), best.momentum**0.5
    factors = error_factors(sigma, best, range(steps))
    fast, slow = (1 + (1 + root) * k) * (-root) ** k, (1 + (1 - root) * k) * root**k
    assert bool(((factors[:, 0] - fast).abs() <= 10 * EPSILON * (1 + k**2) * float(fast.abs().max())).all())
    assert bool(((factors[:, 1] - slow).abs() <= 10 * EPSILON * (1 + k**2)).all())
    assert float(fast.abs().max()) == pytest.approx(condition / torch.e, rel=0.3 / condition**0.5)
    assert float(factors[:, 1].abs().max()) == 1.0
    X, y, start = torch.diag(sigma), torch.zeros(2).double(), torch.ones(2).double()
    walked = momentum_iterates(X, y, best, steps - 1, start).weights
    assert float((factors - walked).abs().max()) < 10 * EPSILON * condition**2 * float(fast.abs().max())


def test_the_old_velocity_loses_the_first_step() -> None:
    """Erratum 6: with v of the step before, (18) as printed, nothing moves at first and the gradient is a step late."""
    X, y, start = torch.eye(1).double(), torch.zeros(1).double(), torch.ones(1).double()

    def notes(rate: float, m: float, steps: int) -> Tensor:
        w, v, seen = start, torch.zeros(1).double(), [start]
        for _ in range(steps):
            w, v = w + v, m * v - rate * gradient(X, y, w)
            seen.append(w)
        return torch.stack(seen)

    right = momentum_iterates(X, y, Velocity(0.1, 0.5), 1, start).weights
    assert torch.equal(notes(0.1, 0.5, 1)[1], start)
    assert relative(right[1], start - 0.1 * gradient(X, y, start)) < 1e-15
    swift = Velocity(0.75, 0.0)  # αh = 1.5: gradient descent converges below 2, with a late gradient only below 1
    assert float(momentum(svd_coordinates(X, y), swift, 100, start).norm()) < 1e-12
    assert float(notes(0.75, 0.0, 100)[-1].norm()) > 1e6


def test_the_velocity_falls_along_the_gradient() -> None:
    """Every form steps down, −α times the heavy ball's state: with the sign lost the error grows."""
    drawn = draw(6, 3, rank=3, condition=5, seed=0)
    start = torch.zeros(3, dtype=torch.float64)
    down = gradient(drawn.X, drawn.y, start)
    for method in (AveragedMomentum(0.4, 0.25), HeavyBall(0.1, 0.75), Velocity(0.1, 0.75)):
        first = momentum_iterates(drawn.X, drawn.y, method, 1, start)
        assert relative(first.weights[1], -0.1 * down) < 1e-15
        assert relative(first.states[1] * method.velocity_scale, -0.1 * down) < 1e-15


def test_looking_ahead_goes_along_the_average_not_along_the_gradient() -> None:
    """∇L(w − η(1−β)∇L(w)), as in the cheat sheet, is another method: it differs from the first step on."""
    drawn = draw(6, 3, rank=3, condition=5, seed=1)
    X, y, eta, beta = drawn.X, drawn.y, 0.3, 0.2
    right = momentum_iterates(X, y, AveragedMomentum(eta, beta, nesterov=True), 8).weights
    w = a = torch.zeros(3, dtype=torch.float64)
    sheet, ahead = [w], [w]
    for _ in range(8):
        a = (1 - beta) * a + beta * gradient(X, y, w - eta * (1 - beta) * gradient(X, y, w))
        w = w - eta * a
        sheet.append(w)
    w = a = torch.zeros(3, dtype=torch.float64)
    for _ in range(8):
        a = (1 - beta) * a + beta * gradient(X, y, w - eta * (1 - beta) * a)
        w = w - eta * a
        ahead.append(w)
    assert relative(torch.stack(ahead), right) < 1e-14
    assert relative(sheet[1], right[1]) > 0.1
    assert relative(torch.stack(sheet), right) > 0.1


def test_singular_values_that_the_rank_does_not_count_are_zero_for_momentum_too() -> None:
    """40 × 4 of rank 3, the fourth singular value some 1e-16: pulled on for 10¹⁸ steps it would run away."""
    drawn = draw(40, 4, rank=3, condition=5, seed=2)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64))[0]
    problem = svd_coordinates(drawn.X @ turn, drawn.y)
    assert problem.rank == 3 < len(problem.sigma)
    solution = gradient_descent(problem, 0.3, 10**18)
    for m in (0.0, 0.9):
        assert relative(momentum(problem, HeavyBall(0.3, m), 10**18), solution) < 1e-13
        assert relative(momentum(problem, HeavyBall(0.3, m), 10**40), solution) < 1e-13  # steps have no largest number


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.usefixtures("as_a_user_calls")
def test_numbers_outside_their_range_are_refused() -> None:
    forms: tuple[Callable[[float, float], object], ...] = (HeavyBall, Velocity, AveragedMomentum)
    for form, rate in product(forms, (0.0, -1.0, NAN, INFINITY)):
        with pytest.raises(ConfigurationError, match="rate"):
            form(rate, 0.5)
    for form, m in product(forms[:2], (-0.1, 1.0, NAN)):
        with pytest.raises(ConfigurationError, match="momentum"):
            form(0.1, m)
    for beta in (0.0, 1.1, NAN):
        with pytest.raises(ConfigurationError, match="beta"):
            AveragedMomentum(0.1, beta)
    X, y, ball = torch.eye(2), torch.ones(2), HeavyBall(0.1, 0.5)
    problem = svd_coordinates(X, y)
    wrong: tuple[Any, ...] = (-1, 2.5, [1, -1])
    for steps in wrong:
        with pytest.raises(ConfigurationError, match="steps"):
            momentum(problem, ball, steps)
    with pytest.raises(ConfigurationError, match="steps"):
        momentum_iterates(X, y, ball, -1)
    with pytest.raises(ConfigurationError, match="ridge"):
        momentum(problem, ball, 3, ridge=-1.0)
    with pytest.raises(ConfigurationError, match="ridge"):
        momentum_iterates(X, y, ball, 3, ridge=-1.0)


@pytest.mark.usefixtures("as_a_user_calls")
def test_tensors_that_do_not_fit_are_refused() -> None:
    X, y, ball = torch.eye(2), torch.ones(2), HeavyBall(0.1, 0.5)
    problem = svd_coordinates(X, y)
    starts = (torch.ones(3), torch.ones(2, 1), torch.tensor([1.0, NAN]), [0.0, 0.0])
    bad: Any
    for name, bad in product(("start", "start_velocity"), starts):
        with pytest.raises(DataError, match=name):
            momentum_iterates(X, y, ball, 3, **{name: bad})
        with pytest.raises(DataError, match=name):
            momentum(problem, ball, 3, **{name: bad})
    for sigma in (torch.tensor([-1.0]), torch.tensor([NAN]), torch.ones(0), torch.ones(1, 1)):
        with pytest.raises(DataError):
            companion(sigma, ball)
        with pytest.raises(DataError):
            error_factors(sigma, ball, [1])
    for bad_X, bad_y in ((torch.ones(0, 2), torch.ones(0)), (X, torch.ones(3)), (X * NAN, y)):
        with pytest.raises(DataError):
            momentum_iterates(bad_X, bad_y, ball, 1)


def test_divergence_out_of_range_is_an_error_not_a_nan() -> None:
    X, y, wild = torch.eye(1), torch.ones(1), HeavyBall(10.0, 0.5)
    assert float(momentum(svd_coordinates(X, y), wild, 100).abs().max()) > 1e100
    for run in (
        lambda: momentum(svd_coordinates(X, y), wild, 10**6),
        lambda: momentum_iterates(X, y, wild, 1000),
    ):
        with pytest.raises(ConfigurationError, match="range"):
            run()
