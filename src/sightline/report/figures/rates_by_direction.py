"""How fast each direction of a least-squares problem converges: |factor per step| against its singular value."""

from collections.abc import Mapping, Sequence

import altair as alt

from sightline.report.figures.lines import (
    PALETTE,
    Scale,
    broken,
    horizontal,
    lines,
    rows,
    rule,
    values_of,
    vertical,
    zone,
)
from sightline.report.figures.values import curves, places
from sightline.report.vega import Spec, finish, theme

STEEP = 4.0
"""Above such a factor the axis becomes logarithmic beyond 1, so that the stable ones stay legible."""


def rates_by_direction(sigma: Sequence[float], contractions: Mapping[str, Sequence[float]]) -> Spec:
    """|factor per step| of each method along each singular vector; above 1 the direction diverges.

    Args:
        sigma: singular values, > 0, any order.
        contractions: for each method its factors, one a singular value; their size is drawn.

    Raises:
        DataError: when a singular value is not positive, a curve has another length, or there is nothing to draw.

    Lecture: O1

    Example:
        >>> rates_by_direction([2.0, 1.0], {"η = 0.1": [0.2, 0.8]})["datasets"]["points"][0]["value"]
        0.2
    """
    places_ = places(sigma, "singular values", above=0)
    sizes = {
        name: [abs(v) for v in found] for name, found in curves(contractions, len(places_), "contractions").items()
    }
    points, breaks = rows(places_, sizes)
    top = max(values_of(sizes))
    steep = top > STEEP
    x = horizontal(Scale("singular value σ", log=True), places_)
    y = vertical(Scale("|factor per step|", domain=(0, top if steep else max(1.1, 1.04 * top))), [])
    if steep:
        y = alt.Y("value:Q", title="|factor per step|", scale=alt.Scale(type="symlog", domain=[0, top], nice=False))
    tooltip = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", title="factor per step", format=".4~g"),
        alt.Tooltip("x:Q", title="σ", format=".4~g"),
    ]
    layers = [
        zone("y", 1, max(top, 1.1) * 1.04, tone="bad", opacity=0.08),
        *rule("y", 1, "diverges above 1", tone="bad", dy=-11),
        *lines(list(sizes), x, y, tooltip),
    ]
    layers += broken(x) if breaks else []
    chart = alt.layer(*layers).add_params(*theme(*PALETTE)).properties(width="container", height=260)
    return finish(chart, points=points, breaks=breaks)
