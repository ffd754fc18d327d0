"""Newton's method: one step is the solution, damped steps shrink every direction alike, units do not matter."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matrices import Drawn, draw, problems, relative
from sightline.core.errors import SightlineError
from sightline.linear import gradient, hessian, svd_coordinates
from sightline.linear.descent_rates import descent_rates
from sightline.linear.gradient_descent import descent_limit, gradient_descent
from sightline.linear.newton import newton, newton_iterates, newton_step

EPS = torch.finfo(torch.float64).eps
ridges = st.sampled_from([0.0, 1e-3, 0.3])


def start_for(drawn: Drawn) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(drawn.X.shape[1], *drawn.y.shape[1:], generator=generator, dtype=torch.float64)


@given(problems(max_condition=1e8), st.floats(0.05, 2.3), ridges, st.booleans())
def test_the_closed_form_is_the_iteration(drawn: Drawn, rate: float, ridge: float, from_zero: bool) -> None:
    """Least squares by gelsd at every step; tolerance 1000 ε (condition + 1/λ), of the largest iterate and of y."""
    start = None if from_zero else start_for(drawn)
    problem = svd_coordinates(drawn.X, drawn.y)
    iterates = newton_iterates(drawn.X, drawn.y, 8, rate, start, ridge)
    closed = newton(problem, range(9), rate, start, ridge)
    size = float(iterates.flatten(1).norm(dim=1).max()) + drawn.condition * float(drawn.y.norm())
    tolerance = 1000 * EPS * (drawn.condition + (1 / ridge if ridge else 0)) * size
    assert float((closed - iterates).flatten(1).norm(dim=1).max()) <= tolerance


@given(problems(), ridges)
def test_one_whole_step_is_the_limit_of_gradient_descent_at_any_condition(drawn: Drawn, ridge: float) -> None:
    problem, start = svd_coordinates(drawn.X, drawn.y), start_for(drawn)
    for begin in (None, start):
        goal = descent_limit(problem, begin, ridge)
        assert relative(newton(problem, 1, start=begin, ridge=ridge), goal) < 1e-12
        assert relative(newton(problem, 10**9, 0.5, begin, ridge), goal) < 1e-12


@given(problems(), st.floats(0.05, 1.95), st.integers(0, 50), ridges)
def test_the_error_shrinks_by_one_minus_rate_in_every_direction(
    drawn: Drawn, rate: float, steps: int, ridge: float
) -> None:
    problem, start = svd_coordinates(drawn.X, drawn.y), start_for(drawn)
    goal = descent_limit(problem, start, ridge)
    found = newton(problem, steps, rate, start, ridge)
    size = float(goal.norm() + start.norm())
    assert float((found - goal - (1 - rate) ** steps * (start - goal)).norm()) <= 1e-12 * size


def test_it_takes_as_many_steps_at_any_condition_where_descent_takes_its_square() -> None:
    for condition in (10, 1000):
        problem = svd_coordinates(*(lambda drawn: (drawn.X, drawn.y))(draw(8, 5, rank=5, condition=condition, seed=2)))
        goal = descent_limit(problem)
        half = newton(problem, 7, rate=0.5)
        assert float((half - goal).norm() / goal.norm()) == pytest.approx(0.5**7, rel=1e-9)
        slow = descent_rates(problem)
        assert float(slow.steps.max()) == pytest.approx(torch.log(torch.tensor(10.0)).item() * condition**2, rel=0.02)
        same = gradient_descent(problem, slow.fastest, 7)
        assert float((same - goal).norm()) > float((half - goal).norm())


@settings(max_examples=50)
@given(
    problems(largest=8, max_condition=100, full_rank=True, outputs=False), st.integers(0, 10**6), st.floats(0.1, 1.5)
)
def test_a_change_of_the_weights_coordinates_changes_nothing(drawn: Drawn, seed: int, rate: float) -> None:
    """w = Bv, X' = XB: Newton's iterates are v_k with w_k = Bv_k. Gradient descent's are not."""
    if drawn.X.shape[0] < drawn.X.shape[1]:
        return  # without full column rank the shortest step depends on the coordinates
    d = drawn.X.shape[1]
    B = torch.eye(d, dtype=torch.float64) * torch.logspace(-2, 2, d, dtype=torch.float64)
    B = B + 0.1 * torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).triu(1)
    v = torch.ones(d, dtype=torch.float64)
    mapped = newton(svd_coordinates(drawn.X @ B, drawn.y), range(5), rate, v)
    plain = newton(svd_coordinates(drawn.X, drawn.y), range(5), rate, B @ v)
    size = float(plain.norm() + torch.linalg.cond(B) * drawn.condition)
    assert float((mapped @ B.mT - plain).norm()) <= 1000 * EPS * drawn.condition * float(torch.linalg.cond(B)) * size
    g, H = gradient(drawn.X, drawn.y, B @ v), hessian(drawn.X)
    scaled = torch.logspace(-8, 8, d, dtype=torch.float64)  # units alone: kept at any spread, by the scaling
    step = newton_step(scaled * g, scaled[:, None] * H * scaled)
    assert relative(scaled * step, newton_step(g, H)) < 1e-9
    if d > 1:
        descent = gradient_descent(svd_coordinates(drawn.X @ B, drawn.y), 1e-5, 1, v)
        assert relative(B @ descent, gradient_descent(svd_coordinates(drawn.X, drawn.y), 1e-5, 1, B @ v)) > 1e-9


