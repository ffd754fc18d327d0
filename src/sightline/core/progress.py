"""Progress on a terminal: a bar with rate and time left for anything that takes over a second."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.text import Text

console = Console(stderr=True, highlight=False, soft_wrap=True)
"""Where lines and bars are told, so that a line never tears a bar."""
SHOW_AFTER_SECONDS = 1.0
REDRAW_SECONDS = 0.1


class _Rate(ProgressColumn):
    """Items a second, with their unit."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "", style="progress.data.speed")


class _Display:
    """The one live display of the process: bars join it and leave it."""

    def __init__(self) -> None:
        self.bars: Progress | None = None
        self.count = 0

    def add(self, description: str, total: int, done: int, unit: str) -> tuple[Progress, TaskID]:
        if self.bars is None:
            self.bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=28),
                MofNCompleteColumn(),
                _Rate(),
                TimeLeft(compact=True),
                console=console,
                transient=True,
            )
            self.bars.start()
        self.count += 1
        return self.bars, self.bars.add_task(description, total=total, completed=done, unit=unit)

    def remove(self, task: TaskID) -> None:
        assert self.bars is not None
        self.bars.remove_task(task)
        self.count -= 1
        if self.count == 0:
            self.bars.stop()
            self.bars = None


_display = _Display()


@dataclass
class Bar:
    """One bar; it appears when the work has lasted a second, and only on a terminal."""

    description: str
    total: int
    unit: str
    done: int = 0

    def __post_init__(self) -> None:
        self._start = self._drawn = time.monotonic()
        self._shown: tuple[Progress, TaskID] | None = None
        self._visible = console.is_terminal

    def advance(self, count: int = 1) -> None:
        """Say that so many more are done."""
        self.done += count
        if not self._visible:
            return
        now = time.monotonic()
        if now - self._drawn < REDRAW_SECONDS or now - self._start < SHOW_AFTER_SECONDS:
            return
        self._drawn = now
        if self._shown is None:
            self._shown = _display.add(self.description, self.total, self.done, self.unit)
        bars, task = self._shown
        bars.update(task, completed=self.done, description=self.description)

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._shown is not None:
            _display.remove(self._shown[1])
            self._shown = None


@contextmanager
def progress(description: str, total: int, unit: str, done: int = 0) -> Iterator[Bar]:
    """A bar for the time of a ``with`` block.

    Example:
        >>> with progress("reading", 3, "files") as bar:
        ...     for _ in range(3):
        ...         bar.advance()
        >>> bar.done
        3
    """
    bar = Bar(description, total, unit, done)
    try:
        yield bar
    finally:
        bar.close()
