"""SIGINT and SIGTERM during training: note them, so that the run can save and stop between two steps."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop; it has saved its state.

    Args:
        number: the signal's number; the shell expects 128 + number.
        step: updates done when it stopped.
    """

    def __init__(self, number: int, step: int) -> None:
        super().__init__(number, step)
        self.number, self.step = number, step

    def __str__(self) -> str:
        return f"{signal.Signals(self.number).name} after step {self.step}"

    @property
    def exit_code(self) -> int:
        """130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.number


class Listener:
    """Remembers the first signal; a second one ends the process as it would have without us."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Note a signal, and pass it on to the run's other processes."""
        for child in active_children():
            if child.pid is not None:
                os.kill(child.pid, signal.SIGTERM)  # the other processes of this run stop at the same step
        if self.number:
            raise KeyboardInterrupt
        self.number = number


@contextmanager
def listening() -> Iterator[Listener]:
    """Catch the two signals for the time of a ``with`` block (in the main thread; elsewhere nothing is caught)."""
    listener = Listener()
    if threading.current_thread() is not threading.main_thread():
        yield listener
        return
    before = {number: signal.signal(number, listener) for number in SIGNALS}
    try:
        yield listener
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
