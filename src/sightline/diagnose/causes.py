"""From rules to causes: what one cause explains is no finding of its own."""

from collections.abc import Iterable
from dataclasses import replace

from sightline.diagnose.finding import ORDER, Finding
from sightline.diagnose.findings import Findings, seen
from sightline.diagnose.reading import Reading
from sightline.diagnose.record import Record
from sightline.diagnose.rules import RULES

FORMS = {"unigram-level": "no-progress"}
"""Causes that are a form of another: what explains that one explains them."""


def findings(record: Record) -> Findings:
    """Causes found in a record, the most severe and likeliest first; none: nothing speaks against the run.

    A finding that another explains is folded into that one's ``also``.

    Lecture: U7

    Example:
        >>> print(findings(Record()).verdict)
        Nothing was trained while watched.
    """
    reading = Reading(record)
    found = [finding for name in RULES if (finding := RULES[name](reading)) is not None]
    return Findings(combined(found), seen(record), trained=record.backwards > 0 or record.steps > 0)


def combined(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Fold symptoms into their causes and sort.

    Example:
        >>> combined([])
        ()
    """
    every = list(found)
    strong = [finding for finding in every if finding.severity != "advice"]
    kept: list[Finding] = []
    for finding in every:
        if any(_explains(other, finding) for other in strong):
            continue
        also = tuple(other.title for other in every if finding in strong and _explains(finding, other))
        kept.append(replace(finding, also=also))
    return tuple(sorted(kept, key=lambda f: (ORDER.index(f.severity), -f.certainty)))


def _explains(cause: Finding, symptom: Finding) -> bool:
    """Whether one finding accounts for another."""
    return cause is not symptom and bool({symptom.cause, FORMS.get(symptom.cause)} & set(cause.explains))
