"""Seeing optimisers at work: their parameters, rates, gradients and what a step changes."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from sightline.diagnose.record import UpdateSeen

PLACES = 2_048
"""Numbers of each parameter that are copied around a step."""


@dataclass
class _Before:
    """A look at an optimiser just before its step."""

    step: int
    optimizer: int
    parameters: list[Tensor]
    names: tuple[str, ...]
    without: tuple[str, ...]
    gradient: list[float]
    weight: list[float]
    samples: list[Tensor]
    slopes: list[Tensor]
    rates: tuple[float, ...]


@dataclass
class _Follow:
    """Waiting for the next gradient."""

    parameters: list[Tensor]
    change: list[Tensor]
    along: float
    seen: UpdateSeen


def places(x: Tensor) -> Tensor:
    """At most ``PLACES`` numbers, spread evenly: a copy. Of complex ones both parts."""
    flat = x.detach().reshape(-1)
    stride = -(-flat.numel() // PLACES)
    some = flat[:: stride | 1 if stride > 1 else 1].clone()
    return torch.view_as_real(some).reshape(-1) if some.is_complex() else some


class OptimizerWatch:
    """Follow the steps of all optimisers.

    Args:
        looking: whether the step now is looked at closely.
        name: of a parameter.
        stepping: told the optimiser and its number before a step.
        stepped: told the same after.
        awake: stands around the forward and backward passes that an optimiser makes itself, by a closure.
        seen: told what a close look found.

    Attributes:
        by_closure: whether the step at hand makes its forward and backward passes itself.
        replaced: optimisers that took the place of one of the same kind and parameters.
    """

    def __init__(
        self,
        *,
        looking: Callable[[], int | None],
        name: Callable[[Tensor], str],
        wanted: Callable[[Optimizer], bool],
        stepping: Callable[[Optimizer, int], None],
        stepped: Callable[[Optimizer, int], None],
        awake: Callable[[], AbstractContextManager[None]],
        seen: Callable[[UpdateSeen], None],
    ) -> None:
        self._looking, self._name, self._wanted = looking, name, wanted
        self._stepping, self._stepped, self._awake, self._seen = stepping, stepped, awake, seen
        self.by_closure = False
        self.replaced = self._inner = 0
        self._at_work: Optimizer | None = None
        self._within = False
        self.optimizers: list[Optimizer] = []
        self._before_step: _Before | None = None
        self._follow: dict[int, _Follow] = {}

    def start(self) -> ExitStack:
        """Begin; closing the stack ends it."""
        stack = ExitStack()
        stack.callback(register_optimizer_step_pre_hook(self._before).remove)
        stack.callback(register_optimizer_step_post_hook(self._after).remove)
        stack.callback(self.finish)
        return stack

    def idle(self) -> None:
        """No step is under way, whatever became of the last one: unless a closure is at work."""
        if not self._within:
            self._at_work, self._inner = None, 0

    def finish(self) -> None:
        """Tell what still waits for a next gradient."""
        for waiting in self._follow.values():
            self._seen(waiting.seen)
        self._follow.clear()

    def number(self, optimizer: Optimizer) -> int:
        """By order of first step; one that is made anew for the same parameters takes the place of the old one."""
        for index, known in enumerate(self.optimizers):
            if known is optimizer:
                return index
        own = parameter_ids(optimizer)
        for index, known in enumerate(self.optimizers):
            if type(known) is type(optimizer) and parameter_ids(known) == own:
                self.optimizers[index] = optimizer
                self.replaced += 1
                return index
        self.optimizers.append(optimizer)
        return len(self.optimizers) - 1

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        if not self._wanted(optimizer):
            return None
        if self._at_work is optimizer:  # a step that calls its parent's
            self._inner += 1
            return None
        self._at_work = optimizer
        number = self.number(optimizer)
        args, kwargs = self._closure_seen(args, kwargs)
        with torch._C.DisableTorchFunction(), torch.no_grad():
            self._stepping(optimizer, number)
            if number in self._follow:
                self._seen(_followed(self._follow.pop(number)))
            step = self._looking()
            if step is not None:
                self._before_step = self._look(optimizer, number, step)
        return (args, kwargs) if self.by_closure else None

    def _closure_seen(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a step, (optimiser, closure), with a closure that is seen."""
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        self.by_closure = callable(closure)
        if not callable(closure):
            return args, kwargs

        def seen() -> Any:
            self._within = True
            try:
                with self._awake():
                    return closure()
            finally:
                self._within = False

        return ((args[0], seen, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "closure": seen})

    def _look(self, optimizer: Optimizer, number: int, step: int) -> _Before:
        every = [p for group in optimizer.param_groups for p in group["params"]]
        having = [p for p in every if p.grad is not None and p.grad.layout is torch.strided]
        without = tuple(self._name(p) for p in every if p.grad is None and p.requires_grad)
        gradients = [p.grad for p in having if p.grad is not None]
        return _Before(
            step,
            number,
            having,
            tuple(self._name(p) for p in having),
            without,
            _norms(gradients),
            _norms(having),
            [places(p) for p in having],
            [places(g) for g in gradients],
            tuple(float(group.get("lr", 0.0)) for group in optimizer.param_groups),
        )

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if not self._wanted(optimizer):
            return
        if self._inner:
            self._inner -= 1
            return
        self._at_work = None
        number = self.number(optimizer)
        with torch._C.DisableTorchFunction(), torch.no_grad():
            before, self._before_step = self._before_step, None
            if before is not None and before.optimizer == number:
                self._compare(before)
            self._stepped(optimizer, number)

    def _compare(self, b: _Before) -> None:
        change = [places(p) - old for p, old in zip(b.parameters, b.samples, strict=True)]
        update = [
            float(d.float().norm()) * sqrt(p.numel() * (1 + p.is_complex()) / max(1, d.numel()))
            for d, p in zip(change, b.parameters, strict=True)
        ]
        seen = UpdateSeen(
            step=b.step,
            optimizer=b.optimizer,
            names=b.names,
            gradient=tuple(b.gradient),
            weight=tuple(b.weight),
            update=tuple(update),
            without=b.without,
            zero=bool(b.gradient) and not any(b.gradient),
            rates=b.rates,
        )
        along = _dot(b.slopes, change)
        if along and along == along:
            self._follow[b.optimizer] = _Follow(b.parameters, change, along, seen)
        else:
            self._seen(seen)


def parameter_ids(optimizer: Optimizer) -> frozenset[int]:
    """Which tensors it trains."""
    return frozenset(id(p) for group in optimizer.param_groups for p in group["params"])


def _norms(tensors: Sequence[Tensor]) -> list[float]:
    if not tensors:
        return []
    return torch.stack([n.float().cpu() for n in torch._foreach_norm(list(tensors))]).tolist()


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    return float(
        sum((x.double() @ y.double() for x, y in zip(a, b, strict=True)), torch.zeros((), dtype=torch.float64))
    )


def _followed(waiting: _Follow) -> UpdateSeen:
    if any(p.grad is None for p in waiting.parameters):
        return waiting.seen
    slopes = [places(p.grad) for p in waiting.parameters if p.grad is not None]
    return UpdateSeen(**{**vars(waiting.seen), "follow": _dot(slopes, waiting.change) / waiting.along})
