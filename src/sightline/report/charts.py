"""The report's charts: one function a chart, each giving a Vega-Lite specification.

Colours are left to the page, which knows light from dark: a chart uses the theme's category colours, or
the parameters ``ink``, ``paper``, ``good`` and ``bad`` that the page's script fills in before it draws.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from sightline.report.curves import Series
from sightline.report.vega import Spec, decades, expression, finish, theme

MOST_LABELLED = 16
"""Up to so many classes, the confusion matrix writes its counts into the cells."""

MOST_DOTS = 40
"""Up to so many points, a curve shows each as a dot; with more, only the one pointed at."""

_EXAMPLES = alt.Tooltip("n:Q", title="examples", format=",")


def curve(
    drawn: Sequence[Series],
    *,
    log: bool = False,
    percent: bool = False,
    first_colour: int = 0,
    nats: bool = False,
    bits_per_nat: float | None = None,
) -> Spec:
    """Values against updates, one line a series, with a dashed rule wherever a value was not finite.

    Args:
        drawn: the series; at least one must have points.
        log: logarithmic vertical axis.
        percent: the values are shares.
        first_colour: place of the first series in the theme's list of colours.
        nats: the values are nats: an axis at the right has their exponentials, the perplexities.
        bits_per_nat: told with each point, where there are bits a byte.
    """
    names = [one.name for one in drawn]
    points = [{**point, "series": one.name} for one in drawn for point in _with_gaps(one)]
    breaks = [{**point, "series": one.name, "first": point is one.breaks[0]} for one in drawn for point in one.breaks]
    domain = [f"unused {i}" for i in range(first_colour)] + names
    legend = alt.Legend(values=names, title=None) if len(names) > 1 else None
    large = any(abs(point["value"]) >= 1e4 for one in drawn for point in one.points)
    numbers = "~%" if percent else "~s" if large else "~g" if log else ".4~g"
    ticks = decades([point["value"] for one in drawn for point in one.points]) if log else []
    fixed: dict[str, Any] = (
        {"values": ticks, "tickCount": len(ticks)} if log else {}
    )  # asked for fewer, it drops every other
    base = alt.Chart(alt.NamedData("points")).encode(
        x=alt.X("step:Q", title="update", scale=alt.Scale(nice=False)),
        y=alt.Y("value:Q", title=None, scale=_scale(log), axis=alt.Axis(format=numbers, **fixed)),
        color=alt.Color("series:N", scale=alt.Scale(domain=domain), legend=legend),
    )
    nearest = alt.selection_point(
        name="nearest",
        nearest=True,
        on="pointerover",
        clear="pointerout",
        fields=["step", "series"],
        empty=False,
    )
    shown = alt.when(nearest).then(alt.value(1)).when("datum.dot").then(alt.value(0.8)).otherwise(alt.value(0))
    dots = (
        base.transform_filter("isValid(datum.value)")
        .mark_point(filled=True, size=38)
        .encode(
            opacity=shown,
            **({"y": alt.Y("value:Q", scale=_scale(log), axis=None)} if nats else {}),  # one axis at the left is enough
            tooltip=_curve_tooltip(points, percent) + _text_tooltip(nats, bits_per_nat),
        )
        .properties(name="dots")
        .add_params(nearest)
    )
    layers: list[alt.Chart] = [base.mark_line(interpolate="linear", strokeJoin="round"), dots]
    if breaks:
        rules = alt.Chart(alt.NamedData("breaks")).encode(
            x="step:Q",
            tooltip=[
                alt.Tooltip("series:N", title="of"),
                alt.Tooltip("value:N"),
                alt.Tooltip("step:Q", title="update", format=","),
            ],
        )
        mark = rules.mark_rule(strokeDash=[4, 3], strokeWidth=1.5, color=expression("bad"))
        words = rules.mark_text(y=0, dy=8, dx=5, align="left", fontWeight=600, color=expression("bad"))
        strength = alt.when("datum.first").then(alt.value(1)).otherwise(alt.value(0.2))
        layers += [
            mark.encode(opacity=strength),
            words.encode(text="value:N").transform_filter("datum.first"),
        ]
    if nats:
        layers = [_with_tellings(layer, bits_per_nat) for layer in layers]
        layers = [*layers, _perplexities(base, log, fixed)]
    chart = alt.layer(*layers).add_params(*theme("bad"))
    if nats:
        chart = chart.resolve_axis(y="independent")
    return finish(chart.properties(width="container", height=220), points=points, breaks=breaks)


def _perplexities(base: alt.Chart, log: bool, ticks: Mapping[str, Any]) -> alt.Chart:
    """An axis at the right whose labels are the exponentials of the nats at the left."""
    words = "format(exp(datum.value), exp(datum.value) < 1e5 ? '.3~r' : '.1e')"
    axis = alt.Axis(orient="right", labelExpr=words, title="perplexity", titlePadding=16, grid=False, **ticks)
    drawn: alt.Chart = base.mark_line(opacity=0).encode(y=alt.Y("value:Q", scale=_scale(log), axis=axis))
    return drawn


def _with_tellings(layer: alt.Chart, bits_per_nat: float | None) -> alt.Chart:
    """What each point comes to on the other scales."""
    told: alt.Chart = layer.transform_calculate(
        perplexity="exp(datum.value)", bits=f"datum.value * {bits_per_nat or 0.0:.6g}"
    )
    return told


def _text_tooltip(nats: bool, bits_per_nat: float | None) -> list[alt.Tooltip]:
    told = [alt.Tooltip("perplexity:Q", format=".4~g")] if nats else []
    return told + ([alt.Tooltip("bits:Q", title="bits a byte", format=".3~f")] if bits_per_nat else [])


def confusion(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Spec:
    """The confusion matrix as a square heat map: rows true, columns predicted, depth the share of the row."""
    totals = [sum(row) for row in counts]
    cells = [{"t": t, "p": p, "n": n} for t, row in enumerate(counts) for p, n in enumerate(row) if n]
    places = list(range(len(classes)))
    flat = len(classes) <= 20 and max(map(len, classes)) <= 3
    base = (
        alt.Chart(alt.NamedData("cells"))
        .transform_calculate(
            share="datum.n / totals[datum.t]",
            true="names[datum.t]",
            predicted="names[datum.p]",
            depth="0.1 + 0.9 * sqrt(datum.share)",
        )
        .encode(
            x=alt.X("p:O", title="predicted", scale=alt.Scale(domain=places), axis=_class_axis(0 if flat else -90)),
            y=alt.Y("t:O", title="true", scale=alt.Scale(domain=places), axis=_class_axis(0)),
            tooltip=[
                alt.Tooltip("true:N"),
                alt.Tooltip("predicted:N"),
                _EXAMPLES,
                alt.Tooltip("share:Q", title="share of the true class", format=".1%"),
            ],
        )
    )
    layers = [
        base.mark_rect(
            fill=expression("datum.t == datum.p ? good : bad"),
            fillOpacity=expression("datum.depth"),
            cornerRadius=2 if len(classes) <= 40 else 0,
        )
    ]
    if len(classes) <= MOST_LABELLED:
        text = base.mark_text(fontSize=expression("cell > 34 ? 12 : 9"), opacity=expression("cell > 20 ? 1 : 0"))
        layers.append(text.encode(text="n:Q", color=alt.value(expression("datum.depth > 0.6 ? paper : ink"))))
    chart = alt.layer(*layers).add_params(
        alt.param(name="names", value=list(classes)),
        alt.param(name="totals", value=totals),
        *theme("good", "bad", "ink", "paper"),
        alt.param(name="cell", value=40),
    )
    chart = chart.properties(width="container", height=400, usermeta={"square": True, "across": len(classes)})
    return finish(chart, cells=cells)


def scatter(pairs: Sequence[tuple[float, float]], unit: str) -> Spec:
    """Predictions against targets with the diagonal where both agree.

    Args:
        pairs: (target, prediction), finite.
        unit: what the target is called.
    """
    low, high = min(min(pair) for pair in pairs), max(max(pair) for pair in pairs)
    scale = alt.Scale(domain=[low, high], nice=True, zero=False)
    points = [{"target": target, "prediction": prediction} for target, prediction in pairs]
    dots = (
        alt.Chart(alt.NamedData("points"))
        .mark_circle(size=34, opacity=0.55, color=expression("good"))
        .encode(
            x=alt.X("target:Q", title=f"true {unit}".strip(), scale=scale),
            y=alt.Y("prediction:Q", title=f"predicted {unit}".strip(), scale=scale),
            tooltip=[alt.Tooltip("target:Q", format=".4~g"), alt.Tooltip("prediction:Q", format=".4~g")],
        )
    )
    line = alt.Chart(alt.NamedData("diagonal")).mark_line(strokeDash=[4, 4], strokeWidth=1.25, color=expression("ink"))
    line = line.encode(x=alt.X("target:Q", scale=scale), y=alt.Y("prediction:Q", scale=scale))
    chart = alt.layer(line, dots).add_params(*theme("good", "ink"))
    chart = chart.properties(width="container", height=400, usermeta={"square": True, "across": 1})
    diagonal = [{"target": v, "prediction": v} for v in (low, high)]
    return finish(chart, points=points, diagonal=diagonal)


def balance(counts: Mapping[str, Mapping[str, int]]) -> Spec:
    """Examples of each class, stacked by split."""
    classes = list(dict.fromkeys(name for split in counts.values() for name in split))
    bars = [{"split": s, "class": c, "n": n} for s, split in counts.items() for c, n in split.items()]
    many = len(classes) > 40
    chart = (
        alt.Chart(alt.NamedData("bars"))
        .mark_bar(cornerRadius=0 if many else 2)
        .encode(
            y=alt.Y(
                "class:N",
                sort=classes,
                title=None,
                axis=alt.Axis(labels=not many, ticks=False, domain=False, labelLimit=110),
            ),
            x=alt.X("n:Q", title="examples", stack="zero", axis=alt.Axis(format="~s", tickCount=5)),
            color=alt.Color("split:N", sort=list(counts), scale=alt.Scale(domain=list(counts)), title=None),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("class:N"),
                alt.Tooltip("split:N"),
                _EXAMPLES,
            ],
        )
        .transform_calculate(rank="indexof(splits, datum.split)")
        .add_params(alt.param(name="splits", value=list(counts)))
        .properties(width="container", height=len(classes) * (5 if many else 22))
    )
    return finish(chart, bars=bars)


def _with_gaps(one: Series) -> list[Mapping[str, Any]]:
    """The points, marked as dots where they are few, and an empty value at each break to interrupt the line."""
    gaps = [{"step": point["step"], "value": None} for point in one.breaks]
    dot = {"dot": True} if len(one.points) <= MOST_DOTS else {}
    return sorted([*({**point, **dot} for point in one.points), *gaps], key=lambda point: point["step"])


def _scale(log: bool) -> alt.Scale:
    return alt.Scale(type="log", nice=False, padding=8) if log else alt.Scale(zero=False, nice=True)


def _class_axis(angle: int) -> alt.Axis:
    """Class names along the confusion matrix, as many as there is room for."""
    return alt.Axis(
        labelExpr="names[datum.value]",
        labelOverlap="greedy",
        labelLimit=84,
        labelAngle=angle,
        domain=False,
        ticks=False,
        grid=False,
    )


def _curve_tooltip(points: Sequence[Mapping[str, Any]], percent: bool) -> list[alt.Tooltip]:
    shown = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", format=".2%" if percent else ".4~g"),
        alt.Tooltip("step:Q", title="update", format=","),
    ]
    if any("epoch" in point for point in points):
        shown.append(alt.Tooltip("epoch:Q", format=".3~f"))
    if any("seconds" in point for point in points):
        shown.append(alt.Tooltip("seconds:Q", format=",.1f"))
    return shown
