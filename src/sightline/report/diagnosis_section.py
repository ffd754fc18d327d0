"""What a watch found, ready to be set: the verdict, facts, curves, a card for each finding, layers over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from sightline.report import text
from sightline.report.curves import thin
from sightline.report.figures import layers_over_time, named_lines
from sightline.report.vega import Spec

Row = Mapping[str, Any]

ALARMS = ("error", "warning")

LAYERS = {
    "update": (
        "Updates",
        "an update's norm over the weight's: pale is usual (1e−4 to 1e−2), blue hardly moves, red is thrown about",
    ),
    "gradient": ("Gradients", "a gradient's norm over the weight's: a row that fades beside the others learns last"),
    "dead": ("Dead units", "share of a layer's units that are zero on every example of the batch"),
    "saturated": (
        "Saturated units",
        "share of a layer's values where its function is flat, so that no gradient passes",
    ),
}
"""What is drawn by layer, with its title and how to read it."""


@dataclass(frozen=True)
class Card:
    """One finding.

    Args:
        title: its sentence.
        cause: its name.
        severity: "error", "warning", "advice"; "" where it has none.
        sure: how sure, in words; "" where that is not known.
        where: layers, or a line of the program.
        evidence: sentences with the numbers.
        why: what it does to learning.
        fix: the change to make.
        also: findings that it explains.
        tried: what came of the change; "" where it was not tried.
        outcome: of that: "helped", "no difference", "worse", "not compared", "not tried", "by hand"; "" likewise.
        chart: the name of its figure; "" for none.
    """

    title: str
    cause: str
    severity: str
    sure: str
    where: str
    evidence: list[str]
    why: str
    fix: str
    also: list[str]
    tried: str
    outcome: str
    chart: str


@dataclass(frozen=True)
class Drawing:
    """A figure with its words.

    Args:
        chart: its name among the page's charts.
        title: what it shows.
        caption: how to read it.
    """

    chart: str
    title: str
    caption: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All that a page says of a watch.

    Args:
        tone: "error" or "warning" where there is one, else "well"; "none" where nothing was trained.
        title: the verdict: that nothing speaks against the training, or the first cause.
        fix: the change to make; "" where there is none.
        more: how many findings of harm there are beside the first.
        seen: what was watched, in a sentence.
        facts: label, value, a word below.
        cards: findings in their order.
        curves: figures of the training.
        layers: heat maps.
        charts: the specifications of all of these, by name.
    """

    tone: str
    title: str
    fix: str = ""
    more: int = 0
    seen: str = ""
    facts: list[tuple[str, str, str]] = field(default_factory=list)
    cards: list[Card] = field(default_factory=list)
    curves: list[Drawing] = field(default_factory=list)
    layers: list[Drawing] = field(default_factory=list)
    charts: dict[str, Spec] = field(default_factory=dict)


def diagnosis(found: Row, watched: Row) -> Diagnosis:
    """What a page says, from plain values.

    Args:
        found: ``Findings.to_dict()``.
        watched: ``digest(record)``; empty where there is none.

    Raises:
        KeyError, TypeError, ValueError, DataError: for values of another kind.

    Example:
        >>> diagnosis({"verdict": "Nothing speaks against this training.", "trained": True, "findings": []}, {}).tone
        'well'
    """
    rows = [dict(row) for row in found["findings"]]
    charts: dict[str, Spec] = {}
    cards = [_card(row, f"finding-{place}", charts) for place, row in enumerate(rows, start=1)]
    alarms = [card for card in cards if card.severity in ALARMS]
    curves, layers = _curves(watched, charts), layer_drawings(watched, charts)
    told: dict[str, Any] = {
        "seen": text.visible(str(found.get("seen", ""))),
        "facts": _facts(watched),
        "cards": cards,
        "curves": curves,
        "layers": layers,
        "charts": charts,
    }
    if not alarms:
        return Diagnosis("well" if found["trained"] else "none", text.visible(str(found["verdict"])), **told)
    first = alarms[0]
    return Diagnosis(first.severity, first.title, first.fix, len(alarms) - 1, **told)


def _card(row: Row, name: str, charts: dict[str, Spec]) -> Card:
    certainty, figure, tried = row.get("certainty"), row.get("figure"), row.get("tried") or {}
    if figure is not None:
        lines = {
            text.visible(str(key)): [(float(x), float(y)) for x, y in line] for key, line in figure["lines"].items()
        }
        if any(isfinite(y) for line in lines.values() for _, y in line):
            words = text.visible(str(figure["x"])), text.visible(str(figure["y"]))
            charts[name] = named_lines(*words, lines, logarithmic=bool(figure["logarithmic"]), height=150)
    cause = text.plain(row.get("cause") or "finding")
    return Card(
        title=text.plain(row.get("title") or cause),
        cause=cause if row.get("title") else "",
        severity=text.plain(row["severity"]) if row.get("severity") else "",
        sure="" if certainty is None else f"{float(certainty):.0%} sure",
        where=text.plain(row.get("where") or ""),
        evidence=_sentences(row.get("evidence")),
        why=text.plain(row.get("why") or ""),
        fix=text.plain(row.get("fix") or ""),
        also=_sentences(row.get("also")),
        tried=text.plain(tried.get("sentence") or ""),
        outcome=text.plain(tried.get("outcome") or ""),
        chart=name if name in charts else "",
    )


