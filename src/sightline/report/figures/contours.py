"""The paths of optimisers over the ellipses of equal loss of a quadratic with two weights.

Legend: H Hessian, m minimum, λ₁ ≥ λ₂ eigenvalues of H, L(p) − L(m) = ½ (p − m)ᵀ H (p − m) the loss above the minimum.
"""

from collections.abc import Mapping, Sequence
from math import atan2, cos, hypot, isfinite, pi, sin, sqrt

import altair as alt

from sightline.core.errors import DataError
from sightline.report.figures.lines import MOST_DOTS, PALETTE, colour
from sightline.report.figures.values import places
from sightline.report.vega import Spec, expression, finish, theme

Point = tuple[float, float]

CORNERS = 96
"""Corners of a drawn ellipse."""

MOST_LEVELS = 24
MOST_POINTS = 400
HEIGHT = 380


def contours(
    hessian: Sequence[Sequence[float]],
    minimum: Point,
    paths: Mapping[str, Sequence[Point]],
    axes: tuple[str, str] = ("w₁", "w₂"),
) -> Spec:
    """Ellipses of equal loss, evenly spaced in √loss, with each path from its start; both axes to one scale.

    The picture shows the starts, the minimum and every point whose loss is no more than four times that of the
    highest start. A path that goes beyond, or ends in NaN, is named as diverging.

    Args:
        hessian: 2 × 2, symmetric, no negative eigenvalue, not 0.
        minimum: where the loss is least.
        paths: for each optimiser its points, the first the start.
        axes: titles of the two axes.

    Raises:
        DataError: when the Hessian is not such a matrix, there is no path, or a start is not finite.

    Lecture: O1

    Example:
        >>> spec = contours([[2.0, 0.0], [0.0, 8.0]], (0.0, 0.0), {"descent": [(1.0, 1.0), (0.5, 0.2)]})
        >>> spec["datasets"]["points"][0]["loss"]
        5.0
    """
    form = _form(hessian)
    centre = places(minimum, "the minimum")
    known = {name: [(float(x), float(y)) for x, y in path] for name, path in paths.items()}
    starts = [value for path in known.values() for value in (path[0] if path else ())]
    places(starts, "the paths' starts")
    highest = max(_loss(form, centre, path[0]) for path in known.values() if path)
    limit = 4 * highest if highest else float("inf")
    shown, named = {}, {}
    for name, path in known.items():
        finite = _until_not_finite(path)
        inside = [point for point in finite if _loss(form, centre, point) <= limit]
        diverges = len(finite) < len(path) or _loss(form, centre, finite[-1]) > max(limit, 0)
        named[f"{name} (diverges)" if diverges else name] = finite
        shown[name] = inside
    box = _box([(centre[0], centre[1]), *(point for inside in shown.values() for point in inside)])
    points = [
        {"x": x, "y": y, "step": step, "series": name, "loss": _loss(form, centre, (x, y))}
        | ({"dot": True} if len(path) <= MOST_DOTS else {})
        for name, path in named.items()
        for step, (x, y) in _thinned(path)
        if hypot(x - centre[0], y - centre[1]) < 1e3 * (box[2] + box[3])
    ]
    begun = {path[0]: {"x": path[0][0], "y": path[0][1], "words": "start"} for path in named.values()}
    marks = [*begun.values(), {"x": centre[0], "y": centre[1], "words": "minimum"}]
    return finish(
        _chart(list(named), axes, box), points=points, ellipses=_ellipses(form, centre, box, highest), marks=marks
    )


def _chart(
    names: list[str], axes: tuple[str, str], box: tuple[float, float, float, float]
) -> alt.LayerChart | alt.FacetChart:
    middle_x, middle_y, half_x, half_y = box
    scale = f"max({2 * half_x} / width, {2 * half_y} / height)"
    x = alt.X("x:Q", title=axes[0], scale=_interval(middle_x, f"{scale} * width / 2"), axis=alt.Axis(tickCount=6))
    y = alt.Y(
        "y:Q", title=axes[1], scale=_interval(middle_y, f"{scale} * height / 2"), axis=alt.Axis(grid=False, tickCount=6)
    )
    ring = alt.Chart(alt.NamedData("ellipses")).mark_line(
        color=expression("soft"), strokeWidth=1, clip=True, opacity=0.4, interpolate="linear-closed"
    )
    ring = ring.encode(
        x=x,
        y=y,
        detail="level:Q",
        order="corner:Q",
        tooltip=alt.Tooltip("level:Q", title="loss above the minimum", format=".3~g"),
    )
    base = alt.Chart(alt.NamedData("points")).encode(x=x, y=y, color=colour(names))
    line = base.mark_line(strokeJoin="round", clip=True, strokeWidth=1.75).encode(order="step:Q")
    tooltip = [
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("step:Q", format=","),
        alt.Tooltip("loss:Q", title="loss above the minimum", format=".4~g"),
        alt.Tooltip("x:Q", title=axes[0], format=".4~g"),
        alt.Tooltip("y:Q", title=axes[1], format=".4~g"),
    ]
    strength = alt.when("datum.dot").then(alt.value(0.9)).otherwise(alt.value(0.25))
    dots = base.mark_point(filled=True, size=24, clip=True).encode(opacity=strength, tooltip=tooltip)
    marks = alt.Chart(alt.NamedData("marks")).encode(x=x, y=y)
    start = marks.transform_filter("datum.words == 'start'")
    begun = start.mark_point(size=90, strokeWidth=1.75, color=expression("ink"), filled=False, opacity=1)
    least = marks.transform_filter("datum.words == 'minimum'")
    cross = least.mark_point(
        shape="cross", size=90, filled=True, color=expression("ink"), stroke=expression("paper"), opacity=1
    )
    layers = [ring, line, dots, begun, cross]
    for tone, width in (("paper", 4), ("ink", 0)):
        words = marks.mark_text(
            dy=expression("datum.words == 'start' ? -14 : 17"),
            fontSize=12,
            fontWeight=600,
            color=expression(tone),
            stroke=expression(tone),
            strokeWidth=width,
        )
        layers.append(words.encode(text="words:N"))
    chart = alt.layer(*layers).add_params(*theme(*PALETTE, "soft", "ink", "paper"))
    return chart.properties(width="container", height=HEIGHT)


