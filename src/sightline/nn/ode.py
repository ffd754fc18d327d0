"""A network as an ordinary differential equation: dh/dt = f(h, t), solved in a fixed number of equal steps.

A residual block h ← h + F(h) is one Euler step of length 1. With more, shorter steps the layers become a flow.

Legend: h state, t time, T its end, n steps, Δ = T/n, θ the field's weights, a = ∂L/∂h the adjoint.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
import torch.fx
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError

State = Float[Tensor, "..."]
Field = Callable[[Tensor, float], Tensor]
Method = Literal["euler", "midpoint", "rk4"]
Gradient = Literal["steps", "adjoint"]
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


_RULES: dict[Method, Rule] = {"euler": euler_step, "midpoint": midpoint_step, "rk4": rk4_step}
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
    _check(steps, method)
    return _integrate(field, h, time, steps, method)


def integrate_adjoint(
    field: Field,
    h: State,
    *,
    parameters: Iterable[Tensor],
    time: float = 1.0,
    steps: int = 1,
    method: Method = "euler",
) -> State:
    """:func:`integrate` whose gradient is a second equation, solved backwards: nothing is kept but h(T).

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
        ConfigurationError: as :func:`integrate`; in the backward pass, where a graph of the gradient is wanted.
        InputError: as :func:`integrate`.

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
    _check(steps, method)
    weights = [weight for weight in parameters if weight.requires_grad]
    end: Tensor = _Adjoint.apply(field, time, steps, method, h, *weights)  # type: ignore[no-untyped-call]
    return end


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, field: Field, time: float, steps: int, method: Method, h: Tensor, *weights: Tensor
    ) -> Tensor:
        context.problem = field, time, steps, method
        end = _integrate(field, h, time, steps, method)
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
            start = _RULES[method](back, start, time * step / steps, -time / steps)
        return None, None, None, None, *start.parts[1:]


class _States:
    """Several tensors that move together: sums and multiples, part by part."""

    def __init__(self, parts: list[Tensor]) -> None:
        self.parts = parts

    def __add__(self, other: "_States") -> "_States":
        return _States([mine + its for mine, its in zip(self.parts, other.parts, strict=True)])

    def __rmul__(self, factor: float) -> "_States":
        return _States([factor * part for part in self.parts])


def _integrate(field: Field, h: Tensor, time: float, steps: int, method: Method) -> Tensor:
    def checked(h: Tensor, t: float) -> Tensor:
        return same_shape(field(h, t), h)

    for step in range(steps):
        h = _RULES[method](checked, h, time * step / steps, time / steps)
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


class ODEBlock(nn.Module):
    """h(T) of dh/dt = f(h, t), h(0) = x: a block as deep as its solver has steps, with the weights of one.

    Euler's method of n steps is n residual blocks h ← h + (T/n) f(h, t) that share their weights.

    Shapes:
        x (batch, ...) → the same

    Args:
        field: f, called as ``field(h, t)`` with a plain number t from 0 to T; it keeps the shape.
        time: T.
        steps: n, 1 or more.
        method: "euler", "midpoint" or "rk4": one, two or four evaluations of f a step.
        gradient: "steps" (exact for this solver; keeps every step) or "adjoint" (constant memory; see
            :func:`integrate_adjoint` for what it asks of the field; compiled code goes through the steps).

    Raises:
        ConfigurationError: for fewer than one step, an unknown method or gradient.
        InputError: where the field changes the shape.

    Source: Chen et al. 2018, "Neural Ordinary Differential Equations", §2-3

    Lecture: V4

    Example:
        >>> class Decay(nn.Module):
        ...     def forward(self, h, t):
        ...         return -h
        >>> ODEBlock(Decay(), steps=100)(torch.ones(1, 1))  # 0.99 to the power of 100
        tensor([[0.3660]])
    """

    def __init__(
        self,
        field: nn.Module,
        *,
        time: float = 1.0,
        steps: int = 1,
        method: Method = "euler",
        gradient: Gradient = "steps",
    ) -> None:
        super().__init__()
        _check(steps, method)
        if gradient not in ("steps", "adjoint"):
            raise ConfigurationError(
                expected="a gradient: steps or adjoint", found=f"gradient = {gradient!r}", do="name one of these"
            )
        self.field = field
        self.time, self.steps, self.method, self.gradient = float(time), steps, method, gradient

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The state at time T."""
        if self.gradient == "adjoint" and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            return integrate_adjoint(
                self.field,
                x,
                parameters=self.field.parameters(),
                time=self.time,
                steps=self.steps,
                method=self.method,
            )
        return integrate(self.field, x, time=self.time, steps=self.steps, method=self.method)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"time={self.time:g}, steps={self.steps}, method={self.method}, gradient={self.gradient}"


class BlockField(nn.Module):
    """The field of a chain of K residual blocks: f(h, t) = F_⌊t⌋(h) for t from 0 to K.

    ``ODEBlock(BlockField(blocks), time=K, steps=K)`` is the chain h ← h + F_k(h), a stage of a pre-activation
    ResNet, exactly; with n > K steps each block acts n/K times, a K/n-th part each time. The
    field jumps at whole times, where the adjoint, coming from behind, would ask the next block: use gradient "steps".

    Shapes:
        h (batch, ...) → the same

    Args:
        blocks: F_0, F_1, …, which keep the shape: ``branch`` of each block that has one, else the module itself.

    Raises:
        ConfigurationError: for no block.

    Source: Lecture notes, L10, eq. (1); E 2017, "A Proposal on Machine Learning via Dynamical Systems"

    Lecture: V4

    Example:
        >>> blocks = [nn.Linear(3, 3), nn.Linear(3, 3)]
        >>> x = torch.randn(1, 3)
        >>> h = x + blocks[0](x)
        >>> torch.equal(ODEBlock(BlockField(blocks), time=2, steps=2)(x), h + blocks[1](h))
        True
    """

    def __init__(self, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        if not self.blocks:
            raise ConfigurationError(expected="at least one block", found="none", do="give the blocks of one stage")

    def forward(self, h: Float[Tensor, "batch ..."], t: float) -> Float[Tensor, "batch ..."]:
        """What the block of that time adds; at the very end, the last one's."""
        block = self.blocks[min(int(t), len(self.blocks) - 1)]
        change: Tensor = getattr(block, "branch", block)(h)
        return change


def _check(steps: int, method: str) -> None:
    if steps < 1:
        raise ConfigurationError(expected="steps of 1 or more", found=f"steps = {steps}", do="take more steps")
    if method not in _RULES:
        raise ConfigurationError(
            expected=f"a method: {', '.join(_RULES)}", found=f"method = {method!r}", do="name one of these"
        )
