"""Where the elbows of freshly drawn ReLU units stand: the density in closed form over the drawn ones."""

from collections.abc import Mapping, Sequence
from math import isfinite

import altair as alt

from sightline.core.errors import DataError
from sightline.report.figures.lines import PALETTE, Scale, horizontal, lines, rows, values_of, vertical, zone
from sightline.report.figures.values import curves, places
from sightline.report.vega import Spec, expression, finish, theme


def elbow_density(
    x: Sequence[float],
    densities: Mapping[str, Sequence[float]],
    edges: Sequence[float] = (),
    heights: Sequence[float] = (),
    interval: tuple[float, float] | None = None,
) -> Spec:
    """Densities as curves, a histogram of drawn elbows as bars behind them, the data's interval tinted.

    Args:
        x: places, in units of the input.
        densities: for each law its density at each place, per unit of x.
        edges: of the histogram's bars, one more than heights.
        heights: share of the elbows in each bar, divided by its width.
        interval: where the data lie.

    Raises:
        DataError: when lengths differ, a number is not finite, or there is nothing to draw.

    Lecture: F12

    Example:
        >>> spec = elbow_density([-1.0, 0.0, 1.0], {"Cauchy": [0.16, 0.32, 0.16]}, [-1, 0, 1], [0.25, 0.25])
        >>> len(spec["datasets"]["bars"])
        2
    """
    at = places(x, "x")
    found = curves(densities, len(at), "densities")
    bounds = places(edges, "edges") if len(edges) else []
    if len(heights) != max(0, len(bounds) - 1) or not all(isfinite(height) for height in heights):
        raise DataError(
            expected=f"{max(0, len(bounds) - 1)} finite heights, one between each two edges",
            found=f"{len(heights)} heights",
            do="give one edge more than heights",
        )
    bars = [
        {"left": left, "right": right, "height": float(height)}
        for left, right, height in zip(bounds[:-1], bounds[1:], heights, strict=True)
    ]
    points, _ = rows(at, found)
    top = max([*values_of(found), *(bar["height"] for bar in bars)])
    across = horizontal(Scale("elbow −b/w (in units of the input x)", domain=(min(at), max(at))), at)
    y = vertical(Scale("density (per unit of x)", domain=(0, 1.04 * top)), [])
    tooltip = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", title="density", format=".4~g"),
        alt.Tooltip("x:Q", title="elbow", format=".4~g"),
    ]
    layers: list[alt.Chart] = []
    if interval is not None:
        low, high = places(interval, "interval")
        start = alt.Chart(alt.InlineData(values=[{"at": low, "words": "data"}]))
        text = start.mark_text(fontSize=11, align="left", dx=5, color=expression("fourth"))
        word = text.encode(x="at:Q", y=alt.value(10), text="words:N")
        layers += [zone("x", low, high, tone="fourth", opacity=0.12), word]
    if bars:
        drawn = alt.Chart(alt.NamedData("bars")).mark_bar(
            color=expression("train"), opacity=0.45, clip=True, binSpacing=1
        )
        layers.append(
            drawn.encode(
                x=alt.X("left:Q", bin="binned"),
                x2="right:Q",
                y="height:Q",
                tooltip=[
                    alt.Tooltip("left:Q", title="from", format=".3~g"),
                    alt.Tooltip("right:Q", title="to", format=".3~g"),
                    alt.Tooltip("height:Q", title="drawn elbows, density", format=".4~g"),
                ],
            )
        )
    layers += lines(list(found), across, y, tooltip)
    chart = alt.layer(*layers).add_params(*theme(*PALETTE)).properties(width="container", height=260)
    return finish(chart, points=points, bars=bars)
