"""The watch on a run: what is wrong with its training is found while it trains."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from math import nan
from typing import Any

from torch import nn

from sightline.core.errors import NonFiniteLossError, RunFolderError, SightlineError
from sightline.core.run_folder import RunFolder
from sightline.diagnose import LookSchedule, Record, digest, findings
from sightline.diagnose.curve import Curve
from sightline.diagnose.record import LossSeen
from sightline.diagnose.sparse_watch import SparseWatch

FINDINGS = "findings.json"
WATCH = "readings/watch.json"

SCHEDULE = LookSchedule(first=3, per_doubling=1)
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
    watch = SparseWatch(model, schedule=SCHEDULE)
    try:
        with watch:
            yield
    except BaseException as error:
        if isinstance(error, SightlineError):
            watch.record.stopped = error.found
        with suppress(RunFolderError):  # what went wrong first is what is told
            _write(folder, watch.record, since, broken=isinstance(error, NonFiniteLossError))
        raise
    _write(folder, watch.record, since)


def _write(folder: RunFolder, record: Record, since: int, *, broken: bool = False) -> None:
    if not record.steps and folder.has(FINDINGS):
        return  # nothing was left to train: what was found before stands
    _add_logged(record, folder, since)
    if broken:
        record.loss.add(nan)  # a loss that is not a number ends the run before it is logged
    try:
        found, drawn = findings(record).to_dict(), digest(record)
    except Exception as error:  # noqa: BLE001 - a mistake of a rule's must not cost a training that went well
        verdict, seen = "The diagnosis itself failed.", f"{type(error).__name__}: {error}."
        found, drawn = {"verdict": verdict, "seen": seen, "trained": True, "findings": []}, {}
    if since:
        found["seen"] += f" The run was resumed at update {since:,}: what came before was not watched here."
    folder.write(FINDINGS, found)
    folder.write(WATCH, drawn)


def _add_logged(record: Record, folder: RunFolder, since: int) -> None:
    """What the run logs itself stands in for what the watch did not see between its looks."""
    looked = len({look.step for look in record.looks if look.backwards})
    if looked and record.steps:
        share = record.steps / looked
        record.backwards = round(record.backwards * share)
        record.trained_examples = round(record.trained_examples * share)
        if folder.has("readings/data.json"):
            every = int((folder.read("readings/data.json").get("counts") or {}).get("train", 0))
            record.distinct_examples = max(record.distinct_examples, min(every, record.trained_examples))
    rows = [row for row in folder.metrics() if row["step"] > since]
    training = [row for row in rows if row["kind"] == "train" and "loss" in row]
    if training:
        record.loss, at = Curve(), since
        for row in training:  # a logged loss holds for the updates since the one before
            for _ in range(at, row["step"]):
                record.loss.add(float(row.get("total_loss", row["loss"])))
            at = row["step"]
    validation = [row for row in rows if row["kind"] == "validation" and "loss" in row]
    if validation:
        record.losses = [loss for loss in record.losses if loss.grad]
        record.losses += [_seen(row, since) for row in validation]


def _seen(row: Mapping[str, Any], since: int) -> LossSeen:
    """A look at the validation split, as if the watch had seen it."""
    return LossSeen(
        step=row["step"] - since,
        function="",
        value=float(row["loss"]),
        grad=False,
        training=False,
        accuracy=row.get("accuracy"),
        examples=1,
        site="",
    )
