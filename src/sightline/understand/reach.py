"""What each number of a tensor may depend on: an interval of input positions for every axis of the input.

Legend: axis one of the input's position axes (height, width), first and last the ends of an interval, step how
far the interval moves from one position to the next.

A reach keeps two intervals an axis. The one *in the image* counts positions that exist, and is exact at the
border. The *whole* one goes on beyond the border as if the image did; its length is what is called the
receptive field's size. Both are tensors that broadcast to the tensor they belong to, so that whatever moves
numbers (a permutation, a slice) moves their intervals by the same operation.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from jaxtyping import Bool
from torch import Tensor


@dataclass(frozen=True)
class Reach:
    """Intervals of input positions.

    Args:
        bounds: per axis four tensors: first and −last in the image, first and −last of the whole. Infinite
            where a number depends on nothing. With minus signs, joining intervals is one minimum.
        steps: per axis, input positions from one position to the next, for maps of which one position is left;
            of more positions the bounds tell, see :func:`step_along`. None where it is not known.
    """

    bounds: tuple[Tensor, ...]
    steps: tuple[Fraction | None, ...]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Reach":
        """The same function of every bound."""
        return Reach(tuple(compact(function(bound)) for bound in self.bounds), self.steps)


def start(shape: Sequence[int], position_dims: Sequence[int]) -> Reach:
    """An input's own reach: each position, itself.

    Example:
        >>> start((1, 3, 4, 5), (2, 3)).bounds[0].flatten().tolist()
        [0.0, 1.0, 2.0, 3.0]
    """
    bounds: list[Tensor] = []
    for dim in position_dims:
        places = torch.arange(shape[dim], dtype=torch.float64)
        places = places.view([-1 if d == dim else 1 for d in range(len(shape))])
        bounds += [places, -places, places, -places]
    return Reach(tuple(bounds), (Fraction(1),) * len(position_dims))


def compact(bound: Tensor) -> Tensor:
    """The same bound with size 1 along every dimension it does not vary in."""
    for dim, size in enumerate(bound.shape):
        if size > 1 and (bound.stride(dim) == 0 or bool((bound == bound.narrow(dim, 0, 1)).all())):
            bound = bound.narrow(dim, 0, 1)
    return bound


def join(reaches: Sequence[Reach], num_dims: int) -> Reach:
    """Of numbers computed from one number of each operand, broadcast as usual."""
    bounds = []
    for of_each in zip(*(reach.bounds for reach in reaches), strict=True):
        joined = of_each[0]
        for bound in of_each[1:]:
            joined = torch.minimum(joined, bound)
        bounds.append(joined.view([1] * (num_dims - joined.dim()) + list(joined.shape)))
    steps = [steps[0] if len(set(steps)) == 1 else None for steps in zip(*(r.steps for r in reaches), strict=True)]
    return Reach(tuple(bounds), tuple(steps))


def reduce(reach: Reach, dims: Iterable[int], *, keepdim: bool) -> Reach:
    """Of numbers computed from all along some dimensions."""
    dims = tuple(dims)
    if not dims:
        return reach
    reduced = reach.map(lambda bound: bound.amin(dims, keepdim=keepdim))
    # where positions differed and no longer do, there is no step from one to the next
    gone = [any(bound.shape[dim] > 1 for dim in dims) for bound in reach.bounds[::4]]
    return Reach(reduced.bounds, tuple(None if g else s for g, s in zip(gone, reach.steps, strict=True)))


def mix_channels(reach: Reach, num_channels: int, num_outputs: int, groups: int) -> Reach:
    """Of a convolution's channels, each computed from all of its group; channels are dimension 1."""

    of_group = num_channels // groups
    return reach.map(lambda bound: _mixed(bound, of_group, groups, num_outputs // groups))


def _mixed(bound: Tensor, of_group: int, groups: int, outputs: int) -> Tensor:
    if groups == 1 or bound.shape[1] == 1:
        return bound.amin(1, keepdim=True)
    mixed: Tensor = bound.unflatten(1, (groups, of_group)).amin(2).repeat_interleave(outputs, 1)
    return mixed


def along(bound: Tensor, dim: int, size: int, support: Bool[Tensor, "outputs inputs"]) -> Tensor:
    """Output o along a dimension is computed from the inputs i where ``support[o, i]``."""
    if bound.shape[dim] == 1:
        if bool(support.any(1).all()):
            return bound
        bound = bound.expand([size if d == dim else s for d, s in enumerate(bound.shape)])
    moved = bound.movedim(dim, -1)
    taken = torch.where(support, moved[..., None, :], math.inf).amin(-1)
    result: Tensor = taken.movedim(-1, dim)
    return result


def step_along(reach: Reach, axis: int, dim: int, size: int, *, own: bool) -> Fraction | None:
    """Input positions on an axis from one position along a dimension to the next, where all are equally far.

    Args:
        reach: of a tensor.
        axis: of the input.
        dim: of the tensor.
        size: the tensor's along it.
        own: whether the dimension is the axis's own; of one position it is the only sign.

    Example:
        >>> step_along(start((1, 3, 4, 5), (2, 3)), 0, 2, 4, own=True)
        Fraction(1, 1)
    """
    if size == 1:
        return reach.steps[axis] if own else None
    low, high = reach.bounds[4 * axis + 2], -reach.bounds[4 * axis + 3]
    if low.shape[dim] != size or high.shape[dim] != size:
        return None
    moves = torch.cat([low.diff(dim=dim).flatten(), high.diff(dim=dim).flatten()])
    if not bool(moves.isfinite().all()) or bool((moves - moves[0]).abs().max() > 1e-9):
        return None
    return Fraction(float(moves[0])).limit_denominator(1_000_000) or None


@dataclass(frozen=True)
class Window:
    """Which inputs an output takes along one dimension: from o·ratio + before to o·ratio + after, if all existed.

    Args:
        support: [outputs, inputs], those that exist.
        ratio: input positions an output position.
        before: the first, at output 0.
        after: the last, at output 0.
        regular: whether every output's window is the first's, moved.
    """

    support: Bool[Tensor, "outputs inputs"]
    ratio: Fraction
    before: Fraction = Fraction(0)
    after: Fraction = Fraction(0)
    regular: bool = True


def slide(reach: Reach, dims: Sequence[int], sizes: Sequence[int], windows: Sequence[Window]) -> Reach:
    """Of what is computed in a window over some dimensions.

    Args:
        reach: of the inputs.
        dims: the dimensions the window slides over, not negative.
        sizes: the inputs' sizes along them.
        windows: along each.
    """
    bounds, steps = list(reach.bounds), list(reach.steps)
    num_axes = len(steps)
    for place, (dim, size, window) in enumerate(zip(dims, sizes, windows, strict=True)):
        for axis in range(num_axes):
            # of a map with one position only the order of its dimensions tells which is height, which is width
            own = num_axes == len(dims) and axis == place
            at = 4 * axis
            step = step_along(Reach(tuple(bounds), tuple(steps)), axis, dim, size, own=own)
            affine = window.regular and step is not None
            moves = own if size == 1 else affine or bounds[at].shape[dim] > 1
            for which in range(4):
                bound = bounds[at + which]
                if affine and step is not None and which >= 2:
                    sign = 1 if which == 2 else -1
                    shift = window.before if (which == 2) == (step > 0) else window.after
                    shape = [-1 if d == dim else 1 for d in range(bound.dim())]
                    places = torch.arange(len(window.support), dtype=torch.float64).view(shape)
                    bounds[at + which] = bound.narrow(dim, 0, 1) + sign * float(step) * (
                        float(shift) + float(window.ratio) * places
                    )
                else:
                    bounds[at + which] = along(bound, dim, size, window.support)
            if moves:
                steps[axis] = None if step is None else step * window.ratio
    return Reach(tuple(compact(bound) for bound in bounds), tuple(steps))


def window(size: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> Window:
    """Of a convolution or pooling: output o takes the inputs o·stride − padding + dilation·t, t = 0 … kernel − 1."""
    first = torch.arange(outputs)[:, None] * stride - padding
    offset = torch.arange(size)[None, :] - first
    support = (offset >= 0) & (offset <= dilation * (kernel - 1)) & (offset % dilation == 0)
    return Window(support, Fraction(stride), Fraction(-padding), Fraction(dilation * (kernel - 1) - padding))


def transposed_window(size: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int) -> Window:
    """Of a transposed convolution: input i goes to the outputs i·stride − padding + dilation·t, t = 0 … kernel − 1."""
    offset = torch.arange(outputs)[:, None] - (torch.arange(size)[None, :] * stride - padding)
    support = (offset >= 0) & (offset <= dilation * (kernel - 1)) & (offset % dilation == 0)
    low = Fraction(padding - dilation * (kernel - 1), stride)
    return Window(support, Fraction(1, stride), low, Fraction(padding, stride))


def adaptive_window(size: int, outputs: int) -> Window:
    """Of adaptive pooling: output o takes the inputs from ⌊o·size/outputs⌋ to ⌈(o + 1)·size/outputs⌉ − 1."""
    place, inputs = torch.arange(outputs)[:, None], torch.arange(size)[None, :]
    support = (inputs >= place * size // outputs) & (inputs < -(-(place + 1) * size // outputs))
    ratio = Fraction(size, outputs)
    return Window(support, ratio, Fraction(0), ratio - 1, regular=size % outputs == 0)


def pad(reach: Reach, shape: Sequence[int], amounts: Sequence[int]) -> Reach:
    """Of a tensor with constants put around it; ``amounts`` as for ``torch.nn.functional.pad``, the last axis first."""
    bounds = list(reach.bounds)
    for place, (before, after) in enumerate(zip(amounts[::2], amounts[1::2], strict=True)):
        dim = len(shape) - 1 - place
        if before == after == 0:
            continue
        size = shape[dim]
        places = torch.arange(-before, size + after, dtype=torch.float64)
        places = places.view([-1 if d == dim else 1 for d in range(len(shape))])
        now = Reach(tuple(bounds), reach.steps)
        for index, bound in enumerate(now.bounds):
            axis, sign = index // 4, 1 if index % 2 == 0 else -1
            own = dim == len(shape) - len(reach.steps) + axis
            step = step_along(now, axis, dim, size, own=own)
            if index % 4 >= 2 and step is not None:
                bounds[index] = bound.narrow(dim, 0, 1) + sign * float(step) * places
            else:
                full = bound.expand([size if d == dim else s for d, s in enumerate(bound.shape)])
                around = [0] * (2 * place) + [before, after]
                bounds[index] = torch.nn.functional.pad(full, around, value=math.inf)
    return Reach(tuple(compact(bound) for bound in bounds), reach.steps)
