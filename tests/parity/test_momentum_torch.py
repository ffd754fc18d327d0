"""Momentum against ``torch.optim.SGD``, whole trajectories under the documented maps, to 1e-12."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from matrices import Drawn, draw, relative
from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import gradient, svd_coordinates
from sightline.linear.momentum import momentum, momentum_iterates
from sightline.linear.momentum_forms import AveragedMomentum, HeavyBall, Velocity
from sightline.linear.momentum_torch import dampened_start_velocity, from_torch_sgd

STEPS = 200
PROBLEMS = [
    draw(9, 5, rank=5, condition=30, seed=0),
    draw(4, 7, rank=3, condition=10, seed=1, outputs=2),
    draw(6, 6, rank=6, condition=300, seed=2),
]


def torchs(drawn: Drawn, start: Tensor, make: Callable[[list[Tensor]], torch.optim.Optimizer]) -> Tensor:
    """torch's iterates on ‖Xw − y‖², the start first."""
    w = start.clone().requires_grad_()
    optimizer, seen = make([w]), [start]
    for _ in range(STEPS):
        optimizer.zero_grad()
        (drawn.X @ w - drawn.y).square().sum().backward()
        optimizer.step()
        seen.append(w.detach().clone())
    return torch.stack(seen)


def start_of(drawn: Drawn) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(drawn.X.shape[1], *drawn.y.shape[1:], generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("drawn", PROBLEMS, ids=["tall", "wide", "square"])
@pytest.mark.parametrize("m", [0.0, 0.5, 0.9])
def test_torchs_momentum_is_the_heavy_ball(drawn: Drawn, m: float) -> None:
    start = start_of(drawn)
    expected = torchs(drawn, start, lambda p: torch.optim.SGD(p, lr=0.3, momentum=m))
    ball = from_torch_sgd(0.3, momentum=m)
    for form in (AveragedMomentum, HeavyBall, Velocity):
        found = momentum_iterates(drawn.X, drawn.y, form.from_heavy_ball(ball), STEPS, start)
        assert relative(found.weights, expected) < 1e-12
    closed = momentum(svd_coordinates(drawn.X, drawn.y), ball, range(STEPS + 1), start)
    assert relative(closed, expected) < 1e-12


@pytest.mark.parametrize("drawn", PROBLEMS, ids=["tall", "wide", "square"])
@pytest.mark.parametrize("m", [0.5, 0.9])
def test_torchs_nesterov_is_the_point_looked_ahead_to(drawn: Drawn, m: float) -> None:
    start = start_of(drawn)
    expected = torchs(drawn, start, lambda p: torch.optim.SGD(p, lr=0.2, momentum=m, nesterov=True))
    ball = from_torch_sgd(0.2, momentum=m, nesterov=True)
    for form in (AveragedMomentum, HeavyBall, Velocity):
        method = form.from_heavy_ball(ball)
        found = momentum_iterates(drawn.X, drawn.y, method, STEPS, start)
        assert relative(method.ahead(found.weights, found.states), expected) < 1e-12
        assert relative(found.weights, expected) > 1e-3  # the weights themselves are elsewhere


@pytest.mark.parametrize("drawn", PROBLEMS, ids=["tall", "wide", "square"])
@pytest.mark.parametrize(("m", "dampening"), [(0.9, 0.9), (0.5, 0.5), (0.8, 0.3)])
def test_torchs_dampened_momentum_starts_with_the_first_gradient_whole(
    drawn: Drawn, m: float, dampening: float
) -> None:
    start = start_of(drawn)
    lr = 0.4
    expected = torchs(drawn, start, lambda p: torch.optim.SGD(p, lr=lr, momentum=m, dampening=dampening))
    ball = from_torch_sgd(lr, momentum=m, dampening=dampening)
    velocity = dampened_start_velocity(gradient(drawn.X, drawn.y, start), lr, m, dampening)
    found = momentum_iterates(drawn.X, drawn.y, ball, STEPS, start, velocity)
    assert relative(found.weights, expected) < 1e-12
    assert (
        relative(momentum(svd_coordinates(drawn.X, drawn.y), ball, range(STEPS + 1), start, velocity), expected) < 1e-12
    )
    assert relative(momentum_iterates(drawn.X, drawn.y, ball, STEPS, start).weights, expected) > 1e-3
    if dampening == m:  # the lectures' average, begun at the first gradient instead of at zero
        averaged = momentum_iterates(drawn.X, drawn.y, AveragedMomentum(lr, 1 - m), STEPS, start, velocity)
        assert relative(averaged.weights, expected) < 1e-12
        assert relative(averaged.states[0], gradient(drawn.X, drawn.y, start)) < 1e-12
        assert relative(averaged.states[1], gradient(drawn.X, drawn.y, start)) < 1e-12


def test_torch_dampens_nothing_without_momentum() -> None:
    drawn = PROBLEMS[0]
    expected = torchs(drawn, start_of(drawn), lambda p: torch.optim.SGD(p, lr=0.3, dampening=0.5))
    found = momentum_iterates(drawn.X, drawn.y, from_torch_sgd(0.3, dampening=0.5), STEPS, start_of(drawn))
    assert relative(found.weights, expected) < 1e-12


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_makes_no_sense_is_refused() -> None:
    wrong: list[dict[str, Any]] = [{"dampening": 1.0}, {"dampening": -0.1}, {"momentum": 1.0}]
    for options in (*wrong, {"dampening": 0.1, "nesterov": True}):
        with pytest.raises(ConfigurationError):
            from_torch_sgd(0.1, **options)
    for lr in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigurationError):
            from_torch_sgd(lr)
    with pytest.raises(ConfigurationError, match="momentum"):
        dampened_start_velocity(torch.ones(2), 0.1, 0.0, 0.0)
    with pytest.raises(DataError):
        dampened_start_velocity(torch.tensor([float("nan")]), 0.1, 0.5, 0.5)
