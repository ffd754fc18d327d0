"""How much of each direction of the least-squares solution a method lets through: ridge beside early stopping."""

from collections.abc import Mapping, Sequence

import altair as alt

from sightline.report.figures.lines import PALETTE, Scale, broken, horizontal, lines, rows, values_of, vertical
from sightline.report.figures.values import curves, places
from sightline.report.vega import Spec, finish, theme


def filter_factors(
    sigma: Sequence[float], filters: Mapping[str, Sequence[float]], beside: Mapping[str, str] | None = None
) -> Spec:
    """Filter factors, 0 (nothing of the direction) to 1 (all of it), against the singular value.

    Args:
        sigma: singular values, > 0.
        filters: for each method its factors, one a singular value: σ²/(σ² + λ) for ridge,
            1 − (1 − 2ησ²)^k for gradient descent stopped after k steps.
        beside: for a filter the one it belongs beside; it takes that one's colour, dashed.

    Raises:
        DataError: when a singular value is not positive, a curve has another length, or there is nothing to draw.

    Lecture: F8

    Example:
        >>> spec = filter_factors([2.0, 1.0], {"ridge, λ = 1": [0.8, 0.5]})
        >>> len(spec["datasets"]["points"])
        2
    """
    at = places(sigma, "singular values", above=0)
    found = curves(filters, len(at), "filters")
    points, breaks = rows(at, found)
    drawn = values_of(found)
    partners = {name: other for name, other in (beside or {}).items() if name in found and other in found}
    x = horizontal(Scale("singular value σ", log=True), at)
    y = vertical(Scale("filter factor", domain=(min(0, *drawn, 0), max(1.02, *drawn, 0))), drawn)
    tooltip = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", title="filter factor", format=".4~g"),
        alt.Tooltip("x:Q", title="σ", format=".4~g"),
    ]
    layers = [*lines(list(found), x, y, tooltip, partners=partners), *(broken(x) if breaks else [])]
    chart = alt.layer(*layers).add_params(*theme(*PALETTE)).properties(width="container", height=260)
    return finish(chart, points=points, breaks=breaks)
