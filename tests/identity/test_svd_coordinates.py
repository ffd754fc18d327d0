"""The SVD coordinates of a least-squares problem: what they say of it, and what they refuse."""

from typing import Any

import pytest
import torch
from hypothesis import given

from matrices import Drawn, draw, problems, relative
from sightline.core.errors import DataError, SightlineError
from sightline.linear import gradient, hessian, inputs, squared_error, svd_coordinates


@given(problems())
def test_the_problem_in_svd_coordinates_is_the_problem(drawn: Drawn) -> None:
    found = svd_coordinates(drawn.X, drawn.y)
    assert found.rank == drawn.rank
    assert relative((found.U * found.sigma) @ found.V.mT, drawn.X) < 1e-13
    assert relative(found.nonzero, drawn.sigma) < 1e-13
    w = torch.randn(drawn.X.shape[1], *drawn.y.shape[1:], dtype=torch.float64)
    inside = (found.sigma.reshape(-1, *[1] * (w.ndim - 1)) * found.coordinates(w) - found.y_tilde).square().sum(0)
    assert relative(inside + found.unreachable, squared_error(drawn.X, drawn.y, w)) < 1e-12
    assert relative(found.weights(found.coordinates(w)) + found.beside(w), w) < 1e-14
    assert float((drawn.X @ found.beside(w)).norm()) < 1e-13 * float(w.norm()) or found.rank < len(found.sigma)


@given(problems(max_condition=1e3))
def test_the_gradient_and_hessian_are_autograds(drawn: Drawn) -> None:
    w = torch.randn(drawn.X.shape[1], *drawn.y.shape[1:], dtype=torch.float64, requires_grad=True)
    loss = (drawn.X @ w - drawn.y).square().sum() + 0.3 * w.square().sum()
    (expected,) = torch.autograd.grad(loss, w)
    assert relative(gradient(drawn.X, drawn.y, w.detach(), ridge=0.3), expected) < 1e-12
    dense = torch.autograd.functional.hessian(
        lambda v: (drawn.X @ v).square().sum() + 0.3 * v.square().sum(), torch.zeros(drawn.X.shape[1]).double()
    )
    assert relative(hessian(drawn.X, ridge=0.3), dense) < 1e-12


def test_a_step_down_adds_the_residuals_back() -> None:
    """Erratum 1: with the notes' sign (6), w ← w − 2ηXᵀ(y − Xw), the loss rises."""
    drawn = draw(8, 3, rank=3, condition=10, seed=0)
    X, y, w, rate = drawn.X, drawn.y, torch.zeros(3, dtype=torch.float64), 0.1
    down = w + 2 * rate * X.mT @ (y - X @ w)
    notes = w - 2 * rate * X.mT @ (y - X @ w)
    assert relative(w - rate * gradient(X, y, w), down) < 1e-15
    assert squared_error(X, y, down) < squared_error(X, y, w) < squared_error(X, y, notes)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (torch.ones(3), torch.ones(3)),
        (torch.ones(0, 2), torch.ones(0)),
        (torch.ones(3, 0), torch.ones(3)),
        (torch.ones(3, 2), torch.ones(2)),
        (torch.ones(3, 2), torch.ones(3, 1, 1)),
        (torch.tensor([[1.0], [float("nan")]]), torch.ones(2)),
        (torch.ones(2, 1), torch.tensor([1.0, float("inf")])),
        ([[1.0]], [1.0]),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_problems_are_refused_in_three_parts(X: torch.Tensor, y: torch.Tensor) -> None:
    with pytest.raises(DataError) as caught:
        svd_coordinates(X, y)
    assert all((caught.value.expected, caught.value.found, caught.value.do))


@pytest.mark.parametrize("w", [torch.ones(3), torch.ones(2, 1), torch.tensor([1.0, float("nan")]), [1.0, 1.0]])
@pytest.mark.usefixtures("as_a_user_calls")
def test_weights_that_do_not_fit_are_refused(w: torch.Tensor) -> None:
    for function in (squared_error, gradient):
        with pytest.raises(DataError, match="w"):
            function(torch.eye(2), torch.ones(2), w)


@pytest.mark.usefixtures("as_a_user_calls")
def test_numbers_outside_their_range_are_refused() -> None:
    for rate in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SightlineError, match="rate"):
            inputs.number(rate, "rate", above=0)
    none: tuple[Any, ...] = ("0.1", None, [0.1], 10**400, 1j, torch.ones(2))
    for value in none[1:]:
        with pytest.raises(SightlineError, match="rate"):
            inputs.number(value, "rate", above=0)
    for X in (torch.eye(2).to_sparse(), 1e308 * torch.eye(2).double(), torch.eye(2, dtype=torch.complex64)):
        with pytest.raises(DataError):
            inputs.matrix(X)
    odd: tuple[Any, ...] = (-1, 2.0, 1.5, "3", float("nan"), float("inf"), True, None)
    for wrong in odd:
        with pytest.raises(SightlineError, match="steps"):
            inputs.count(wrong, "steps")
