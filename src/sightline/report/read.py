"""What a report needs, read from the run folder alone: absent files are allowed, damaged ones are named."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml

from sightline.core.errors import DataError, RunFolderError
from sightline.core.files import from_json
from sightline.core.kinds import a_kind, with_article
from sightline.core.run_folder import RunFolder

Row = Mapping[str, Any]
T = TypeVar("T")

HEADLINES = ("perplexity", "accuracy", "rmse", "mae", "r2")
"""The metric to name first, in this order, where an evaluation holds it."""

UNKNOWN_STATUS: Row = {"state": "unknown", "why": "there is no status.json"}


@dataclass(frozen=True)
class Metric:
    """One figure of an evaluation.

    Args:
        name: "accuracy", "rmse", …
        value: in ``unit``; shares lie in [0, 1].
        standard_error: of ``value`` over the examples, in the same unit; none where it is not known.
        unit: empty for a pure number, the target's name where the metric is in the target's units.
    """

    name: str
    value: float
    standard_error: float | None
    unit: str


@dataclass(frozen=True)
class Evaluation:
    """One ``readings/evaluation-<split>.json``.

    Args:
        split: which examples were evaluated.
        checkpoint: the weights' checkpoint.
        count: number of examples.
        loss: mean surrogate loss.
        metrics: figures, in the file's order.
        classes: class names, in the order of the confusion matrix; empty for regression.
        confusion: counts, rows true, columns predicted; empty for regression.
        per_class: figures by class.
        mistakes: the examples with the largest losses, worst first.
        scatter: (target, prediction) pairs; empty for classification.
        findings: what is amiss, as parts by name.
        details: what else was measured, by name.
    """

    split: str
    checkpoint: str
    count: int
    loss: float
    metrics: tuple[Metric, ...]
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[Row, ...]
    mistakes: tuple[Row, ...]
    scatter: tuple[tuple[float, float], ...]
    findings: tuple[Row, ...] = ()
    details: Row = field(default_factory=dict)

    @property
    def headline(self) -> Metric | None:
        """The metric to name first."""
        by_name = {metric.name: metric for metric in self.metrics}
        first = next((by_name[name] for name in HEADLINES if name in by_name), None)
        return first or next(iter(self.metrics), None)


@dataclass(frozen=True)
class RunRecord:
    """Everything a page shows of one run; empty values stand for files that are not there.

    Args:
        folder: where it was read.
        spec: the configuration, nested.
        status: state, why, time, step, epoch, seconds.
        schema: kinds, shapes and classes of the data.
        environment: versions and hardware.
        training: rows of metrics.jsonl logged while training.
        validation: rows of metrics.jsonl logged by evaluations during training.
        data: what the loader found.
        evaluations: test first, then validation, then any others by name.
        exits: accuracy against compute of a network with early exits, on the test split (``exits-validation.json``
            is not shown); empty for others.
        findings: what is amiss; first what the evaluation that is shown found, then the diagnosis of the training.
        diagnosis: what the watch on the training found.
    """

    folder: RunFolder
    spec: Row
    status: Row
    schema: Row
    environment: Row
    training: tuple[Row, ...]
    validation: tuple[Row, ...]
    data: Row
    evaluations: tuple[Evaluation, ...]
    exits: Row
    findings: tuple[Row, ...]
    diagnosis: "WatchRecord | None"

    @property
    def shown(self) -> Evaluation | None:
        """The evaluation whose details are shown: the test split's where there is one."""
        return next(iter(self.evaluations), None)

    @property
    def seconds(self) -> float | None:
        """Training time: from the status, else from the last logged row."""
        rows = [*self.training, *self.validation]
        last = max((float(row["seconds"]) for row in rows if "seconds" in row), default=None)
        return float(self.status["seconds"]) if "seconds" in self.status else last


