"""How the reach goes through what moves, joins, reduces and multiplies numbers, by the names of torch's operations."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from sightline.understand.reach import Reach, join, mix_channels, pad, reduce, step_along
from sightline.understand.tracked import Tracked, only, pointwise, rule, tracked_in, unknown

rule("clone", "detach", "alias", "_to_copy", "lift_fresh", "tril", "triu", "contiguous",
     "_prelu_kernel", "hardswish", "log_sigmoid_forward", "rrelu_with_noise")(pointwise)  # fmt: skip


@rule("copy_")
def _copied(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    if not isinstance(given["src"], Tracked):
        raise unknown(str(func), "no overwriting of numbers that depend on the input")
    return join([given["src"].reach], outputs.dim())


@rule("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "new_zeros", "new_ones",
      "new_full", "new_empty", "bernoulli", "sym_size", "sym_stride", "sym_numel")  # fmt: skip
def _independent(func: Any, given: dict[str, Any], outputs: Any) -> None:
    """Of the shape only."""


_VIEWS = ("view", "_unsafe_view", "reshape", "_reshape_alias")
_REARRANGED = (*_VIEWS, "unfold", "diagonal", "index", "index_select", "gather", "pixel_shuffle", "pixel_unshuffle")
"""After which a position's neighbours may be others than before."""


@rule(*_VIEWS, "permute", "transpose", "t", "select", "slice", "unsqueeze", "squeeze", "expand", "split", "unbind",
      "split_with_sizes", "unfold", "diagonal", "movedim", "narrow", "chunk", "unsafe_split", "roll", "repeat",
      "index", "index_select", "gather", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
      "native_channel_shuffle", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d",
      "replication_pad2d", "replication_pad3d")  # fmt: skip
def _moved(func: Any, given: dict[str, Any], outputs: Any) -> list[Reach]:
    """Numbers only change their places: so do the bounds."""
    reach, values = only(func, given)
    leaves: list[Tensor] = tree_leaves(outputs)
    rest = dict(list(given.items())[1:])
    moved = []
    for bound in reach.bounds:
        full = bound.expand(values.shape)
        only_shape = func.overloadpacket.__name__ in _VIEWS
        moved.append([full.reshape(leaves[0].shape)] if only_shape else tree_leaves(func(full, **rest)))
    steps = _moved_steps(func.overloadpacket.__name__, reach, values, rest)
    return [Reach(bounds, steps).map(lambda bound: bound) for bounds in zip(*moved, strict=True)]


def _moved_steps(name: str, reach: Reach, values: Tensor, rest: dict[str, Any]) -> tuple[Fraction | None, ...]:
    """What is known of the steps, should one position be left."""
    if name in _REARRANGED:
        return tuple(s if reach.bounds[4 * axis].numel() == 1 else None for axis, s in enumerate(reach.steps))
    if name != "slice":
        return reach.steps
    dim, by = rest["dim"] % values.dim(), rest["step"]
    steps = list(reach.steps)
    for axis in range(len(steps)):
        own = dim - values.dim() + len(steps) == axis
        if own or reach.bounds[4 * axis].shape[dim] > 1:
            step = step_along(reach, axis, dim, values.shape[dim], own=own)
            steps[axis] = None if step is None else step * by
    return tuple(steps)


