"""Inputs that are all alike."""

from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _nearly(r: Reading) -> Finding | None:
    """Pictures or series of which nearly all numbers are at one end of their range."""
    given = [e.inputs[0] for look in r.looks for e in look.entries if e.grad and e.inputs and e.inputs[0].floating]
    given = [x for x in given if len(x.shape) > 2 and x.finite and not x.constant]
    if any(x.whole and (len(x.shape) != 4 or x.shape[1] > 4) for x in given):
        return None  # marks, as of words or of pieces on a board: mostly 0 by nature
    if len(given) < 2 or r.left is None or r.left < 0.7:
        return None
    ends = [min(x.mean - x.minimum, x.maximum - x.mean) / (x.maximum - x.minimum) for x in given]
    if max(ends) > 0.03:
        return None
    return Finding(
        cause="constant-input",
        severity="warning",
        certainty=0.7,
        title="Nearly all numbers of the inputs are one",
        where="the data",
        evidence=(
            f"the mean of a batch lies {median(ends):.1%} of the range from its end: at least "
            f"{1 - 5 * median(ends):.0%} of the numbers are in the fifth of the range there",
        ),
        why="what tells examples apart is lost: whole numbers divided as such, or amounts of very different sizes.",
        fix="divide after x.float(), not //; take the logarithm of amounts over many scales; look at a batch",
        codes=("CPP", "IWF"),
        explains=("no-progress", "stopped-too-early", "rate-too-low"),
    )


@RULES.register("constant-input")
def constant_input(r: Reading) -> Finding | None:
    """Inputs that are all alike."""
    entry = r.entry
    if entry is None or not entry.inputs or not entry.inputs[0].shape or entry.inputs[0].shape[0] < 2:
        return None
    x = entry.inputs[0]
    if not x.constant:
        return _nearly(r)
    if x.deviation != 0 or len(r.looks) < 2 or not x.finite:
        return None
    if any(e.inputs and not e.inputs[0].constant for look in r.looks for e in look.entries if e.grad):
        return None
    return Finding(
        cause="constant-input",
        severity="error",
        certainty=0.95,
        title="The inputs are all one number",
        where="the data",
        evidence=(f"every number of every batch looked at is {x.minimum:g}",),
        why="there is nothing to learn from.",
        fix="look at what the data loader gives",
        codes=("CPP", "IWF"),
        explains=("no-progress", "stopped-too-early", "rate-too-low"),
        figure=loss_curve(r),
    )
