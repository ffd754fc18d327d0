"""Multiply-adds of what a network computes: convolutions and matrix products, whatever they are called from."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


def product(left: Tensor, right: Tensor) -> int:
    """[…, n, k] times […, k, m]: n·k·m multiply-adds, for each of a batch; [n, k] times [k]: n·k."""
    return left.numel() * (right.shape[-1] if right.dim() > 1 else 1)


def convolution(x: Tensor, weight: Tensor, outputs: Tensor, transposed: bool) -> int:
    """Each number of the output (transposed: of the input) times its kernel: k₁k₂ · channels a group.

    A weight is [outputs, inputs a group, k₁, k₂], transposed [inputs, outputs a group, k₁, k₂]. Positions of a
    kernel that fall on padding are counted.
    """
    return (x if transposed else outputs).numel() * math.prod(weight.shape[1:])


def _attention(query: Tensor, key: Tensor, value: Tensor) -> int:
    """Q Kᵀ and its product with V: every pair of positions, masked or not."""
    return query.numel() * key.shape[-2] + math.prod(query.shape[:-1]) * value.shape[-2] * value.shape[-1]


def _given(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    names = [argument.name for argument in func._schema.arguments]
    return dict(zip(names, args, strict=False)) | dict(kwargs)


def count(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], outputs: Any) -> int:
    """Multiply-adds of one operation of torch; 0 for all but convolutions and matrix products."""
    name = func.overloadpacket.__name__
    if name in ("mm", "bmm", "mv", "dot"):
        return product(args[0], args[1])
    if name in ("addmm", "baddbmm", "addmv", "addbmm"):
        return product(args[1], args[2])
    if name in ("convolution", "convolution_overrideable", "cudnn_convolution", "mkldnn_convolution"):
        given = _given(func, args, kwargs)
        return convolution(args[0], given["weight"], outputs, bool(given.get("transposed", False)))
    if name.startswith("_scaled_dot_product"):
        return _attention(args[0], args[1], args[2])
    return 0


class Counting(TorchDispatchMode):
    """Tell a function the multiply-adds of every operation that has any, as it is run.

    Args:
        tell: called with the number.
    """

    def __init__(self, tell: Callable[[int], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tell = tell

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run, and count."""
        outputs = func(*args, **(kwargs or {}))
        if done := count(func, args, kwargs or {}, outputs):
            self.tell(done)
        return outputs
