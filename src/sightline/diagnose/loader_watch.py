"""Seeing DataLoaders: how many passes are begun, what is drawn, in which order."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, SequentialSampler
from torch.utils.data.dataloader import _BaseDataLoaderIter

from sightline.diagnose.function_watch import FunctionWatch
from sightline.diagnose.record import LoaderSeen


@dataclass
class _Count:
    loader: DataLoader[Any]
    iterators: int = 0
    drawn: int = 0


class LoaderWatch:
    """Count passes and batches of every DataLoader; while one works, no torch function is watched."""

    def __init__(self, functions: FunctionWatch) -> None:
        self._functions = functions
        self._counts: dict[int, _Count] = {}

    def start(self) -> ExitStack:
        """Begin; closing the stack ends it."""
        stack = ExitStack()
        begin: Callable[[DataLoader[Any]], Any] = DataLoader.__iter__
        draw: Callable[[Any], Any] = _BaseDataLoaderIter.__next__
        counts = self._counts

        def counted(loader: DataLoader[Any]) -> Any:
            with self._functions.sleeping():
                iterator = begin(loader)
            count = counts.setdefault(id(loader), _Count(loader))
            count.iterators += 1
            iterator._sightline_count = count
            return iterator

        def drawn(iterator: Any) -> Any:
            with self._functions.sleeping():
                batch = draw(iterator)
            count = getattr(iterator, "_sightline_count", None)
            if count is not None:
                count.drawn += 1
            return batch

        DataLoader.__iter__ = counted  # type: ignore[method-assign]
        _BaseDataLoaderIter.__next__ = drawn  # type: ignore[method-assign, assignment]
        stack.callback(setattr, DataLoader, "__iter__", begin)
        stack.callback(setattr, _BaseDataLoaderIter, "__next__", draw)
        return stack

    def seen(self) -> list[LoaderSeen]:
        """In order of first pass."""
        return [_seen(count) for count in self._counts.values()]


def _seen(count: _Count) -> LoaderSeen:
    loader = count.loader
    examples = _length(loader.dataset)
    return LoaderSeen(
        examples=examples,
        batch_size=loader.batch_size or 0,
        batches=_length(loader) if examples else 0,
        shuffled=not isinstance(loader.sampler, SequentialSampler),
        iterators=count.iterators,
        drawn=count.drawn,
    )


def _length(sized: Any) -> int:
    try:
        return len(sized)
    except TypeError:
        return 0
