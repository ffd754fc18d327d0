"""A number of every layer at every step looked at, as a heat map."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, floor, isfinite, log10
from typing import Any, Literal

import altair as alt

from sightline.core.errors import DataError
from sightline.report.text import number
from sightline.report.vega import Spec, expression, finish, theme

LONGEST_NAME = 28
"""Letters of a layer's name that stand at the left; of longer ones the end."""

ROW, FEW_ROW, FEW = 17, 26, 8
"""Height of a layer, in pixels; of each of a few; how many those are."""

UPDATES = (-6.0, -4.0, -2.0, 0.0)
"""log₁₀ of an update over its weight: vanishing, the usual between the next two, as large as the weight itself."""

Kind = Literal["update", "gradient", "share"]


def layers_over_time(
    steps: Sequence[int], values: Mapping[str, Sequence[float | None]], kind: Kind, word: str = ""
) -> Spec:
    """Layers downwards by depth, looks to the right in their order, the number as a colour.

    Args:
        steps: of the looks, rising; they need not be evenly spaced.
        values: by layer, one a look; none where there was nothing to measure. NaN and infinity are marked by a cross.
        kind: "update": norms of updates over weights, log₁₀ from −6 (blue) over the usual −4 to −2 (pale) to 0 (red);
            "gradient": norms over weights on a logarithmic scale; "share": from 0 to 1.
        word: what the number is, for the pointer.

    Raises:
        DataError: when there is nothing finite to draw, or a layer has another number of values than there are steps.

    Lecture: U1, U7

    Example:
        >>> spec = layers_over_time([0, 9], {"fc": [1e-3, None]}, "update")
        >>> spec["datasets"]["cells"]
        [{'layer': 0, 'look': 0, 'step': 0, 'told': '0.001', 'colour': -3.0}]
    """
    cells: list[dict[str, Any]] = []
    for layer, (name, row) in enumerate(values.items()):
        if len(row) != len(steps):
            raise DataError(
                expected=f"{len(steps)} values of '{name}', one a look", found=f"{len(row)}", do="give one for each"
            )
        for look, (step, value) in enumerate(zip(steps, row, strict=True)):
            if value is not None:
                told = number(float(value), 3)
                cells.append({"layer": layer, "look": look, "step": step, "told": told, "colour": _height(value, kind)})
    heights = [cell["colour"] for cell in cells if cell["colour"] is not None]
    if not heights:
        raise DataError(expected="a value to draw", found="none that is finite", do="draw it when there is one")
    top = ceil(max(heights))
    ends = {"update": UPDATES, "gradient": (max(floor(min(heights)), top - 8), top), "share": (0.0, 1.0)}[kind]
    tones = {"update": ("good", "wash", "wash", "bad"), "gradient": ("wash", "good"), "share": ("wash", "bad")}[kind]
    names = layer_names(values)
    base = (
        alt.Chart(alt.NamedData("cells"))
        .transform_calculate(name="names[datum.layer]")
        .encode(
            x=alt.X("look:O", title="update", scale=alt.Scale(domain=list(range(len(steps)))), axis=_looks()),
            y=alt.Y("layer:O", title=None, scale=alt.Scale(domain=list(range(len(names)))), axis=layer_axis()),
            tooltip=[
                alt.Tooltip("name:N", title="layer"),
                alt.Tooltip("step:Q", title="update", format=","),
                alt.Tooltip("told:N", title=word or kind),
            ],
        )
    )
    scale = alt.Scale(domain=list(ends), range=[expression(tone) for tone in tones], clamp=True, interpolate="rgb")
    heat = (
        base.transform_filter("isValid(datum.colour)")
        .mark_rect()
        .encode(color=alt.Color("colour:Q", scale=scale, legend=_legend(kind, ends)))
    )
    crosses = base.transform_filter("!isValid(datum.colour)").mark_text(
        text="×", fontWeight=700, color=expression("bad")
    )
    chart = (
        alt.layer(heat, crosses)
        .add_params(
            alt.param(name="names", value=names),
            alt.param(name="steps", value=list(steps)),
            *theme("good", "wash", "bad"),
        )
        .properties(width="container", height=layer_height(len(names)))
    )
    return finish(chart, cells=cells)


def _height(value: float, kind: Kind) -> float | None:
    """Where on the colour scale."""
    if not isfinite(value):
        return None
    return float(value) if kind == "share" else round(log10(max(value, 1e-12)), 3)


def _legend(kind: Kind, ends: Sequence[float]) -> alt.Legend:
    """The colours' meaning; logarithms are told as powers of ten."""
    every = max(1, ceil((ends[-1] - ends[0]) / 4))
    ticks = [0.0, 0.5, 1.0] if kind == "share" else list(range(int(ends[0]), int(ends[-1]) + 1, every))
    words: dict[str, Any] = {"format": "%"} if kind == "share" else {"labelExpr": _POWER}
    return alt.Legend(title=None, orient="top", gradientLength=180, gradientThickness=9, values=ticks, **words)


_POWER = "datum.value == 0 ? '1' : '1e' + format(datum.value, '~g')"


def _looks() -> alt.Axis:
    return alt.Axis(
        labelExpr="format(steps[datum.value], ',')", labelOverlap="greedy", labelAngle=0, labelFlush=True, domain=False
    )


def layer_names(names: Iterable[str]) -> list[str]:
    """Names that are not too long; of longer ones the end."""
    return [name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}" for name in names]


def layer_height(count: int) -> int:
    """Of so many layers, in pixels."""
    return (FEW_ROW if count <= FEW else ROW) * count


def layer_axis() -> alt.Axis:
    """Names at the left, as the parameter ``names`` has them."""
    return alt.Axis(
        labelExpr="names[datum.value]",
        labelLimit=expression("width < 420 ? 96 : 200"),
        labelOverlap="greedy",
        grid=False,
    )