@rule("flip")
def _flipped(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    """The other way round: so is the step."""
    (moved,) = _moved(func, given, outputs)
    turned = [any(bound.shape[dim] > 1 for dim in given["dims"]) for bound in given["self"].reach.bounds[::4]]
    steps = (-s if s is not None and turn else s for s, turn in zip(moved.steps, turned, strict=True))
    return Reach(moved.bounds, tuple(steps))


@rule("as_strided")
def _strided(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    reach, values = only(func, given)
    if not func._schema.is_mutable or tuple(given["size"]) != tuple(values.shape) or values[0, 0].numel() != 1:
        raise unknown(str(func), "an operation whose reach is known")
    return reach  # how a map of one position lies in memory


@rule("constant_pad_nd")
def _padded(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    reach, values = only(func, given)
    return pad(reach, values.shape, given["pad"])


@rule("cat", "stack")
def _joined(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    """One after the other; what does not depend on the input has infinite bounds."""
    tensors, dim = given["tensors"], given["dim"]
    known = [t.reach for t in tensors if isinstance(t, Tracked)]
    bounds = []
    for index in range(len(known[0].bounds)):
        parts = [
            t.reach.bounds[index].expand(t.shape) if isinstance(t, Tracked) else torch.full(t.shape, torch.inf).double()
            for t in tensors
        ]
        bounds.append(func(parts, dim))
    return Reach(tuple(bounds), join(known, 0).steps if len(known) == 1 else _common(known)).map(lambda bound: bound)


def _common(reaches: Sequence[Reach]) -> tuple[Fraction | None, ...]:
    return tuple(s[0] if len(set(s)) == 1 else None for s in zip(*(r.steps for r in reaches), strict=True))


@rule("sum", "mean", "amax", "amin", "var", "std", "var_mean", "std_mean", "max", "min", "logsumexp", "prod",
       "linalg_vector_norm", "norm", "argmax", "argmin", "any", "all", "median")  # fmt: skip
def _reduced(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    if len(tracked_in(given)) == 2:  # the larger of two tensors
        return pointwise(func, given, outputs)
    reach, values = only(func, given)
    dims = given.get("dim")
    dims = [dims] if isinstance(dims, int) else list(dims or range(values.dim()))
    return reduce(reach, dims, keepdim=bool(given.get("keepdim")))


@rule("_softmax", "_log_softmax", "_safe_softmax", "cumsum", "cumprod", "logcumsumexp", "sort", "topk")
def _mixed_along(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    reach, _ = only(func, given)
    return reduce(reach, [given["dim"]], keepdim=True)


@rule("glu")
def _gated(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    """The first half and its gate, the second, number by number."""
    reach, values = only(func, given)
    halves = [bound.expand(values.shape).chunk(2, given["dim"]) for bound in reach.bounds]
    parts = [Reach(tuple(half), reach.steps).map(lambda bound: bound) for half in zip(*halves, strict=True)]
    return join(parts, outputs.dim())


@rule("native_layer_norm", "_fused_rms_norm")
def _layer_norm(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    reach, values = only(func, given)
    return reduce(reach, range(values.dim() - len(given["normalized_shape"]), values.dim()), keepdim=True)


@rule("native_group_norm")
def _group_norm(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    reach, values = only(func, given)
    pooled = reduce(reach, range(2, values.dim()), keepdim=True)
    return mix_channels(pooled, values.shape[1], values.shape[1], given["group"])


@rule("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_native_batch_norm_legit",
       "_native_batch_norm_legit_no_training", "_batch_norm_no_update", "_batch_norm_with_update")  # fmt: skip
def _batch_norm(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    reach, values = only(func, given)
    if not given.get("training"):
        return reach
    return reduce(reach, [0, *range(2, values.dim())], keepdim=True)


@rule("mm", "bmm", "addmm", "baddbmm", "mv")
def _product(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    """Row of the one by column of the other, and what is added."""
    left, right = given.get("mat1", given.get("batch1", given["self"])), None
    right = next(given[name] for name in ("mat2", "batch2", "vec") if name in given)
    vector = right.dim() == 1
    parts = []
    if isinstance(left, Tracked):
        parts.append(reduce(left.reach, [-1], keepdim=not vector))
    if isinstance(right, Tracked):
        parts.append(reduce(right.reach, [-1 if vector else -2], keepdim=True))
    if left is not given["self"] and isinstance(given["self"], Tracked):
        parts.append(given["self"].reach)
    return join(parts, outputs.dim())
