"""What layers and activations give while a network runs: told one by one, called as modules or as functions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sightline.understand.module_names import Names, first_tensor, watched

ACTIVATIONS: dict[Callable[..., Any], str] = {
    function: name
    for name, functions in {
        "relu": (F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu6),
        "leaky_relu": (F.leaky_relu, F.leaky_relu_, F.rrelu, F.prelu, torch.prelu),
        "elu": (F.elu, F.elu_, F.selu, F.celu),
        "gelu": (F.gelu,),
        "silu": (F.silu, F.mish, F.hardswish),
        "sigmoid": (torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_, F.sigmoid),
        "hard sigmoid": (F.hardsigmoid,),
        "log sigmoid": (F.logsigmoid,),
        "tanh": (torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_, F.tanh),
        "hard tanh": (F.hardtanh, F.hardtanh_),
        "softsign": (F.softsign,),
        "softplus": (F.softplus,),
        "softmax": (F.softmax, torch.softmax, Tensor.softmax),
    }.items()
    for function in functions
}
"""Functions that are seen as activations, called by a module or without one."""

CHANNELS_FIRST = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)
UNITS_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding, nn.RNNBase, nn.MultiheadAttention)


@dataclass(frozen=True)
class WatchedOutput:
    """What one layer or activation has just given.

    Attributes:
        name: the module's; an activation without a module of its own has its module's name, with the function's.
        module: at work.
        kind: the module's class, or the activation's name.
        values: the output, still part of the graph.
        unit_axis: which of its axes counts units (channels); 0 where it has none.
        options: of an activation, by name; what was given without names is left out.
    """

    name: str
    module: nn.Module
    kind: str
    values: Tensor
    unit_axis: int
    options: Mapping[str, Any]

    @property
    def is_activation(self) -> bool:
        """Whether a function without weights gave it."""
        return self.kind in ACTIVATIONS.values()


class _Watching(TorchFunctionMode):
    """Tell of every activation function's result."""

    def __init__(self, tell: Callable[[str, Tensor, Mapping[str, Any]], None]) -> None:
        super().__init__()
        self.tell = tell

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in ACTIVATIONS:
            self.tell(ACTIVATIONS[func], result, kwargs or {})
        return result


@contextmanager
def watched_outputs(
    model: nn.Module, tell: Callable[[WatchedOutput], None], called: set[str] | None = None
) -> Iterator[Names]:
    """Tell of each output of a module with weights of its own, and of each activation, in order of use.

    Which axis counts the units is the layer's to say (channels of convolutions, the last axis of dense layers on
    tokens); an activation has that of the last layer that gave the same shape, and of what no known layer made the
    second axis of 2, 4 or 5 is taken, of 3 the last.

    Args:
        model: any module.
        tell: called with each.
        called: where given, names of all modules that were called are put in.
    """
    modules = dict(model.named_modules())
    axes: dict[torch.Size, int] = {}

    def layer(name: str, module: nn.Module, output: Any) -> None:
        if called is not None:
            called.add(name)
        values = first_tensor(output)
        if values is None or not values.is_floating_point():
            return
        if isinstance(module, CHANNELS_FIRST):
            axes[values.shape] = 1
        elif isinstance(module, UNITS_LAST):
            axes[values.shape] = values.dim() - 1
        own = any(p is not None for p in module._parameters.values())
        if own or isinstance(getattr(module, "weight", None), Tensor):  # a property where it is parametrised
            tell(WatchedOutput(name, module, type(module).__name__, values, _axis(values, axes), {}))

    with watched(model, layer) as names:

        def activation(kind: str, result: Tensor, options: Mapping[str, Any]) -> None:
            module = modules[names.current]
            name = names.current if not any(module.children()) else f"{names.current}:{kind}".lstrip(":")
            tell(WatchedOutput(name, module, kind, result, _axis(result, axes), options))

        with _Watching(activation):
            yield names


def _axis(values: Tensor, known: Mapping[torch.Size, int]) -> int:
    if values.dim() < 2:
        return 0
    return known.get(values.shape, 1 if values.dim() in (2, 4, 5) else values.dim() - 1)