@dataclass(frozen=True)
class WatchRecord:
    """What the watch on a run's training left.

    Args:
        found: ``findings.json``: verdict, seen, trained, findings, and at which update the watch began.
        watched: ``readings/watch.json``: curves, layers over time, facts; empty where the file is gone.
    """

    found: Row
    watched: Row


EXITS = "readings/exits-test.json"
FINDINGS = "findings.json"
WATCH = "readings/watch.json"


@contextmanager
def reading(folder: RunFolder, name: str) -> Iterator[None]:
    """Turn whatever goes wrong with a file's content into an error that names the file."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, yaml.YAMLError, DataError) as error:
        found = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        if isinstance(error, DataError):  # a figure that can't be drawn of these values
            found = error.found
        raise RunFolderError(
            expected=f"{folder.path / name} as the run wrote it",
            found=f"{name} is damaged: {found}",
            do=f"restore {name} from a copy, or move it away: the report then leaves that part out"
            if name != "spec.yaml"
            else "restore spec.yaml from a copy: a run can't be read without it",
        ) from error


def whole_lines(folder: RunFolder, name: str) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines, none where there is no file; a last line that a killed run tore is left out."""
    if not folder.has(name):
        return []
    whole, _, _ = folder.text(name).rpartition("\n")
    return [dict(json.loads(line)) for line in whole.split("\n") if line]


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many, at least two: the first, the last, and some evenly between.

    Example:
        >>> evenly(range(10), 3)
        [0, 4, 9]
    """
    if len(items) <= most:
        return list(items)
    return [items[place * (len(items) - 1) // (most - 1)] for place in range(most)]


def read_run(folder: RunFolder) -> RunRecord:
    """Read a run folder.

    Raises:
        RunFolderError: when a file is there but is not what a run writes; it names the file.
    """
    rows = _metrics(folder)
    diagnosis = _diagnosis(folder) if folder.has(FINDINGS) else None
    with reading(folder, FINDINGS):
        findings = [dict(finding) for finding in diagnosis.found["findings"]] if diagnosis is not None else []
    evaluations = read_evaluations(folder)
    return RunRecord(
        folder=folder,
        spec=read_spec(folder),
        status=read_status(folder),
        schema=_optional(folder, "schema.json", dict, {}),
        environment=_optional(folder, "environment.json", dict, {}),
        training=tuple(row for row in rows if row["kind"] == "train"),
        validation=tuple(row for row in rows if row["kind"] == "validation"),
        data=_optional(folder, "readings/data.json", dict, {}),
        evaluations=evaluations,
        exits=_optional(folder, EXITS, dict, {}),
        findings=(*(evaluations[0].findings if evaluations else ()), *findings),
        diagnosis=diagnosis,
    )


def read_diagnosis(folder: RunFolder) -> WatchRecord:
    """What the watch on a run's training left.

    Raises:
        RunFolderError: when the run was not watched, or a file is damaged; it names the file.
    """
    if not folder.has(FINDINGS):
        raise RunFolderError(
            expected=f"{FINDINGS} in {folder.path}: what was found while it was trained",
            found="no such file",
            do="a run writes it when its training ends; one that was made before there was a watch, train again",
        )
    return _diagnosis(folder)


def _diagnosis(folder: RunFolder) -> WatchRecord:
    found = _optional(folder, FINDINGS, dict, {})
    with reading(folder, FINDINGS):
        missing = {"verdict", "seen", "trained", "findings"} - found.keys()
        if missing:
            raise KeyError(", ".join(sorted(missing)))
    return WatchRecord(found, _optional(folder, WATCH, dict, {}))


def read_spec(folder: RunFolder) -> Row:
    """The run's configuration, as nested plain values.

    Raises:
        RunFolderError: when spec.yaml is missing or is no YAML mapping.
    """
    with reading(folder, "spec.yaml"):
        spec = yaml.safe_load(folder.text("spec.yaml"))
        if not isinstance(spec, dict):
            raise TypeError(f"{a_kind(spec)}, not a mapping")
    return spec


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """The values of a nested mapping with their dotted paths.

    Example:
        >>> leaves({"optim": {"name": "adamw", "lr": 0.1}, "seed": 0})
        [('optim.name', 'adamw'), ('optim.lr', 0.1), ('seed', 0)]
    """
    if not isinstance(value, Mapping) or not value:
        return [(path, value)]
    inside = [(f"{path}.{key}" if path else str(key), entry) for key, entry in value.items()]
    return [leaf for dotted, entry in inside for leaf in leaves(entry, dotted)]


def read_status(folder: RunFolder) -> Row:
    """How the run stands; the state is "unknown" where there is no status.json.

    Raises:
        RunFolderError: when status.json is damaged.
    """
    if not folder.has("status.json"):
        return UNKNOWN_STATUS
    with reading(folder, "status.json"):
        status = folder.status()
        status["state"] = str(status["state"])
        for key in ("step", "epoch", "seconds"):
            if status.get(key) is not None:
                float(status[key])
            else:
                status.pop(key, None)
    return status


def read_evaluations(folder: RunFolder) -> tuple[Evaluation, ...]:
    """Every evaluation of the run: test first, then validation, then any others by name.

    Raises:
        RunFolderError: when one of the files is damaged.
    """
    names = [f"readings/{path.name}" for path in (folder.path / "readings").glob("evaluation-*.json")]
    order = {"readings/evaluation-test.json": 0, "readings/evaluation-validation.json": 1}
    found = []
    for name in sorted(names, key=lambda n: (order.get(n, 2), n)):
        with reading(folder, name):
            found.append(_evaluation(folder.read(name)))
    return tuple(found)


def _evaluation(plain: Any) -> Evaluation:
    classes = tuple(str(name) for name in plain.get("classes") or ())
    confusion = tuple(tuple(int(n) for n in row) for row in plain.get("confusion") or ())
    if confusion and any(len(row) != len(classes) for row in (*confusion, confusion)):
        raise ValueError(f"a confusion matrix of {len(confusion)} rows for {len(classes)} classes")
    return Evaluation(
        split=str(plain["split"]),
        checkpoint=str(plain["checkpoint"]),
        count=int(plain["count"]),
        loss=float(plain["loss"]),
        metrics=tuple(_metric(name, value) for name, value in plain["metrics"].items()),
        classes=classes,
        confusion=confusion,
        per_class=tuple(dict(row) for row in plain.get("per_class") or ()),
        mistakes=tuple(_mistake(dict(row)) for row in plain.get("mistakes") or ()),
        scatter=tuple((float(t), float(p)) for t, p in plain.get("scatter") or ()),
        findings=tuple(dict(row) for row in plain.get("findings") or ()),
        details=dict(plain.get("details") or {}),
    )


def _metric(name: str, value: Row) -> Metric:
    error = value.get("standard_error")
    return Metric(name, float(value["value"]), None if error is None else float(error), str(value.get("unit") or ""))


def _mistake(row: dict[str, Any]) -> Row:
    missing = {"index", "target", "predicted"} - row.keys()
    if missing:
        raise KeyError(", ".join(sorted(missing)))
    return row


def _metrics(folder: RunFolder) -> list[dict[str, Any]]:
    with reading(folder, "metrics.jsonl"):
        rows = folder.metrics()
        for line, row in enumerate(rows, start=1):
            if not isinstance(row, dict) or "kind" not in row or "step" not in row:
                raise ValueError(f"line {line} is no row with a kind and a step")
            for name, value in row.items():
                if name != "kind" and (isinstance(value, bool) or not isinstance(value, int | float)):
                    raise ValueError(f"line {line}: {name} is {value!r}, not a number")
    return rows


def _optional(folder: RunFolder, name: str, kind: type, absent: Any) -> Any:
    if not folder.has(name):
        return absent
    with reading(folder, name):
        value = from_json(folder.text(name))
        if not isinstance(value, kind):
            raise TypeError(f"{a_kind(value)} where {with_article(kind.__name__)} belongs")
    return value
