"""The tape: every call of a torch function in one step of a user's loop, and what each was given by which."""

import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sightline.diagnose.attention_facts import AttentionFacts, attention_facts
from sightline.diagnose.call_site import call_site
from sightline.diagnose.readable import readable, shape_of
from sightline.diagnose.row_facts import RowFacts, row_facts
from sightline.diagnose.tensor_facts import LIMIT, TensorFacts, spread, tensor_facts

MOST_CALLS = 20_000
"""A tape ends there: what comes after in the step is not on it."""

Plain = float | int | bool | str | None


@dataclass(frozen=True)
class Operand:
    """A tensor that a call was given.

    Attributes:
        producer: index of the call that made it; None for what was there before.
        origin: "parameter:NAME", "buffer:NAME", or "" for data.
        shape: all axes.
        grad: whether gradients flow back through it.
        facts: its numbers, for data that no call on the tape made.
    """

    producer: int | None
    origin: str
    shape: tuple[int, ...]
    grad: bool
    facts: TensorFacts | None = None


@dataclass(frozen=True)
class Call:
    """A call of a torch function.

    Attributes:
        index: place on the tape.
        name: the function's, in the form of its operator: "add" for ``+``.
        module: dotted name of the innermost module at work; "" in the loop itself.
        operands: tensors given, in order.
        arguments: the other arguments by place, those that are tensors as None.
        keywords: arguments by name, numbers and words.
        result: of the (first) tensor that came out.
        site: ``file:line`` in the user's program.
        grad: whether gradients were followed.
        dead: of a rectifier: share of units that gave 0 for every example at every place.
        examples: how many (example, place) pairs each of those units was seen at.
        saturated: of a function that saturates: share of values where its slope is below 1 % of the greatest.
        rows: of a product, a sum over neighbours or a normalisation that gives one vector an example: how they differ.
        attention: of a call that weighs keys by queries: what it looks at.
    """

    index: int
    name: str
    module: str
    operands: tuple[Operand, ...]
    arguments: tuple[Plain, ...]
    keywords: Mapping[str, Plain]
    result: TensorFacts
    site: str
    grad: bool
    dead: float | None = None
    examples: int = 0
    saturated: float | None = None
    rows: RowFacts | None = None
    attention: AttentionFacts | None = None

    def option(self, name: str, place: int, default: Plain = None) -> Plain:
        """An argument by name or by place."""
        if name in self.keywords:
            return self.keywords[name]
        return self.arguments[place] if place < len(self.arguments) else default


RECTIFIERS = frozenset({"relu", "relu6", "clamp_min", "threshold"})
"""Functions that are exactly 0 over half of their range."""

BY_ROW = frozenset(
    ["linear", "matmul", "mm", "addmm", "sparse_mm", "spmm", "index_add", "scatter_add", "scatter_reduce"]
) | {"normalize", "div", "layer_norm", "batch_norm"}
"""Functions whose results (examples, features) are compared by row."""

SLOPES = {
    "sigmoid": lambda y: y * (1 - y) * 4,
    "tanh": lambda y: 1 - y * y,
    "hardsigmoid": lambda y: ((y > 0) & (y < 1)).float(),
    "hardtanh": lambda y: (y.abs() < 1).float(),
    "softsign": lambda y: (1 - y.abs()) ** 2,
}
"""Slope over the greatest slope, from the output."""

_OPERATORS = {"truediv": "div", "rtruediv": "div", "radd": "add", "rmul": "mul", "iadd": "add", "imul": "mul"} | {
    "isub": "sub",
    "itruediv": "div",
    "rmatmul": "matmul",
    "ipow": "pow",
}


def function_name(func: Any) -> str:
    """The name of a function as torch hands it over: ``add`` for ``Tensor.__iadd__``, ``T`` for the property.

    Example:
        >>> function_name(torch.Tensor.__radd__), function_name(torch.relu_)
        ('add', 'relu')
    """
    name = getattr(func, "__name__", type(func).__name__)
    if name in ("__get__", "__set__"):
        return str(getattr(func.__self__, "__name__", name))
    bare = str(name).strip("_")
    return _OPERATORS.get(bare, bare)


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Tensors among arguments, two levels of lists, tuples and mappings deep."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            for inner in value:
                if isinstance(inner, Tensor):
                    yield inner
                elif isinstance(inner, (list, tuple)):
                    yield from (v for v in inner if isinstance(v, Tensor))
        elif isinstance(value, Mapping):
            yield from (v for v in value.values() if isinstance(v, Tensor))


