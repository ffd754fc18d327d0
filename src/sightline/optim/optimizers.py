"""Typed specifications of optimisers; torch's own do the work.

Legend: w parameter, g its gradient (L2 and L1 terms included), α the rate ``lr``, λ ``weight_decay``.

L2 regularisation is coupled, g ← g + λw before anything else, in all but :class:`AdamW`, where it is
decoupled: w ← w − αλw, apart from the gradient. For plain SGD the two are the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import nn

from sightline.core.config import Config, Option
from sightline.core.errors import ConfigurationError
from sightline.core.registry import Registry
from sightline.optim.parameter_groups import parameter_groups

OPTIMIZERS: Registry[Callable[..., "Optimizer"]] = Registry("optimiser")


@dataclass(frozen=True)
class Optimizer(Config):
    """What every optimiser is told: the rate and the strengths of L2 and L1 regularisation.

    Args:
        lr: the rate α, before the schedule's factor.
        weight_decay: λ of the L2 term, on weights only (see :func:`parameter_groups`).
        l1: strength of the L1 term, on weights only; :func:`add_l1_gradient` adds it.
    """

    lr: Annotated[float, Option("learning rate", above=0)] = 0.01
    weight_decay: Annotated[float, Option("L2 regularisation of the weights", minimum=0)] = 0.0
    l1: Annotated[float, Option("L1 regularisation of the weights", minimum=0)] = 0.0

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        """An optimiser for a model's trainable parameters, in regularised and unregularised groups.

        Each group keeps the rate in ``"initial_lr"``. Choose a model's memory format before its first
        step: the moments take it over, and fused kernels walk through both side by side.

        Raises:
            ConfigurationError: when the model has nothing to train.
        """
        groups = parameter_groups(model, weight_decay=self.weight_decay)
        if not self.weight_decay and not self.l1:  # nothing to tell apart: one call updates all
            groups = [{**groups[0], "params": [p for group in groups for p in group["params"]]}]
        for group in groups:
            group["initial_lr"] = self.lr
        optimizer = self._make(groups)
        optimizer.register_load_state_dict_post_hook(_match_layouts)
        return optimizer

    def _make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        raise NotImplementedError


@OPTIMIZERS.register("sgd")
@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent: v ← μv + g, w ← w − αv; plain where μ = 0.

    Nesterov's form steps along g + μv instead of v. The first step has v = g.

    Source: Sutskever et al. 2013, in torch's form, where α multiplies the whole velocity

    Raises:
        ConfigurationError: for Nesterov's form without momentum.

    Lecture: O1

    Example:
        >>> SGD(lr=0.1, momentum=0.9).build(nn.Linear(2, 1)).param_groups[0]["momentum"]
        0.9
    """

    lr: Annotated[float, Option("learning rate", above=0)] = 0.1
    momentum: Annotated[float, Option("μ, the share of the velocity kept", minimum=0, below=1)] = 0.0
    nesterov: Annotated[bool, Option("look ahead along the velocity")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and self.momentum == 0:
            raise ConfigurationError(
                expected="momentum > 0 for Nesterov's form",
                found=f"nesterov = true, momentum = {self.momentum:g}",
                do="set optim.momentum (0.9 is common), or leave nesterov out",
            )

    def _make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov, **_fused(groups))


@OPTIMIZERS.register("adagrad")
@dataclass(frozen=True)
class Adagrad(Optimizer):
    """A rate for each parameter: s ← s + g², w ← w − α g / (√s + ε). ε stands outside the root.

    Source: Duchi et al. 2011

    Lecture: O1

    Example:
        >>> type(Adagrad().build(nn.Linear(2, 1))).__name__
        'Adagrad'
    """

    lr: Annotated[float, Option("learning rate", above=0)] = 0.01
    eps: Annotated[float, Option("ε, keeps the quotient finite", above=0)] = 1e-10

    def _make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.Adagrad(groups, lr=self.lr, eps=self.eps, **_fused(groups))


@OPTIMIZERS.register("rmsprop")
@dataclass(frozen=True)
class RMSProp(Optimizer):
    """Adagrad that forgets: s ← βs + (1−β)g², w ← w − α g / (√s + ε). ε stands outside the root.

    Source: Tieleman and Hinton 2012, lecture 6.5

    Lecture: O1

    Example:
        >>> RMSProp(beta=0.9).build(nn.Linear(2, 1)).param_groups[0]["alpha"]
        0.9
    """

    lr: Annotated[float, Option("learning rate", above=0)] = 0.001
    beta: Annotated[float, Option("β, the share of the mean square kept", minimum=0, below=1)] = 0.99
    eps: Annotated[float, Option("ε, keeps the quotient finite", above=0)] = 1e-8

    def _make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(groups, lr=self.lr, alpha=self.beta, eps=self.eps, foreach=True)


@OPTIMIZERS.register("adam")
@dataclass(frozen=True)
class Adam(Optimizer):
    """Momentum and RMSProp together, the bias of their zero start taken out.

    After k steps: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w − α m̂ / (√v̂ + ε), where m̂ = m/(1−β₁ᵏ)
    and v̂ = v/(1−β₂ᵏ).

    Source: Kingma and Ba 2015, algorithm 1

    Lecture: O1

    Example:
        >>> Adam(lr=1e-3).build(nn.Linear(2, 1)).param_groups[0]["betas"]
        (0.9, 0.999)
    """

    lr: Annotated[float, Option("learning rate", above=0)] = 0.001
    beta1: Annotated[float, Option("β₁, the share of the mean gradient kept", minimum=0, below=1)] = 0.9
    beta2: Annotated[float, Option("β₂, the share of the mean square kept", minimum=0, below=1)] = 0.999
    eps: Annotated[float, Option("ε, keeps the quotient finite", above=0)] = 1e-8

    def _make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.Adam(groups, lr=self.lr, betas=(self.beta1, self.beta2), eps=self.eps, **_fused(groups))


@OPTIMIZERS.register("adamw")
@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled decay: first w ← w − αλw, then Adam's step on the loss's gradient alone.

    Source: Loshchilov and Hutter 2019, algorithm 2

    Lecture: O1, O6

    Example:
        >>> [g["weight_decay"] for g in AdamW().build(nn.Linear(2, 1)).param_groups]
        [0.01, 0.0]
    """

    lr: Annotated[float, Option("learning rate", above=0)] = 0.001
    weight_decay: Annotated[float, Option("decoupled decay of the weights", minimum=0)] = 0.01
    beta1: Annotated[float, Option("β₁, the share of the mean gradient kept", minimum=0, below=1)] = 0.9
    beta2: Annotated[float, Option("β₂, the share of the mean square kept", minimum=0, below=1)] = 0.999
    eps: Annotated[float, Option("ε, keeps the quotient finite", above=0)] = 1e-8

    def _make(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(groups, lr=self.lr, betas=(self.beta1, self.beta2), eps=self.eps, **_fused(groups))


def _fused(groups: list[dict[str, Any]]) -> dict[str, bool]:
    """The quickest implementation there is: one kernel for the whole update on CPU and CUDA.

    Parameters of a kind of their own, such as shares of a model spread over processes, have no such kernel.
    """
    parameters = [p for group in groups for p in group["params"]]
    fusible = all(
        type(p) is nn.Parameter and p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters
    )
    return {"fused": True} if fusible else {"foreach": True}


def _match_layouts(optimizer: torch.optim.Optimizer) -> None:
    """Lay loaded moments out in memory as their parameters are: a checkpoint keeps values, not strides."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
