"""Seeing modules at work: which network the loop calls, in which mode, on what, and which module is innermost.

Hooks for all modules at once are used, none is registered on a module: torch takes other roads through some of its
modules once they carry hooks.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    _global_forward_hooks_with_kwargs,
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

from sightline.diagnose.function_watch import FunctionWatch
from sightline.diagnose.readable import out_of_reach
from sightline.diagnose.tape import tensors_in


class ModuleWatch:
    """Follow modules through forward passes.

    Args:
        name: the name of a module, or None for one that is not watched.
        entered: told (module, tensors given) when the loop calls a network.
        left: told (module, tensors given, tensors that came out) when that is through.
        functions: steps aside where torch has fast roads of its own.

    Attributes:
        stack: names of the modules at work, outermost first; where no call is taped those of networks alone.
        paused: True while nothing is to be seen (within a backward pass that computes again, say).
        closely: whether inner modules are followed though no call is taped.
    """

    def __init__(
        self,
        name: Callable[[nn.Module], str | None],
        entered: Callable[[nn.Module, list[Tensor]], None],
        left: Callable[[nn.Module, list[Tensor], list[Tensor]], None],
        functions: FunctionWatch,
    ) -> None:
        self._name, self._entered, self._left, self._functions = name, entered, left, functions
        self.stack: list[str] = []
        self._modules: list[nn.Module] = []
        self._inner = True
        self.closely = False
        self.paused = False

    @property
    def current(self) -> str:
        """The innermost module at work; "" in the loop itself."""
        return self.stack[-1] if self.stack else ""

    def start(self) -> ExitStack:
        """Begin; closing the stack ends it."""
        stack = ExitStack()
        stack.callback(register_module_forward_pre_hook(self._before).remove)
        after = register_module_forward_hook(self._after, with_kwargs=True, always_call=True)
        # removing the hook leaves its number there, and every module on torch's slower road
        stack.callback(_global_forward_hooks_with_kwargs.pop, after.id, None)
        stack.callback(after.remove)
        return stack

    def _before(self, module: nn.Module, args: Any) -> None:
        if out_of_reach() or self.paused:  # nothing of the watch goes into a compiled network
            return
        if not self._inner and self._modules and module is not self._modules[0]:
            return
        name = self._name(module)
        if name is None:
            return
        if not self.stack:
            self._entered(module, list(tensors_in(args)))
            compiled = hasattr(module, "_orig_mod")
            if compiled or not (module.training or torch.is_grad_enabled()):
                # torch's own fast roads are taken only where no function is watched
                self._functions.step_aside()
            self._inner = self._functions.taping or self.closely
        self.stack.append(name)
        self._modules.append(module)

    def _after(self, module: nn.Module, args: Any, *rest: Any) -> None:
        if out_of_reach() or self.paused or not self._modules:
            return
        if not self._inner and module is not self._modules[0]:
            return
        # where the forward pass raised, torch hands over no keyword arguments
        kwargs, output = rest if len(rest) == 2 else ({}, None)
        if not any(m is module for m in self._modules):
            return
        while self._modules.pop() is not module:
            self.stack.pop()
        self.stack.pop()
        if not self.stack:
            self._functions.step_back()
            made = list(tensors_in(output if isinstance(output, (list, tuple)) else (output,)))
            self._left(module, list(tensors_in((*args, *kwargs.values()))), made)
