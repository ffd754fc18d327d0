"""A change made at an optimiser's updates: its numbers, the gradients it is given, the parameters it has."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from sightline.diagnose.changes import beta_pair
from sightline.diagnose.function_watch import unwatched
from sightline.diagnose.tape import Plain


class ChangedOptimizers:
    """Make a change at every update of every optimiser.

    Rates are scaled for the update alone, so that a schedule that computes from the rate before goes on as it would.

    Args:
        change: in the words of ``CHANGES``; words that are no matter of an optimiser's are passed over.
        added: parameters that the first optimiser is to have.

    Attributes:
        made: updates that were changed.
    """

    def __init__(self, change: Mapping[str, Plain], added: Callable[[], Sequence[Tensor]]) -> None:
        self._numbers: dict[str, Any] = {
            word: beta_pair(change) if word == "betas" else change[word]
            for word in ("momentum", "betas", "eps", "weight_decay")
            if word in change
        }
        rate, norm = change.get("lr"), change.get("clip_norm")
        self._rate = None if rate is None else float(rate)
        self._norm = None if norm is None else float(norm)
        self._zero = bool(change.get("zero_grad"))
        self._added = added if "train" in change else None
        self._factor: float | None = None
        self._rates: list[Any] = []
        self.made = 0

    def start(self) -> ExitStack:
        """Change what an update finds; closing the stack ends it."""
        stack = ExitStack()
        if self._numbers or self._rate is not None or self._norm is not None or self._added is not None:
            stack.callback(register_optimizer_step_pre_hook(self._before).remove)
        return stack

    def start_after(self) -> ExitStack:
        """Put rates back after an update, and gradients to zero; to be entered after who wants to see them."""
        stack = ExitStack()
        if self._rate is not None or self._zero:
            stack.callback(register_optimizer_step_post_hook(self._after).remove)
        return stack

    def _before(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        with unwatched():
            if self._added is not None:
                self._add(optimizer, self._added())
            for group in optimizer.param_groups:
                for word, value in self._numbers.items():
                    if word in group:
                        self.made += 1
                        group[word] = value
            if self._rate is not None:
                self._scale(optimizer, self._rate)
            if self._norm is not None:
                given = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
                torch.nn.utils.clip_grad_norm_(given, self._norm)
                self.made += bool(given)

    def _add(self, optimizer: Optimizer, wanted: Sequence[Tensor]) -> None:
        """Once, to the first optimiser: with the numbers of its first group."""
        self._added = None
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        optimizer.param_groups[0]["params"] += [p for p in wanted if id(p) not in held]
        self.made += bool(wanted)

    def _scale(self, optimizer: Optimizer, wanted: float) -> None:
        self._rates = [group.get("lr", 0.0) for group in optimizer.param_groups]
        if self._factor is None:
            first = max((abs(float(rate)) for rate in self._rates if float(rate) > 0), default=0.0)
            self._factor = wanted / first if first else 1.0
        for group, rate in zip(optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * self._factor if float(rate) > 0 else wanted
        self.made += 1

    def _after(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for group, rate in zip(optimizer.param_groups, self._rates, strict=False):
            group["lr"] = rate
        self._rates = []
        if self._zero:
            with unwatched():
                for p in (p for group in optimizer.param_groups for p in group["params"]):
                    if p.grad is not None:
                        self.made += 1
                        p.grad.zero_()
