"""Which tensors have numbers that can be looked at, and when no tensor has."""

import torch
from torch import Tensor
from torch._C import _functorch, _get_dispatch_mode, _is_tracing, _len_torch_dispatch_stack, _TorchDispatchModeKey
from torch.nn.parameter import is_lazy

KINDS = frozenset([torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool]) | {
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
}
"""Formats that torch compares and counts in; not complex, quantised, nor of 8 bits with an exponent."""

IMAGINED = (_TorchDispatchModeKey.FAKE, _TorchDispatchModeKey.PROXY, _TorchDispatchModeKey.FUNCTIONAL)
"""Modes in which torch computes with shapes alone, or writes calls down."""


def readable(x: Tensor) -> bool:
    """Whether a tensor is real numbers that lie in memory, row by row.

    Example:
        >>> readable(torch.ones(2)), readable(torch.ones(2).to_sparse()), readable(torch.ones(2, device="meta"))
        (True, False, False)
    """
    return x.layout is torch.strided and x.dtype in KINDS and not (x.is_nested or x.is_meta or is_lazy(x))


def shape_of(x: Tensor) -> tuple[int, ...]:
    """All axes; () of nested tensors, whose rows differ in length, and of lazy ones, which have none yet."""
    return () if x.is_nested or is_lazy(x) else tuple(x.shape)


def out_of_reach() -> bool:
    """Whether what runs now has no numbers of its own: it is compiled, traced, vectorised (``vmap``) or imagined.

    Example:
        >>> out_of_reach(), torch.func.vmap(lambda x: x + out_of_reach())(torch.zeros(2)).tolist()
        (False, [1.0, 1.0])
    """
    if torch.compiler.is_compiling() or _is_tracing():
        return True
    if _len_torch_dispatch_stack() and any(_get_dispatch_mode(mode) is not None for mode in IMAGINED):
        return True
    if _functorch.peek_interpreter_stack() is None:
        return False
    return any(level.key() == _functorch.TransformType.Vmap for level in _functorch.get_interpreter_stack())
