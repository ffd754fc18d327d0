"""Curves that share an axis, as the figures draw them: lines, bands, breaks where a value can't be drawn, rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import altair as alt

from sightline.report.figures.values import Band, log_ticks
from sightline.report.text import number
from sightline.report.vega import expression

MOST_DOTS = 40
"""Up to so many points, a curve shows each as a dot; with more, only the one pointed at."""

PALETTE = ("good", "third", "fourth", "bad", "train")
"""The theme's colours for curves, in their order; more curves than these take them again, dashed."""

DASHES = ([1, 0], [6, 3], [2, 2])

Row = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """An axis.

    Args:
        title: its words, with the unit.
        log: logarithmic.
        domain: from where to where; as the values ask where none is given.
        format: of its labels.
        ticks: their places; Vega's own, or powers of ten, where none are given.
        whole: only whole numbers are ticks.
        label: an expression for the labels' text.
        extent: width kept for the labels, in pixels, so that panels stand exactly below each other.
    """

    title: str | None
    log: bool = False
    domain: tuple[float, float] | None = None
    format: str | None = None
    ticks: Sequence[float] | None = None
    whole: bool = False
    label: str | None = None
    extent: int | None = None


def rows(x: Sequence[float], curves: Mapping[str, Sequence[float]], log: bool = False) -> tuple[list[Row], list[Row]]:
    """Points to draw, an empty one where a curve is interrupted; and where each interruption begins, in words.

    On a logarithmic axis a value of 0 or below interrupts too.

    Example:
        >>> points, breaks = rows([1, 2], {"a": [1.0, float("inf")]})
        >>> points[1]["value"], breaks[0]["words"], breaks[0]["x"]
        (None, 'a: ∞', 2)
    """
    points: list[Row] = []
    breaks: list[Row] = []
    for name, values in curves.items():
        whole = True
        for place, value in zip(x, values, strict=True):
            drawable = isfinite(value) and (value > 0 or not log)
            points.append({"x": place, "value": value if drawable else None, "series": name})
            if drawable and len(values) <= MOST_DOTS:
                points[-1]["dot"] = True
            if whole and not drawable:
                late = place > x[0] + 0.75 * (x[-1] - x[0])
                breaks.append({"x": place, "words": f"{name}: {number(value)}", "row": len(breaks) % 8, "late": late})
            whole = drawable
    return points, breaks


def band_rows(x: Sequence[float], bands: Mapping[str, Band], floor: float | None = None) -> list[Row]:
    """Edges of the bands where both are finite; on a logarithmic axis not below its floor."""
    found = []
    for name, band in bands.items():
        for place, low, high in zip(x, band.low, band.high, strict=True):
            drawable = isfinite(low) and isfinite(high) and (floor is None or high > floor)
            lower = max(low, floor) if floor is not None else low
            edges = {"low": lower, "high": high} if drawable else {"low": None, "high": None}
            found.append({"x": place, **edges, "series": name})
    return found


def horizontal(scale: Scale, values: Sequence[float]) -> alt.X:
    """The horizontal channel ``x``."""
    return alt.X("x:Q", title=scale.title, scale=_scale(scale, tight=True), axis=_axis(scale, values))


def vertical(scale: Scale, values: Sequence[float], field: str = "value") -> alt.Y:
    """The vertical channel ``value``."""
    return alt.Y(f"{field}:Q", title=scale.title, scale=_scale(scale, tight=False), axis=_axis(scale, values))


def colour(names: Sequence[str], partners: Mapping[str, str] | None = None) -> alt.Color:
    """A colour a curve; a partner has the colour of the curve it stands beside. Wants ``PALETTE`` of the theme."""
    own = [name for name in names if name not in (partners or {})]
    tone = {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(own)}
    tones = [expression(tone[(partners or {}).get(name, name)]) for name in names]
    return alt.Color("series:N", scale=alt.Scale(domain=list(names), range=tones), legend=_legend(names, partners))


def _legend(names: Sequence[str], partners: Mapping[str, str] | None = None) -> alt.Legend | None:
    if len(names) < 2:
        return None
    dashed = bool(partners) or len(names) > len(PALETTE)
    columns = expression(f"width < 480 ? {1 if max(map(len, names)) > 20 else 2} : {4 if len(names) != 6 else 3}")
    symbol: dict[str, Any] = {"symbolType": "stroke", "symbolSize": 260, "symbolStrokeWidth": 2} if dashed else {}
    return alt.Legend(values=list(names), title=None, columns=columns, symbolOpacity=1, columnPadding=14, **symbol)


