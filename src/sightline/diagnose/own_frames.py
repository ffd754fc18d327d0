"""Tracebacks of watched programs as they would be without the watch."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import jaxtyping
import torch.overrides

_OURS = str(Path(__file__).parent) + os.sep
_THROUGH = ("__torch_function__", "_backward", "counted", "drawn", "seen", "watch_script")
"""Our functions that call the program's own; an error in any other is the watch's."""

_HANDED_OVER = torch.overrides.handle_torch_function.__code__
_RUNNER = "<frozen runpy>"
_CHECKS = ("<@beartype", str(Path(jaxtyping.__file__).parent) + os.sep)
"""Where the shape checks are on, they stand before each of our functions."""


def as_unwatched(error: BaseException, path: Path) -> BaseException:
    """An error as the program itself would have raised it: the frames of the watch are left out of its traceback.

    The same goes for the errors that it came of. Nothing but their tracebacks is changed. One that was raised in the
    watch itself keeps its frames.

    Args:
        error: that ended a program.
        path: the program: tracebacks begin in its first line, where that is in them.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = _joined(_programs_own(list(_walk(each.__traceback__)), str(path)))
            waiting += [each.__cause__, each.__context__]
            waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
    return error


def _walk(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _ours(trace: TracebackType) -> bool:
    return trace.tb_frame.f_code.co_filename.startswith(_OURS)


def _programs_own(frames: list[TracebackType], path: str) -> list[TracebackType]:
    first = next((i for i, each in enumerate(frames) if each.tb_frame.f_code.co_filename == path), 0)
    ours = [each.tb_frame.f_code.co_name for each in frames if _ours(each)]
    if ours and ours[-1] not in _THROUGH:
        return frames
    kept: list[TracebackType] = []
    for each in frames[first:]:
        code = each.tb_frame.f_code
        if _ours(each):
            while kept and kept[-1].tb_frame.f_code.co_filename.startswith(_CHECKS):
                kept.pop()
            if kept and kept[-1].tb_frame.f_code is _HANDED_OVER:  # and the call of the function that torch handed over
                del kept[-2:]
        elif kept or code.co_filename != _RUNNER:
            kept.append(each)
    return kept


def _joined(frames: list[TracebackType]) -> TracebackType | None:
    after = None
    for each in reversed(frames):
        each.tb_next = after
        after = each
    return after
