"""Lines over a common axis, each with places of its own, and a rule to read them by."""

from collections.abc import Mapping, Sequence
from math import isfinite

import altair as alt

from sightline.core.errors import DataError
from sightline.report.figures.lines import MOST_DOTS, PALETTE, Scale, broken, horizontal, lines, rule, vertical
from sightline.report.text import number
from sightline.report.vega import Spec, expression, finish, theme

Line = Sequence[tuple[float, float]]

WHOLE = ("update", "step", "class", "layer, from the first")
"""Horizontal axes that only whole numbers are places of."""


def named_lines(
    x_title: str,
    y_title: str,
    named: Mapping[str, Line],
    *,
    logarithmic: bool = False,
    mark: tuple[str, float] | None = None,
    height: int = 220,
) -> Spec:
    """Values against places, a line a name; NaN and infinity interrupt it and are marked in words.

    Args:
        x_title: the horizontal axis.
        y_title: the vertical axis.
        named: (place, value) by name, places rising; a place that is not finite is left out.
        logarithmic: the vertical axis, as far as every value that can be drawn is above 0.
        mark: words and the height of a dashed rule across the figure.
        height: in pixels.

    Raises:
        DataError: when no line has a value that can be drawn.

    Lecture: U7

    Example:
        >>> spec = named_lines("update", "loss", {"training": [(0, 2.0), (5, float("nan"))]}, mark=("guess", 1.0))
        >>> [row["words"] for row in spec["datasets"]["breaks"]]
        ['training: NaN']
    """
    kept = {name: [(float(x), float(y)) for x, y in line if isfinite(x)] for name, line in named.items()}
    drawn = [y for line in kept.values() for _, y in line if isfinite(y)]
    if not drawn:
        raise DataError(
            expected="a line with a finite value", found=f"{len(kept)} without", do="draw it when there is something"
        )
    shown_mark = mark if mark is not None and isfinite(mark[1]) else None
    scaled = [*drawn, *([shown_mark[1]] if shown_mark else [])]
    log = logarithmic and min(scaled) > 0
    places = [x for line in kept.values() for x, _ in line]
    points: list[dict[str, object]] = []
    breaks: list[dict[str, object]] = []
    for name, line in kept.items():
        whole = True
        for x, y in line:
            points.append({"x": x, "value": y if isfinite(y) else None, "series": name})
            if isfinite(y) and len(line) <= MOST_DOTS:
                points[-1]["dot"] = True
            if whole and not isfinite(y):
                late = x > min(places) + 0.6 * (max(places) - min(places))
                breaks.append({"x": x, "words": f"{name}: {number(y)}", "row": len(breaks) % 8, "late": late})
            whole = isfinite(y)
    x_axis = horizontal(Scale(x_title, whole=x_title in WHOLE, format=",~s"), places)
    y_axis = vertical(Scale(y_title, log=log, format=None if log else "~s" if max(drawn) >= 1e4 else ".4~g"), scaled)
    tooltip = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", format=".4~g"),
        alt.Tooltip("x:Q", title=x_title, format=",~f"),
    ]
    layers = [*lines(list(kept), x_axis, y_axis, tooltip), *(broken(x_axis) if breaks else [])]
    if shown_mark is not None:
        line_across, words = rule("y", shown_mark[1], shown_mark[0], align="right")
        behind = words.copy()
        behind.mark = words.mark.copy()
        # so that lines don't cross the words
        behind.mark.stroke, behind.mark.strokeWidth = expression("paper"), 5
        layers += [line_across, behind, words]
    chart = alt.layer(*layers).add_params(*theme(*PALETTE, "soft", "paper"))
    return finish(chart.properties(width="container", height=height), points=points, breaks=breaks)
