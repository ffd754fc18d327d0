"""Singular values of every layer's weights, as a heat map."""

from collections.abc import Mapping, Sequence
from math import isfinite, log10

import altair as alt

from sightline.core.errors import DataError
from sightline.report.figures.layers_over_time import layer_axis, layer_height, layer_names
from sightline.report.text import number
from sightline.report.vega import Spec, expression, finish, theme

LOWEST = -2.0
"""log₁₀ of a singular value over the largest, at which the colour ends."""

CELLS = 40
"""Cells of a row: each singular value's share of the width, whatever their number."""


def spectra(sigma: Mapping[str, Sequence[float]]) -> Spec:
    """Layers downwards by depth, singular values to the right from the largest, colour σ/σ₁ down to 10⁻².

    Args:
        sigma: by layer, the largest first, evenly spread over the spectrum.

    Raises:
        DataError: for a layer without a value, or one that is not finite.

    Lecture: U2

    Example:
        >>> spec = spectra({"fc": [2.0, 0.2]})
        >>> spec["datasets"]["cells"][-1]["colour"], spec["datasets"]["cells"][-1]["told"]
        (-1.0, '0.2')
    """
    if not sigma or any(not row or not all(isfinite(value) for value in row) for row in sigma.values()):
        raise DataError(
            expected="finite singular values of a layer or more", found="none, or NaN", do="leave such a layer out"
        )
    cells = []
    for layer, row in enumerate(sigma.values()):
        first = max(row[0], 1e-300)
        for place in range(CELLS):
            index = round(place * (len(row) - 1) / (CELLS - 1))
            height = max(LOWEST, log10(max(row[index] / first, 1e-12)))
            cells.append({"layer": layer, "place": place, "told": number(row[index], 3), "colour": round(height, 3)})
    names = layer_names(sigma)
    scale = alt.Scale(domain=[LOWEST, 0], range=[expression("wash"), expression("good")], clamp=True, interpolate="rgb")
    legend = alt.Legend(
        title=None,
        orient="top",
        gradientLength=180,
        gradientThickness=9,
        values=[-2, -1, 0],
        labelExpr="datum.value == 0 ? 'σ₁' : 'σ₁ · 1e' + format(datum.value, '~g')",
    )
    chart = (
        alt.Chart(alt.NamedData("cells"))
        .transform_calculate(name="names[datum.layer]")
        .mark_rect()
        .encode(
            x=alt.X(
                "place:O",
                title="place in the spectrum",
                scale=alt.Scale(domain=list(range(CELLS))),
                axis=alt.Axis(
                    values=[0, CELLS - 1],
                    labelExpr="datum.value == 0 ? 'largest' : 'smallest'",
                    labelAngle=0,
                    labelFlush=True,
                    domain=False,
                ),
            ),
            y=alt.Y("layer:O", title=None, scale=alt.Scale(domain=list(range(len(names)))), axis=layer_axis()),
            color=alt.Color("colour:Q", scale=scale, legend=legend),
            tooltip=[alt.Tooltip("name:N", title="weights"), alt.Tooltip("told:N", title="singular value")],
        )
        .add_params(alt.param(name="names", value=names), *theme("good", "wash"))
        .properties(width="container", height=layer_height(len(names)))
    )
    return finish(chart, cells=cells)
