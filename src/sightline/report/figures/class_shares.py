"""How frequent each class is among made images, beside real ones."""

from collections.abc import Sequence

import altair as alt

from sightline.core.errors import DataError
from sightline.report.vega import Spec, expression, finish, theme

MOST_NAMED = 40
"""Up to so many classes, each has its name."""


def class_shares(classes: Sequence[str], made: Sequence[float], real: Sequence[float]) -> Spec:
    """A bar for the share of each class among the made, a mark across it for the share among the real.

    Args:
        classes: names.
        made: shares in [0, 1], one a class.
        real: the same of the reference.

    Raises:
        DataError: when the numbers of shares and classes differ, or there is none.

    Lecture: X4, X6

    Example:
        >>> class_shares(["cat", "dog"], [0.9, 0.1], [0.5, 0.5])["datasets"]["bars"][0]
        {'place': 0, 'class': 'cat', 'made': 0.9, 'real': 0.5}
    """
    if not classes or not len(classes) == len(made) == len(real):
        raise DataError(
            expected="a share of made and one of real images for every class",
            found=f"{len(classes)} classes, {len(made)} and {len(real)} shares",
            do="give one of each a class",
        )
    bars = [
        {"place": place, "class": name, "made": float(own), "real": float(other)}
        for place, (name, own, other) in enumerate(zip(classes, made, real, strict=True))
    ]
    many = len(classes) > MOST_NAMED
    names = alt.Axis(
        labels=not many, ticks=False, domain=False, labelLimit=110, labelExpr="names[datum.value]", title=None
    )
    base = (
        alt.Chart(alt.NamedData("bars"))
        .encode(
            y=alt.Y("place:O", axis=names),
            tooltip=[
                alt.Tooltip("class:N"),
                alt.Tooltip("made:Q", format=".1%"),
                alt.Tooltip("real:Q", format=".1%"),
            ],
        )
        .properties(height=len(classes) * (5 if many else 22))
    )
    across = alt.Axis(format="~%", tickCount=5)
    layers = [
        base.mark_bar(cornerRadius=0 if many else 2, opacity=0.6, color=expression("good")).encode(
            x=alt.X("made:Q", title="share of the images", axis=across)
        ),
        base.mark_tick(thickness=2.5, opacity=1, color=expression("ink")).encode(x="real:Q"),
    ]
    chart = alt.layer(*layers).add_params(alt.param(name="names", value=list(classes)), *theme("good", "ink"))
    return finish(chart.properties(width="container"), bars=bars)
