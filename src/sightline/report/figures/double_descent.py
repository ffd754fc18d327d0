"""Test error against the number of features, through the peak where features equal samples."""

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
    rule,
    values_of,
    vertical,
)
from sightline.report.figures.values import Band, curves, places
from sightline.report.vega import Spec, finish, theme


def double_descent(
    features: Sequence[float], samples: int, errors: Mapping[str, Band], y_title: str = "test error"
) -> Spec:
    """Test error of each model class with its band, both axes logarithmic, a rule at features = samples.

    Args:
        features: numbers of features, > 0.
        samples: number of training examples.
        errors: for each curve its mean and the band around it.
        y_title: what is drawn, with its unit.

    Raises:
        DataError: when a number of features is not positive, lengths differ, or there is nothing to draw.

    Source: Belkin et al. 2019, Reconciling modern machine-learning practice and the bias-variance trade-off.

    Lecture: F10

    Example:
        >>> band = Band(mean=[1.0, 9.0, 1.0], low=[0.9, 5.0, 0.9], high=[1.1, 13.0, 1.1])
        >>> len(double_descent([5, 10, 20], 10, {"no ridge": band})["datasets"]["bands"])
        3
    """
    at = places(features, "features", above=0)
    places([samples], "samples", above=0)
    means = curves({name: band.mean for name, band in errors.items()}, len(at), "errors")
    for name, band in errors.items():
        curves({f"{name}, low": band.low, f"{name}, high": band.high}, len(at), "bands")
    drawn = values_of(means, log=True)
    if not drawn:
        places([], "errors", above=0)
    points, breaks = rows(at, means, log=True)
    edges = values_of(
        {f"{n} {side}": b for n, e in errors.items() for side, b in (("l", e.low), ("h", e.high))}, log=True
    )
    low, high = max(min([*drawn, *edges]), min(drawn) / 3) / 1.1, min(max([*drawn, *edges]), 5 * max(drawn)) * 1.1
    x = horizontal(Scale("features", log=True, format=",~f"), at)
    scale = Scale(y_title, log=True, domain=(low, high))
    y = vertical(scale, [low, high])
    tooltip = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", title=y_title, format=".4~g"),
        alt.Tooltip("x:Q", title="features", format=",~f"),
    ]
    late = samples > (min(at) * max(at)) ** 0.5
    layers = [
        bands(list(means), x, vertical(scale, [low, high], "low")),
        *rule("x", samples, f"features = samples = {samples:,}", tone="ink", align="right" if late else "left"),
        *lines(list(means), x, y, tooltip),
        *(broken(x) if breaks else []),
    ]
    chart = alt.layer(*layers).add_params(*theme(*PALETTE, "ink")).properties(width="container", height=320)
    return finish(chart, points=points, breaks=breaks, bands=band_rows(at, errors, low))
