"""The page's sections beside the charts: what stands in each, ready to be set."""

import shlex
from collections.abc import Mapping
from io import BytesIO
from math import isfinite
from typing import Any

from PIL import Image

from sightline.core.errors import RunFolderError
from sightline.core.run_folder import RunFolder
from sightline.report import text, text_sections
from sightline.report.embedded_picture import DAMAGED, EmbeddedPicture, data_uri, embedded
from sightline.report.image_section import RECORD
from sightline.report.read import Evaluation, Metric, Row, RunRecord, leaves

PICTURE_BYTES = 300_000
"""Largest sum of the embedded pictures, before encoding."""

GALLERY_BYTES = 200_000
"""The picture of augmented examples becomes a JPEG above this size."""

PICTURE_SIDE = 224
"""Longest side of an embedded picture, in pixels; larger ones are scaled down."""

TINY_SIDE = 64
"""Pictures up to this many pixels a side are enlarged with their pixels showing."""

NATURAL = ("nats", "bits")
"""Units that are no target's."""

MOST_MISTAKES = 24
MOST_LISTED = 20

_TOLD = frozenset({"what", "counts", "balance", "left_out", "notes", "duplicates"})


def headline(run: RunRecord) -> str:
    """What was trained on what, in one line."""
    model, source = _part(run.spec, "model", "name"), _part(run.spec, "data", "source")
    parts = [f"{model or 'a model built in Python'} on {source or 'data given in Python'}"]
    if run.schema.get("task") == "classification":
        parts.append(f"{len(run.schema['classes'])} classes")
    elif run.schema.get("task") == "regression":
        parts.append(f"predicting {run.schema['target']}")
    parts += text_sections.headline(run.schema)
    shape = [text.plain(size) for size in run.schema.get("input_shape") or ()]
    if shape and run.schema.get("kind") != "text":
        parts.append("inputs " + " × ".join(shape) if len(shape) > 1 else f"{shape[0]} inputs")
    return ", ".join(parts)


def _part(spec: Row, part: str, field: str) -> Any:
    value = spec.get(part)
    return value.get(field) if isinstance(value, Mapping) else value


def facts(run: RunRecord) -> list[tuple[str, str, str]]:
    """The figures at the top: label, value, a word below."""
    told = [_evaluation_fact(e, e.headline) for e in run.evaluations if e.headline is not None]
    told += text_sections.facts(run.schema, run.data)
    if run.seconds is not None:
        last = max((row["step"] for row in (*run.training, *run.validation)), default=None)
        step = run.status.get("step", last)
        told.append(("time", text.duration(run.seconds), "" if step is None else f"{step:,} updates"))
    machine = [*(run.environment.get("accelerators") or ()), run.environment.get("processor")][0]
    if machine:
        cores = run.environment.get("cores")
        told.append(("machine", str(machine), f"{cores} cores" if cores else ""))
    return told


def _evaluation_fact(evaluation: Evaluation, metric: Metric) -> tuple[str, str, str]:
    unit = f"{metric.unit}, " if metric.unit in NATURAL else f"in units of {metric.unit}, " if metric.unit else ""
    value = text.figure(metric.name, metric.value, metric.standard_error)
    return f"{evaluation.split} {text.label(metric.name)}", value, f"{unit}{evaluation.count:,} examples"


def figures(run: RunRecord) -> list[tuple[str, list[str]]]:
    """Every metric (rows) of every evaluation (columns)."""
    table = []
    for name in dict.fromkeys(m.name for e in run.evaluations for m in e.metrics):
        metrics = [next((m for m in e.metrics if m.name == name), None) for e in run.evaluations]
        unit = next((m.unit for m in metrics if m and m.unit), "")
        row = [text.figure(name, m.value, m.standard_error) if m else "—" for m in metrics]
        table.append((text.label(name) + (f" ({unit})" if unit else ""), row))
    return table


def confused(shown: Evaluation) -> list[tuple[str, str, int, float]]:
    """The pairs of classes most often mistaken: true, predicted, examples, share of the true class."""
    pairs = [
        (shown.classes[t], shown.classes[p], n, n / sum(row))
        for t, row in enumerate(shown.confusion)
        for p, n in enumerate(row)
        if n and t != p
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:6]


def per_class(shown: Evaluation) -> list[dict[str, Any]]:
    """Rows of the per-class table; each share as text and as the length of its bar in per cent."""
    rows = []
    for row in shown.per_class:
        shares = [float(row[name]) for name in ("precision", "recall", "f1")]
        cells = [(text.figure("f1", s), round(100 * s, 1) if isfinite(s) else 0.0) for s in shares]
        rows.append({"class": str(row["class"]), "cells": cells, "count": f"{row['count']:,}"})
    return rows


def mistakes(shown: Evaluation, folder: RunFolder) -> list[dict[str, Any]]:
    """The worst examples with their pictures as data URIs, as far as the page's size allows."""
    left = PICTURE_BYTES
    told = []
    for mistake in shown.mistakes[:MOST_MISTAKES]:
        entry = {"probability": None, "loss": None, "row": None, **mistake, "uri": "", "tiny": False, "lacking": ""}
        if mistake.get("picture"):
            found = small_picture(folder, str(mistake["picture"]))
            if found is None:
                entry["lacking"] = f"{mistake['picture']} is not there"
            elif len(found[0]) > left:
                entry["lacking"] = f"{mistake['picture']} is left out, to keep this page small"
            else:
                content, entry["tiny"] = found
                left -= len(content)
                entry["uri"] = data_uri(content)
        told.append(entry)
    return told


