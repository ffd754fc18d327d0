"""Learning curves: logged rows as series that can be drawn, thinned, with nothing non-finite lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, log
from typing import Any

from sightline.report.text import SHARES, label, number

MOST_POINTS = 400
MOST_BREAKS = 40


@dataclass(frozen=True)
class Series:
    """One curve.

    Args:
        name: what the legend calls it.
        points: finite values as {"step", "value", "epoch"?, "seconds"?}, by step.
        breaks: values that are NaN or infinite, the same way, the value in words.
        num_breaks: how many of those there were before thinning.
    """

    name: str
    points: tuple[Mapping[str, Any], ...]
    breaks: tuple[Mapping[str, Any], ...]
    num_breaks: int

    def words(self) -> str:
        """What was not finite, in a sentence; empty where everything was."""
        if not self.breaks:
            return ""
        first = self.breaks[0]
        more = f", and {self.num_breaks - 1} more after it" if self.num_breaks > 1 else ""
        return f"{self.name}: {first['value']} at update {first['step']:,}{more}"


def series(rows: Sequence[Mapping[str, Any]], key: str, name: str = "") -> Series:
    """One column of the logged rows.

    Example:
        >>> s = series([{"step": 1, "loss": 2.0}, {"step": 2, "loss": float("nan")}], "loss")
        >>> len(s.points), s.words()
        (1, 'loss: NaN at update 2')
    """
    finite, broken = [], []
    for row in rows:
        if key in row:
            point = {k: row[k] for k in ("step", "epoch", "seconds") if k in row and isfinite(row[k])}
            point["step"] = row["step"]
            if isfinite(row[key]):
                finite.append({**point, "value": row[key]})
            else:
                broken.append({**point, "value": number(row[key])})
    kept = broken[:: -(-len(broken) // MOST_BREAKS) or 1]
    return Series(name or label(key), tuple(thin(finite)), tuple(kept), len(broken))


def thin(points: Sequence[Mapping[str, Any]], most: int = MOST_POINTS) -> list[Mapping[str, Any]]:
    """At most ``most`` points: the lowest and the highest of equal stretches, and both ends.

    Example:
        >>> rows = [{"step": i, "value": 9 if i == 500 else 0} for i in range(1000)]
        >>> kept = thin(rows, 100)
        >>> len(kept) <= 100, max(p["value"] for p in kept), kept[-1]["step"]
        (True, 9, 999)
    """
    if len(points) <= most:
        return list(points)
    buckets = (most - 2) // 2
    kept = {0, len(points) - 1}
    for bucket in range(buckets):
        places = range(bucket * len(points) // buckets, (bucket + 1) * len(points) // buckets)
        kept.add(min(places, key=lambda i: points[i]["value"]))
        kept.add(max(places, key=lambda i: points[i]["value"]))
    return [points[i] for i in sorted(kept)]


def wants_log(drawn: Sequence[Series]) -> bool:
    """Whether a logarithmic axis shows these better: all positive, over more than a factor of 30."""
    values = [point["value"] for one in drawn for point in one.points]
    return bool(values) and min(values) > 0 and max(values) > 30 * min(values)


METRIC_GROUPS = (
    ("accuracy", "f1"),
    ("precision", "recall"),
    ("rmse", "mae"),
    ("discriminator_loss", "generator_loss"),
    ("real_score", "made_score"),
    ("real_taken_for_real", "made_taken_for_real"),
)
"""Validation metrics that share an axis; every other one gets a panel of its own."""

FROM_THE_LOSS = ("perplexity", "bits_per_byte")
"""Metrics of text that the loss tells already, on other scales: they have no panel, the loss's tells them."""

LOGARITHMIC = frozenset({"loss", "grad_norm"})
"""What may be drawn on a logarithmic axis, where its range asks for it."""

_NOT_METRICS = frozenset({"kind", "step", "epoch", "seconds", "loss", "lr", "examples_per_second", "updates"})


