"""Two runs side by side: which configuration fields differ, and whether their figures do."""

from dataclasses import asdict, dataclass
from math import isfinite, sqrt
from typing import Any

from sightline.core.run_folder import RunFolder
from sightline.report import text
from sightline.report.read import Metric, Row, leaves, read_run


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
    """

    name: str
    state: str
    seconds: float | None
    steps: int | None
    parameters: int | None


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
        rows += [[name, a, b] for name, a, b in self._sides() if (a, b) != ("—", "—")]
        told = [*_columns(rows), "", "configuration"]
        fields = [[f"  {d.path}", _field(d.a, d.in_a), _field(d.b, d.in_b)] for d in self.differences]
        told += _columns(fields) if fields else ["  the same in every field"]
        for split in dict.fromkeys(figure.split for figure in self.figures):
            told += ["", split, *_columns([_figure_row(f) for f in self.figures if f.split == split])]
        if not self.figures:
            told += ["", "figures", "  neither run has been evaluated"]
        return told

    def _sides(self) -> list[tuple[str, str, str]]:
        def told(value: int | float | None, seconds: bool = False) -> str:
            return "—" if value is None else text.duration(value) if seconds else f"{value:,}"

        return [
            ("state", self.a.state, self.b.state),
            ("time", told(self.a.seconds, True), told(self.b.seconds, True)),
            ("updates", told(self.a.steps), told(self.b.steps)),
            ("parameters", told(self.a.parameters), told(self.b.parameters)),
        ]


def compare(a: RunFolder, b: RunFolder) -> Comparison:
    """Set two runs beside each other, from their folders alone.

    The difference of a figure is b − a, its standard error √(se_a² + se_b²).

    Args:
        a: the first run.
        b: the second run.

    Raises:
        RunFolderError: when a file of either run is damaged; it names the file.
    """
    first, second = read_run(a), read_run(b)
    left, right = dict(leaves(first.spec)), dict(leaves(second.spec))
    differences = [
        Difference(path, left.get(path), right.get(path), path in left, path in right)
        for path in dict.fromkeys([*left, *right])
        if (path in left) != (path in right) or left[path] != right[path]
    ]
    ours = {(e.split, m.name): m for e in first.evaluations for m in e.metrics}
    theirs = {(e.split, m.name): m for e in second.evaluations for m in e.metrics}
    figures = [_figure(*key, ours.get(key), theirs.get(key)) for key in dict.fromkeys([*ours, *theirs])]
    return Comparison(
        a=_side(a, first.status, first.seconds),
        b=_side(b, second.status, second.seconds),
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


def _side(folder: RunFolder, status: Row, seconds: float | None) -> Side:
    whole = {key: status[key] if isinstance(status.get(key), int) else None for key in ("step", "parameters")}
    return Side(folder.name, str(status["state"]), seconds, whole["step"], whole["parameters"])


def _field(value: Any, present: bool) -> str:
    return text.plain(value) if present else "—"


def _figure_row(figure: Figure) -> list[str]:
    values = [
        "—" if value is None else text.figure(figure.metric, value, error)
        for value, error in ((figure.a, figure.a_error), (figure.b, figure.b_error))
    ]
    name = text.label(figure.metric) + (f" ({figure.unit})" if figure.unit else "")
    if figure.difference is None:
        return [f"  {name}", *values, ""]
    sign = "+" if figure.difference > 0 else ""
    change = sign + text.figure(figure.metric, figure.difference, figure.standard_error)
    verdicts = {True: "more than two standard errors", False: "within two standard errors", None: ""}
    return [f"  {name}", *values, f"{change}  {verdicts[figure.clear]}".rstrip()]


def _columns(rows: list[list[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["   ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
