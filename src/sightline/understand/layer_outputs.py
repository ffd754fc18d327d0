"""What chosen modules of any network give for an input, kept by hooks."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError, near
from sightline.understand.module_names import evaluating, first_tensor


def layer_outputs(
    model: nn.Module, layers: Sequence[str], *inputs: Any, **options: Any
) -> list[Float[Tensor, "batch num_tokens width"]]:
    """The outputs of some modules of any network, by their names, in the order in which they are used.

    A module that is used several times, as a shared block is, gives as many. It costs one forward pass in evaluation
    mode without gradients; the network is as before after.

    Args:
        model: any module.
        layers: names, as ``model.named_modules()`` has them.
        inputs: for the network.
        options: for the network, by name.

    Raises:
        ConfigurationError: for a name that no module has.
        InputError: for a module that is not used, or gives something else than (batch, tokens, width).

    Lecture: W4

    Example:
        >>> import torch
        >>> network = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.ReLU())
        >>> [tuple(h.shape) for h in layer_outputs(network, ["0", "2"], torch.zeros(1, 3, dtype=torch.int64))]
        [(1, 3, 4), (1, 3, 4)]
    """
    modules = dict(model.named_modules())
    found: list[tuple[str, Tensor | None]] = []

    def keep(name: str, module: nn.Module, given: Any, output: Any) -> None:
        found.append((name, first_tensor(output)))

    with ExitStack() as stack:
        for name in layers:
            if name not in modules:
                raise ConfigurationError(expected="names of modules", found=repr(name), do=near(name, modules))
            stack.callback(modules[name].register_forward_hook(partial(keep, name)).remove)
        with evaluating(model):
            model(*inputs, **options)
    used = {name for name, _ in found}
    for name in layers:
        if name not in used:
            raise InputError(expected=f"an input that passes {name}", found="it is not used", do="name another module")
    outputs = []
    for name, output in found:
        if output is None or output.dim() != 3:
            raise InputError(
                expected=f"(batch, tokens, width) from {name}",
                found="no tensor" if output is None else f"shape {tuple(output.shape)}",
                do="name a module that gives tokens",
            )
        outputs.append(output)
    return outputs
