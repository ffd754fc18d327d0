"""A program of the user's, run under the watch by a subcommand."""

import os
import sys
from argparse import REMAINDER
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.arguments import Arguments
from sightline.core.errors import ConfigurationError

if TYPE_CHECKING:
    from sightline.diagnose import Record


def add_program(parser: Arguments, name: str, words: str) -> None:
    """The program, and after its name whatever belongs to it."""
    parser.add_argument("program", metavar=name, help=words)
    parser.add_argument("args", nargs=REMAINDER, metavar="...", help="the program's own arguments")


def run_program(path: str, args: list[str], *, quiet: bool, stop_after: int | None = None) -> "Record":
    """See a program train.

    Args:
        path: the program.
        args: its arguments.
        quiet: keep standard output for ourselves: what the program writes there goes to standard error.
        stop_after: end it after so many updates.

    Raises:
        DataError: if there is no such file.
        ConfigurationError: if nothing was trained.
    """
    from sightline.diagnose import watch_script

    with _output_to_errors(quiet):
        record = watch_script(Path(path), args, stop_after=stop_after)
    if not record.steps and not record.backwards:
        raise ConfigurationError(
            expected="a program that trains a network: it calls backward() and an optimiser's step()",
            found=f"{path}, which ended with {record.stopped.splitlines()[0]} before it trained anything"
            if record.stopped
            else f"{path}, which ran to its end and trained nothing",
            do="mend that error first"
            if record.stopped
            else "let it train when it is run as a program, with the arguments it wants after its name",
        )
    return record


@contextmanager
def _output_to_errors(wanted: bool) -> Iterator[None]:
    """Within, standard output is standard error, also for processes that are started."""
    if not wanted:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
