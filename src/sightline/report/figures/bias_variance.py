"""The parts of the expected error against complexity: noise, approximation, bias², variance; and their sum."""

from collections.abc import Mapping, Sequence
from math import isfinite

import altair as alt

from sightline.core.errors import DataError
from sightline.report.figures.lines import PALETTE, Scale, colour, horizontal, lines, rows, rule, values_of, vertical
from sightline.report.figures.values import curves, places
from sightline.report.text import number
from sightline.report.vega import Spec, expression, finish, theme

STEEP = 50.0
"""Where the largest total is so many times the smallest, the parts become curves on a logarithmic axis."""

TOTAL = "total"


def bias_variance(
    x: Sequence[float],
    parts: Mapping[str, Sequence[float]],
    x_title: str = "model complexity",
    log_x: bool = False,
    y_title: str = "expected squared error",
) -> Spec:
    """The parts stacked, so that their upper edge is the total error; its minimum is marked.

    Where the total spans more than a factor of 50 the parts are curves on a logarithmic axis instead, beside
    their total, for a stack has no meaning there.

    Args:
        x: complexity: a degree, a number of features, λ.
        parts: the parts from the lowest in the stack up, one value a place, ≥ 0.
        x_title: what x is, with its unit.
        log_x: logarithmic horizontal axis.
        y_title: what is drawn, with its unit.

    Raises:
        DataError: when x is not positive on a logarithmic axis, lengths differ, a part is negative or not
            finite, or there is nothing to draw.

    Lecture: F9

    Example:
        >>> spec = bias_variance([1, 2, 3], {"bias²": [3.0, 1.0, 0.5], "variance": [0.1, 0.4, 2.0]}, "degree")
        >>> [point["value"] for point in spec["datasets"]["total"]]
        [3.1, 1.4, 2.5]
    """
    at = places(x, x_title, above=0 if log_x else None)
    found = curves(parts, len(at), "parts")
    wrong = [(name, v) for name, values in found.items() for v in values if not isfinite(v) or v < 0]
    if wrong:
        raise DataError(
            expected="parts of an error: finite numbers, 0 or more",
            found=f"{wrong[0][1]} in '{wrong[0][0]}'",
            do="leave out the places where the error is not known",
        )
    total = [sum(values) for values in zip(*found.values(), strict=True)]
    best = min(range(len(at)), key=total.__getitem__)
    steep = min(total) > 0 and max(total) > STEEP * min(total)
    across = horizontal(Scale(x_title, log=log_x), at)
    shown = {**found, TOTAL: total}
    tooltip = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", title="error", format=".4~g"),
        alt.Tooltip("x:Q", title=x_title, format=".4~g"),
    ]
    points, _ = rows(at, found, log=steep)
    sums, _ = rows(at, {TOTAL: total}, log=steep)
    if steep:
        drawn = [v for v in values_of(shown, log=True) if v > min(total) / 300]
        y = vertical(Scale(y_title, log=True, domain=(min(drawn) / 1.1, max(drawn) * 1.1)), drawn)
        pieces = lines(list(found), across, y, tooltip)
    else:
        y = vertical(Scale(y_title, domain=(0, 1.04 * max(total))), total)
        stacked = alt.Chart(alt.NamedData("points")).mark_area(opacity=0.75, line=False)
        stacked = stacked.transform_calculate(rank="indexof(order, datum.series)").encode(
            x=across, y=y.stack("zero"), color=colour(list(found)), order="rank:Q", tooltip=tooltip
        )
        pieces = [stacked.add_params(alt.param(name="order", value=list(found)))]
    sum_line = alt.Chart(alt.NamedData("total")).encode(x=across, y=y.stack(None), tooltip=tooltip)
    marked = sum_line.transform_filter(alt.datum.x == at[best])
    late = best > len(at) / 2
    layers = [
        *pieces,
        sum_line.mark_line(strokeWidth=2.25, color=expression("ink"), clip=True),
        *_named(across, y),
        *rule("x", at[best], f"least at {number(at[best])}", tone="ink", align="right" if late else "left"),
        marked.mark_point(filled=True, size=70, color=expression("ink"), opacity=1),
    ]
    chart = alt.layer(*layers).add_params(*theme(*PALETTE, "ink", "paper")).properties(width="container", height=300)
    named = [sums[len(sums) // 4]]
    return finish(chart, points=points, total=sums, named=named)


def _named(x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """The word "total" above its line, legible over whatever is behind."""
    base = alt.Chart(alt.NamedData("named")).encode(x=x, y=y.stack(None), text="series:N")
    return [
        base.mark_text(
            align="left",
            dx=5,
            dy=-7,
            fontWeight=600,
            fontSize=12,
            color=expression(tone),
            stroke=expression(tone),
            strokeWidth=width,
        )
        for tone, width in (("paper", 4), ("ink", 0))
    ]
