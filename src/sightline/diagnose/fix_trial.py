"""Trying the changes that findings ask for, one at a time, and telling what came of each."""

from collections.abc import Callable, Mapping

from sightline.diagnose.causes import with_tried
from sightline.diagnose.changes import in_a_program
from sightline.diagnose.comparison import compared
from sightline.diagnose.course import Course
from sightline.diagnose.finding import Finding, Tried
from sightline.diagnose.findings import Findings
from sightline.diagnose.tape import Plain

MOST_TRIED = 3
MOST_UPDATES = 2_000

BY_HAND = Tried("by hand", "this change has to be made by hand.")
LONGER_BY_HAND = Tried(
    "by hand", "training longer has to be tried by hand: a second run makes no more updates than are allowed."
)
NOT_REACHED = Tried("not tried", f"this change was not tried: at most {MOST_TRIED} are.")


def try_each(
    found: Findings,
    first: Course,
    again: Callable[[Mapping[str, Plain]], Course],
    *,
    can: Callable[[Mapping[str, Plain]], bool] = in_a_program,
) -> Findings:
    """Try the changes of the first findings of harm, each alone, at most three.

    A finding whose change does not help becomes advice; symptoms that it explained come back, and are tried in turn.

    Args:
        found: what was found in the first run.
        first: how that went.
        again: trains again with a change.
        can: whether a change can be tried so.

    Returns:
        The findings with ``tried`` in each finding of harm, in their new order.

    Cost:
        A run for each change tried.

    Lecture: U7

    Example:
        >>> print(try_each(Findings((), "Watched Net."), Course.failed(""), lambda change: Course.failed("")).verdict)
        Nothing speaks against this training.
    """
    runs = 0
    while (finding := next((f for f in found.alarms if f.tried is None), None)) is not None:
        if not can(finding.change):
            tried = _by_hand(finding)
        elif runs == MOST_TRIED:
            tried = NOT_REACHED
        else:
            runs += 1
            tried = compared(first, again(finding.change), finding.change)
        found = with_tried(found, finding, tried)
    return found


def _by_hand(finding: Finding) -> Tried:
    return LONGER_BY_HAND if "epochs" in finding.change else BY_HAND
