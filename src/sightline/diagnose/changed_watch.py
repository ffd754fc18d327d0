"""A watch that makes one change in the training it sees: a finding's fix, tried in a program that stays as it is."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from sightline.diagnose.changed_calls import WORDS, ChangedCalls
from sightline.diagnose.changed_optimizer import ChangedOptimizers
from sightline.diagnose.changes import checked, names_in
from sightline.diagnose.function_watch import unwatched
from sightline.diagnose.tape import Plain
from sightline.diagnose.watch import Watch

FIRST_BATCHES = 10
FARTHEST = 10.0
"""Standardised inputs are cut at so many deviations: a feature that was constant at first may not blow up later."""


class ChangedWatch(Watch):
    """Sees a loop, and makes a change in it.

    Nothing is drawn from the loop's random streams: the batches are those that it draws without the change. With the
    change ``{}`` the loop computes, bit for bit, what it would without.

    Args:
        change: in the words of :data:`~sightline.diagnose.changes.CHANGES`.
        stop_after: end the loop after so many updates, by raising :class:`EnoughSeen`; none: never.

    Raises:
        ConfigurationError: for a change in other words or of numbers that make no sense, or an end after no update.

    Lecture: U7

    Example:
        >>> net = nn.Linear(1, 1)
        >>> sgd = torch.optim.SGD(net.parameters(), lr=100.0)
        >>> with ChangedWatch({"lr": 0.1}) as w:
        ...     for _ in range(50):
        ...         sgd.zero_grad()
        ...         nn.functional.mse_loss(net(torch.ones(4, 1)), torch.zeros(4, 1)).backward()
        ...         sgd.step()
        >>> w.record.loss.last(1) < 1e-6, w.made
        (True, 50)
    """

    def __init__(self, change: Mapping[str, Plain], *, stop_after: int | None = None) -> None:
        super().__init__(stop_after=stop_after)
        self.change = checked(change)
        self._trained: list[Tensor] = []
        self._optimizers = ChangedOptimizers(self.change, lambda: self._trained)
        self._calls = ChangedCalls(self.change, lambda: self._modules.current)
        self._modules.closely = True
        self._moments: dict[int, _Moments] = {}
        self._modes: list[tuple[nn.Module, bool]] = []
        self._made = 0

    @property
    def made(self) -> int:
        """How often something was changed."""
        return self._made + self._optimizers.made + self._calls.made

    def __enter__(self) -> "ChangedWatch":
        # what changes goes before what sees, what puts back comes after it
        if any(word in self.change for word in WORDS):
            self._stack.enter_context(self._calls)
        self._stack.enter_context(self._optimizers.start())
        if "mode" in self.change or "standardise" in self.change:
            self._stack.callback(register_module_forward_pre_hook(self._entering).remove)
        super().__enter__()
        self._stack.enter_context(self._optimizers.start_after())
        if "mode" in self.change:
            self._stack.callback(register_module_forward_hook(self._leaving).remove)
        return self

    def _meet(self, network: nn.Module) -> None:
        """A network seen for the first time: before its first pass."""
        super()._meet(network)
        wanted = set(names_in(self.change, "redraw")), set(names_in(self.change, "train"))
        if not any(wanted):
            return
        prefix = self._prefix(self.record.networks[-1])
        fan_in = {p.name: p.fan_in for p in self.record.parameters}
        stream = torch.Generator().manual_seed(0)
        for name, p in ((prefix + inner, p) for inner, p in network.named_parameters()):
            if name in wanted[0]:
                self._made += 1
                fresh = torch.empty(p.shape).normal_(0, sqrt(2 / fan_in[name]), generator=stream) if fan_in[name] else 0
                p.data.copy_(torch.as_tensor(fresh))
            if name in wanted[1]:
                p.requires_grad_()
                self._trained.append(p)

    def _entering(self, module: nn.Module, args: tuple[Any, ...]) -> Any:
        """A module is called: modes and inputs of a network's own call are changed. Returns what it is given then."""
        if (
            torch.compiler.is_compiling()
            or self._modules.paused
            or self._modules.stack
            or self._name_of(module) is None
        ):
            return None
        grad = torch.is_grad_enabled()
        wanted = self.change.get("mode") == "training"
        if "mode" in self.change and grad == wanted and module.training != wanted:
            self._made += 1
            self._modes = [(inner, inner.training) for inner in module.modules()]
            for inner, _ in self._modes:
                inner.training = wanted
        return self._standardised(module, args, grad) if "standardise" in self.change else None

    def _leaving(self, module: nn.Module, args: Any, output: Any) -> None:
        if (
            not torch.compiler.is_compiling()
            and self._modes
            and self._modes[0][0] is module
            and not self._modules.stack
        ):
            for inner, mode in self._modes:
                inner.training = mode
            self._modes = []

    def _standardised(self, module: nn.Module, args: tuple[Any, ...], grad: bool) -> tuple[Any, ...]:
        place = next(
            (i for i, x in enumerate(args) if isinstance(x, Tensor) and x.is_floating_point() and x.dim() > 1), None
        )
        if place is None or args[place].requires_grad:
            return args
        self._made += 1
        moments = self._moments.setdefault(id(module), _Moments())
        with unwatched():
            if (grad and moments.batches < FIRST_BATCHES) or not moments.batches:
                moments.add(args[place])
            return (*args[:place], moments.standardised(args[place]), *args[place + 1 :])


class _Moments:
    """Mean and deviation of the first batches: of a table by column, of anything else as a whole."""

    def __init__(self) -> None:
        self.batches = 0
        self._count = 0
        self._sum = self._squares = torch.zeros((), dtype=torch.float64)

    def add(self, x: Tensor) -> None:
        rows = (x if x.dim() == 2 else x.reshape(-1, 1)).double()
        self.batches += 1
        self._count += len(rows)
        self._sum = self._sum.to(rows) + rows.sum(0)
        self._squares = self._squares.to(rows) + rows.square().sum(0)

    def standardised(self, x: Tensor) -> Tensor:
        mean = self._sum / self._count
        deviation = (self._squares / self._count - mean.square()).clamp_min(0).sqrt()
        deviation = torch.where(deviation > 1e-9 * (1 + mean.abs()), deviation, torch.ones_like(deviation))
        result: Tensor = ((x - mean.to(x)) / deviation.to(x)).clamp(-FARTHEST, FARTHEST)
        return result