def lines(
    names: Sequence[str],
    x: alt.X,
    y: alt.Y,
    tooltip: Sequence[alt.Tooltip],
    *,
    data: str = "points",
    partners: Mapping[str, str] | None = None,
) -> list[alt.Chart]:
    """A line a curve, and its points: dots where they are few, else only the nearest to the pointer.

    ``partners`` maps a curve to the one it stands beside: it takes that one's colour, dashed.
    """
    base = alt.Chart(alt.NamedData(data)).encode(x=x, y=y, color=colour(names, partners))
    nearest = alt.selection_point(
        name=f"nearest_{data}",
        nearest=True,
        on="pointerover",
        clear="pointerout",
        fields=["x", "series"],
        empty=False,
    )
    shown = alt.when(nearest).then(alt.value(1)).when("datum.dot").then(alt.value(0.8)).otherwise(alt.value(0))
    dots = base.transform_filter("isValid(datum.value)").mark_point(filled=True, size=32)
    mark = base.mark_line(interpolate="linear", strokeJoin="round", clip=True)
    if partners or len(names) > len(PALETTE):
        own = [name for name in names if name not in (partners or {})]
        place = {name: own.index(name) // len(PALETTE) for name in own}
        turn = [place[name] if name in place else place[(partners or {})[name]] + 1 for name in names]
        scale = alt.Scale(domain=list(names), range=[DASHES[one % len(DASHES)] for one in turn])
        mark = mark.encode(strokeDash=alt.StrokeDash("series:N", scale=scale, legend=_legend(names, partners)))
    return [mark, dots.encode(opacity=shown, tooltip=list(tooltip)).properties(name=f"dots_{data}").add_params(nearest)]


def bands(names: Sequence[str], x: alt.X, low: alt.Y, data: str = "bands") -> alt.Chart:
    """The area between the edges of each band, behind its curve."""
    area = alt.Chart(alt.NamedData(data)).mark_area(opacity=0.18, clip=True, line=False)
    drawn: alt.Chart = area.encode(x=x, y=low, y2="high:Q", color=colour(names))
    return drawn


def broken(x: alt.X, data: str = "breaks") -> list[alt.Chart]:
    """A dashed rule wherever a curve is interrupted, with its name and the value; wants the colour ``bad``."""
    rules = alt.Chart(alt.NamedData(data)).encode(
        x=x, tooltip=[alt.Tooltip("words:N", title="broken"), alt.Tooltip("x:Q", title="at", format="~g")]
    )
    words = rules.mark_text(
        y=expression("9 + 15 * datum.row"),
        dx=expression("datum.late ? -6 : 6"),
        align=expression("datum.late ? 'right' : 'left'"),
        fontWeight=600,
        color=expression("bad"),
    )
    return [rules.mark_rule(strokeDash=[4, 3], strokeWidth=1.5, color=expression("bad")), words.encode(text="words:N")]


def rule(
    channel: str, at: float, words: str, *, tone: str = "soft", align: Literal["left", "right"] = "left", dy: float = -6
) -> list[alt.Chart]:
    """A dashed line across the chart with a word on it; ``channel`` is "x" or "y"."""
    one = alt.Chart(alt.InlineData(values=[{"at": at, "words": words}]))
    mark = one.mark_rule(strokeDash=[5, 4], strokeWidth=1.25, color=expression(tone))
    text = one.mark_text(align=align, dx=6 if align == "left" else -6, dy=dy, fontSize=11, color=expression(tone))
    if channel == "x":
        return [mark.encode(x="at:Q"), text.encode(x="at:Q", y=alt.value(10), text="words:N")]
    return [
        mark.encode(y="at:Q"),
        text.encode(x=alt.value(0 if align == "left" else "width"), y="at:Q", text="words:N"),
    ]


def zone(channel: str, low: float, high: float, *, tone: str, opacity: float = 0.09) -> alt.Chart:
    """A tinted stretch of one axis."""
    one = alt.Chart(alt.InlineData(values=[{"low": low, "high": high}]))
    mark = one.mark_rect(color=expression(tone), opacity=opacity, clip=True)
    drawn: alt.Chart = mark.encode(x="low:Q", x2="high:Q") if channel == "x" else mark.encode(y="low:Q", y2="high:Q")
    return drawn


def values_of(curves: Mapping[str, Sequence[float]], log: bool = False) -> list[float]:
    """Every value that can be drawn."""
    return [v for values in curves.values() for v in values if isfinite(v) and (v > 0 or not log)]


def _axis(scale: Scale, values: Sequence[float]) -> alt.Axis:
    ticks = list(scale.ticks) if scale.ticks is not None else log_ticks(values) if scale.log else None
    options: dict[str, Any] = {"labelFlush": True} if scale.whole else {}
    if ticks is not None:
        options |= {"values": ticks, "tickCount": len(ticks)}  # with fewer asked for, a log axis drops every other
    if scale.whole:
        options["tickMinStep"] = 1
    if scale.label is not None:
        options["labelExpr"] = scale.label
    if scale.extent is not None:
        options["minExtent"] = options["maxExtent"] = scale.extent
    if scale.format or scale.log:
        wide = not scale.format and _wide(values)
        options["format"] = scale.format or (".0e" if wide else "~g")
        if wide:
            options["labelExpr"] = "datum.value == 1 ? '1' : replace(replace(datum.label, 'e+', 'e'), 'e-', 'e−')"
    return alt.Axis(**options)


def _wide(values: Sequence[float]) -> bool:
    """Whether powers of ten read better than decimals."""
    return max(values) >= 1e5 or min(v for v in values if v > 0) < 1e-4


def _scale(scale: Scale, tight: bool) -> alt.Scale:
    options: dict[str, Any] = {"type": "log"} if scale.log else {"zero": False}
    if scale.domain is not None:
        return alt.Scale(**options, domain=list(scale.domain), nice=False)
    return (
        alt.Scale(**options, nice=False)
        if tight
        else alt.Scale(**options, nice=not scale.log, padding=8 if scale.log else alt.Undefined)
    )
