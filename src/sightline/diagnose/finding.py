"""A finding: one cause, how sure, where, what shows it, why it matters, and the change to make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Literal

from sightline.diagnose.tape import Plain

Severity = Literal["error", "warning", "advice"]

ORDER: tuple[Severity, ...] = ("error", "warning", "advice")

Outcome = Literal["helped", "no difference", "worse", "not compared", "not tried", "by hand"]


@dataclass(frozen=True)
class Curves:
    """A small figure: named lines over a common axis."""

    x: str
    y: str
    lines: Mapping[str, tuple[tuple[float, float], ...]]
    logarithmic: bool = False


@dataclass(frozen=True)
class Tried:
    """What came of a finding's change in a second run of the same training.

    Attributes:
        outcome: "helped", "no difference", "worse"; "not compared": it was made and nothing can be said, or it could
            not be made; "not tried": no second run was made, as many changes as are allowed had been tried; "by hand":
            none either, the change is not one that can be tried.
        sentence: what was done and what it came to, with the numbers.
        updates: of each run that were compared.
        measure: what was compared: "training loss", "validation loss", "validation accuracy", "training accuracy".
        before, after: its value without the change and with it; NaN where nothing was compared.
        error: standard error of the difference; None where it is not known.
    """

    outcome: Outcome
    sentence: str
    updates: int = 0
    measure: str = ""
    before: float = nan
    after: float = nan
    error: float | None = None


@dataclass(frozen=True)
class Finding:
    """One cause of bad training.

    Attributes:
        cause: its name, one of :data:`~sightline.diagnose.rules.CAUSES`.
        severity: "error": the run can't do what it is meant to; "warning": it does worse than it could, by evidence;
            "advice": worth a look, no evidence of harm.
        certainty: from 0 to 1, how sure the rule is that this is a cause.
        title: a sentence.
        where: layers, or ``file:line`` of the call.
        evidence: sentences with the numbers.
        why: what it does to learning.
        lecture: catalog rows.
        fix: the change to make, exactly.
        codes: kinds of fault in the literature's terms (Humbatova et al.), the likeliest first; at most three.
        change: the change in the words of :data:`~sightline.diagnose.changes.CHANGES`, where it is one that can be
            tried out: {"lr": 0.001}.
        explains: causes that are symptoms of this one.
        figure: lines that show it.
        also: titles of findings that this one explains.
        tried: what came of the change, where it was tried.
        form: a more general cause that this one is a form of: what explains that one explains this.
    """

    cause: str
    severity: Severity
    certainty: float
    title: str
    where: str
    evidence: tuple[str, ...]
    why: str
    fix: str
    lecture: tuple[str, ...] = ("U7",)
    codes: tuple[str, ...] = ()
    change: Mapping[str, Plain] = field(default_factory=dict)
    explains: tuple[str, ...] = ()
    figure: Curves | None = None
    also: tuple[str, ...] = ()
    tried: Tried | None = None
    form: str = ""
