"""Where momentum converges, and how fast: the spectral radius over rate and momentum."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

import altair as alt

from sightline.core.errors import DataError
from sightline.report.figures.values import places
from sightline.report.vega import Spec, expression, finish, theme

LEVELS = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Upper ends of the steps in which the stable radii are shown; the smaller the deeper."""

DIVERGES, PALE, TONES = 10, 6.2, ("good", "paper", "bad")
"""Step k has the colour at k between good (0) and paper (PALE); what diverges, the one halfway from paper to bad."""


def stability_region(
    rates: Sequence[float],
    momenta: Sequence[float],
    radii: Sequence[Sequence[float]],
    boundary: Sequence[tuple[float, float]] = (),
    marked: Mapping[str, tuple[float, float]] | None = None,
    x_title: str = "rate × curvature η·2σ²",
    y_title: str = "momentum m",
) -> Spec:
    """A heat map of the spectral radius ρ, in steps; red where ρ > 1 and the iteration diverges.

    Args:
        rates: places along the horizontal axis, rising, two or more.
        momenta: places along the vertical axis, rising, two or more.
        radii: ρ, one row a momentum and in it one value a rate, ≥ 0.
        boundary: points of the curve ρ = 1.
        marked: named points, such as the optimum.
        x_title: what the rates are, with their unit.
        y_title: what the momenta are.

    Raises:
        DataError: when places do not rise, the grid has another shape, or a radius is not finite.

    Source: Polyak 1964; Goh 2017, Why momentum really works.

    Lecture: O3

    Example:
        >>> spec = stability_region([1.0, 3.0], [0.0, 0.5], [[0.0, 2.0], [0.7, 1.2]])
        >>> [cell["radius"] for cell in spec["datasets"]["cells"]]
        [0.0, 2.0, 0.7, 1.2]
    """
    across, up = _edges(rates, "rates"), _edges(momenta, "momenta")
    values = [[float(radius) for radius in row] for row in radii]
    flat = [radius for row in values for radius in row]
    if [len(row) for row in values] != [len(rates)] * len(momenta) or not all(isfinite(r) and r >= 0 for r in flat):
        raise DataError(
            expected=f"{len(momenta)} rows (momenta) of {len(rates)} finite radii (rates), 0 or more",
            found=f"rows of {sorted({len(row) for row in values})} radii, {len(values)} of them",
            do="give one radius for each pair of momentum and rate",
        )
    cells = [{"i": i, "j": j, "radius": round(r, 4)} for j, row in enumerate(values) for i, r in enumerate(row)]
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(domain=[across[0], across[-1]], nice=False))
    y = alt.Y("y:Q", title=y_title, scale=alt.Scale(domain=[up[0], up[-1]], nice=False))
    names = ["≤ 0.5", *(f"≤ {level:g}" for level in LEVELS[1:-1]), "< 1", "diverges"]
    level = "".join(f"datum.radius <= {level} ? {k} : " for k, level in enumerate(LEVELS)) + str(DIVERGES)
    tooltip = [
        alt.Tooltip("radius:Q", title="spectral radius ρ", format=".3~f"),
        alt.Tooltip("rate:Q", title=x_title, format=".3~f"),
        alt.Tooltip("momentum:Q", title=y_title, format=".3~f"),
    ]
    legend = alt.Legend(
        type="symbol",
        symbolType="square",
        symbolStrokeWidth=0,
        symbolSize=140,
        values=[*range(len(LEVELS)), DIVERGES],
        labelExpr=f"{names}[datum.value > {len(LEVELS)} ? {len(LEVELS)} : datum.value]",
        columns=expression("width < 480 ? 4 : 7"),
        title="spectral radius ρ, the factor per step",
        titleFontWeight=400,
        titleLimit=400,
    )
    depth = alt.Scale(
        type="linear",
        interpolate="rgb",
        domain=[0, PALE, PALE + 2 * (DIVERGES - PALE)],
        range=list(map(expression, TONES)),
    )
    heat = (
        alt.Chart(alt.NamedData("cells"))
        .transform_calculate(
            x="across[datum.i]",
            x2="across[datum.i + 1]",
            y="up[datum.j]",
            y2="up[datum.j + 1]",
            rate="(datum.x + datum.x2) / 2",
            momentum="(datum.y + datum.y2) / 2",
            level=level,
        )
        .mark_rect(clip=True, opacity=1, x2Offset=0.8, yOffset=0.8)
        .encode(x=x, x2="x2:Q", y=y, y2="y2:Q", tooltip=tooltip, fill=alt.Fill("level:Q", scale=depth, legend=legend))
    )
    layers: list[alt.Chart] = [heat]
    if len(boundary):
        line = [{"x": place, "y": height, "order": k} for k, (place, height) in enumerate(boundary)]
        places([entry[key] for entry in line for key in ("x", "y")], "boundary")
        curve = alt.Chart(alt.InlineData(values=line)).mark_line(color=expression("ink"), strokeWidth=1.75, clip=True)
        layers.append(curve.encode(x="x:Q", y="y:Q", order="order:Q"))
    if marked:
        layers += _marks(marked, across)
    chart = alt.layer(*layers).add_params(
        alt.param(name="across", value=across), alt.param(name="up", value=up), *theme("good", "bad", "ink", "paper")
    )
    return finish(chart.properties(width="container", height=340), cells=cells)


def _marks(marked: Mapping[str, tuple[float, float]], across: Sequence[float]) -> list[alt.Chart]:
    """A ringed dot with its name at each marked point; the name on the side where there is room."""
    places([value for pair in marked.values() for value in pair], "marked points")
    middle = (across[0] + across[-1]) / 2
    found = [{"x": x, "y": y, "name": name, "left": x > middle} for name, (x, y) in marked.items()]
    base = alt.Chart(alt.InlineData(values=found)).encode(x="x:Q", y="y:Q", tooltip=["name:N", "x:Q", "y:Q"])
    dot = base.mark_point(
        filled=True, size=80, opacity=1, color=expression("ink"), stroke=expression("paper"), strokeWidth=2
    )
    layers = [dot]
    for left in (False, True):
        text: dict[str, Any] = {
            "align": "right" if left else "left",
            "dx": -9 if left else 9,
            "fontWeight": 600,
            "fontSize": 12,
        }
        halo = base.transform_filter(f"datum.left == {str(left).lower()}").encode(text="name:N")
        layers.append(
            halo.mark_text(**text, color=expression("paper"), stroke=expression("paper"), strokeWidth=4, opacity=0.8)
        )
        layers.append(halo.mark_text(**text, color=expression("ink")))
    return layers


def _edges(centres: Sequence[float], name: str) -> list[float]:
    """Edges of the cells around rising centres: halfway between them, the outer ones as far outside.

    Example:
        >>> _edges([0.0, 1.0, 3.0], "rates")
        [-0.5, 0.5, 2.0, 4.0]
    """
    found = places(centres, name)
    if len(found) < 2 or any(b <= a for a, b in pairwise(found)):
        raise DataError(
            expected=f"two or more {name}, rising",
            found=f"{len(found)} of them" + (", not rising" if len(found) > 1 else ""),
            do=f"sort the {name} and leave out those that repeat",
        )
    between = [(a + b) / 2 for a, b in pairwise(found)]
    return [found[0] - (between[0] - found[0]), *between, found[-1] + (found[-1] - between[-1])]
