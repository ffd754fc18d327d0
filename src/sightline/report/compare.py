"""Two runs side by side: which configuration fields differ, and whether their figures do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, sqrt
from typing import Any

from sightline.core.errors import ConfigurationError
from sightline.core.run_folder import RunFolder
from sightline.report import text
from sightline.report.diagnosis_section import ALARMS
from sightline.report.read import Metric, RunRecord, leaves, read_run


@dataclass(frozen=True)
class Difference:
    """A configuration field that differs.

    Args:
        path: dotted path, "optim.lr".
        a: the first run's value; none where ``in_a`` is false.
        b: the second run's value; none where ``in_b`` is false.
        in_a: whether the first run has the field.
        in_b: whether the second run has it.
    """

    path: str
    a: Any
    b: Any
    in_a: bool = True
    in_b: bool = True


@dataclass(frozen=True)
class Figure:
    """One metric of one split in both runs; none where a run lacks it.

    Args:
        split: "test", "validation", …
        metric: "accuracy", "rmse", …
        unit: the metric's unit; empty for a pure number.
        a: the first run's value.
        b: the second run's value.
        a_error: standard error of ``a``.
        b_error: standard error of ``b``.
    """

    split: str
    metric: str
    unit: str
    a: float | None
    b: float | None
    a_error: float | None
    b_error: float | None

    @property
    def difference(self) -> float | None:
        """b − a; none where one of them is missing or not finite."""
        if self.a is None or self.b is None or not isfinite(self.b - self.a):
            return None
        return self.b - self.a

    @property
    def standard_error(self) -> float | None:
        """Standard error of the difference, √(se_a² + se_b²), as if the runs saw independent examples.

        Where both were evaluated on the same examples their errors go together, and this is too large
        rather than too small.
        """
        if self.difference is None or self.a_error is None or self.b_error is None:
            return None
        return sqrt(self.a_error**2 + self.b_error**2)

    @property
    def name(self) -> str:
        """The metric as people write it, with its unit."""
        return metric_name(self.metric, self.unit)

    @property
    def change(self) -> str:
        """The difference with its sign and its standard error; "" where there is none."""
        if self.difference is None:
            return ""
        sign = "+" if self.difference > 0 else ""
        return sign + text.figure(self.metric, self.difference, self.standard_error)

    @property
    def clear(self) -> bool | None:
        """Whether the difference exceeds two of its standard errors; none where that can't be said."""
        if self.difference is None or self.standard_error is None or not isfinite(self.standard_error):
            return None
        return abs(self.difference) > 2 * self.standard_error

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the derived ones included."""
        derived = {"difference": self.difference, "difference_error": self.standard_error, "clear": self.clear}
        return asdict(self) | derived


@dataclass(frozen=True)
class Side:
    """What is compared of a run beside its figures; none where it is not recorded.

    Args:
        name: the run's name.
        state: how it stands.
        seconds: training time.
        steps: updates done.
        parameters: trainable parameters.
        diagnosis: the first cause of harm that was found, else the verdict.
    """

    name: str
    state: str
    seconds: float | None
    steps: int | None
    parameters: int | None
    diagnosis: str | None = None

    @property
    def rows(self) -> dict[str, str]:
        """How it stands, by name, in words; "—" for what is not recorded."""
        return {
            "state": self.state,
            "time": "—" if self.seconds is None else text.duration(self.seconds),
            "updates": "—" if self.steps is None else f"{self.steps:,}",
            "parameters": "—" if self.parameters is None else f"{self.parameters:,}",
        }


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side; see :func:`compare`."""

    a: Side
    b: Side
    differences: tuple[Difference, ...]
    figures: tuple[Figure, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "a": asdict(self.a),
            "b": asdict(self.b),
            "differences": [asdict(difference) for difference in self.differences],
            "figures": [figure.to_dict() for figure in self.figures],
        }

    def lines(self) -> list[str]:
        """The comparison as plain text, in columns."""
        rows = [["", self.a.name, self.b.name]]
        stand = [[name, a, self.b.rows[name]] for name, a in self.a.rows.items()]
        told = _columns([*rows, *(row for row in stand if row[1:] != ["—", "—"])])
        if self.a.diagnosis is not None or self.b.diagnosis is not None:
            told += ["", "diagnosis", *_columns([[f"  {s.name}", s.diagnosis or "—"] for s in (self.a, self.b)])]
        told += ["", "configuration"]
        fields = [[f"  {d.path}", _field(d.a, d.in_a), _field(d.b, d.in_b)] for d in self.differences]
        told += _columns(fields) if fields else ["  the same in every field"]
        for split in dict.fromkeys(figure.split for figure in self.figures):
            told += ["", split, *_columns([_figure_row(f) for f in self.figures if f.split == split])]
        if not self.figures:
            told += ["", "figures", "  neither run has been evaluated"]
        return told