def small_picture(folder: RunFolder, name: str) -> tuple[bytes, bool] | None:
    """A picture of at most ``PICTURE_SIDE`` pixels a side and whether it is tiny; none where the file is gone.

    Raises:
        RunFolderError: when it lies outside the run folder or is no whole PNG file.
    """
    path = folder.path / name
    found = "outside the run folder"
    if path.resolve().is_relative_to(folder.path.resolve()):
        if not path.is_file():
            return None
        try:
            with Image.open(path, formats=["PNG"]) as picture:
                picture.load()
                return _small(picture, path.read_bytes()), max(picture.size) <= TINY_SIDE
        except DAMAGED as error:
            found = f"which can't be read: {error}"
    raise RunFolderError(
        expected=f"PNG pictures of mistakes inside {folder.path}",
        found=f"{name}, {found}",
        do=f"`sightline evaluate {folder.path}`: it writes the pictures anew",
    )


def _small(picture: Image.Image, content: bytes) -> bytes:
    """The file's own bytes where the picture is small, else a JPEG scaled down."""
    if max(picture.size) <= PICTURE_SIDE and len(content) <= PICTURE_BYTES // MOST_MISTAKES:
        return content
    scaled = picture.convert("RGB")
    scaled.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    buffer = BytesIO()
    scaled.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def gallery(folder: RunFolder) -> EmbeddedPicture | None:
    """The picture of augmented examples, with its description; none where the run has none.

    Raises:
        RunFolderError: when it is no whole PNG file.
    """
    path = folder.path / "samples/augmented.png"
    if not path.is_file():
        return None
    try:
        return embedded(path, largest=GALLERY_BYTES)
    except DAMAGED as error:
        raise RunFolderError(
            expected=f"a PNG picture of augmented examples at {path}",
            found=f"a damaged file: {error}",
            do="move it away: the report then leaves that part out",
        ) from error


def balance(data: Row) -> dict[str, dict[str, int]]:
    """Class counts by split; empty where the data have no classes."""
    splits = data.get("balance") or {}
    counts = {str(s): {str(c): int(n) for c, n in split.items()} for s, split in splits.items() if split}
    return counts if any(counts.values()) else {}


def data(found: Row) -> dict[str, Any]:
    """What the loader found: a sentence, counts, files left out, duplicates, notes, and all else as rows."""
    left_out = [(text.plain(path), text.plain(why)) for path, why in found.get("left_out") or ()]
    notes = found.get("notes") or []
    return {
        "what": text.plain(found.get("what") or ""),
        "counts": {str(split): f"{count:,}" for split, count in (found.get("counts") or {}).items()},
        "left_out": left_out[:MOST_LISTED],
        "num_left_out": len(left_out),
        "notes": [notes] if isinstance(notes, str) else [text.plain(note) for note in notes],
        "duplicates": [_duplicate(entry) for entry in found.get("duplicates") or ()],
        "rest": flat({key: value for key, value in found.items() if key not in _TOLD and value}),
    }


def _duplicate(entry: Row) -> str:
    return f"{entry['count']:,} examples of {entry['second']} also stand in {entry['first']}"


def flat(nested: Any) -> list[tuple[str, str]]:
    """Nested values as rows under their dotted names; a long list is cut, and its length told.

    Example:
        >>> flat({"sizes": "8 × 8", "columns": [{"name": "age", "missing": 2}]})
        [('sizes', '8 × 8'), ('columns.age', 'missing = 2')]
    """
    return [row for path, value in leaves(nested) for row in _rows(path, value)] if nested else []


def _rows(path: str, value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, list):
        return [(path, text.plain(value))]
    more = [(path, f"… {len(value):,} in all")] if len(value) > MOST_LISTED else []
    listed = value[:MOST_LISTED]
    if listed and all(isinstance(entry, Mapping) for entry in listed):
        return [_entry(path, place, entry) for place, entry in enumerate(listed, start=1)] + more
    return [(path, text.plain(listed)), *more]


def _entry(path: str, place: int, entry: Row) -> tuple[str, str]:
    others = {key: value for key, value in entry.items() if key != "name"}
    return f"{path}.{entry.get('name', place)}", text.plain(others)


def grouped(spec: Row) -> list[tuple[str, list[tuple[str, str]]]]:
    """The configuration by its parts; fields of no part come first, under no name."""
    parts = {str(key): value for key, value in spec.items() if isinstance(value, Mapping) and value}
    single = {str(key): value for key, value in spec.items() if str(key) not in parts}
    return [("", flat(single)), *((name, flat({name: value})) for name, value in parts.items())]


def commands(run: RunRecord) -> list[tuple[str, str]]:
    """How to go on from here: what for, and the command."""
    place = shlex.quote(str(run.folder.path))
    done = run.status["state"] == "completed"
    usual = ("predict new inputs", f"sightline predict {place} FILE-OR-FOLDER")
    if run.folder.has(RECORD):
        usual = ("make new images", f"sightline sample {place} -n 64")
    return [
        *([] if done else [("go on where it stopped", f"sightline resume {place}")]),
        *(text_sections.commands(run, place) or [usual]),
        *(
            [("say how good its images are", f"sightline judge {place} --by CLASSIFIER-RUN")]
            if run.folder.has(RECORD)
            else []
        ),
        ("evaluate it again, or on other data with --data", f"sightline evaluate {place}"),
        ("set it beside another run, on a page too", f"sightline compare {place} OTHER-RUN --report both.html"),
        *(
            []
            if run.folder.has(RECORD)
            else [("measure how sharp its loss is", f"sightline report {place} --sharpness")]
        ),
        ("rebuild this page", f"sightline report {place}"),
    ]
