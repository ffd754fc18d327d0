"""What an examination of a network that makes images finds: further figures, and what is amiss in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sightline.objectives.measure import Measure


@dataclass(frozen=True)
class Finding:
    """Something amiss, in words.

    Args:
        cause: what it is called.
        evidence: the numbers that show it.
        why: what they mean.
        fix: what to try.
        severity: "warning" or "note".
    """

    cause: str
    evidence: str
    why: str
    fix: str
    severity: str = "warning"

    def __str__(self) -> str:
        return f"{self.cause}: {self.evidence}\n  {self.why}\n  try: {self.fix}"


@dataclass(frozen=True)
class Examination:
    """What was found.

    Args:
        metrics: further figures.
        findings: what is amiss; nothing where all is well.
        details: plain values for the page, by name.
    """

    metrics: Mapping[str, Measure] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    details: Mapping[str, Any] = field(default_factory=dict)
