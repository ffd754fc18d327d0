"""All findings of one watch, for a person and for a program."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from math import isfinite
from textwrap import fill as textwrap_fill
from typing import Any

from sightline.diagnose.finding import Curves, Finding, Tried
from sightline.diagnose.reading import Reading
from sightline.diagnose.record import Record

WIDTH = 100
MOST_NAMED = 4
"""Networks that a sentence names: a loop that calls another part of one each time has many."""

fill = partial(textwrap_fill, width=WIDTH, break_on_hyphens=False)  # a cause's name stays whole
STOPPED = " The program ended with "


class Findings(tuple[Finding, ...]):
    """Causes found, the likeliest and most severe first; ``str()`` is for a terminal.

    Attributes:
        seen: a sentence on what was watched.
        trained: whether anything was trained at all.
        held_back: symptoms that one of the findings explains, and so not told apart.
    """

    seen: str
    trained: bool
    held_back: tuple[Finding, ...]

    def __new__(
        cls, found: tuple[Finding, ...], seen: str, *, trained: bool = True, held_back: tuple[Finding, ...] = ()
    ) -> "Findings":
        """Of findings in order."""
        made = super().__new__(cls, found)
        made.seen, made.trained, made.held_back = seen, trained, held_back
        return made

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """Errors and warnings: those with evidence of harm."""
        return tuple(finding for finding in self if finding.severity != "advice")

    @property
    def verdict(self) -> str:
        """One sentence."""
        if not self.alarms and STOPPED in self.seen:
            return "The program did not come to its end; until then nothing speaks against its training."
        if not self.alarms:
            return "Nothing speaks against this training." if self.trained else "Nothing was trained while watched."
        first, more = self.alarms[0], len(self.alarms) - 1
        rest = "" if not more else f" ({more} more finding{'s' if more > 1 else ''} below)"
        return f"{first.title}: {first.fix}{rest}."

    def __str__(self) -> str:
        """The verdict, then each finding with its evidence, its reason and the change to make."""
        blocks = [fill(self.verdict), fill(self.seen)]
        for number, finding in enumerate(self, 1):
            blocks.append(_block(number, finding))
        return "\n\n".join(blocks)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {
            "verdict": self.verdict,
            "seen": self.seen,
            "trained": self.trained,
            "findings": [asdict(finding) for finding in self],
            "held_back": [asdict(finding) for finding in self.held_back],
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Findings":
        """Those that :meth:`to_dict` told.

        Raises:
            KeyError, TypeError: for what it did not tell.
        """
        found, held_back = (tuple(map(_finding, each)) for each in (plain["findings"], plain.get("held_back", ())))
        return cls(found, plain["seen"], trained=plain["trained"], held_back=held_back)


def _finding(plain: Mapping[str, Any]) -> Finding:
    words: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
    words["figure"] = None if plain["figure"] is None else _curves(plain["figure"])
    words["tried"] = None if plain.get("tried") is None else Tried(**plain["tried"])
    return Finding(**words)


def _curves(plain: Mapping[str, Any]) -> Curves:
    lines = {name: tuple((float(x), float(y)) for x, y in points) for name, points in plain["lines"].items()}
    return Curves(**{**plain, "lines": lines})


def _block(number: int, f: Finding) -> str:
    lines = [fill(f"{number}. {f.title}  [{f.severity}, {f.certainty:.0%} sure: {f.cause}]")]
    parts: Mapping[str, tuple[str, ...]] = {
        "where": (f.where,),
        "seen": f.evidence,
        "why": (f.why,),
        "fix": (f.fix,),
        "tried": (f.tried.sentence,) if f.tried is not None else (),
        "also": f.also,
    }
    for word, sentences in parts.items():
        for index, sentence in enumerate(sentences):
            head = f"   {word if index == 0 else '':<6}"
            lines.append(fill(sentence, initial_indent=head, subsequent_indent=" " * len(head)))
    return "\n".join(lines)


def seen(record: Record) -> str:
    """What a watch looked at, in a sentence."""
    first, more = record.networks[:MOST_NAMED], len(record.networks[MOST_NAMED:])
    networks = ", ".join(first) + (f" and {more} more" if more else "") or "no network"
    training = Reading(record).training
    loss = ""
    if training is not None:
        parts = [f"{v:.4g}" if isfinite(v) else "not a number" for v in (training.start, training.end)]
        loss = f", loss {parts[0]} → {parts[1]}"
    size = sum(p.size for p in record.parameters)
    text = f"Watched {networks} ({size:,} parameters): {record.steps:,} updates{loss}"
    text += f", {len(record.looks)} looked at closely."
    if record.stopped:
        text += f"{STOPPED}{record.stopped.splitlines()[0][:300].removesuffix('.')}."
    if record.by_hand:
        text += " Weights are updated by hand, which is not seen."
    if record.unseen:
        text += f" Not seen: {', '.join(record.unseen)}."
    return text
