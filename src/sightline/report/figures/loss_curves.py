"""Losses against steps on a logarithmic axis, with a mark where one stops being a number."""

from collections.abc import Mapping, Sequence

import altair as alt

from sightline.report.figures.lines import PALETTE, Scale, broken, horizontal, lines, rows, values_of, vertical
from sightline.report.figures.values import curves, places
from sightline.report.vega import Spec, finish, theme


def loss_curves(steps: Sequence[float], losses: Mapping[str, Sequence[float]], y_title: str = "loss") -> Spec:
    """One line a method; NaN, infinity and (on this axis) 0 interrupt it and are marked in words.

    Args:
        steps: where the losses were taken.
        losses: for each method its loss at each step.
        y_title: what is drawn, with its unit.

    Raises:
        DataError: when a curve has another length, or none has a positive finite value.

    Lecture: F8

    Example:
        >>> spec = loss_curves([0, 1, 2], {"η = 2": [1.0, 9.0, float("inf")]})
        >>> [one["words"] for one in spec["datasets"]["breaks"]]
        ['η = 2: ∞']
    """
    at = places(steps, "steps")
    found = curves(losses, len(at), "losses")
    drawn = values_of(found, log=True)
    if not drawn:
        places([], "losses", above=0)
    points, breaks = rows(at, found, log=True)
    x = horizontal(Scale("step", whole=True, format=",~f"), at)
    y = vertical(Scale(y_title, log=True), drawn)
    tooltip = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("value:Q", title=y_title, format=".4~g"),
        alt.Tooltip("x:Q", title="step", format=",~f"),
    ]
    layers = [*lines(list(found), x, y, tooltip), *(broken(x) if breaks else [])]
    chart = alt.layer(*layers).add_params(*theme(*PALETTE)).properties(width="container", height=260)
    return finish(chart, points=points, breaks=breaks)
