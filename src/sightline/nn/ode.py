"""A network as an ordinary differential equation: dh/dt = f(h, t).

A residual block h ← h + F(h) is one Euler step of length 1. With more, shorter steps the layers become a flow.

Legend: h state, t time, T its end, n steps.
"""

from collections.abc import Iterable
from math import isfinite
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.kinds import a_kind
from sightline.core.words import one_of
from sightline.nn.adjoint import integrate_adjoint
from sightline.nn.convnext_block import ConvNeXtBlock
from sightline.nn.ode_solver import Method, check_solver, integrate
from sightline.nn.pre_activation import PreActivationBlock
from sightline.nn.residual import ResidualBlock
from sightline.nn.transformer_block import TransformerBlock

Gradient = Literal["steps", "adjoint"]


class ODEBlock(nn.Module):
    """h(T) of dh/dt = f(h, t), h(0) = x: a block as deep as its solver has steps, with the weights of one.

    Euler's method of n steps is n residual blocks h ← h + (T/n) f(h, t) that share their weights.

    Shapes:
        x (batch, ...) → the same

    Args:
        field: f, called as ``field(h, t)`` with a plain number t from 0 to T; it keeps the shape.
        time: T, above 0; to go back, use ``integrate``.
        steps: n, 1 or more.
        method: "euler", "midpoint" or "rk4": one, two or four evaluations of f a step.
        gradient: "steps" (exact for this solver; keeps every step) or "adjoint" (constant memory; see
            ``integrate_adjoint`` for what it asks of the field).

    Raises:
        ConfigurationError: for steps that are no whole number of 1 or more, a time that is not finite and above 0,
            an unknown method or gradient, and the adjoint of a :class:`BlockField`.
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
        check_solver(steps, method)
        if not (isfinite(time) and time > 0):
            raise ConfigurationError(expected="a finite time above 0", found=f"time = {time}", do="1 is usual")
        one_of(gradient, get_args(Gradient), "gradient")
        if gradient == "adjoint" and isinstance(field, BlockField):
            raise ConfigurationError(
                expected="a field that does not jump, for the adjoint equation",
                found="a BlockField, which goes from block to block at whole times",
                do="set gradient to steps",
            )
        self.field = field
        self.time, self.steps, self.method, self.gradient = float(time), steps, method, gradient

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The state at time T."""
        if self.gradient == "adjoint" and torch.is_grad_enabled():
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
    Stochastic depth is left out: in training the chain drops branches, the field does not.

    Shapes:
        h (batch, ...) → the same

    Args:
        blocks: F_0, F_1, …, which keep the shape: ``branch`` of each block that has one, else the module itself.

    Raises:
        ConfigurationError: for no block, and for blocks that are not h ← h + F(h): those that activate after the sum,
            or activate, change or lack the skip, and those without a ``branch`` that add h by themselves.

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
        for number, block in enumerate(self.blocks):
            if found := _other_step(block):
                raise ConfigurationError(
                    expected="blocks that are h ← h + F(h), with F in their branch",
                    found=f"block {number}, {a_kind(block)}: {found}",
                    do="give pre-activation blocks of one stage, without its first, or the layers of F",
                )

    def forward(self, h: Float[Tensor, "batch ..."], t: float) -> Float[Tensor, "batch ..."]:
        """What the block of that time adds; at the very end, the last one's."""
        block = self.blocks[min(int(t), len(self.blocks) - 1)]
        change: Tensor = getattr(block, "branch", block)(h)
        return change


def _other_step(block: nn.Module) -> str:
    """What a block computes where it is known not to be h + F(h) with F its branch or itself."""
    if isinstance(block, ResidualBlock):
        return "relu after the sum"
    if isinstance(block, ConvNeXtBlock | TransformerBlock):
        return "it adds h itself"
    if not isinstance(block, PreActivationBlock):
        return ""
    if block.shortcut is None:
        return "F(h) without h"
    if not isinstance(block.shortcut, nn.Identity):
        return "a skip that changes the shape"
    return "a skip that is activated" if block.activate_skip else ""
