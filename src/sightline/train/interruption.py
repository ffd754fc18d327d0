"""SIGINT and SIGTERM during training: note them, so that the run can save and stop between two steps."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
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


class Aborted(KeyboardInterrupt):
    """A second signal came before the run had saved.

    Args:
        number: the signal's number; the shell expects 128 + number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"a second {signal.Signals(self.number).name}, before it had saved"

    @property
    def exit_code(self) -> int:
        """130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.number


class Listener:
    """Remembers the first signal; a second one ends the process at once.

    Args:
        processes: the run's other processes, which the first signal is passed on to.
    """

    def __init__(self) -> None:
        self.number = 0
        self.processes: Sequence[BaseProcess] = ()

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Note a signal, and pass it on to the run's other processes."""
        if self.number:
            raise Aborted(number)
        self.number = number
        for process in self.processes:
            process.terminate()


class Stopper(Listener):
    """Ends what is under way at the first signal: nothing of it needs saving.

    Args:
        step: updates done, all of them saved.
    """

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Raise ``Interrupted``."""
        raise Interrupted(number, self.step)


class Follower(Listener):
    """Listens in one of several processes: the first process alone decides when a signal is a second one."""

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Note a signal; a terminal's Ctrl-C reaches the first process too, who passes it on."""
        if number == signal.SIGTERM:
            self.number = number


@contextmanager
def listening(listener: Listener) -> Iterator[Listener]:
    """Catch the two signals for the time of a ``with`` block (in the main thread; elsewhere nothing is caught)."""
    if threading.current_thread() is not threading.main_thread():
        yield listener
        return
    before = {number: signal.signal(number, listener) for number in SIGNALS}
    try:
        yield listener
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
