"""Where the first NaN or infinity of a forward pass arises."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn


def find_non_finite(model: nn.Module, inputs: Tensor, run: Callable[[], object] | None = None) -> str:
    """Name the first thing that is not finite: the input, a parameter, a layer's output, or the loss.

    Runs one forward pass with a hook on every module without children; costs that pass.

    Args:
        model: the network.
        inputs: what it is given.
        run: runs it, where ``model(inputs)`` does not.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> _ = nn.init.constant_(net[0].bias, float("inf"))
        >>> find_non_finite(net, torch.zeros(1, 2))
        'parameter 0.bias'
    """
    if not torch.isfinite(inputs).all():
        return "the input"
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            return f"parameter {name}"
    found: list[str] = []

    def hook_of(name: str) -> object:
        def hook(module: nn.Module, _: object, output: object) -> None:
            if not found and any(not torch.isfinite(t).all() for t in _tensors(output)):
                found.append(f"layer {name} ({type(module).__name__})")

        return hook

    leaves = [(name, m) for name, m in model.named_modules() if not any(m.children())]
    handles = [m.register_forward_hook(hook_of(name)) for name, m in leaves]
    try:
        with torch.no_grad():
            model(inputs) if run is None else run()
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else "the loss itself (every layer's output is finite)"


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