@given(problems(max_condition=1e3), ridges)
def test_the_step_for_any_function_is_the_least_squares_step(drawn: Drawn, ridge: float) -> None:
    """Forming H squares the condition: tolerance 100 ε condition²."""
    if drawn.rank < drawn.X.shape[1] and not ridge:
        return
    w = start_for(drawn)
    step = newton_step(gradient(drawn.X, drawn.y, w, ridge), hessian(drawn.X, ridge), rate=0.7)
    squared = min(drawn.condition**2, 2 / ridge if ridge else 1e12) if drawn.rank == drawn.X.shape[1] else 2 / ridge
    expected = newton(svd_coordinates(drawn.X, drawn.y), 1, 0.7, w, ridge) - w
    assert relative(step, expected) <= 1000 * EPS * max(squared, 10)


def test_a_hessian_of_orthogonal_columns_is_symmetric_though_its_zeros_differ() -> None:
    rounded = torch.tensor([[2.0, 1e-17], [-1e-17, 4.0]], dtype=torch.float64)
    assert relative(newton_step(torch.ones(2), rounded), torch.tensor([-0.5, -0.25]).double()) < 1e-15


def test_damping_leads_from_newtons_step_to_the_gradients() -> None:
    drawn = draw(6, 4, rank=4, condition=10, seed=0)
    g, H = gradient(drawn.X, drawn.y, torch.zeros(4).double()), hessian(drawn.X)
    steps = torch.stack([newton_step(g, H, damping=damping) for damping in (0.0, 0.1, 1.0, 10.0, 1e12)])
    assert bool((steps.norm(dim=1).diff() < 0).all())
    assert relative(steps[-1] * 1e12, -g) < 1e-11
    assert relative((H + torch.eye(4)) @ steps[2], -g) < 1e-13


def test_on_a_function_that_is_not_quadratic_the_digits_double() -> None:
    """Σ log cosh(wᵢ) + ‖w − 1‖²/2: the error is squared (here cubed or better) from step to step near the solution."""
    w = torch.tensor([0.9, 0.2], dtype=torch.float64)
    sizes = []
    for _ in range(6):
        slope = torch.tanh(w) + w - 1
        sizes.append(float(slope.norm()))
        w = w + newton_step(slope, torch.diag(1 - torch.tanh(w).square() + 1))
    assert sizes[-1] < 1e-15
    for before, after in pairwise(sizes):
        assert after <= before**2 or after < 1e-15


def test_without_curvature_the_general_step_refuses_and_says_what_to_do() -> None:
    g = torch.ones(2)
    for wrong in (torch.diag(torch.tensor([1.0, -2.0])), torch.ones(2, 2), torch.zeros(2, 2)):
        with pytest.raises(SightlineError, match="damping above") as caught:
            newton_step(g, wrong)
        assert "positive definite" in caught.value.expected
    with pytest.raises(SightlineError, match="damping above 2"):
        newton_step(g, torch.diag(torch.tensor([1.0, -2.0])))
    step = newton_step(g, torch.diag(torch.tensor([1.0, -2.0])), damping=2.5)
    assert float(step @ g.double()) < 0, "with the damping that the error asks for the step goes down"


ONES, NAN = torch.ones(3, 2), float("nan")
PROBLEM = svd_coordinates(ONES, torch.ones(3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: newton(PROBLEM, -1),
        lambda: newton(PROBLEM, 1, rate=0.0),
        lambda: newton(PROBLEM, 1, rate=NAN),
        lambda: newton(PROBLEM, 1, ridge=-1.0),
        lambda: newton(PROBLEM, 1, start=torch.ones(3)),
        lambda: newton_iterates(ONES, torch.ones(2)),
        lambda: newton_iterates(ONES * NAN, torch.ones(3)),
        lambda: newton_iterates(ONES, torch.ones(3), rate=-1.0),
        lambda: newton_iterates(ONES, torch.ones(3), ridge=-1.0),
        lambda: newton_step(torch.ones(2), torch.ones(2, 3)),
        lambda: newton_step(torch.ones(3), torch.eye(2)),
        lambda: newton_step(torch.tensor([1.0, NAN]), torch.eye(2)),
        lambda: newton_step(torch.ones(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]])),
        lambda: newton_step(torch.ones(2), torch.eye(2), rate=0.0),
        lambda: newton_step(torch.ones(2), torch.eye(2), damping=-1.0),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_refused_in_three_parts(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SightlineError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))
