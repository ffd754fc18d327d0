"""The page's section of attention maps: every head small, with what it does, for one example."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from sightline.report import text
from sightline.report.figures.attention_maps import head_pictures
from sightline.report.read import Row

MOST_MAPS = 600_000
"""Weights that are drawn at most: attention layers beyond that are left out, and it is said."""

MARKED = 0.4
"""A share of the weights from which on it is told as what the head does."""


def attention(plain: Row) -> dict[str, Any]:
    """The attention maps, grouped by who looks at whom, and the figures of each head.

    Args:
        plain: ``readings/attention.json``.
    """
    sides = {side: [_letter(str(piece)) for piece in plain[side]] for side in ("source", "target")}
    figures = {(f["layer"], f["head"], n): f for (n, f) in _numbered(plain["heads"])}
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    drawn, left_out, uses = 0, 0, dict[str, int]()
    for one in plain["maps"]:
        use = uses[one["layer"]] = uses.get(one["layer"], -1) + 1
        weights = one["thousandths"]
        drawn += sum(len(row) for head in weights for row in head)
        if drawn > MOST_MAPS:
            left_out += 1
            continue
        _require_shape(one, sides)
        group = groups.setdefault((one["rows"], one["columns"]), [])
        heads = [
            {"uri": uri, **_head(figures[one["layer"], head, use])} for head, uri in enumerate(head_pictures(weights))
        ]
        group.append({"layer": str(one["layer"]), "number": len(group) + 1, "heads": heads})
    told: list[dict[str, Any]] = [
        {"rows": rows, "columns": columns, "title": _title(rows, columns, bool(sides["target"])), "layers": layers}
        for (rows, columns), layers in groups.items()
    ]
    _choose([head for group in told for layer in group["layers"] for head in layer["heads"]])
    tokens = {side: pieces for side, pieces in sides.items() if pieces}
    return {"groups": told, "tokens": tokens, "left_out": left_out, "count": len(sides["target"] or sides["source"])}


def _numbered(heads: Sequence[Row]) -> list[tuple[int, Row]]:
    """Figures with the number of the use of their layer: a shared block's come several times."""
    seen: dict[tuple[Any, Any], int] = {}
    told = []
    for figures in heads:
        key = (figures["layer"], figures["head"])
        seen[key] = seen.get(key, -1) + 1
        told.append((seen[key], figures))
    return told


def _require_shape(one: Row, sides: Mapping[str, Sequence[str]]) -> None:
    size = (len(sides[one["rows"]]), len(sides[one["columns"]]))
    found = {(len(head), len(row)) for head in one["thousandths"] for row in head}
    if found != {size}:
        raise ValueError(f"weights of {one['layer']} are not {size[0]} × {size[1]}")


def _head(figures: Row) -> dict[str, Any]:
    """A head's number, its figures in words, and what it does most in a word or two."""
    entropy, distance = float(figures["entropy"]), float(figures["distance"])
    shares = {name: float(figures[name]) for name in ("previous", "itself", "first")}
    name, most = max(shares.items(), key=lambda pair: pair[1] if isfinite(pair[1]) else -1.0)
    nature = f"{text.number(distance, 2)} away" if isfinite(distance) else f"{text.number(entropy, 2)} nats"
    if most >= MARKED:
        nature = f"{name} {100 * most:.0f} %"
    cells = [text.number(entropy, 3), "—" if not isfinite(distance) else text.number(distance, 3)]
    cells += ["—" if not isfinite(share) else f"{100 * share:.0f} %" for share in shares.values()]
    plain = name if most >= MARKED else ""
    told = {"number": int(figures["head"]) + 1, "nature": nature, "cells": cells, "chosen": False}
    return told | {"entropy": entropy, "plain": plain in ("first", "itself")}


def _choose(heads: Sequence[dict[str, Any]]) -> None:
    """Mark the head that is shown large at first: of those that look elsewhere than at one place, the surest."""
    telling = [head for head in heads if not head["plain"]] or heads
    if telling:
        min(telling, key=lambda head: head["entropy"])["chosen"] = True


def _title(rows: str, columns: str, pair: bool) -> str:
    if not pair:
        return ""
    if rows != columns:
        return "The text written looks at the text read"
    return "The text read looks at itself" if rows == "source" else "The text written looks at itself"


def _letter(piece: str) -> str:
    """A token on one line, with something to see of spaces, line breaks and control characters."""
    return text.visible(piece).replace("\n", "↵").replace("\t", "⇥").replace(" ", "␣") or "∅"
