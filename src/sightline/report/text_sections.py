"""The page's sections of a run on text: what it wrote, where it was surprised, what it filled in, who looks at whom."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite
from typing import Any

from sightline.core.files import from_json
from sightline.core.run_folder import RunFolder
from sightline.report import text
from sightline.report.attention_section import attention
from sightline.report.read import Row, RunRecord, evenly, reading, whole_lines

SAMPLES, EXAMPLES, ATTENTION = "samples/text.jsonl", "readings/text.json", "readings/attention.json"

MOST_SAMPLES = 8
"""Looks whose samples are shown: the first, the last, and some evenly between."""

MOST_LETTERS = 700
"""Letters of a sample; the last look's are shown three times as long."""

SURPRISE_STEPS, NATS_A_STEP = 6, 1.0
"""Shades of surprise: the deepest from 6 nats on, a chance of 1 in 400."""

TASKS = {
    "language": "a language model",
    "sequence": "from one text to another",
    "token-classification": "a class for each token",
    "span": "finds the answer in a text",
}


@dataclass(frozen=True)
class TextParts:
    """All that the page tells of a run on text; empty where the run left nothing.

    Args:
        samples: of each look shown: "step", and "texts" of prompt and continuation.
        passages: the most surprising: "loss", "index", "before", and "tokens" with shade and words.
        filled: hidden tokens guessed: "loss", "index", and "tokens".
        translations: "source", "target", "model".
        attention: what :func:`attention` gives.
    """

    samples: list[dict[str, Any]]
    passages: list[dict[str, Any]]
    filled: list[dict[str, Any]]
    translations: list[dict[str, str]]
    attention: dict[str, Any]


def read_text_parts(folder: RunFolder) -> TextParts:
    """What a run on text left in its folder.

    Raises:
        RunFolderError: when a file is there but is not what a run writes; it names the file.
    """
    with reading(folder, SAMPLES):
        shown = samples(whole_lines(folder, SAMPLES))
    examples: Row = {}
    with reading(folder, EXAMPLES):
        if folder.has(EXAMPLES):
            examples = dict(from_json(folder.text(EXAMPLES)))
        worst = [passage(one) for one in examples.get("passages") or ()]
        guessed = [filled(one) for one in examples.get("filled") or ()]
        translated = [
            {k: text.visible(str(one[k])) for k in ("source", "target", "model")}
            for one in examples.get("translations", ())
        ]
    with reading(folder, ATTENTION):
        seen = attention(from_json(folder.text(ATTENTION))) if folder.has(ATTENTION) else {}
    return TextParts(shown, worst, guessed, translated, seen)


