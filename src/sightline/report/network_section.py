"""The page's sections on the network itself: sharpness, spectra, where examples lie, cost and memory by layer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from sightline.report import text
from sightline.report.diagnosis_section import Drawing
from sightline.report.figures import latent_map, named_lines, spectra
from sightline.report.read import RunRecord, reading
from sightline.report.vega import Spec

SHARPNESS, SPECTRA, MAP, LAYERS = (
    "readings/sharpness.json",
    "readings/spectra.json",
    "readings/embedding-map.json",
    "readings/layers.json",
)

FARTHEST = 100.0
"""A limit so many times above the largest sharpness is not drawn: the rate is next to 0 there."""

MOST_SPECTRA = 60
"""Layers whose spectra are drawn."""


@dataclass(frozen=True)
class LayerCost:
    """A row of the table.

    Args:
        name: the layer's.
        kind: its class.
        shape: of its output for one example.
        cells: parameters, multiply-adds and bytes, each as text and as a share of the largest in per cent.
    """

    name: str
    kind: str
    shape: str
    cells: list[tuple[str, float]]


@dataclass(frozen=True)
class NetworkPart:
    """What the page tells of the network; empty where the run left nothing.

    Args:
        sharpness: the figure, with its words.
        spectra: the figure, with its words.
        examples: the map, with its words.
        costs: the table.
        totals: parameters, multiply-adds, bytes.
        charts: the figures' specifications by name.
    """

    sharpness: Drawing | None = None
    spectra: Drawing | None = None
    examples: Drawing | None = None
    costs: list[LayerCost] = field(default_factory=list)
    totals: list[str] = field(default_factory=list)
    charts: dict[str, Spec] = field(default_factory=dict)


def network_part(run: RunRecord) -> NetworkPart:
    """What a run left about its network.

    Raises:
        RunFolderError: when a file is there but is not what a run writes; it names the file.
    """
    charts: dict[str, Spec] = {}
    found: dict[str, Any] = {"charts": charts}
    folder = run.folder
    if folder.has(SHARPNESS):
        with reading(folder, SHARPNESS):
            found["sharpness"] = _sharpness(folder.read(SHARPNESS), run, charts)
    if folder.has(SPECTRA):
        with reading(folder, SPECTRA):
            found["spectra"] = _spectra(folder.read(SPECTRA), charts)
    if folder.has(MAP):
        with reading(folder, MAP):
            found["examples"] = _map(folder.read(MAP), charts)
    if folder.has(LAYERS):
        with reading(folder, LAYERS):
            found["costs"], found["totals"] = _costs(folder.read(LAYERS))
    return NetworkPart(**found)


def _sharpness(plain: Mapping[str, Any], run: RunRecord, charts: dict[str, Spec]) -> Drawing | None:
    points = [(float(p["step"]), float(p["sharpness"])) for p in plain["points"]]
    finite = [value for _, value in points if isfinite(value)]
    if not finite:
        return None
    factor, highest = float(plain["factor"]), FARTHEST * max(max(finite), 1e-12)
    rates = [
        (row["step"], row["lr"]) for row in run.training if isfinite(row.get("lr", float("nan"))) and row["lr"] > 0
    ]
    rates = rates or [(p["step"], p["rate"]) for p in plain["points"] if p["rate"] > 0]
    limit = [(float(step), factor / rate) for step, rate in rates]
    drawn = [(step, value) for step, value in limit if value <= highest]
    lines = {"sharpness": points, **({"stability limit": drawn} if drawn else {})}
    positive = min(finite) > 0
    charts["sharpness"] = named_lines("update", "curvature", lines, logarithmic=positive, height=240)
    above = [p for p in plain["points"] if p["sharpness"] > p["limit"]]
    name = text.visible(str(plain["optimizer"]))
    seen = "the preconditioned Hessian" if plain["preconditioned"] else "the Hessian"
    words = (
        f"Largest eigenvalue of {seen} at the checkpoints that were kept, on {int(plain['examples']):,} training"
        f" examples, and the limit {text.number(factor, 3)}/η of {name}: above it steps along that direction grow."
    )
    if above:
        words += f" It is passed at {len(above)} of {len(points)} checkpoints."
    return Drawing("sharpness", "Sharpness", words)


def _spectra(plain: Mapping[str, Any], charts: dict[str, Spec]) -> Drawing | None:
    rows = [row for row in plain["weights"] if len(row["sigma"]) > 1 and float(row["sigma"][0]) > 0]
    if not rows:
        return None
    names = [text.visible(str(row["name"])).removesuffix(".weight") for row in rows]
    sigma = {name: [float(v) for v in row["sigma"]] for name, row in zip(names, rows, strict=True)}
    charts["spectra"] = spectra(dict(list(sigma.items())[:MOST_SPECTRA]))
    used = [(float(row["effective_rank"]) / int(row["count"]), name) for name, row in zip(names, rows, strict=True)]
    share, least = min(used)
    words = (
        "Singular values of each layer's weights over the largest: a row that stays dark treats directions alike, one"
        f" that pales soon uses few. The fewest are used in {least}: its effective rank is {100 * share:.0f} % of its"
        " size."
    )
    left = [text.visible(str(name)) for name in plain["left_out"]]
    if left:
        words += f" Left out: {', '.join(left[:3])}{f' and {len(left) - 3} more' if len(left) > 3 else ''}."
    return Drawing("spectra", "Spectra of the weights", words)


def _map(plain: Mapping[str, Any], charts: dict[str, Spec]) -> Drawing:
    points = [(float(x), float(y)) for x, y in plain["points"]]
    labels = None if plain["labels"] is None else [int(label) for label in plain["labels"]]
    first, second = (float(share) for share in plain["explained"])
    classes = [text.visible(str(name)) for name in plain["classes"]]
    charts["embedding-map"] = latent_map(points, classes, labels, (first, second))
    words = (
        f"{len(points):,} {plain['split']} examples as the last layer sees them, {int(plain['width']):,} numbers each,"
        f" in the plane of two principal components ({100 * (first + second):.0f} % of the variance)."
    )
    if labels is not None:
        words += " Classes that lie apart are easy to tell."
    return Drawing("embedding-map", "Map of examples", words)


def _costs(rows: Any) -> tuple[list[LayerCost], list[str]]:
    keys = ("parameters", "multiply_adds", "bytes")
    most = {key: max([1, *(int(row[key]) for row in rows)]) for key in keys}
    costs = [
        LayerCost(
            name=text.visible(str(row["name"])) or "(network)",
            kind=text.visible(str(row["kind"])),
            shape="not used" if row["shape"] is None else " × ".join(str(int(n)) for n in row["shape"]),
            cells=[(_amount(key, int(row[key])), round(100 * int(row[key]) / most[key], 1)) for key in keys],
        )
        for row in rows
    ]
    return costs, [_amount(key, sum(int(row[key]) for row in rows)) for key in keys]


def _amount(key: str, value: int) -> str:
    if key != "bytes":
        return f"{value:,}"
    return text.size(value)
