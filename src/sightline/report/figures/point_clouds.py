"""Clouds of points in a plane, one colour a cloud, with marks where they should be."""

from collections.abc import Mapping, Sequence

import altair as alt

from sightline.core.errors import DataError
from sightline.report.figures.lines import PALETTE, colour
from sightline.report.figures.values import places
from sightline.report.vega import Spec, expression, finish, theme

Point = tuple[float, float]

HEIGHT = 420


def point_clouds(
    clouds: Mapping[str, Sequence[Point]],
    marks: Sequence[Point],
    axes: tuple[str, str] = ("first axis", "second axis"),
    marked: str = "centre of a mode",
) -> Spec:
    """Points as dots in the colour of their cloud; crosses at the marks.

    Args:
        clouds: the points of each, at most as many clouds as there are colours; later ones are drawn on top.
        marks: the places to compare with, at least one.
        axes: titles of the two axes.
        marked: what a mark is.

    Raises:
        DataError: when a number is not finite, or there is nothing to draw or too much.

    Lecture: X4, X6

    Example:
        >>> spec = point_clouds({"made": [(0.0, 1.0)]}, [(0.0, 0.9)])
        >>> spec["datasets"]["dots"][0]["series"]
        'made'
    """
    found = {name: [places(point, f"points of '{name}'") for point in given] for name, given in clouds.items()}
    crosses = [places(point, "the marks") for point in marks]
    if not any(found.values()) or len(found) > len(PALETTE) or not crosses:
        raise DataError(
            expected=f"1 to {len(PALETTE)} clouds with a point among them, and a mark",
            found=f"{len(found)} clouds, {sum(map(len, found.values())):,} points, {len(crosses):,} marks",
            do="give what is to be drawn",
        )
    dots = [{"x": x, "y": y, "series": name} for name, given in found.items() for x, y in given]
    scale = alt.Scale(zero=False, padding=14, nice=False)
    across = alt.X("x:Q", title=axes[0], scale=scale, axis=alt.Axis(tickCount=6))
    up = alt.Y("y:Q", title=axes[1], scale=scale, axis=alt.Axis(grid=False, tickCount=6))
    place = [alt.Tooltip("x:Q", title=axes[0], format=".4~g"), alt.Tooltip("y:Q", title=axes[1], format=".4~g")]
    dot = alt.Chart(alt.NamedData("dots")).mark_point(filled=True, size=14, opacity=0.5)
    cross = alt.Chart(alt.NamedData("marks")).mark_point(
        filled=True, shape="cross", size=60, opacity=0.9, color=expression("ink"), tooltip={"content": "data"}
    )
    layers = [
        dot.encode(x=across, y=up, color=colour(list(found)), tooltip=[alt.Tooltip("series:N", title="of"), *place]),
        cross.encode(x=across, y=up, tooltip=[alt.Tooltip("what:N", title="mark"), *place]),
    ]
    chart = alt.layer(*layers).add_params(*theme(*PALETTE, "ink", "paper"))
    return finish(
        chart.properties(width="container", height=HEIGHT),
        dots=dots,
        marks=[{"x": x, "y": y, "what": marked} for x, y in crosses],
    )