def _sentences(value: Any) -> list[str]:
    if not value:
        return []
    return [text.plain(one) for one in value] if isinstance(value, list | tuple) else [text.plain(value)]


def _facts(watched: Row) -> list[tuple[str, str, str]]:
    told = watched.get("facts")
    if not told:
        return []
    networks = ", ".join(text.visible(str(name)) for name in told["networks"][:3]) or "none"
    optimizers = ", ".join(dict.fromkeys(text.visible(str(name)) for name in told["optimizers"])) or "none"
    rates = watched.get("rates") or []
    seconds = float(told["seconds"])
    looks, distinct = int(told["looks"]), int(told["distinct"])
    return [
        ("network", networks, f"{int(told['parameters']):,} parameters"),
        ("optimiser", optimizers, f"lr {text.number(float(rates[0][1]))} at first" if rates else ""),
        ("updates", f"{int(told['updates']):,}", f"in {text.duration(seconds)}, {looks:,} looked at closely"),
        ("examples", f"{int(told['examples']):,}", f"{distinct:,} of them different" if distinct else ""),
    ]


def _curves(watched: Row, charts: dict[str, Spec]) -> list[Drawing]:
    drawings = []
    loss = {"training": watched.get("loss") or [], "validation": watched.get("validation") or []}
    lines = {name: [(float(x), float(y)) for x, y in line] for name, line in loss.items() if line}
    if len(lines.get("training", ())) > 1 and any(isfinite(y) for _, y in lines["training"]):
        guess = watched.get("guess")
        mark = None if guess is None else ("best constant guess", float(guess))
        values = [y for line in lines.values() for _, y in line if isfinite(y)]
        log = min(values) > 0 and max(values) > 30 * min(values)
        charts["watched-loss"] = named_lines("update", "loss", lines, logarithmic=log, mark=mark)
        drawings.append(Drawing("watched-loss", "Loss", "logarithmic" if log else ""))
    right = [(float(x), float(y)) for x, y in watched.get("accuracy") or []]
    if len(right) > 1 and any(isfinite(y) for _, y in right):
        charts["watched-accuracy"] = named_lines("update", "accuracy", {"validation": right}, height=150)
        drawings.append(Drawing("watched-accuracy", "Accuracy, validation"))
    rates = _held(watched.get("rates") or [], int(watched["facts"]["updates"]) if watched.get("facts") else 0)
    if len({rate for _, rate in rates}) > 1:
        charts["watched-rate"] = named_lines("update", "learning rate", {"learning rate": rates}, height=150)
        drawings.append(Drawing("watched-rate", "Learning rate"))
    return drawings


def _held(changes: Sequence[Sequence[float]], updates: int) -> list[tuple[float, float]]:
    """A rate as it was at every update, from the updates at which it changed: it holds until the next."""
    found: list[tuple[float, float]] = []
    for place, (step, rate) in enumerate(changes):
        end = changes[place + 1][0] - 1 if place + 1 < len(changes) else updates - 1
        found.append((float(step), float(rate)))
        if end > step:
            found.append((float(end), float(rate)))
    finite = [{"step": step, "value": rate} for step, rate in found if isfinite(rate)]
    return [(point["step"], point["value"]) for point in thin(finite)]


def layer_drawings(watched: Row, charts: dict[str, Spec]) -> list[Drawing]:
    """Heat maps of what was seen of layers, put among the charts."""
    drawings = []
    for kind, (title, caption) in LAYERS.items():
        steps, values = _by_layer(watched, kind)
        finite = [v for row in values.values() for v in row if v is not None and isfinite(v)]
        if not finite or (kind in ("dead", "saturated") and max(finite) < 0.01):
            continue
        name = f"layers-{kind}"
        charts[name] = layers_over_time(
            steps, values, "share" if kind in ("dead", "saturated") else "update" if kind == "update" else "gradient"
        )
        drawings.append(Drawing(name, title, caption))
    return drawings


def _by_layer(watched: Row, kind: str) -> tuple[list[int], dict[str, list[float | None]]]:
    """Steps, and a row of values for each layer, by depth."""
    if kind in ("update", "gradient"):
        told = watched.get("layers") or {"names": [], "steps": [], kind: []}
        names = [text.visible(str(name)).removesuffix(".weight") for name in told["names"]]
        rows = [[None if v is None else float(v) for v in row] for row in told[kind]]
        return [int(step) for step in told["steps"]], dict(zip(names, rows, strict=True))
    shares = (watched.get("units") or {}).get(kind) or {}
    steps = sorted({int(step) for row in shares.values() for step, _ in row})
    found: dict[str, list[float | None]] = {}
    for name, row in shares.items():
        worst: dict[int, float] = {}
        for step, share in row:  # a module may be called more than once in a step
            worst[int(step)] = max(worst.get(int(step), 0.0), float(share))
        found[text.visible(str(name))] = [worst.get(step) for step in steps]
    return steps, found
