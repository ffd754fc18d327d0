"""What is left of a signal's variance after each layer, beside the stretch where it is kept within a factor of two."""

from collections.abc import Mapping, Sequence

import altair as alt

from sightline.report.figures.lines import (
    PALETTE,
    Scale,
    band_rows,
    bands,
    broken,
    horizontal,
    lines,
    rows,
    values_of,
    vertical,
    zone,
)
from sightline.report.figures.values import Band, curves, places
from sightline.report.vega import Spec, expression, finish, theme


def variance_by_depth(variances: Mapping[str, Sequence[float]], spread: Mapping[str, Band] | None = None) -> Spec:
    """Variance of the pre-activations by layer, logarithmic, [½, 2] shaded.

    Args:
        variances: for each scheme its variances, the first at layer 0; all of one length.
        spread: around curves of these names, ± a standard error or quantiles over networks.

    Raises:
        DataError: when curves differ in length, or none has a positive finite value.

    Lecture: F13

    Example:
        >>> spec = variance_by_depth({"He": [1.0, 1.0], "LeCun": [1.0, 0.5]})
        >>> spec["datasets"]["points"][3]["value"]
        0.5
    """
    length = len(next(iter(variances.values()))) if variances else 0
    layers_ = places(range(length), "layers")
    found = curves(variances, length, "variances")
    drawn = values_of(found, log=True)
    if not drawn:
        places([], "variances", above=0)
    around = dict(spread or {})
    for name, band in around.items():
        curves({f"{name}, low": band.low, f"{name}, high": band.high}, length, "spread")
    points, breaks = rows(layers_, found, log=True)
    inside = [v for band in around.values() for v in band.high if v > 0] + drawn
    low, high = min(*drawn, 0.4), max(*inside, 4.0)
    x = horizontal(Scale("layer", whole=True, format=",~f"), layers_)
    scale = Scale("variance", log=True, domain=(low, high))
    y = vertical(scale, [low, high])
    tooltip = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", title="variance", format=".4~g"),
        alt.Tooltip("x:Q", title="layer", format=",~f"),
    ]
    word = alt.Chart(alt.InlineData(values=[{"at": 2, "words": "kept within a factor of 2"}]))
    kept = word.mark_text(align="right", x=expression("width"), dx=-4, dy=-7, fontSize=11, color=expression("fourth"))
    kept = kept.encode(y="at:Q", text="words:N")
    layers = [zone("y", 0.5, 2, tone="fourth", opacity=0.16), kept]
    if around:
        layers.append(bands(list(found), x, vertical(scale, [low, high], "low")))
    layers += [*lines(list(found), x, y, tooltip), *(broken(x) if breaks else [])]
    chart = alt.layer(*layers).add_params(*theme(*PALETTE)).properties(width="container", height=280)
    return finish(chart, points=points, breaks=breaks, bands=band_rows(layers_, around, low))
