"""From rules to causes: what one cause explains is no finding of its own."""

from collections.abc import Iterable
from dataclasses import replace

from sightline.diagnose.finding import ORDER, Finding, Tried
from sightline.diagnose.findings import Findings, seen
from sightline.diagnose.reading import Reading
from sightline.diagnose.record import Record
from sightline.diagnose.rules import RULES


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
    return combined(found, seen(record), trained=record.backwards > 0 or record.steps > 0)


def combined(found: Iterable[Finding], seen: str, *, trained: bool = True) -> Findings:
    """Fold symptoms into their causes and sort; of two that explain each other the more severe and likelier stays.

    Example:
        >>> combined([], "Watched Net.").verdict
        'Nothing speaks against this training.'
    """
    every = list(found)
    strong = [finding for finding in every if finding.severity != "advice"]
    kept: list[Finding] = []
    held_back: list[Finding] = []
    for finding in every:
        also = tuple(other.title for other in every if finding in strong and other.cause in finding.explains)
        explained = any(_explains(other, finding) for other in strong)
        (held_back if explained else kept).append(replace(finding, also=also))
    kept.sort(key=_rank)
    return Findings(tuple(kept), seen, trained=trained, held_back=tuple(held_back))


def _rank(finding: Finding) -> tuple[int, float]:
    return ORDER.index(finding.severity), -finding.certainty


def _explains(cause: Finding, symptom: Finding) -> bool:
    mutual = cause.cause in symptom.explains
    return symptom.cause in cause.explains and not (mutual and _rank(symptom) <= _rank(cause))


def with_tried(found: Findings, finding: Finding, tried: Tried) -> Findings:
    """Findings after the change of one of them was tried.

    One that does not help is advice from then on: it comes later, and what it explained is told again.

    Args:
        found: findings.
        finding: one of them.
        tried: what came of its change.

    Lecture: U7

    Example:
        >>> cause = Finding("rate-too-low", "warning", 0.9, "Too low", "", (), "", "lr = 1", explains=("no-progress",))
        >>> symptom = Finding("no-progress", "warning", 0.5, "Nothing is learned", "", (), "", "")
        >>> found = combined([cause, symptom], "Watched Net.")
        >>> [f.cause for f in found], [f.cause for f in with_tried(found, cause, Tried("worse", ""))]
        (['rate-too-low'], ['no-progress', 'rate-too-low'])
    """
    told = replace(finding, tried=tried)
    if tried.outcome in ("no difference", "worse"):
        told = replace(told, severity="advice")
    every = [told if (each.cause, each.title) == (finding.cause, finding.title) else each for each in found]
    return combined([*every, *found.held_back], found.seen, trained=found.trained)
