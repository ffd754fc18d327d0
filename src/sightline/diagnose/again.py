"""A program once more, in a process of its own, with a change; and the findings that this proves or demotes."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from sightline.core.errors import ConfigurationError
from sightline.core.files import from_json, to_json
from sightline.diagnose.causes import findings
from sightline.diagnose.changed_watch import ChangedWatch
from sightline.diagnose.changes import told
from sightline.diagnose.course import Course
from sightline.diagnose.findings import Findings
from sightline.diagnose.fix_trial import MOST_UPDATES, try_each
from sightline.diagnose.record import Record
from sightline.diagnose.script import watch_script
from sightline.diagnose.tape import Plain

FEWEST_UPDATES = 32
"""For a comparison: blocks of one update each in the last quarter."""

PATIENCE = 10.0
"""A second run may take so many times as long as the first, and a minute."""


def run_again(path: Path, args: Sequence[str], change: Mapping[str, Plain], *, updates: int, seconds: float) -> Course:
    """Run a program in a new process, with a change, unseen; its standard input is empty.

    Args:
        path: the program.
        args: its arguments.
        change: in the words of ``CHANGES``.
        updates: it is ended after so many.
        seconds: it is ended after so many.

    Returns:
        How it went; of one that could not be run, why.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "course.json"
        # -P: a module of the user's that is called as one of Python's is not taken for it
        start = "from sightline.diagnose.again import main; main()"
        words = [sys.executable, "-P", "-c", start, str(answer), json.dumps(dict(change)), str(updates)]
        child = subprocess.Popen(
            [*words, str(path), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired:
            return Course.failed(f"it was ended after {seconds:,.0f} s")
        finally:
            if child.poll() is None:  # late, or we are interrupted ourselves: with all that it started
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        if not answer.is_file():
            return Course.failed(f"exit code {code} before anything was known of it")
        return Course.from_plain(from_json(answer.read_text(encoding="utf-8")))


def main() -> None:
    """The new process: ANSWER CHANGE UPDATES PROGRAM [argument ...]."""
    answer, change, updates, path, *args = sys.argv[1:]
    watch = ChangedWatch(json.loads(change), stop_after=int(updates))
    record = watch_script(Path(path), args, watch=watch)
    Path(answer).write_text(to_json(asdict(Course.of(record, made=watch.made))), encoding="utf-8")


def prove(
    path: Path,
    args: Sequence[str],
    record: Record,
    *,
    updates: int = MOST_UPDATES,
    tell: Callable[[str], object] | None = None,
) -> Findings:
    """Findings on a program, their changes tried by running it again.

    Args:
        path: the program.
        args: its arguments, the same as in the first run.
        record: of the first run.
        updates: of which at most so many are made again.
        tell: is told what is tried.

    Raises:
        ConfigurationError: for fewer updates than can be compared.

    Cost:
        A run of the program for each change tried, at most three.

    Lecture: U7
    """
    checked_updates(updates)
    first = Course.of(record)
    # one more where the whole is made again: what the program does after its last update is part of it
    most = updates if updates < record.steps else record.steps + 1
    seconds = 60 + PATIENCE * record.seconds

    def again(change: Mapping[str, Plain]) -> Course:
        if tell is not None:
            tell(told(change))
        return run_again(path, args, change, updates=most, seconds=seconds)

    return try_each(findings(record), first, again)


def checked_updates(updates: int) -> int:
    """A number of updates that can be compared.

    Raises:
        ConfigurationError: for one below 32.
    """
    if updates < FEWEST_UPDATES:
        raise ConfigurationError(
            expected=f"updates: {FEWEST_UPDATES} or more, for there to be something to compare",
            found=str(updates),
            do=f"leave it out: {MOST_UPDATES:,} at most, and no more than the first run made",
        )
    return updates


def diagnose_and_try(path: Path, args: Sequence[str] = (), *, updates: int = MOST_UPDATES) -> Findings:
    """Findings of a program's training, and what came of their changes in further runs of it.

    Raises:
        DataError: if there is no such file.
        ConfigurationError: for fewer than 32 updates.

    Cost:
        As much as the program, and up to three times as much for what is tried.

    Lecture: U7
    """
    checked_updates(updates)
    return prove(path, args, watch_script(path, args), updates=updates)
