"""Inputs that are all alike."""

from math import prod
from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _nearly(r: Reading) -> Finding | None:
    """Pictures or series of which nearly all numbers are at one end of their range."""
    given = [e.inputs[0] for look in r.looks for e in look.entries if e.grad and e.inputs and e.inputs[0].floating]
    given = [x for x in given if len(x.shape) > 2 and x.finite and x.known and not x.constant]
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


def _one_of_many(r: Reading) -> Finding | None:
    """One example, blank pictures say, that is drawn again and again among others that are not."""
    most, second = r.record.most_drawn
    x = r.entry.inputs[0] if r.entry is not None and r.entry.inputs else None
    if x is None or not 0.1 <= most < 0.9 or second > most / 8 or r.record.distinct_examples < 50 or r.two_players:
        return None
    numbers, rest = prod(x.shape[1:]), (x.zeros - most) / (1 - most)
    if not x.floating or numbers < 32 or (len(x.shape) == 2 and rest > 0.5):
        return None  # rows of counts are all 0 now and then
    return Finding(
        cause="constant-input",
        severity="warning",
        certainty=0.75,
        title="Many of the inputs are one and the same",
        where="the data",
        evidence=(
            f"of {r.record.distinct_examples:,} different examples trained on one is drawn {most:.0%} of the time, "
            f"no other more than {second:.1%}",
        ),
        why="blank or broken examples teach nothing, and their targets contradict each other.",
        fix="look at the examples that are the same; leave out those that could not be read",
        codes=("CPP", "TRD", "IWF"),
        explains=("duplicates", "validation-overlaps-training", "stopped-too-early"),
    )


def _flat_columns(r: Reading) -> Finding | None:
    """Features that training holds at one number."""
    flat, columns = r.record.flat_columns
    if columns < 4 or flat <= columns / 2 or r.two_players:
        return None
    return Finding(
        cause="constant-input",
        severity="warning",
        certainty=0.8,
        title="Most features do not vary in training",
        where="the data",
        evidence=(f"{flat:,} of {columns:,} features are one number in training and vary in evaluation",),
        why="what a feature says can't be learned where it never changes; in evaluation its weights are chance.",
        fix="prepare training and evaluation by the same code; look at a batch of each",
        codes=("CPP", "IWF"),
        explains=("overfitting", "wrong-labels", "validation-preprocessed-differently"),
    )


@RULES.register("constant-input")
def constant_input(r: Reading) -> Finding | None:
    """Inputs that are all alike."""
    entry = r.entry
    if entry is None or not entry.inputs or not entry.inputs[0].shape or entry.inputs[0].shape[0] < 2:
        return None
    x = entry.inputs[0]
    if not x.constant:
        return _nearly(r) or _one_of_many(r) or _flat_columns(r)
    if x.deviation != 0 or len(r.looks) < 2 or not (x.finite and x.known):
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
