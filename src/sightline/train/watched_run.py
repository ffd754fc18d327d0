"""The watch on a run: what is wrong with its training is found while it trains."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from torch import nn

from sightline.core.errors import RunFolderError, SightlineError
from sightline.core.run_folder import RunFolder
from sightline.diagnose import LookSchedule, Watch, digest, findings

FINDINGS = "findings.json"
WATCH = "readings/watch.json"

SCHEDULE = LookSchedule(first=4, per_doubling=2)
"""Rarer than for a loop of one's own: a step of a small network is short beside a look at it."""


@contextmanager
def watched_run(folder: RunFolder, model: nn.Module, *, since: int, active: bool = True) -> Iterator[None]:
    """Watch the training in a ``with`` block, and leave what was found in the run folder, however the block ends.

    What is trained is, bit for bit, what it would be without.

    Args:
        folder: of the run.
        model: its network.
        since: updates made before, by the part of the run that this one goes on from.
        active: whether this process watches; of several one does.

    Raises:
        RunFolderError: when what was found can't be written and nothing else went wrong.

    Lecture: U7
    """
    if not active:
        yield
        return
    watch = Watch(model, schedule=SCHEDULE)
    try:
        with watch:
            yield
    except BaseException as error:
        if isinstance(error, SightlineError):
            watch.record.stopped = error.found
        with suppress(RunFolderError):  # what went wrong first is what is told
            _write(folder, watch, since)
        raise
    _write(folder, watch, since)


def _write(folder: RunFolder, watch: Watch, since: int) -> None:
    if not watch.record.steps and folder.has(FINDINGS):
        return  # nothing was left to train: what was found before stands
    found = findings(watch.record).to_dict()
    if since:
        found["seen"] += f" The run was resumed at update {since:,}: what came before was not watched here."
    folder.write(FINDINGS, found)
    folder.write(WATCH, digest(watch.record))
