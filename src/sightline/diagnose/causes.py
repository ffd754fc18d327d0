"""From rules to causes: what one cause explains is no finding of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sightline.diagnose.finding import ORDER, Finding, Tried
from sightline.diagnose.findings import Findings, seen
from sightline.diagnose.reading import Reading
from sightline.diagnose.record import Record
from sightline.diagnose.rules import RULES

OF_NO_HARM = frozenset(
    ["wrong-labels", "wrong-layout", "class-imbalance", "ignored-index", "target-outliers", "duplicates", "bottleneck"]
) | {"regression-loss-for-classes", "validation-preprocessed-differently", "augmentation-changes-label"}
"""Causes that would show in the losses: where training and validation are both good, advice at most."""


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
    if reading.sound:
        found = [replace(f, severity="advice") if _harmless(f) else f for f in found]
    return told(found, seen(record), trained=record.backwards > 0 or record.steps > 0)


def _harmless(finding: Finding) -> bool:
    return finding.cause in OF_NO_HARM and finding.severity == "warning" and finding.certainty <= 0.75


def told(found: Sequence[Finding], seen: str, *, trained: bool) -> Findings:
    """Of all that was found what is told, and what is held back as its symptoms."""
    kept = combined(found)
    names = {_name(finding) for finding in kept}
    return Findings(
        kept, seen, trained=trained, held_back=tuple(finding for finding in found if _name(finding) not in names)
    )


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
        >>> found = told([cause, symptom], "Watched Net.", trained=True)
        >>> [f.cause for f in found], [f.cause for f in with_tried(found, cause, Tried("worse", ""))]
        (['rate-too-low'], ['no-progress', 'rate-too-low'])
    """
    now = replace(finding, tried=tried)
    if tried.outcome in ("no difference", "worse"):
        now = replace(now, severity="advice")
    every = [now if _name(each) == _name(finding) else each for each in found]
    return told([*every, *found.held_back], found.seen, trained=found.trained)


def _name(finding: Finding) -> tuple[str, str]:
    return finding.cause, finding.title


def combined(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Fold symptoms into their causes and sort; of causes that explain each other the likeliest stays.

    Example:
        >>> combined([])
        ()
    """
    waiting = sorted(found, key=lambda f: (ORDER.index(f.severity), -f.certainty))
    kept: list[Finding] = []
    while waiting:
        cause = next(f for f in waiting if _is_root(f, waiting))
        symptoms = _symptoms(cause, waiting)
        kept.append(replace(cause, also=tuple(f.title for f in symptoms)))
        waiting = [f for f in waiting if f is not cause and f not in symptoms]
    return tuple(sorted(kept, key=lambda f: (ORDER.index(f.severity), -f.certainty)))


def _is_root(finding: Finding, found: list[Finding]) -> bool:
    """Nothing explains it but what it explains itself."""
    others = [f for f in found if f.severity != "advice" and _explains(f, finding)]
    return not others or set(map(id, others)) <= set(map(id, _symptoms(finding, found)))


def _symptoms(cause: Finding, found: list[Finding]) -> list[Finding]:
    """What a finding explains, and what those explain."""
    symptoms: list[Finding] = []
    sources = [cause]
    while sources:
        source = sources.pop()
        if source.severity != "advice":
            new = [f for f in found if _explains(source, f) and f is not cause and f not in symptoms]
            symptoms += new
            sources += new
    return symptoms


def _explains(cause: Finding, symptom: Finding) -> bool:
    """Whether one finding accounts for another."""
    same = cause.cause == symptom.cause  # two rules that see one cause tell it once
    return cause is not symptom and (same or bool({symptom.cause, symptom.form} & set(cause.explains)))
