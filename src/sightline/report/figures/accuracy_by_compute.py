"""Accuracy against compute of a network with early exits, beside what each exit gives alone."""

from collections.abc import Sequence

import altair as alt

from sightline.report.figures.lines import PALETTE, Scale, colour, horizontal, lines, rows, values_of, vertical
from sightline.report.figures.values import curves, places
from sightline.report.vega import Spec, finish, theme

CHOSEN, ALONE = "leaving when sure", "all at one exit"


def accuracy_by_compute(
    compute: Sequence[float],
    accuracy: Sequence[float],
    exit_compute: Sequence[float],
    exit_accuracy: Sequence[float],
    thresholds: Sequence[float] = (),
) -> Spec:
    """Accuracy against mean multiply-adds an example as the threshold rises; a square where all leave at one exit.

    Args:
        compute: mean multiply-adds an example at each threshold, > 0.
        accuracy: share of right answers at each threshold.
        exit_compute: multiply-adds up to each exit, > 0.
        exit_accuracy: share of right answers of each exit alone.
        thresholds: told beside a point that is pointed at; may be left out.

    Raises:
        DataError: when a cost is not positive, lengths differ, or there is nothing to draw.

    Source: Teerapittayanon, McDanel and Kung 2016, "BranchyNet", figure 5

    Lecture: V9

    Example:
        >>> spec = accuracy_by_compute([10.0, 20.0], [0.5, 0.9], [10.0, 30.0], [0.5, 0.8], [0.0, 0.9])
        >>> [one["words"] for one in spec["datasets"]["exits"]]
        ['exit 1', 'exit 2']
    """
    at = places(compute, "mean multiply-adds", above=0)
    alone = places(exit_compute, "multiply-adds of the exits", above=0)
    found = curves({CHOSEN: accuracy}, len(at), "accuracies")
    single = curves({ALONE: exit_accuracy}, len(alone), "accuracies of the exits")
    if thresholds:
        curves({"thresholds": thresholds}, len(at), "thresholds")
    order = sorted(range(len(at)), key=at.__getitem__)
    points, _ = rows([at[i] for i in order], {CHOSEN: [found[CHOSEN][i] for i in order]})
    for point, i in zip(points, order, strict=True):
        point["threshold"] = float(thresholds[i]) if thresholds else None
    marks, _ = rows(alone, single)
    for number, mark in enumerate(marks, start=1):
        mark["words"] = f"exit {number}"
    series = [CHOSEN, ALONE]
    x = horizontal(Scale("mean multiply-adds an example", format="~s", domain=(0, 1.04 * max(*at, *alone))), at)
    drawn = values_of({**found, **single})
    span = max(max(drawn) - min(drawn), 0.01)
    # room below the lowest square for its name
    y = vertical(Scale("accuracy", format="~%", domain=(min(drawn) - 0.15 * span, max(drawn) + 0.05 * span)), drawn)
    tooltip = [
        alt.Tooltip("value:Q", title="accuracy", format=".2%"),
        alt.Tooltip("x:Q", title="multiply-adds", format=".4~s"),
    ]
    squares = alt.Chart(alt.NamedData("exits")).encode(
        x=x, y=y, color=colour(series), tooltip=[alt.Tooltip("words:N", title="all leave at"), *tooltip]
    )
    layers = [
        *lines(series, x, y, [alt.Tooltip("threshold:Q", title="threshold", format=".4~g"), *tooltip]),
        squares.mark_point(filled=True, shape="square", size=70, opacity=1),
        squares.mark_text(dy=14, fontSize=11).encode(text="words:N"),
    ]
    chart = alt.layer(*layers).add_params(*theme(*PALETTE)).properties(width="container", height=280)
    return finish(chart, points=points, exits=marks)
