"""How a diagnosis is scored: pure arithmetic over what was said and what was true.

A finding counts from the level "warning" on. It claims its cause's name, and up to three fault codes.

    precision P = right claims / claims        recall R = truths claimed / truths        F3 = 10·P·R / (9·P + R)

A program of which nothing is claimed has P = R = F3 = 0. A program is *diagnosed* if one claim is right. Two scores:
**by name** (a claim is a cause's name) and **by code** (a claim is a code, each of a finding's codes being one claim).
A truth without a code cannot be scored by code.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from planted import Truth

LOUD = ("warning", "error")
MOST_CODES = 3


@dataclass(frozen=True)
class Said:
    """What a diagnoser said: one finding."""

    cause: str
    codes: tuple[str, ...]
    severity: str  # "error", "warning" or "advice"


@dataclass(frozen=True)
class Score:
    """Of one run, or the mean of several."""

    diagnosed: float
    recall: float
    precision: float
    f3: float


def loud(findings: Iterable[Said]) -> list[Said]:
    """The findings at level warning or above."""
    return [finding for finding in findings if finding.severity in LOUD]


def f3(precision: float, recall: float) -> float:
    """10·P·R / (9·P + R); zero where both are."""
    return 10 * precision * recall / (9 * precision + recall) if precision + recall else 0.0


def score_claims(claims: set[str], truths: Sequence[frozenset[str]]) -> Score:
    """The score of a set of claims against truths, each a set of words any of which says it."""
    right = sum(any(claim in truth for truth in truths) for claim in claims)
    found = sum(bool(claims & truth) for truth in truths)
    precision, recall = right / len(claims) if claims else 0.0, found / len(truths)
    return Score(float(right > 0), recall, precision, f3(precision, recall))


def score_by_name(findings: Iterable[Said], truths: Sequence[Truth]) -> Score:
    """Claims are the causes' names."""
    return score_claims({finding.cause for finding in loud(findings)}, [truth.causes for truth in truths])


def score_by_code(findings: Iterable[Said], truths: Sequence[Truth]) -> Score | None:
    """Claims are the fault codes, at most three a finding; None where no truth has a code."""
    with_codes = [truth.codes for truth in truths if truth.codes]
    claims = {code for finding in loud(findings) for code in finding.codes[:MOST_CODES]}
    return score_claims(claims, with_codes) if with_codes else None


def mean_score(scores: Sequence[Score]) -> Score:
    """The mean of each figure: first over a program's seeds, then over programs."""
    columns = ([getattr(score, name) for score in scores] for name in ("diagnosed", "recall", "precision", "f3"))
    return Score(*(sum(column) / len(scores) for column in columns))


def wilson(count: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson interval of a share: (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n)."""
    if total == 0:
        return 0.0, 1.0
    share, square = count / total, z * z / total
    middle, reach = share + square / 2, z * math.sqrt(share * (1 - share) / total + square / (4 * total))
    return max(0.0, (middle - reach) / (1 + square)), min(1.0, (middle + reach) / (1 + square))


def closes_half(healthy: float, faulty: float, repaired: float) -> bool:
    """Does a repaired program's score win back at least half of what the fault cost? NaN is the worst score."""
    if math.isnan(repaired):
        return False
    return math.isnan(faulty) or repaired - faulty >= 0.5 * (healthy - faulty)
