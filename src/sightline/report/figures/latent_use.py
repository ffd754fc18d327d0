"""What each number of a latent vector tells, as bars: those that tell nothing have collapsed onto the prior."""

from collections.abc import Sequence

import altair as alt

from sightline.core.errors import DataError
from sightline.report.figures.values import places
from sightline.report.vega import Spec, expression, finish, theme

MOST_BARS = 128


def latent_use(
    divergence: Sequence[float], errors: Sequence[float], active: Sequence[bool], units: Sequence[int]
) -> Spec:
    """A bar for each latent number, its mean KL to N(0, 1) in nats; those in use in colour, the others grey.

    Args:
        divergence: KL of each, the largest first; of more than 128 the first are drawn.
        errors: standard errors.
        active: whether the number is in use.
        units: its place in the latent vector.

    Raises:
        DataError: when lengths differ, a divergence is not finite, or there is nothing to draw.

    Lecture: X5

    Example:
        >>> spec = latent_use([2.0, 0.0], [0.1, 0.0], [True, False], [1, 0])
        >>> len(spec["datasets"]["bars"])
        2
    """
    known = places(divergence, "the divergences")
    if not len(known) == len(errors) == len(active) == len(units):
        raise DataError(
            expected="an error, a use and a place for each divergence",
            found=f"{len(known)} divergences, {len(errors)} errors, {len(active)} uses, {len(units)} places",
            do="give all four of one length",
        )
    rows = zip(known, errors, active, units, strict=True)
    bars = [
        {"rank": rank, "kl": kl, "told": f"{kl:.3g} ± {error:.1g} nats", "unit": unit, "used": used}
        for rank, (kl, error, used, unit) in enumerate(rows, start=1)
    ][:MOST_BARS]
    colour = alt.when("datum.used").then(alt.value(expression("good"))).otherwise(alt.value(expression("train")))
    chart = (
        alt.Chart(alt.NamedData("bars"))
        .mark_bar(cornerRadiusEnd=1)
        .encode(
            x=alt.X(
                "rank:O",
                title="latent numbers, by what they tell",
                axis=alt.Axis(labelAngle=0, labelOverlap="greedy"),
            ),
            y=alt.Y("kl:Q", title="KL, nats", scale=alt.Scale(zero=True)),
            color=colour,
            tooltip=[alt.Tooltip("told:N", title="KL"), alt.Tooltip("unit:Q", title="place in the vector")],
        )
        .add_params(*theme("good", "train"))
        .properties(width="container", height=200)
    )
    return finish(chart, bars=bars)
