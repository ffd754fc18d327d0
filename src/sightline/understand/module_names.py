"""Which module of a network is at work: names while a forward pass runs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves


class Names:
    """The module at work, and those that are inside of others.

    Attributes:
        stack: names of the modules entered and not yet left, outermost first; "" is the network itself.
    """

    def __init__(self) -> None:
        self.stack: list[str] = [""]

    @property
    def current(self) -> str:
        """The innermost module at work."""
        return self.stack[-1]


@contextmanager
def watched(model: nn.Module, done: Callable[[str, nn.Module, Any], None] | None = None) -> Iterator[Names]:
    """Follow a network's modules through forward passes; afterwards it is as before.

    Args:
        model: any module.
        done: told the name, the module and its output, each time a module is through.
    """
    names = Names()
    with ExitStack() as stack:
        for name, module in model.named_modules():
            stack.callback(module.register_forward_pre_hook(partial(_enter, names, name)).remove)
            stack.callback(module.register_forward_hook(partial(_leave, names, name, done)).remove)
        yield names


def _enter(names: Names, name: str, module: nn.Module, inputs: object) -> None:
    names.stack.append(name)


def _leave(
    names: Names,
    name: str,
    done: Callable[[str, nn.Module, Any], None] | None,
    module: nn.Module,
    inputs: object,
    output: Any,
) -> None:
    names.stack.pop()
    if done is not None:
        done(name, module, output)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, without gradients and without fused kernels for attention; afterwards all is as before."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad(), unfused(), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for module, mode in training.items():
            module.training = mode


@contextmanager
def unfused() -> Iterator[None]:
    """Transformer layers by their parts, which tell of themselves, where torch would take one call for all of them."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def first_tensor(output: Any) -> Tensor | None:
    """A module's output, or the first tensor of several."""
    return next((leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)), None)


def example(model: nn.Module, input_shape: tuple[int, ...]) -> Tensor:
    """One input of zeros, in the number format and on the device of the network's parameters."""
    parameter = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(()))
    return torch.zeros(1, *input_shape, dtype=parameter.dtype, device=parameter.device)
