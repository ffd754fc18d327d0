"""From rules to causes: what one cause explains is no finding of its own."""

from collections.abc import Iterable
from dataclasses import replace

from sightline.diagnose.finding import ORDER, Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.record import Record
from sightline.diagnose.rules import RULES


def findings(record: Record) -> list[Finding]:
    """Causes found in a record, the likeliest and most severe first.

    A finding that another explains is folded into that one's ``also``. An empty list: nothing speaks against the run.
    """
    reading = Reading(record)
    found = [finding for name in RULES if (finding := RULES[name](reading)) is not None]
    return combined(found)


def combined(found: Iterable[Finding]) -> list[Finding]:
    """Fold symptoms into their causes and sort.

    Example:
        >>> combined([])
        []
    """
    every = list(found)
    kept: list[Finding] = []
    for finding in every:
        causes = [other for other in every if finding.cause in other.explains and other.severity != "advice"]
        if not causes:
            also = tuple(other.title for other in every if other.cause in finding.explains)
            kept.append(replace(finding, also=also) if also and finding.severity != "advice" else finding)
    return sorted(kept, key=lambda f: (ORDER.index(f.severity), -f.certainty))