def plain(value: Any) -> Plain:
    """A setting as it can be kept: numbers and words as they are, shapes and the like in words; else None."""
    if isinstance(value, (bool, int, float, str)):
        return value
    return (
        str(value)
        if isinstance(value, (torch.dtype, torch.device, torch.Size, tuple, list))
        and not any(isinstance(v, Tensor) for v in (value if isinstance(value, (tuple, list)) else ()))
        else None
    )


@dataclass
class Tape:
    """Calls in order, and which tensor came from which; holds no tensor.

    Attributes:
        origins: id of a tensor → "parameter:NAME" or "buffer:NAME".
        calls: so far.
        full: whether calls were left out at the end.
    """

    origins: Mapping[int, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    full: bool = False
    _made: dict[int, tuple[weakref.ref[Tensor], int]] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        """Without the ties to living tensors."""
        return {**vars(self), "_made": {}, "origins": {}}

    def producer(self, tensor: Tensor) -> int | None:
        """The call that made a tensor, if it is on the tape."""
        found = self._made.get(id(tensor))
        return found[1] if found is not None and found[0]() is tensor else None

    def note(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any, module: str) -> Call | None:
        """Write a call down. Called where no torch function is watched."""
        made = list(tensors_in((result,)))
        if not made:
            return None
        if len(self.calls) >= MOST_CALLS:
            self.full = True
            return None
        name = function_name(func)
        facts = tensor_facts(made[0])
        dead, examples, saturated = _units(name, made[0], facts)
        call = Call(
            index=len(self.calls),
            name=name,
            module=module,
            operands=tuple(self._operand(t) for t in tensors_in((*args, *kwargs.values()))),
            arguments=tuple(plain(a) for a in args),
            keywords={key: plain(value) for key, value in kwargs.items() if not isinstance(value, Tensor)},
            result=facts,
            site=call_site(3),
            grad=torch.is_grad_enabled(),
            dead=dead,
            examples=examples,
            saturated=saturated,
            rows=row_facts(made[0]) if name in BY_ROW and made[0].dim() == 2 else None,
            attention=attention_facts(name, args, kwargs),
        )
        self.calls.append(call)
        for tensor in made:
            self._made[id(tensor)] = (weakref.ref(tensor), call.index)
        return call

    def _operand(self, tensor: Tensor) -> Operand:
        producer, origin = self.producer(tensor), self.origins.get(id(tensor), "")
        facts = tensor_facts(tensor) if producer is None and not origin else None
        return Operand(producer, origin, shape_of(tensor), tensor.requires_grad, facts)


def _silent(y: Tensor, axis: int) -> Tensor:
    """Which units along an axis, not the first, are 0 everywhere: all examples are seen only of those 0 in a few."""
    few = max(1, LIMIT * len(y) // y.numel())
    silent = _zero(y[:few], axis)
    if len(y) > few and bool(silent.any()):
        doubtful = silent.nonzero()[:, 0]
        silent[doubtful] = _zero(y.index_select(axis, doubtful), axis)
    return silent


def _zero(y: Tensor, axis: int) -> Tensor:
    others = [a for a in range(y.dim()) if a != axis]
    return (y.amax(others) == 0) & (y.amin(others) == 0)


@torch.no_grad()
def _units(name: str, y: Tensor, facts: TensorFacts) -> tuple[float | None, int, float | None]:
    """Dead units and how often each was seen, or the saturated share, where the function has such."""
    if not readable(y):
        return None, 0, None
    if name in RECTIFIERS and y.dim() > 1 and facts.zeros > 0:
        axis = 1 if y.dim() in (2, 4, 5) else y.dim() - 1
        off = _silent(y.detach(), axis)
        return float(off.float().mean()), y.numel() // len(off), None
    slope = SLOPES.get(name)
    if slope is not None and facts.floating and facts.finite:
        return None, 0, float((slope(spread(y).float()) < 0.01).float().mean())
    return (0.0, 0, None) if name in RECTIFIERS and y.dim() > 1 else (None, 0, None)
