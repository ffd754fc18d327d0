"""Places of images in a plane, coloured by their class."""

from collections.abc import Sequence

import altair as alt

from sightline.core.errors import DataError
from sightline.report.figures.values import places
from sightline.report.vega import Spec, expression, finish, theme

HEIGHT = 420

MOST_NAMED = 20
"""Up to so many classes have a colour of their own and a name in the legend."""


def latent_map(
    points: Sequence[tuple[float, float]],
    classes: Sequence[str] = (),
    labels: Sequence[int] | None = None,
    explained: tuple[float, float] | None = None,
) -> Spec:
    """A dot an image; with more than twenty classes colours come round again and only pointing at a dot names its own.

    Args:
        points: places in the plane, at least one.
        classes: names, in the order of their numbers.
        labels: the class of each point; none: all are of one colour.
        explained: share of the variance along each axis, told in the axes' titles.

    Raises:
        DataError: when lengths differ, a label has no class, a number is not finite, or there is nothing to draw.

    Lecture: X5, A1

    Example:
        >>> spec = latent_map([(0.0, 1.0), (5.0, 1.0)], ["cat", "dog"], [1, 0], (0.6, 0.3))
        >>> [dot["class"] for dot in spec["datasets"]["dots"]]
        ['dog', 'cat']
    """
    known = [places(point, "the points") for point in points]
    if not known or (labels is not None and (len(labels) != len(known) or not _all_named(labels, classes))):
        raise DataError(
            expected="one point or more, and the number of a named class for each, or none at all",
            found=f"{len(known):,} points, {0 if labels is None else len(labels):,} labels, {len(classes)} classes",
            do="give what is to be drawn",
        )
    dots: list[dict[str, float | str]] = [{"x": x, "y": y} for x, y in known]
    if labels is not None:
        dots = [{**dot, "class": classes[label]} for dot, label in zip(dots, labels, strict=True)]
    shares = [f", {100 * share:.0f} % of the variance" for share in explained] if explained is not None else ["", ""]
    across, up = (f"{name} principal component{share}" for name, share in zip(("first", "second"), shares, strict=True))
    scale = alt.Scale(zero=False, nice=False, padding=14)
    encoding = {
        "x": alt.X("x:Q", title=across, scale=scale, axis=alt.Axis(tickCount=6)),
        "y": alt.Y("y:Q", title=up, scale=scale, axis=alt.Axis(grid=False, tickCount=6)),
    }
    dot = alt.Chart(alt.NamedData("dots")).mark_point(filled=True, size=30 if len(dots) <= 500 else 16, opacity=0.65)
    if labels is None:
        dot = dot.encode(**encoding, color=alt.value(expression("good")))
    else:
        legend = (
            alt.Legend(title=None, columns=expression("width < 480 ? 5 : 10")) if len(classes) <= MOST_NAMED else None
        )
        domain = list(classes)
        tones = (
            alt.Scale(domain=domain, scheme="tableau10")
            if len(domain) <= 10
            else alt.Scale(domain=domain, scheme="tableau20")
        )
        colour = alt.Color("class:N", sort=domain, scale=tones)
        dot = dot.encode(**encoding, color=colour.legend(legend), tooltip=[alt.Tooltip("class:N", title="class")])
    chart = dot.add_params(*theme("good")).properties(width="container", height=HEIGHT)
    return finish(chart, dots=dots)


def _all_named(labels: Sequence[int], classes: Sequence[str]) -> bool:
    return all(0 <= label < len(classes) for label in labels)