def _interval(middle: float, half: str) -> alt.Scale:
    """A scale from middle − half to middle + half, half being an expression in the chart's own size."""
    ends = {"domainMin": expression(f"{middle} - {half}"), "domainMax": expression(f"{middle} + {half}")}
    return alt.Scale(**ends, nice=False, zero=False)


def _form(hessian: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """The entries h₁₁, h₁₂, h₂₂ of a 2 × 2 matrix fit to be a Hessian at a minimum."""
    square = [len(row) for row in hessian] == [2, 2]
    a, b, c, d = (float(value) for row in hessian for value in row) if square else (0.0, 0.0, 0.0, 0.0)
    fit = square and all(map(isfinite, (a, b, c, d))) and abs(b - c) <= 1e-9 * (abs(a) + abs(d))
    if not fit or min(a, d) < 0 or a + d <= 0 or a * d - b * b < -1e-12 * (a + d) ** 2:
        raise DataError(
            expected="a symmetric 2 × 2 Hessian without a negative eigenvalue, and not 0",
            found=f"{[list(row) for row in hessian]}",
            do="give the Hessian of the two weights at the minimum, 2XᵀX for least squares",
        )
    return a, (b + c) / 2, d


def _loss(form: tuple[float, float, float], centre: Sequence[float], point: Point) -> float:
    """½ (p − m)ᵀ H (p − m)."""
    x, y = point[0] - centre[0], point[1] - centre[1]
    return (form[0] * x * x + 2 * form[1] * x * y + form[2] * y * y) / 2


def _until_not_finite(path: Sequence[Point]) -> list[Point]:
    found: list[Point] = []
    for point in path:
        if not all(map(isfinite, point)) or max(map(abs, point)) > 1e100:
            break
        found.append(point)
    return found


def _thinned(path: Sequence[Point]) -> list[tuple[int, Point]]:
    """Steps and points, at most about ``MOST_POINTS`` of them, the last among them."""
    every = -(-len(path) // MOST_POINTS)
    return [(step, point) for step, point in enumerate(path) if step % every == 0 or step == len(path) - 1]


def _box(points: Sequence[Point]) -> tuple[float, float, float, float]:
    """Middle and half extents of a box around the points with room beside them."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    half_x, half_y = (max(xs) - min(xs)) / 2, (max(ys) - min(ys)) / 2
    larger = max(half_x, half_y) or 1.0
    return (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2, half_x + 0.16 * larger, half_y + 0.16 * larger


def _ellipses(
    form: tuple[float, float, float], centre: Sequence[float], box: tuple[float, float, float, float], highest: float
) -> list[dict[str, float]]:
    """Corners of the ellipses of loss r_k²: r_k = k/6 of the highest start's √loss, or a little more,
    out to the corners of what a wide or a narrow page shows."""
    a, b, d = form
    middle, spread = (a + d) / 2, hypot((a - d) / 2, b)
    large = middle + spread
    small = max((a * d - b * b) / large, 1e-9 * large)
    angle = atan2(2 * b, a - d) / 2
    wide, tall = max(box[2], 2.5 * box[3]), max(box[3], 1.5 * box[2])
    reach = [(box[0] + sx * wide, box[1] + sy * tall) for sx in (-1, 1) for sy in (-1, 1)]
    farthest = sqrt(max(_loss(form, centre, corner) for corner in reach))
    unit = max(sqrt(highest) / 6, farthest / MOST_LEVELS)
    levels = [unit * k for k in range(1, int(farthest / unit) + 1)]
    found = []
    for radius in levels:
        first, second = radius * sqrt(2 / large), radius * sqrt(2 / small)
        for corner in range(CORNERS):
            turn = 2 * pi * corner / CORNERS
            u, v = first * cos(turn), second * sin(turn)
            x, y = u * cos(angle) - v * sin(angle), u * sin(angle) + v * cos(angle)
            place = {"x": _rounded(centre[0] + x), "y": _rounded(centre[1] + y)}
            found.append({**place, "level": radius**2, "corner": corner})
    return found


def _rounded(value: float) -> float:
    """Six digits: no eye sees more."""
    return float(f"{value:.6g}")