@dataclass(frozen=True)
class Panel:
    """Series that share one pair of axes.

    Args:
        id: short name, for the page.
        title: what is drawn.
        drawn: the series, none of them empty.
        percent: the values are shares.
        first_colour: place of the first series in the theme's colours: training first, validation second.
        nats: the values are nats a token, so that their exponentials are perplexities.
        bits_per_nat: bits a byte that one nat a token comes to; none where bytes are not what is predicted.
    """

    id: str
    title: str
    drawn: tuple[Series, ...]
    percent: bool = False
    first_colour: int = 0
    nats: bool = False
    bits_per_nat: float | None = None

    @property
    def log(self) -> bool:
        """Whether the vertical axis is logarithmic."""
        return self.id in LOGARITHMIC and wants_log(self.drawn)

    @property
    def has_curve(self) -> bool:
        """Whether a line can be drawn: two finite values of one series at least."""
        return any(len(one.points) > 1 for one in self.drawn)

    @property
    def single(self) -> str:
        """The values in words, where each series has one at most."""
        told = [
            f"{one.name} {number(one.points[0]['value'])} at update {one.points[0]['step']:,}"
            for one in self.drawn
            if one.points
        ]
        return "" if self.has_curve else ", ".join(told)

    @property
    def words(self) -> list[str]:
        """What was not finite, a sentence a series."""
        return [one.words() for one in self.drawn if one.breaks]


def panels(training: Sequence[Mapping[str, Any]], validation: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """The learning curves: loss first, then validation metrics, then the training's own figures."""
    loss = (series(training, "loss", "training"), series(validation, "loss", "validation"))
    names = sorted({key for row in validation for key in row} - _NOT_METRICS)
    found = [_loss_panel(loss, validation)]
    if found[0].nats:
        names = [name for name in names if name not in FROM_THE_LOSS]
    alone = [(name,) for name in names if not any(name in group for group in METRIC_GROUPS)]
    for group in (*METRIC_GROUPS, *alone):
        drawn = tuple(series(validation, name) for name in group if name in names)
        title = " and ".join(one.name for one in drawn) + ", validation"
        found.append(Panel("-".join(group), title, drawn, percent=group[0] in SHARES, first_colour=1))
    found += _players(training)
    found += [Panel(key, label(key), (series(training, key),)) for key in ("lr", "grad_norm", "examples_per_second")]
    kept = (replace(p, drawn=tuple(one for one in p.drawn if one.points or one.breaks)) for p in found)
    return [replace(panel, title=panel.title[0].upper() + panel.title[1:]) for panel in kept if panel.drawn]


def _players(training: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """The balance of two players while they train."""
    if not any("generator_loss" in row for row in training):
        return []
    losses = (series(training, "loss", "discriminator"), series(training, "generator_loss", "generator"))
    scores = (series(training, "real_score", "real images"), series(training, "made_score", "made images"))
    return [
        Panel("players", "losses of both players, training", losses, first_colour=1),
        Panel("scores", "what the discriminator says, training", scores, first_colour=1),
    ]


def _loss_panel(drawn: tuple[Series, ...], validation: Sequence[Mapping[str, Any]]) -> Panel:
    """The loss's panel; where it is the logarithm of a perplexity logged beside it, the one that tells both."""
    beside = [row for row in validation if row.get("perplexity", 0) > 0 and isfinite(row["perplexity"])]
    if not beside or any(abs(log(row["perplexity"]) - row["loss"]) > 0.01 for row in beside):
        return Panel("loss", "Loss", drawn)
    bits = [row["bits_per_byte"] / row["loss"] for row in validation if row.get("bits_per_byte") and row.get("loss")]
    bits = [one for one in bits if isfinite(one)]
    return Panel("loss", "Loss, nats a token", drawn, nats=True, bits_per_nat=bits[-1] if bits else None)
