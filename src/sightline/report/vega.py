"""What every chart shares: its colours from the page's style sheet, its look, its ticks, its last touches.

A specification names its colours by parameters (``good``, ``ink``, …). A page's script fills them in, light or
dark; for a picture :func:`drawn` does, from the same style sheet.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from math import ceil, floor, log10
from pathlib import Path
from textwrap import wrap
from typing import Any

import altair as alt

Spec = dict[str, Any]

HERE = Path(__file__).parent

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"

LOOK: Spec = {
    "background": "transparent",
    "font": "--font",
    "padding": {"left": 0, "right": 8, "top": 4, "bottom": 4},
    "view": {"stroke": None},
    "axis": {
        "labelColor": "--soft",
        "titleColor": "--soft",
        "gridColor": "--line",
        "domainColor": "--line",
        "tickColor": "--line",
        "titleFontWeight": 400,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titlePadding": 8,
        "labelPadding": 6,
        "ticks": False,
        "domain": False,
        "tickCount": 5,
    },
    "axisX": {"grid": False, "domain": True},
    "line": {"strokeWidth": 1.75},
    "legend": {
        "orient": "top",
        "labelColor": "--ink",
        "titleColor": "--soft",
        "labelFontSize": 12,
        "labelLimit": 320,
        "symbolType": "circle",
        "padding": 0,
        "offset": 10,
    },
    "title": {"color": "--ink", "subtitleColor": "--soft"},
    "range": {"category": ["--train", "--good", "--third", "--fourth", "--bad"]},
}
"""Vega-Lite's configuration; a text that begins with -- is a colour of page.css (or the page's font)."""


@dataclass(frozen=True)
class Figure:
    """A chart with its words.

    Args:
        title: what it shows, in a few words.
        caption: how to read it, in a sentence or two.
        spec: the Vega-Lite specification, from a function of ``sightline.report.figures``.
    """

    title: str
    caption: str
    spec: Spec


def expression(text: str) -> Any:
    """A Vega expression where altair expects a value."""
    return alt.ExprRef(text)


def theme(*names: str) -> list[alt.Parameter]:
    """Parameters that are set to the theme's colours before a chart is drawn."""
    return [alt.param(name=name, value="gray") for name in names]


def finish(
    chart: alt.LayerChart | alt.FacetChart | alt.Chart | alt.VConcatChart, **rows: Sequence[Mapping[str, Any]]
) -> Spec:
    """The specification with its rows put in by name; the page's theme replaces altair's."""
    spec: Spec = chart.to_dict()
    spec.pop("config", None)
    spec.pop("$schema", None)
    spec["datasets"] = spec.get("datasets", {}) | {name: list(values) for name, values in rows.items()}
    return spec


def decades(values: Sequence[int | float]) -> list[float]:
    """Ticks of a logarithmic axis: the powers of ten, with their threefold where the range is small.

    Example:
        >>> decades([0.05, 4.0]), decades([0.0002, 4.0])
        ([0.1, 0.3, 1.0, 3.0], [0.001, 0.01, 0.1, 1.0])
    """
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    factors = (1.0, 3.0) if max(values) <= 100 * min(values) else (1.0,)
    every = max(1, (high - low) // 5)
    ticks = [float(f"{factor}e{power}") for power in range(low - low % every, high + 1, every) for factor in factors]
    return [tick for tick in ticks if min(values) <= tick <= max(values)]


@cache
def colours(dark: bool = False) -> Mapping[str, str]:
    """The colours that page.css gives its names, for light or dark.

    Example:
        >>> colours()["paper"], colours(dark=True)["paper"]
        ('#fcfbf9', '#131518')
    """
    blocks = re.findall(r":root\s*\{(.*?)\}", (HERE / "page.css").read_text(encoding="utf-8"), re.DOTALL)
    return dict(re.findall(r"--([\w-]+):\s*(#\w+);", blocks[1 if dark else 0]))


def drawn(figure: Figure, *, width: int = 640, dark: bool = False) -> Spec:
    """A figure as one whole specification: colours, look, size, title and caption filled in.

    Args:
        figure: what to draw.
        width: of the picture, in pixels before any scaling.
        dark: the dark theme instead of the light one.
    """
    known = {**colours(dark), "font": "DejaVu Sans, Liberation Sans, Arial, sans-serif"}
    spec = deepcopy(figure.spec)
    for parameter in spec.get("params", []):
        if parameter["name"] in known:
            parameter["value"] = known[parameter["name"]]
        if parameter["name"] == "cell":
            parameter["value"] = (width - 70) / spec["usermeta"]["across"]
    meta = spec.get("usermeta", {})
    if "vconcat" in spec:
        for panel in spec["vconcat"]:
            panel["width"] = width - meta["beside"] - 16
    else:
        spec["width"] = width
        spec["autosize"] = {"type": "fit" if meta.get("square") else "fit-x", "contains": "padding"}
    if meta.get("square"):
        spec["height"] = width
    heading: Spec = {"text": figure.title, "anchor": "start", "frame": "bounds"}
    if figure.caption:
        heading["subtitle"] = wrap(figure.caption, width // 7)
    sizes = {"fontSize": 15, "subtitleFontSize": 11.5, "subtitlePadding": 6, "subtitleLineHeight": 16, "offset": 14}
    look = _filled(LOOK, known) | {"background": known["paper"], "padding": 16}
    return {"$schema": SCHEMA, **spec, "title": {**heading, **sizes}, "config": look}


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(entry, known) for key, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, known) for entry in value]
    return known[value[2:]] if isinstance(value, str) and value.startswith("--") else value
