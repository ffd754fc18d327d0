"""Which layer of a network can't take an input, and why."""

from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.errors import InputError


def find_misfit(model: nn.Module, x: Tensor, cause: Exception) -> InputError | None:
    """The error that names the layer at which a forward pass broke off; none where it goes through now.

    The pass is made again with a hook on every module: the last one entered and not left is the layer. It
    costs that pass, and nothing where no error was.

    Args:
        model: the network that raised ``cause`` on ``x``.
        x: its input.
        cause: what it raised.
    """
    entered: list[tuple[str, nn.Module, tuple[int, ...]]] = []

    def enter(name: str, module: nn.Module) -> Any:
        def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            shape = next((tuple(t.shape) for t in inputs if isinstance(t, Tensor)), ())
            entered.append((name, module, shape))

        return hook

    def leave(module: nn.Module, inputs: object, output: object) -> None:
        entered.pop()

    handles = []
    for name, module in model.named_modules():
        if name:
            handles += [
                module.register_forward_pre_hook(enter(name, module)),
                module.register_forward_hook(leave),
            ]
    try:
        with torch.no_grad():
            model.forward(x)
        return None
    except (RuntimeError, ValueError, IndexError):
        pass  # `cause` again, on purpose
    finally:
        for handle in handles:
            handle.remove()
    given = " × ".join(map(str, x.shape))
    parameter = next((p for p in model.parameters() if p.is_floating_point()), None)
    if parameter is not None and x.dtype != parameter.dtype:
        found, do = f"{x.dtype} inputs for weights in {parameter.dtype}", "convert one to the other's number format"
    else:
        found, do = _first_line(cause), "give images of the size and channels it was built for, or build it for these"
    if not entered:
        return InputError(
            expected=f"an input that {type(model).__name__} can take",
            found=f"one of shape {given}: {found}",
            do=do,
        )
    name, module, shape = entered[-1]
    layer = type(module).__name__ if any(module.children()) else str(module)
    return InputError(
        expected=f"an input that the layer {name} can take: {layer}",
        found=f"{' × '.join(map(str, shape))} there, from an input of {given}: {found}",
        do=do,
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
