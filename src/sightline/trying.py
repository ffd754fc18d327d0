"""The changes that findings on a run ask for, tried: the run made again, briefly, in a folder that is then thrown away.

It stands above the rooms: findings know nothing of the engine, and the engine nothing of what findings ask for.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any

from sightline.core.config import Choice
from sightline.core.errors import ConfigurationError, DataError, NonFiniteLossError
from sightline.core.run_folder import RunFolder
from sightline.diagnose import Findings
from sightline.diagnose.again import checked_updates
from sightline.diagnose.changes import beta_pair, told
from sightline.diagnose.course import Course
from sightline.diagnose.fix_trial import MOST_UPDATES, try_each
from sightline.diagnose.passes import Pass
from sightline.diagnose.tape import Plain
from sightline.report.read import read_diagnosis
from sightline.train import RunSpec, open_run, train

ROWS = 512
"""Lines of metrics that a run made again writes, about."""


def try_fixes(run: Path | str, *, updates: int = MOST_UPDATES, tell: Callable[[str], object] | None = None) -> Findings:
    """What was found of a run, and what comes of the changes that are fields of its specification.

    The run is made again with its data and its seed for at most so many updates (schedules are drawn together to
    these), once as it was and once for each change, so that both differ in the change alone. Its folder is left as it
    is. A change in the number of epochs is compared at both runs' ends, if these many updates are enough for it.

    Args:
        run: its folder.
        updates: at most so many are made, and no more than the run itself made.
        tell: is told what is tried.

    Returns:
        Findings with ``tried``, in the order that this gives.

    Raises:
        ConfigurationError: for fewer than 32 updates, or a network that no registry knows.
        RunFolderError: for a folder that is no run's, or whose run was not watched.
        DataError: where the data are other ones now.

    Cost:
        One short run, and one more for each change tried, at most three.

    Lecture: U7
    """
    folder = RunFolder.open(run)
    checked_updates(updates)
    diagnosis = read_diagnosis(folder)
    found, spec = Findings.from_dict(diagnosis.found), open_run(folder.path).spec
    if spec.model is None:
        raise ConfigurationError(
            expected="a run whose model is in the registry",
            found="one made from a module in Python",
            do="train that module again with the change, and compare: `sightline compare RUN RUN`",
        )
    rates = diagnosis.watched.get("rates") or []
    rate = float(rates[0][1]) if rates else None
    trial = _Trial(folder, spec, whole=_updates(folder, spec), most=updates, rate=rate)
    guess = diagnosis.watched.get("guess")

    def again(change: Mapping[str, Plain]) -> Course:
        if tell is not None:
            tell(told(change))
        return trial.run(change)

    if not any(trial.can(finding.change) for finding in (*found.alarms, *found.held_back)):
        return try_each(found, Course.failed(""), again, can=trial.can)
    if tell is not None:
        tell("nothing changed")
    first = replace(trial.run({}), guess=None if guess is None else float(guess))
    return try_each(found, first, again, can=trial.can)


def _updates(folder: RunFolder, spec: RunSpec) -> int:
    """How many the run made; how many it was to make, where it did not come to its end."""
    if folder.has("status.json") and folder.status()["state"] == "completed":
        return max((int(row["step"]) for row in folder.metrics()), default=0)
    counts = folder.read("readings/data.json").get("counts") or {}
    epoch = max(1, int(counts.get("train", 0)) // spec.plan.batch_size)
    return spec.plan.steps or epoch * (spec.plan.epochs or 1)


@dataclass(frozen=True)
class _Trial:
    """A run made again.

    Attributes:
        folder, spec: of the run.
        whole: its updates.
        most: updates that are allowed.
        rate: at its first update.
    """

    folder: RunFolder
    spec: RunSpec
    whole: int
    most: int
    rate: float | None

    @property
    def updates(self) -> int:
        """Of a run with a change in anything but their number."""
        return min(self.whole, self.most)

    def can(self, change: Mapping[str, Plain]) -> bool:
        """Whether it is one of the specification's fields, and not too long."""
        return bool(change) and all(self._field(word, change) for word in change)

    def _field(self, word: str, change: Mapping[str, Plain]) -> bool:
        optimizer, model = self.spec.optim.options, self.spec.model.options if self.spec.model is not None else {}
        if word == "betas":
            return "beta1" in optimizer
        if word == "epochs":
            return self.updates == self.whole and self._times(change) * self.updates <= self.most
        return word == "clip_norm" or word in (model if word == "dropout" else optimizer)

    def _times(self, change: Mapping[str, Plain]) -> float:
        """How many times as long as the run was."""
        return float(change["epochs"] or 1) / max(1, self.spec.plan.epochs or 1)

    def changed(self, change: Mapping[str, Plain]) -> RunSpec:
        """The specification of a short run with a change."""
        spec, steps = self.spec, self.updates
        optimizer = dict(spec.optim.options)
        plan: dict[str, Any] = {"patience": None, "log_steps": max(1, steps // ROWS)}
        for word, value in change.items():
            number = value if isinstance(value, float | int) else 0.0
            if word == "lr":
                optimizer["lr"] = optimizer["lr"] * number / self.rate if self.rate else number
            elif word == "betas":
                optimizer["beta1"], optimizer["beta2"] = beta_pair(change)
            elif word == "clip_norm":
                plan |= {"clip_norm": number, "clip_value": None}
            elif word == "epochs":
                steps = round(self._times(change) * steps)
            elif word == "dropout" and spec.model is not None:
                options = {**spec.model.options, word: min(number, spec.model.options[word])}
                spec = spec.replace(model=Choice(spec.model.name, options))
            else:
                optimizer[word] = number
        return spec.replace(
            name="trial", optim=Choice(spec.optim.name, optimizer), plan=spec.plan.replace(steps=steps, **plan)
        )

    def run(self, change: Mapping[str, Plain]) -> Course:
        """How it goes with a change."""
        with tempfile.TemporaryDirectory() as runs:
            broken = False
            try:
                train(self.changed(change), runs=Path(runs), name="trial", quiet=True)
            except NonFiniteLossError:
                broken = True
            other = RunFolder.open(Path(runs) / "trial")
            data = other.read("readings/data.json")
            if data["fingerprint"] != self.folder.read("readings/data.json").get("fingerprint"):
                raise DataError(
                    expected=f"the data this run was trained on: {self.spec.data.source}",
                    found="other content there now",
                    do="put the old data back",
                )
            examples = int((data.get("counts") or {}).get("validation", 0))
            rows = self.updates // self.changed(change).plan.log_steps if broken else 0
            course = _course(other.metrics(), examples, updates=self.updates, broken=rows)
        return replace(course, made=1) if "epochs" not in change else replace(course.ending(self.updates), made=1)


def _course(rows: list[dict[str, Any]], examples: int, *, updates: int, broken: int) -> Course:
    """Of logged losses; of a run that ended in NaN as many as it would have logged."""
    training = [row for row in rows if row["kind"] == "train" and "loss" in row]
    losses = [float(row.get("total_loss", row["loss"])) for row in training]
    made = int(training[-1]["step"]) if training else 0
    if broken:
        losses, made = [*losses, *[nan] * (broken - len(losses))], updates
    looks = [
        Pass(int(row["step"]), float(row["loss"]), row.get("accuracy"), max(1, examples))
        for row in rows
        if row["kind"] == "validation" and "loss" in row
    ]
    return Course(updates=made, passes=len(losses), losses=tuple(losses), validation=tuple(looks))
