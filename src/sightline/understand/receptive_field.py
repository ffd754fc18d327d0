"""The receptive field: which input positions a unit of a network depends on.

Legend: k kernel, s stride, p padding, d dilation; unit one position of a layer's output, all its channels.

Through a chain of windows, with step j and size r beginning at 1,
    r ← r + (k − 1)·d·j,      j ← j·s.
Branches join to the smallest box around both. Here the rules are applied to what the network computes, operation
by operation, so that a network may have any form that torch can run.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

import sightline.understand.reach_rules
import sightline.understand.window_rules  # noqa: F401  the rules register themselves
from sightline.core.errors import ConfigurationError, InputError, near
from sightline.understand.module_names import evaluating, example, first_tensor, watched
from sightline.understand.reach import start, step_along
from sightline.understand.tracked import Tracked

Box = tuple[tuple[int, int], ...]
"""Per axis of the input, the first and the last position."""


@dataclass(frozen=True)
class ReceptiveField:
    """What the units of one layer depend on.

    Attributes:
        layer: the module's name; "" is the network itself.
        kind: the module's class.
        shape: of the layer's output, without the batch.
        size: per axis, input positions a unit far from the border depends on; may exceed the input, where only
            units of a larger one would. Where units differ, the most.
        stride: per axis, input positions from one unit to the next along it; none where that is not the same for
            all, or where the layer's positions are no maps.
        positions: of the layer's output: its height and width, its tokens, or none where it has no positions.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    size: tuple[int, ...]
    stride: tuple[float | None, ...]
    positions: tuple[int, ...]
    _first: tuple[Tensor, ...] = field(repr=False)
    _last: tuple[Tensor, ...] = field(repr=False)

    @property
    def centre(self) -> tuple[int, ...]:
        """The position in the middle, ⌊n/2⌋ along every axis."""
        return tuple(n // 2 for n in self.positions)

    def box(self, position: Sequence[int] | None = None) -> Box | None:
        """The smallest box of input positions around those that a unit depends on, border and all.

        Args:
            position: of the unit; the one in the middle where none is given.

        Returns:
            First and last position on each axis of the input; none for a unit that depends on nothing.

        Raises:
            InputError: for a position that the layer does not have.
        """
        at = self.centre if position is None else tuple(position)
        if len(at) != len(self.positions) or not all(0 <= i < n for i, n in zip(at, self.positions, strict=True)):
            raise InputError(
                expected=f"a position among {' × '.join(map(str, self.positions)) or 'none'}",
                found=f"{at}",
                do="count from 0",
            )
        ends = [(float(first[at]), float(last[at])) for first, last in zip(self._first, self._last, strict=True)]
        if any(math.isinf(first) for first, _ in ends):
            return None
        return tuple((int(first), int(last)) for first, last in ends)


@dataclass(frozen=True)
class ReceptiveFields:
    """Of every layer, in the order in which they are through."""

    input_shape: tuple[int, ...]
    layers: tuple[ReceptiveField, ...]

    @property
    def outputs(self) -> ReceptiveField:
        """Of the network's outputs."""
        return self.layers[-1]

    @property
    def maps(self) -> ReceptiveField | None:
        """Of the last layer whose units have positions as the input's do, more than one of them where there is such."""
        maps = [one for one in self.layers if len(one.positions) == len(self.outputs.size)]
        return next((one for one in reversed(maps) if math.prod(one.positions) > 1), maps[-1] if maps else None)

    def __getitem__(self, layer: str) -> ReceptiveField:
        """The last use of a layer.

        Raises:
            ConfigurationError: for a name that no layer used has.
        """
        for one in reversed(self.layers):
            if one.layer == layer:
                return one
        raise ConfigurationError(
            expected="the name of a layer that is used",
            found=repr(layer),
            do=near(layer, [one.layer for one in self.layers]),
        )


def position_dims(shape: Sequence[int], num_axes: int) -> tuple[int, ...]:
    """Which dimensions of an output [batch, ...] are positions, by its shape.

    Maps [batch, channels, axes …] have the last ones; tokens [batch, tokens, width] the second; a vector none.

    Example:
        >>> position_dims((1, 8, 4, 4), 2), position_dims((1, 17, 64), 2), position_dims((1, 10), 2)
        ((2, 3), (1,), ())
    """
    if len(shape) == num_axes + 2:
        return tuple(range(2, len(shape)))
    return (1,) if len(shape) == 3 else ()


def receptive_fields(model: nn.Module, input_shape: Sequence[int]) -> ReceptiveFields:
    """The receptive field of every layer of a network, from its operations, in evaluation mode.

    Exact up to this: zero weights are taken for any others, and a box is the smallest around what may be a set
    with holes. Attention, normalisation over positions and a mean over them depend on everything; a causal mask
    is not made use of. Refused are: circular padding, ``Fold`` and ``Unfold``, max-unpooling, recurrent layers, and
    whatever writes into a tensor that does not depend on the input, or uses a view of one changed since.

    Args:
        model: any module; one with numbers read out of tensors (``.item()``) is refused.
        input_shape: of one example, (channels, height, width), (channels, length), or (inputs,): the axes after
            the first are positions, or the only one.

    Raises:
        UnknownOperationError: naming an operation of which is not known what it depends on.
        InputError: for a shape that is none.

    Source: Araujo, Norris & Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks"

    Lecture: N5

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Conv2d(2, 2, 3))
        >>> [(one.layer, one.size, one.stride) for one in receptive_fields(network, (1, 16, 16)).layers[:3]]
        [('0', (3, 3), (1.0, 1.0)), ('1', (4, 4), (2.0, 2.0)), ('2', (8, 8), (2.0, 2.0))]
    """
    x = example(model, _checked_shape(input_shape))
    axes = tuple(range(2, x.dim())) if x.dim() > 2 else (1,)
    found: list[ReceptiveField] = []

    def note(name: str, module: nn.Module, output: Any) -> None:
        values = first_tensor(output)
        if isinstance(values, Tracked):
            found.append(_summary(name, module, values, len(axes)))

    with evaluating(model), watched(model, note):
        model(Tracked(x, start(x.shape, axes)))
    if not found or found[-1].layer != "":
        raise InputError(
            expected="a network whose outputs depend on its input",
            found=f"{type(model).__name__} with outputs that do not",
            do="give a network that uses its input, and returns a tensor",
        )
    return ReceptiveFields(tuple(input_shape), tuple(found))


def receptive_field(model: nn.Module, input_shape: Sequence[int], layer: str | None = None) -> ReceptiveField:
    """The receptive field of one layer; see :func:`receptive_fields`.

    Args:
        model, input_shape: as there.
        layer: a module's name, as in ``named_modules``; none: the network's outputs.

    Raises:
        ConfigurationError: for a layer that is not used.

    Lecture: N5

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 5, padding=2), nn.ReLU(), nn.Conv2d(2, 2, 3, dilation=2))
        >>> found = receptive_field(network, (1, 12, 12))
        >>> found.size, found.box((0, 0)), found.box()
        ((9, 9), ((0, 6), (0, 6)), ((2, 10), (2, 10)))
    """
    return receptive_fields(model, input_shape)[layer or ""]


def _checked_shape(input_shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(input_shape)
    if not shape or any(n < 1 for n in shape):
        raise InputError(
            expected="the shape of one example, such as (3, 32, 32)", found=f"{shape}", do="leave the batch out"
        )
    return shape


def _summary(name: str, module: nn.Module, output: Tracked, num_axes: int) -> ReceptiveField:
    dims = position_dims(output.shape, num_axes)
    others = [dim for dim in range(output.dim()) if dim not in dims]
    positions = tuple(output.shape[dim] for dim in dims)
    reduced = [bound.amin(others) if others else bound for bound in output.reach.bounds]
    first, last, size = [], [], []
    for axis in range(num_axes):
        low, high, whole_low, whole_high = reduced[4 * axis : 4 * axis + 4]
        first.append(low.expand(positions))
        last.append(-high.expand(positions))
        lengths = (-whole_high).floor() - whole_low.ceil() + 1
        size.append(int(lengths[lengths.isfinite()].max()) if bool(lengths.isfinite().any()) else 0)
    of_maps = len(dims) == num_axes
    steps = [
        step_along(output.reach, axis, dims[axis], positions[axis], own=True) if of_maps else None
        for axis in range(num_axes)
    ]
    stride = tuple(None if step is None else abs(float(step)) for step in steps)
    return ReceptiveField(
        name, type(module).__name__, tuple(output.shape[1:]), tuple(size), stride, positions, tuple(first), tuple(last)
    )