def samples(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The looks that are shown, oldest first, each with its prompts and texts.

    Example:
        >>> samples([{"step": 5, "prompt": "To ", "text": "be"}])
        [{'step': 5, 'texts': [{'prompt': 'To ', 'text': 'be'}]}]
    """
    steps = evenly(sorted({int(row["step"]) for row in rows}), MOST_SAMPLES)
    told = []
    for step in steps:
        most = MOST_LETTERS * (3 if step == steps[-1] else 1)
        texts = [
            {"prompt": text.visible(str(row["prompt"])), "text": text.visible(_cut(str(row["text"]), most))}
            for row in rows
            if row["step"] == step
        ]
        told.append({"step": step, "texts": texts})
    return told


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[:most] + "…"


def passage(one: Row) -> dict[str, Any]:
    """A passage with the surprise of each token: its shade, 0 to 6, and its words.

    Example:
        >>> told = passage({"index": 3, "loss": 1.5, "before": "T", "pieces": ["o", " "], "nats": [0.2, 3.0]})
        >>> [(token["shade"], token["words"]) for token in told["tokens"]]
        [(0, '0.2 nats, a chance of 81.9 %'), (3, '3 nats, a chance of 5.0 %')]
    """
    tokens = [
        {"text": visible(str(piece)), "shade": _shade(float(nats)), "words": _surprise(float(nats))}
        for piece, nats in zip(one["pieces"], one["nats"], strict=True)
    ]
    return {
        "index": one["index"],
        "loss": float(one["loss"]),
        "before": text.visible(str(one["before"])),
        "tokens": tokens,
    }


def _shade(nats: float) -> int:
    return min(SURPRISE_STEPS, max(0, int(nats / NATS_A_STEP))) if isfinite(nats) else SURPRISE_STEPS


def _surprise(nats: float) -> str:
    chance = exp(-nats) if isfinite(nats) else 0.0
    words = f"{100 * chance:.1f} %" if chance >= 0.0005 else f"1 in {text.number(round(1 / chance))}" if chance else "0"
    return f"{text.number(nats)} nats, a chance of {words}"


def filled(one: Row) -> dict[str, Any]:
    """A text with its hidden tokens: what was guessed, what stood there, and how sure the model was.

    Example:
        >>> told = filled(
        ...     {"index": 0, "loss": 1.0, "pieces": ["a", "b"], "places": [1], "guesses": ["c"], "chances": [0.5]}
        ... )
        >>> told["tokens"][1]["guess"], told["tokens"][1]["right"]
        ('c', False)
    """
    hidden = dict(zip(one["places"], zip(one["guesses"], one["chances"], strict=True), strict=True))
    tokens = []
    for place, piece in enumerate(one["pieces"]):
        entry: dict[str, Any] = {"text": visible(str(piece)), "guess": None, "right": False, "words": ""}
        if place in hidden:
            guess, chance = hidden[place]
            entry |= {"guess": visible(str(guess)), "right": guess == piece, "words": f"{100 * float(chance):.1f} %"}
        tokens.append(entry)
    right = sum(token["right"] for token in tokens)
    return {"index": one["index"], "loss": float(one["loss"]), "tokens": tokens, "right": right, "hidden": len(hidden)}


def visible(piece: str) -> str:
    """A token's own text with its line breaks and control characters showing.

    Example:
        >>> visible("a\\0\\n")
        'a␀↵\\n'
    """
    return text.visible(piece).replace("\n", "↵\n")


def facts(schema: Row, data: Row) -> list[tuple[str, str, str]]:
    """Figures of the text for the page's head: label, value, a word below.

    Example:
        >>> facts({"task": "language", "text": {"vocabulary_size": 65, "length": 64, "bytes_per_token": 1.0}}, {})
        [('vocabulary', '65', '1 byte a predicted token'), ('context', '64 tokens', '')]
    """
    about = schema.get("text")
    if not about:
        return []
    per_token = float(about.get("bytes_per_token") or 1.0)
    unit = "byte" if per_token == 1 else "bytes"
    token = "predicted token" if schema.get("task") == "language" else "token"
    told = [("vocabulary", f"{int(about['vocabulary_size']):,}", f"{text.number(per_token, 3)} {unit} a {token}")]
    counts = _tokens(data.get("notes") or ())
    if counts:
        told.append(("tokens", f"{sum(counts.values()):,}", f"{counts.get('train', 0):,} to train on"))
    words = f" to {int(about['target_length'])}" if about.get("target_length") else ""
    return [*told, ("context", f"{int(about['length'])}{words} tokens", "")]


def commands(run: RunRecord, place: str) -> list[tuple[str, str]]:
    """What can be done with a run on text: what for, and the command; nothing for other runs."""
    if run.schema.get("kind") != "text":
        return []
    told = [("vectors of texts, one a line", f"sightline features {place} FILE --out vectors.npz")]
    objective = run.spec.get("objective")
    hides = isinstance(objective, Mapping) and objective.get("name") == "masked-language"
    if run.schema.get("task") in ("language", "sequence") and not hides:
        return [("write text on", f'sightline generate {place} --prompt "…"'), *told]
    return [("predict new inputs", f"sightline predict {place} FILE-OR-FOLDER"), *told] if not hides else told


def _tokens(notes: Sequence[Any]) -> dict[str, int]:
    """Tokens of each split, from the lines that are written of it."""
    found = [re.match(r"(\w+): .* ([\d,]+) tokens of ", str(note)) for note in notes]
    return {match[1]: int(match[2].replace(",", "")) for match in found if match}


def headline(schema: Row) -> list[str]:
    """What is to be learnt, for the line below the title; nothing but for text.

    Example:
        >>> headline({"kind": "text", "task": "language"})
        ['a language model']
    """
    if schema.get("kind") != "text":
        return []
    return [TASKS[schema["task"]]] if schema.get("task") in TASKS else []
