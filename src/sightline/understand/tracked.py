"""Tensors that know what they depend on: values, and the reach of every number, through whatever is computed.

Every operation of torch that meets one comes to :func:`follow`, whatever module, function or operator of Python
it was called from. What an operation does to the reach is a rule; one without a rule is refused by its name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from sightline.core.errors import SightlineError
from sightline.understand.reach import Reach, join


class UnknownOperationError(SightlineError):
    """An operation of which is not known what its outputs depend on."""


class Tracked(Tensor):
    """A tensor with the reach of its numbers; what is computed from it is one too."""

    numbers: Tensor
    shared: list[int]
    """How often the memory of this and its views was changed so that the reach is another; the views have it too."""
    is_view: bool
    _reach: Reach
    _seen: int

    @staticmethod
    def __new__(cls, values: Tensor, reach: Reach, base: "Tracked | None" = None) -> "Tracked":
        """Of the same shape, strides and number format as the values, which may be a view of another's."""
        made: Tracked = torch.Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=values.device,
        )
        made.numbers, made.is_view = values, base is not None
        made.shared = [0] if base is None else base.shared
        made._reach, made._seen = reach, made.shared[0]
        return made

    @property
    def reach(self) -> Reach:
        """What the numbers depend on.

        Raises:
            UnknownOperationError: where a tensor that this is a view of, or is viewed by, was changed meanwhile.
        """
        if self._seen != self.shared[0]:
            raise unknown("a view of a tensor that was changed in place afterwards", "views taken after the change")
        return self._reach

    def change(self, reach: Reach) -> None:
        """Another reach; that of every view is no longer known."""
        self.shared[0] += 1
        self._reach, self._seen = reach, self.shared[0]

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Tracked({self.numbers!r})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Compute, and follow the reach."""
        return follow(func, tuple(args), dict(kwargs or {}))


Rule = Callable[[Any, dict[str, Any], Any], Reach | list[Reach] | None]
"""From the operation, its arguments by name and its outputs: their reach; none for what depends on nothing."""

RULES: dict[str, Rule] = {}


R = TypeVar("R", bound=Rule)


def rule(*names: str) -> Callable[[R], R]:
    """Register what operations of these names do to the reach."""

    def add(made: R) -> R:
        RULES.update(dict.fromkeys(names, made))
        return made

    return add


def follow(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The operation's outputs with their reach.

    Raises:
        UnknownOperationError: where that is not known.
    """
    name = func.overloadpacket.__name__
    known = RULES.get(name) or RULES.get(name.removesuffix("_"))
    if known is None and torch.Tag.pointwise in func.tags:
        known = pointwise
    if known is None:
        made = func.decompose(*args, **kwargs)
        if made is not NotImplemented:
            return made
        raise unknown(str(func), "an operation whose reach is known")
    names = [argument.name for argument in func._schema.arguments]
    given = {argument.name: argument.default_value for argument in func._schema.arguments}
    given |= dict(zip(names, args, strict=False)) | kwargs
    plain = tree_map(lambda leaf: leaf.numbers if isinstance(leaf, Tracked) else leaf, (args, kwargs))
    outputs = func(*plain[0], **plain[1])
    reach = known(func, given, outputs)
    written = [a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    if written[:1] == names[:1]:
        return _in_place(func, args, reach)
    if not set(written) <= {"noise", "running_mean", "running_var"}:
        raise unknown(f"{func} into {', '.join(written)}", "results that are new tensors")
    if reach is None:
        return outputs
    of_each = reach if isinstance(reach, list) else [reach] * len(tree_leaves(outputs))
    each = iter(of_each)
    bases = {t.numbers.untyped_storage()._cdata: t for t in tracked_in(given)}

    def tracked(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        return Tracked(leaf, next(each), bases.get(leaf.untyped_storage()._cdata))

    return tree_map(tracked, outputs)


def _in_place(func: Any, args: tuple[Any, ...], reach: Reach | list[Reach] | None) -> Any:
    changed = args[0]
    if not isinstance(changed, Tracked) or not isinstance(reach, Reach):
        raise unknown(str(func), "no writing of numbers that depend on the input into a tensor that does not")
    same = all(
        torch.equal(old.expand(changed.shape), new.expand(changed.shape))
        for old, new in zip(changed.reach.bounds, reach.bounds, strict=True)
    )
    if changed.is_view and not same:
        raise unknown(str(func), "no change in place of a part of another tensor")
    if not same:
        changed.change(reach)
    return changed


def unknown(found: str, expected: str) -> UnknownOperationError:
    """The refusal of an operation."""
    return UnknownOperationError(
        expected=expected,
        found=found,
        do="measure the receptive field instead (measured_receptive_field), or name a layer before this",
    )


def tracked_in(given: dict[str, Any]) -> list[Tracked]:
    """The arguments that depend on the input, those in lists too."""
    return [leaf for leaf in tree_leaves(list(given.values())) if isinstance(leaf, Tracked)]


def only(func: Any, given: dict[str, Any]) -> tuple[Reach, Tensor]:
    """The reach and values of the one argument that depends on the input, which must be the first."""
    tracked, first = tracked_in(given), next(iter(given.values()))
    if len(tracked) != 1 or not isinstance(first, Tracked):
        raise unknown(f"{func} with more than its first argument depending on the input", "weights that do not")
    return first.reach, first.numbers


def pointwise(func: Any, given: dict[str, Any], outputs: Any) -> Reach:
    """Each number from the one in its place of every operand."""
    return join([t.reach for t in tracked_in(given)], tree_leaves(outputs)[0].dim())