def compare(a: RunFolder, b: RunFolder) -> Comparison:
    """Set two runs beside each other, from their folders alone.

    The difference of a figure is b − a, its standard error √(se_a² + se_b²).

    Args:
        a: the first run.
        b: the second run.

    Raises:
        ConfigurationError: for one run, given twice.
        RunFolderError: when a file of either run is damaged; it names the file.
    """
    all_different([a, b])
    first, second = read_run(a), read_run(b)
    left, right = specs = [dict(leaves(record.spec)) for record in (first, second)]
    differences = [
        Difference(path, left.get(path), right.get(path), path in left, path in right) for path in differing(specs)
    ]
    ours = {(e.split, m.name): m for e in first.evaluations for m in e.metrics}
    theirs = {(e.split, m.name): m for e in second.evaluations for m in e.metrics}
    figures = [_figure(*key, ours.get(key), theirs.get(key)) for key in dict.fromkeys([*ours, *theirs])]
    return Comparison(
        a=side(a, first),
        b=side(b, second),
        differences=tuple(differences),
        figures=tuple(sorted(figures, key=lambda f: {"test": 0, "validation": 1}.get(f.split, 2))),
    )


def _figure(split: str, name: str, a: Metric | None, b: Metric | None) -> Figure:
    unit = next((metric.unit for metric in (a, b) if metric), "")
    return Figure(
        split=split,
        metric=name,
        unit=unit,
        a=a.value if a else None,
        b=b.value if b else None,
        a_error=a.standard_error if a else None,
        b_error=b.standard_error if b else None,
    )


def all_different(folders: Sequence[RunFolder]) -> None:
    """Refuse a run that is given twice.

    Raises:
        ConfigurationError: for it.
    """
    if len({folder.path.resolve() for folder in folders}) < len(folders):
        raise ConfigurationError(
            expected="different runs",
            found=f"{', '.join(folder.name for folder in folders)}: one of them is given twice",
            do="name each run once",
        )


def differing(specs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Dotted paths of the fields that not all configurations have, or not with one value.

    Example:
        >>> differing([{"seed": 0, "optim.lr": 0.1}, {"seed": 0, "optim.lr": 0.2, "optim.momentum": 0.9}])
        ['optim.lr', 'optim.momentum']
    """
    paths = dict.fromkeys(path for spec in specs for path in spec)
    first = specs[0]
    return [path for path in paths if any(path not in spec or spec[path] != first.get(path) for spec in specs)]


def side(folder: RunFolder, record: RunRecord) -> Side:
    """How a run stands and what was found in it."""
    status = record.status
    whole = {key: status[key] if isinstance(status.get(key), int) else None for key in ("step", "parameters")}
    return Side(
        folder.name, str(status["state"]), record.seconds, whole["step"], whole["parameters"], _diagnosis(record)
    )


def _diagnosis(record: RunRecord) -> str | None:
    """The first finding of harm with its cause's name, else the verdict; none where the run was not watched."""
    if record.diagnosis is None:
        return None
    found = [row for row in record.findings if row.get("severity") in ALARMS]
    if not found:
        return text.visible(text.plain(record.diagnosis.found["verdict"])).removesuffix(".")
    title, cause = (text.visible(text.plain(found[0].get(key) or "")) for key in ("title", "cause"))
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return (f"{title} ({cause})" if title and cause else title or cause) + more


def metric_name(metric: str, unit: str) -> str:
    """A metric as people write it, with its unit.

    Example:
        >>> metric_name("r2", ""), metric_name("seconds", "s")
        ('R²', 'seconds (s)')
    """
    return text.label(metric) + (f" ({unit})" if unit else "")


def _field(value: Any, present: bool) -> str:
    return text.plain(value) if present else "—"


def _figure_row(figure: Figure) -> list[str]:
    values = [
        "—" if value is None else text.figure(figure.metric, value, error)
        for value, error in ((figure.a, figure.a_error), (figure.b, figure.b_error))
    ]
    verdicts = {True: "more than two standard errors", False: "within two standard errors", None: ""}
    return [f"  {figure.name}", *values, f"{figure.change}  {verdicts[figure.clear]}".rstrip()]


def _columns(rows: list[list[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["   ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
