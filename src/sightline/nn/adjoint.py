"""The adjoint method: gradients of an ordinary differential equation by solving a second one backwards.

Legend: h state, t time, T its end, n steps, θ the field's weights, L the loss, a = ∂L/∂h the adjoint.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.nn.ode_solver import RULES, Field, Method, State, check_solver, take_steps


def integrate_adjoint(
    field: Field,
    h: State,
    *,
    parameters: Iterable[Tensor],
    time: float = 1.0,
    steps: int = 1,
    method: Method = "euler",
) -> State:
    """``integrate`` whose gradient is a second equation, solved backwards: nothing is kept but h(T).

    da/dt = −aᵀ ∂f/∂h,  ∂L/∂θ = ∫₀ᵀ aᵀ ∂f/∂θ dt,  with h(t) found again by going back from h(T)

    The memory does not depend on n. The gradient is that of the exact flow, up to the solver's error: it and the
    gradient through the steps differ like 1/n, 1/n², 1/n⁴. The field is asked as often again, so it should keep no
    running statistics (batch normalisation), and draw no random numbers (dropout). It is
    differentiable once.

    Shapes:
        h (...) → (...)

    Args:
        field: f(h, t) → dh/dt.
        h: the state at time 0.
        parameters: θ, every tensor f depends on that needs a gradient.
        time: T.
        steps: n, forwards and again backwards.
        method: "euler", "midpoint" or "rk4", for both.

    Raises:
        ConfigurationError: as ``integrate``; under a transform of ``torch.func`` (``grad``, ``vmap``, …); in the
            backward pass, where a graph of the gradient is wanted.
        InputError: as ``integrate``.

    Source: Chen et al. 2018, algorithm 1 and appendix B

    Lecture: V4

    Example:
        >>> rate = torch.tensor([-1.0], requires_grad=True)
        >>> field = lambda h, t: rate * h
        >>> end = integrate_adjoint(field, torch.ones(1), parameters=[rate], steps=8, method="rk4")
        >>> end.backward()
        >>> rate.grad  # d/dr exp(r) at r = −1
        tensor([0.3679])
    """
    check_solver(steps, method)
    if torch._C._are_functorch_transforms_active():
        raise ConfigurationError(
            expected="a gradient by backward() or torch.autograd.grad: the adjoint equation has no other",
            found="a transform of torch.func",
            do="set gradient to steps: every transform can go through these",
        )
    weights = [weight for weight in parameters if weight.requires_grad]
    end: Tensor = _Adjoint.apply(field, time, steps, method, h, *weights)  # type: ignore[no-untyped-call]
    return end


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, field: Field, time: float, steps: int, method: Method, h: Tensor, *weights: Tensor
    ) -> Tensor:
        context.problem = field, time, steps, method
        end = take_steps(field, h, time, steps, method)
        context.save_for_backward(end, *weights)
        device = h.device.type
        context.autocast = {
            "device_type": device,
            "dtype": torch.get_autocast_dtype(device),
            "enabled": torch.is_autocast_enabled(device),
        }
        return end

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # a graph of the gradient is wanted; ours would silently lack it
            raise ConfigurationError(
                expected="first derivatives of a block whose gradient is the adjoint equation",
                found="a derivative of its gradient (create_graph)",
                do="set gradient to steps: it can be differentiated again",
            )
        field, time, steps, method = context.problem
        end, *weights = context.saved_tensors

        def back(state: _States, t: float) -> _States:
            """d/dt of (h, a, ∂L/∂θ so far)."""
            with torch.enable_grad(), torch.autocast(**context.autocast):
                h = state.parts[0].detach().requires_grad_()
                slope = field(h, t)
            if not slope.requires_grad:  # a field that depends on nothing but the time
                return _States([slope, *(torch.zeros_like(part) for part in state.parts[1:])])
            products = torch.autograd.grad(slope, [h, *weights], state.parts[1], materialize_grads=True)
            return _States([slope.detach(), *(-product for product in products)])

        start = _States([end, gradient, *(torch.zeros_like(weight) for weight in weights)])
        for step in range(steps, 0, -1):
            start = RULES[method](back, start, time * step / steps, -time / steps)
        return None, None, None, None, *start.parts[1:]


class _States:
    """Several tensors that move together: sums and multiples, part by part."""

    def __init__(self, parts: list[Tensor]) -> None:
        self.parts = parts

    def __add__(self, other: "_States") -> "_States":
        return _States([mine + its for mine, its in zip(self.parts, other.parts, strict=True)])

    def __rmul__(self, factor: float) -> "_States":
        return _States([factor * part for part in self.parts])
