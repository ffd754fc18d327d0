"""Errors along a sweep of one number, λ or steps, with the least of each curve marked."""

from collections.abc import Mapping, Sequence
from math import isfinite

import altair as alt

from sightline.report.figures.lines import PALETTE, Scale, broken, colour, horizontal, lines, rows, values_of, vertical
from sightline.report.figures.values import curves, places
from sightline.report.vega import Spec, expression, finish, theme

STEEP = 4.0
"""Where the largest error is so many times the smallest, the vertical axis is logarithmic."""


def error_curves(
    x: Sequence[float], errors: Mapping[str, Sequence[float]], x_title: str, y_title: str = "squared error"
) -> Spec:
    """One line an estimate of the error against x on a logarithmic axis; a ringed dot at each line's least value.

    Args:
        x: the number that is swept, > 0.
        errors: for each way to estimate it the error at each place.
        x_title: what x is, with its unit.
        y_title: what is drawn, with its unit.

    Raises:
        DataError: when x is not positive, a curve has another length, or there is nothing to draw.

    Lecture: F6

    Example:
        >>> spec = error_curves([0.1, 1.0, 10.0], {"GCV": [3.0, 1.0, 2.0]}, "ridge λ")
        >>> spec["datasets"]["least"][0]["x"]
        1.0
    """
    at = places(x, x_title, above=0)
    found = curves(errors, len(at), "errors")
    drawn = values_of(found)
    log = min(drawn) > 0 and max(drawn) > STEEP * min(drawn)
    points, breaks = rows(at, found, log=log)
    least = []
    for name, values in found.items():
        finite = [i for i, value in enumerate(values) if isfinite(value)]
        if finite:
            best = min(finite, key=values.__getitem__)
            least.append({"x": at[best], "value": values[best], "series": name})
    across = horizontal(Scale(x_title, log=True), at)
    up = vertical(Scale(y_title, log=log), values_of(found, log=log))
    tooltip = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", title=y_title, format=".4~g"),
        alt.Tooltip("x:Q", title=x_title, format=".4~g"),
    ]
    marks = alt.Chart(alt.NamedData("least")).encode(x=across, y=up, color=colour(list(found)), tooltip=tooltip)
    layers = [
        *lines(list(found), across, up, tooltip),
        marks.mark_point(filled=True, size=90, opacity=1, stroke=expression("paper"), strokeWidth=2),
        *(broken(across) if breaks else []),
    ]
    chart = alt.layer(*layers).add_params(*theme(*PALETTE, "paper")).properties(width="container", height=260)
    return finish(chart, points=points, breaks=breaks, least=least)
