"""The page of several runs: curves over each other, what their configurations do differently, figures side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

from sightline.core.errors import ConfigurationError
from sightline.core.files import write_whole
from sightline.core.run_folder import RunFolder
from sightline.report import page_parts, text
from sightline.report.compare import Comparison, Side, all_different, compare, differing, metric_name, side
from sightline.report.curves import series
from sightline.report.diagnosis_section import Drawing
from sightline.report.figures import named_lines
from sightline.report.read import HEADLINES, Row, RunRecord, leaves, read_run
from sightline.report.vega import Spec

MOST_RUNS = 12
"""Colours and dashes tell so many lines apart."""


@dataclass(frozen=True)
class Line:
    """A row of a table.

    Args:
        name: what it tells.
        values: one a run.
        difference: of the second from the first with its standard error, where there are two runs; else "".
        clear: whether that exceeds two standard errors; none where that can't be said.
    """

    name: str
    values: list[str]
    difference: str = ""
    clear: bool | None = None


def compare_page(runs: Sequence[RunFolder | Path | str]) -> str:
    """The page as text, from the run folders alone; the same folders give the same text.

    Args:
        runs: two to twelve.

    Raises:
        ConfigurationError: for another number of runs, or one that is named twice.
        RunFolderError: when a folder is no run, or holds a damaged file.
    """
    folders = [RunFolder.open(run.path if isinstance(run, RunFolder) else run) for run in runs]
    if not 2 <= len(folders) <= MOST_RUNS:
        raise ConfigurationError(
            expected=f"two to {MOST_RUNS} runs",
            found=f"{len(folders)}",
            do="give so many at once",
        )
    all_different(folders)
    records = [read_run(folder) for folder in folders]
    names = _names(folders)
    charts: dict[str, Spec] = {}
    curves = _curves(records, names, charts)
    both = compare(*folders) if len(folders) == 2 else None
    return (
        page_parts.environment()
        .get_template("compare.html")
        .render(
            title=" against ".join(names) if len(names) == 2 else f"{len(names)} runs",
            names=names,
            lead=_lead(records, names, both),
            sides=_sides([side(folder, record) for folder, record in zip(folders, records, strict=True)]),
            curves=curves,
            fields=_fields(records),
            figures=_figures(records, both),
            charts=charts,
            style=page_parts.style(),
            script=page_parts.script(),
            library=page_parts.library() if charts else "",
        )
    )


def write_comparison(path: Path, runs: Sequence[RunFolder | Path | str]) -> Path:
    """Write :func:`compare_page`, whole or not at all.

    Raises:
        ConfigurationError: for a number of runs that it does not take.
        RunFolderError: when a run can't be read, or the page not be written.
    """
    write_whole(path, compare_page(runs))
    return path


def _names(folders: Sequence[RunFolder]) -> list[str]:
    """Names of the folders; where two are alike, with what holds them."""
    short = [folder.name for folder in folders]
    above = [folder.path.resolve().parent.name for folder in folders]
    told = [f"{at}/{name}" if short.count(name) > 1 else name for at, name in zip(above, short, strict=True)]
    return [text.visible(f"{name} ({k})" if told.count(name) > 1 else name) for k, name in enumerate(told, 1)]


def _lead(records: Sequence[RunRecord], names: Sequence[str], both: Comparison | None) -> str:
    """Which is better by the figure that is named first, and whether that is clear."""
    shown = [record.shown for record in records]
    metrics = [one.headline if one is not None else None for one in shown]
    kinds = {(one.split, m.name) for one, m in zip(shown, metrics, strict=True) if one is not None and m is not None}
    values = [(m.value, name, m) for name, m in zip(names, metrics, strict=True) if m is not None and isfinite(m.value)]
    if len(values) < len(names) or len(kinds) != 1:
        return "Not all of them have been measured alike."
    ((split, kind),) = kinds
    smaller = kind in ("perplexity", "rmse", "mae", "loss")
    value, best, metric = (min if smaller else max)(values, key=lambda row: row[0])
    words = f"The best {split} {text.label(kind)} is {best}'s: {text.figure(kind, value, metric.standard_error)}"
    figure = next((f for f in both.figures if (f.split, f.metric) == (split, kind)), None) if both is not None else None
    if figure is None or figure.difference is None:
        return f"{words}."
    if not figure.difference:
        return f"Both have the same {split} {text.label(kind)}."
    told = text.figure(kind, abs(figure.difference), figure.standard_error)
    clear = {True: ", more than two standard errors", False: ", which chance can make", None: ""}[figure.clear]
    return f"{words}. The difference is {told}{clear}."


def _sides(sides: Sequence[Side]) -> list[Line]:
    every = [{"diagnosis": each.diagnosis or "—"} | each.rows for each in sides]
    lines = [Line(name, [rows[name] for rows in every]) for name in every[0]]
    return [line for line in lines if set(line.values) != {"—"}]


def _curves(records: Sequence[RunRecord], names: Sequence[str], charts: dict[str, Spec]) -> list[Drawing]:
    """A figure for each quantity that a run logged, all runs in it."""
    metrics = {key for record in records for row in record.validation for key in row}
    wanted = [("training", "loss", "Training loss"), ("validation", "loss", "Validation loss")]
    wanted += [
        ("validation", key, f"{text.upper_first(text.label(key))}, validation") for key in HEADLINES if key in metrics
    ]
    wanted += [("training", "lr", "Learning rate"), ("training", "grad_norm", "Gradient norm")]
    drawings = []
    for split, key, title in wanted:
        lines = {}
        for record, name in zip(records, names, strict=True):
            rows: Sequence[Row] = record.training if split == "training" else record.validation
            line = _line(rows, key)
            if any(isfinite(value) for _, value in line):
                lines[name] = line
        if not any(len(line) > 1 for line in lines.values()):
            continue
        values = [value for line in lines.values() for _, value in line if isfinite(value)]
        log = key in ("loss", "grad_norm") and min(values) > 0 and max(values) > 30 * min(values)
        chart = f"{split}-{key}"
        charts[chart] = named_lines("update", text.label(key), lines, logarithmic=log)
        drawings.append(Drawing(chart, title, "logarithmic" if log else ""))
    return drawings


def _line(rows: Sequence[Row], key: str) -> list[tuple[float, float]]:
    """Values by update, NaN where one was not finite."""
    found = series(rows, key)
    points = [(float(point["step"]), float(point["value"])) for point in found.points]
    return sorted([*points, *((float(point["step"]), nan) for point in found.breaks)], key=lambda point: point[0])


def _fields(records: Sequence[RunRecord]) -> list[Line]:
    """Fields of the configuration that are not the same in all runs."""
    specs: list[Mapping[str, Any]] = [dict(leaves(record.spec)) for record in records]
    return [
        Line(path, [text.plain(spec[path]) if path in spec else "—" for spec in specs]) for path in differing(specs)
    ]


def _figures(records: Sequence[RunRecord], both: Comparison | None) -> list[Line]:
    """Every metric of every split, and of two runs their difference."""
    told = [{(e.split, m.name): m for e in record.evaluations for m in e.metrics} for record in records]
    differences = {(f.split, f.metric): f for f in both.figures} if both is not None else {}
    lines = []
    for split, name in dict.fromkeys(key for figures in told for key in figures):
        metrics = [figures.get((split, name)) for figures in told]
        unit = next((m.unit for m in metrics if m and m.unit), "")
        values = [text.figure(name, m.value, m.standard_error) if m else "—" for m in metrics]
        figure = differences.get((split, name))
        change, clear = (figure.change, figure.clear) if figure is not None else ("", None)
        lines.append(Line(f"{split} {metric_name(name, unit)}", values, change, clear))
    return lines
