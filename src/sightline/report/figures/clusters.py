"""Points in a plane, coloured by their cluster, with the centres that several methods found."""

from collections.abc import Mapping, Sequence

import altair as alt

from sightline.core.errors import DataError
from sightline.report.figures.values import places
from sightline.report.vega import Spec, expression, finish, theme

Point = tuple[float, float]

SHAPES = ("cross", "diamond", "triangle-up", "square", "triangle-down", "circle")
"""Of the centres, by method."""

TONES = ("good", "third", "fourth", "bad", "train")
"""Colours of the clusters; they come round again."""

HEIGHT = 380


def clusters(
    points: Sequence[Point],
    labels: Sequence[int],
    centres: Mapping[str, Sequence[Point]],
    axes: tuple[str, str] = ("first axis", "second axis"),
) -> Spec:
    """Points as dots in the colour of their cluster, and the centres of each method as marks of one shape.

    Args:
        points: the points in the plane, at least one.
        labels: the cluster of each, from 0 on.
        centres: for each method the centres it found, at most six methods.
        axes: titles of the two axes.

    Raises:
        DataError: when lengths differ, a number is not finite, or there is nothing to draw.

    Lecture: A4

    Example:
        >>> spec = clusters([(0.0, 1.0), (5.0, 1.0)], [0, 1], {"Lloyd": [(0.0, 1.0), (5.0, 1.0)]})
        >>> len(spec["datasets"]["centres"])
        2
    """
    known = [places(point, "the points") for point in points]
    found = {name: [places(centre, f"centres of '{name}'") for centre in given] for name, given in centres.items()}
    if not known or len(labels) != len(known) or not 1 <= len(found) <= len(SHAPES):
        raise DataError(
            expected=f"one label a point, one point or more, and 1 to {len(SHAPES)} methods with their centres",
            found=f"{len(known):,} points, {len(labels):,} labels, {len(found)} methods",
            do="give what is to be drawn",
        )
    dots = [
        {"x": x, "y": y, "tone": label % len(TONES), "cluster": label + 1}
        for (x, y), label in zip(known, labels, strict=True)
    ]
    marks = [{"x": x, "y": y, "series": name} for name, given in found.items() for x, y in given]
    scale = alt.Scale(zero=False, padding=14, nice=False)
    across = alt.X("x:Q", title=axes[0], scale=scale, axis=alt.Axis(tickCount=6))
    up = alt.Y("y:Q", title=axes[1], scale=scale, axis=alt.Axis(grid=False, tickCount=6))
    colour = alt.Color(
        "tone:O", scale=alt.Scale(domain=list(range(len(TONES))), range=[expression(t) for t in TONES]), legend=None
    )
    place = [alt.Tooltip("x:Q", title=axes[0], format=".4~g"), alt.Tooltip("y:Q", title=axes[1], format=".4~g")]
    size = 26 if len(dots) <= 500 else 9
    dot = alt.Chart(alt.NamedData("dots")).mark_point(filled=True, size=size, opacity=0.55)
    base = alt.Chart(alt.NamedData("centres")).mark_point(
        filled=True, size=120, opacity=0.95, color=expression("ink"), stroke=expression("paper"), strokeWidth=1
    )
    shape = alt.Shape("series:N", title=None, scale=alt.Scale(domain=list(found), range=list(SHAPES[: len(found)])))
    layers = [
        dot.encode(x=across, y=up, color=colour, tooltip=[alt.Tooltip("cluster:O", title="cluster"), *place]),
        base.encode(x=across, y=up, shape=shape, tooltip=[alt.Tooltip("series:N", title="centre by"), *place]),
    ]
    chart = alt.layer(*layers).add_params(*theme(*TONES, "ink", "paper"))
    return finish(chart.properties(width="container", height=HEIGHT), dots=dots, centres=marks)
