"""One typed table of names for each kind of thing a run can be made of."""

from collections.abc import Callable, Iterator, Mapping
from inspect import getdoc
from typing import Generic, TypeVar

from sightline.core.errors import UnknownNameError, near

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to things, filled by a decorator.

    Args:
        kind: what the things are, in the singular ("model"), for error messages.

    Raises:
        UnknownNameError: on looking up a name that was never registered; it suggests the near ones.
        ValueError: on registering a name twice.

    Example:
        >>> colours = Registry[int]("colour")
        >>> colours.register("red")(0xFF0000)
        16711680
        >>> sorted(colours)
        ['red']
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate a thing so that it can be found under ``name``."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"the {self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(
                expected=f"the name of a {self.kind}", found=repr(name), do=near(name, self._entries)
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def summary(self, name: str) -> str:
        """The first line of an entry's docstring."""
        return (getdoc(self[name]) or "").partition("\n")[0]
