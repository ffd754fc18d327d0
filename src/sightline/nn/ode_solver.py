"""Solvers of dh/dt = f(h, t) with a fixed number of equal steps: Euler's, the midpoint and the Runge-Kutta method.

Legend: h state, t time, T its end, n steps, Δ = T/n.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.fx
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError

State = Float[Tensor, "..."]
Field = Callable[[Tensor, float], Tensor]
Method = Literal["euler", "midpoint", "rk4"]
Slope = Callable[[Any, float], Any]
Rule = Callable[[Slope, Any, float, float], Any]


def euler_step(field: Slope, h: Any, t: float, length: float) -> Any:
    """h + Δ f(h, t): error over all n steps falls like 1/n.

    Args:
        field: f.
        h: a tensor, or whatever can be added and multiplied by a number.
        t: the time before the step.
        length: Δ, negative to go back.

    Source: Hairer, Nørsett & Wanner 1993, "Solving Ordinary Differential Equations I", §I.7

    Lecture: V4

    Example:
        >>> euler_step(lambda h, t: h, torch.ones(1), 0.0, 0.5)
        tensor([1.5000])
    """
    return h + length * field(h, t)


def midpoint_step(field: Slope, h: Any, t: float, length: float) -> Any:
    """h + Δ f(h + Δ/2 f(h, t), t + Δ/2): error over all n steps falls like 1/n².

    Args: as :func:`euler_step`.

    Source: Hairer, Nørsett & Wanner 1993, §II.1: Runge's method

    Lecture: V4

    Example:
        >>> midpoint_step(lambda h, t: h, torch.ones(1), 0.0, 0.5)
        tensor([1.6250])
    """
    half = length / 2
    return h + length * field(h + half * field(h, t), t + half)


def rk4_step(field: Slope, h: Any, t: float, length: float) -> Any:
    """h + Δ/6 (k₁ + 2k₂ + 2k₃ + k₄), the classical Runge-Kutta method: error over all n steps falls like 1/n⁴.

    k₁ = f(h, t), k₂ = f(h + Δ/2 k₁, t + Δ/2), k₃ = f(h + Δ/2 k₂, t + Δ/2), k₄ = f(h + Δ k₃, t + Δ)

    Args: as :func:`euler_step`.

    Source: Hairer, Nørsett & Wanner 1993, §II.1, table 1.2

    Lecture: V4

    Example:
        >>> rk4_step(lambda h, t: h, torch.ones(1), 0.0, 1.0)  # e = 2.7183
        tensor([2.7083])
    """
    half = length / 2
    k1 = field(h, t)
    k2 = field(h + half * k1, t + half)
    k3 = field(h + half * k2, t + half)
    k4 = field(h + length * k3, t + length)
    return h + length / 6 * (k1 + 2 * (k2 + k3) + k4)


RULES: dict[Method, Rule] = {"euler": euler_step, "midpoint": midpoint_step, "rk4": rk4_step}
"""One step of each method."""
EVALUATIONS: dict[Method, int] = {"euler": 1, "midpoint": 2, "rk4": 4}
"""How often one step asks the field."""


def integrate(field: Field, h: State, *, time: float = 1.0, steps: int = 1, method: Method = "euler") -> State:
    """h(T) from h(0) = h, by n equal steps; gradients go back through every step.

    Step i starts at t = T·i/n. Memory in training grows with n times what the field keeps for its gradient.

    Shapes:
        h (...) → (...); the field keeps the shape

    Args:
        field: f(h, t) → dh/dt, with t a plain number.
        h: the state at time 0.
        time: T; a negative one goes back.
        steps: n, 1 or more.
        method: "euler", "midpoint" or "rk4".

    Raises:
        ConfigurationError: for fewer than one step, or an unknown method.
        InputError: where the field changes the shape: a step would add two things that only broadcast.

    Source: Chen et al. 2018, "Neural Ordinary Differential Equations", eq. (1)-(2)

    Lecture: V4

    Example:
        >>> integrate(lambda h, t: -h, torch.ones(1), steps=8, method="rk4")  # exp(−1) = 0.36788
        tensor([0.3679])
    """
    check_solver(steps, method)
    return take_steps(field, h, time, steps, method)


def take_steps(field: Field, h: State, time: float, steps: int, method: Method) -> State:
    """:func:`integrate` without its checks of steps and method."""

    def checked(h: Tensor, t: float) -> Tensor:
        return same_shape(field(h, t), h)

    for step in range(steps):
        h = RULES[method](checked, h, time * step / steps, time / steps)
    return h


@torch.fx.wrap  # a symbolic trace has no shapes to compare: there it stays a call
def same_shape(slope: State, h: State) -> State:
    """The slope, if it is of the state's shape; else their sum would broadcast.

    Raises:
        InputError: where the shapes differ.

    Example:
        >>> same_shape(torch.ones(2), torch.zeros(2))
        tensor([1., 1.])
    """
    if slope.shape != h.shape:
        raise InputError(
            expected=f"a field that keeps the shape {' × '.join(map(str, h.shape))}",
            found=f"one that gives {' × '.join(map(str, slope.shape))}",
            do="let f have as many outputs as the state has entries; use padding in its convolutions",
        )
    return slope


def check_solver(steps: int, method: str) -> None:
    """Refuse what is no solver.

    Raises:
        ConfigurationError: for steps that are no whole number or fewer than one, or an unknown method.
    """
    if not isinstance(steps, int) or steps < 1:
        raise ConfigurationError(
            expected="a whole number of steps, 1 or more", found=f"steps = {steps}", do="give for example steps = 4"
        )
    if method not in RULES:
        raise ConfigurationError(
            expected=f"a method: {', '.join(RULES)}", found=f"method = {method!r}", do="name one of these"
        )
