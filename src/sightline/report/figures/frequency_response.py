"""An optimiser seen as a filter of its gradients: gain above, phase below, against frequency."""

from collections.abc import Mapping, Sequence
from math import pi

import altair as alt

from sightline.report.figures.lines import PALETTE, Scale, broken, horizontal, lines, rows, values_of, vertical
from sightline.report.figures.values import curves, places
from sightline.report.vega import Spec, finish, theme

LEFT = 56
"""Width of the labels left of both panels, so that the panels stand exactly below each other."""


def frequency_response(
    frequencies: Sequence[float],
    gains: Mapping[str, Sequence[float]],
    phases: Mapping[str, Sequence[float]],
) -> Spec:
    """Gain (logarithmic) and phase (degrees) of each filter against frequency in units of π per step.

    Args:
        frequencies: ω in radians per step, 0 to π; at π the gradient changes sign at every step.
        gains: for each filter |H(ω)|.
        phases: for each filter arg H(ω), in radians; negative where the output lags.

    Raises:
        DataError: when lengths differ, or there is nothing to draw.

    Lecture: O3

    Example:
        >>> spec = frequency_response([0.0, 3.14], {"β = 0.9": [1.0, 0.05]}, {"β = 0.9": [0.0, 0.0]})
        >>> len(spec["vconcat"])
        2
    """
    at = [frequency / pi for frequency in places(frequencies, "frequencies")]
    sizes = curves(gains, len(at), "gains")
    turned = curves(phases, len(at), "phases")
    degrees = {name: [180 / pi * value for value in values] for name, values in turned.items()}
    drawn = values_of(sizes, log=True)
    if not drawn:
        places([], "gains", above=0)
    names = list(dict.fromkeys([*sizes, *degrees]))
    label = "datum.value == 0 ? '0' : datum.value == 1 ? 'π' : format(datum.value, '~f') + ' π'"
    gain_points, gain_breaks = rows(at, sizes, log=True)
    phase_points, phase_breaks = rows(at, degrees)
    reached = values_of(degrees)
    step = 90 if max(reached) - min(reached) > 90 else 45 if max(reached) - min(reached) > 40 else 15
    bounds = (step * (min(reached) // step), -step * (-max(reached) // step))
    ends = (bounds[0], bounds[1] if bounds[1] > bounds[0] else bounds[0] + step)
    angles = [ends[0] + step * i for i in range(int((ends[1] - ends[0]) // step) + 1)]
    panels = []
    for data, title, unit, scale, height, broke in (
        ("gain", "gain", ".4~g", Scale(None, log=True, extent=LEFT), 170, gain_breaks),
        (
            "phase",
            "phase (degrees)",
            ".1f",
            Scale(None, extent=LEFT, domain=ends, ticks=angles, format="~f"),
            110,
            phase_breaks,
        ),
    ):
        above = data == "gain"
        x = horizontal(
            Scale(
                None if above else "frequency (radians per step)",
                domain=(0, 1),
                ticks=[0, 0.25, 0.5, 0.75, 1],
                label="''" if above else label,
            ),
            at,
        )
        y = vertical(scale, drawn if above else reached)
        tooltip = [
            alt.Tooltip("series:N", title="of"),
            alt.Tooltip("value:Q", title=title, format=unit),
            alt.Tooltip("x:Q", title="frequency (π per step)", format=".3~f"),
        ]
        layers = [
            *lines(names, x, y, tooltip, data=data),
            *(broken(x, f"{data}_breaks") if broke else []),
        ]
        panel = alt.layer(*layers).properties(
            height=height,
            title=alt.TitleParams(title, anchor="start", frame="group", fontSize=12, fontWeight=400, offset=8),
        )
        panels.append(panel)
    chart = alt.vconcat(*panels, spacing=14).add_params(*theme(*PALETTE)).properties(usermeta={"beside": LEFT + 16})
    return finish(chart, gain=gain_points, phase=phase_points, gain_breaks=gain_breaks, phase_breaks=phase_breaks)
