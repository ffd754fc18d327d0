"""Targets of evaluation unlike those of training: classes never trained on, or amounts on another scale."""

from math import isfinite
from statistics import fmean, median, pstdev

from sightline.diagnose.constant_guess import entropy
from sightline.diagnose.figures import class_counts
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.record import TargetsSeen
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.rules.words import several_targets
from sightline.diagnose.targets_seen import MOST_BATCHES

ENOUGH = 100
"""Targets of each, below which nothing is said."""


@RULES.register("validation-targets")
@tells("not-shuffled", "Classes that are evaluated and hardly trained on: sorted data were split.")
@tells("wrong-labels", "A class of evaluation that training calls by another name.")
@tells("ignored-index", "A class of evaluation that the training loss is told to ignore.")
@tells("class-imbalance", "Classes that training hardly shows, and evaluation often.")
@tells("validation-preprocessed-differently", "Targets on another scale in evaluation than in training.")
def validation_targets(r: Reading) -> Finding | None:
    """Targets of evaluation unlike those of training: classes never trained on, or amounts on another scale."""
    if r.two_players or r.loss is None or several_targets(r):
        return None
    return _shares(r) or _classes(r) or _never_right(r) or _amounts(r)


def _evaluated(r: Reading) -> TargetsSeen:
    """What the answers of evaluation are compared with: by the loss, else by the loop itself."""
    seen = r.record.evaluated_targets
    return seen if seen.classes or seen.values else r.record.judged_targets


def _classes(r: Reading) -> Finding | None:
    """Classes that are evaluated and never trained on."""
    trained, evaluated = r.record.targets.classes, _evaluated(r).classes
    total, all_trained = sum(evaluated.values()), sum(trained.values())
    seen = r.record.targets
    if len(seen.batch_classes) >= MOST_BATCHES or seen.batch_classes == seen.batch_sizes:
        return None  # not all were counted; or each target is the place in its batch
    if not 2 <= len(evaluated) <= 50 or total < ENOUGH or all_trained < 2 * ENOUGH:
        return None
    usual = total / len(evaluated)
    new = sorted(
        c for c, n in evaluated.items() if n > 0.4 * usual and trained.get(c, 0) < 0.02 * n * all_trained / total
    )
    index = r.loss.call.option("ignore_index", 4, -100) if r.loss is not None else -100
    padded = not isinstance(index, int) or index < 0 or r.tokens or r.by_pixel
    if not new or (new == [index] and padded and _evaluated(r) is r.record.judged_targets):
        return None  # the loop compares all places, and counts those that have a label
    share = sum(evaluated[c] for c in new) / total
    several = len(new) > 1 and share > 0.25
    left_out = r.record.targets.ignored / max(1, r.record.targets.ignored + all_trained)
    if (new == [index] and r.record.targets.ignored) or (r.tokens and len(new) == 1 and left_out > 0.5 * share):
        return _ignored(r, new[0], share)
    return Finding(
        cause="not-shuffled" if several else "wrong-labels",
        severity="warning",
        certainty=0.85,
        title="Evaluation asks for classes that are not trained on",
        where="the split of the data" if several else "the data",
        evidence=(
            f"classes {', '.join(map(str, new))} are {share:.0%} of the targets in evaluation, and "
            f"{sum(trained.get(c, 0) for c in new) / all_trained:.1%} in training",
        ),
        why="what is never trained on is never right, however low the training loss is.",
        fix="shuffle before splitting into training and validation; split class by class"
        if several
        else "look at how training labels are made: this class has none, or another's",
        codes=("IDS", "TRD", "TCL") if several else ("TCL", "TRD"),
        explains=("overfitting", "class-imbalance", "label-range", *(("wrong-labels",) if several else ())),
        figure=class_counts(r),
    )


def _ignored(r: Reading, index: int, share: float) -> Finding:
    """A class that is asked for in evaluation alone."""
    return Finding(
        cause="ignored-index",
        severity="warning",
        certainty=0.85,
        title=f"Class {index} is left out of the training loss, and evaluated",
        where=short(r.loss.call.site) if r.loss is not None else r.network,
        evidence=(
            f"{share:.1%} of the targets in evaluation are {index}, in training none; {r.record.targets.ignored:,} are "
            "left out there by ignore_index",
        ),
        why="the network is never told when to answer so.",
        fix="ignore the index of the padding alone",
        codes=("LCH", "TCL"),
        explains=("wrong-labels", "overfitting", "padding-as-data"),
        figure=class_counts(r),
    )


def _shares(r: Reading) -> Finding | None:
    """Classes that are frequent and rare in training, and about even in evaluation."""
    trained, seen = r.record.targets.classes, _evaluated(r)
    evaluated = seen.classes
    total, other = sum(trained.values()), sum(evaluated.values())
    if not 2 <= len(evaluated) <= 50 or other < ENOUGH or total < 2 * ENOUGH or r.loss is None:
        return None
    if r.loss.target is None or len(r.loss.target.shape) != 1 or median(seen.batch_classes) < 0.5 * len(evaluated):
        return None
    every = trained.keys() | evaluated.keys()
    apart = sum(abs(trained.get(c, 0) / total - evaluated.get(c, 0) / other) for c in every) / 2
    # drawing rare classes more often makes training the more even one: that is meant
    if apart < 0.3 or entropy(trained) > entropy(evaluated) - 0.25:
        return None
    often = {c: (trained.get(c, 0) / total) / (n / other) for c, n in evaluated.items()}
    if sum(0.02 < x < 0.5 for x in often.values()) < 2:
        return None  # classes that were left out, or others: not fewer and fewer of each
    rare = min(evaluated, key=lambda c: (trained.get(c, 0) / total) / (evaluated[c] / other))
    return Finding(
        cause="class-imbalance",
        severity="warning",
        certainty=0.7,
        title="Training hardly shows classes that evaluation often asks for",
        where="the data",
        evidence=(
            f"class {rare} is {trained.get(rare, 0) / total:.1%} of the targets in training and "
            f"{evaluated[rare] / other:.1%} in evaluation; {apart:.0%} of the targets would have to be others",
        ),
        why="the loss hardly asks for the rare classes, and a few examples do not tell what their class is like.",
        fix="more examples of them; draw classes evenly (WeightedRandomSampler) or weight the loss; judge by class",
        codes=("TRD", "PMC", "TCL"),
        explains=("wrong-labels", "overfitting"),
        figure=class_counts(r),
    )


def _never_right(r: Reading) -> Finding | None:
    """Classes that are trained on as much as others, and answered right never, while the others are."""
    trained, seen = r.record.targets.classes, _evaluated(r)
    least = 0.3 * sum(trained.values()) / max(1, len(trained))
    few = [c for c, n in seen.classes.items() if n >= 20 and trained.get(c, 0) > least]
    if not 3 <= len(seen.classes) <= 50 or len(few) < 3 or not seen.right or (r.left or 1.0) > 0.3:
        return None
    if r.loss is None or r.loss.target is None or len(r.loss.target.shape) != 1 or r.record.shared_examples:
        return None
    share = {c: seen.right.get(c, 0) / seen.classes[c] for c in few}
    never = sorted(c for c, x in share.items() if x < 0.03)
    good = [c for c, x in share.items() if x > 0.6]
    if len(never) < max(2, 0.15 * len(few)) or len(never) + len(good) < 0.6 * len(few):
        return None
    return Finding(
        cause="wrong-labels",
        severity="warning",
        certainty=0.8,
        title="Some classes are never right in evaluation, though they are trained on",
        where="the data",
        evidence=(
            f"training loss is {r.left:.0%} of a constant guess's; of evaluation's classes "
            f"{', '.join(map(str, never))} less than 3 % are right" + (f", of {len(good)} others most" if good else ""),
        ),
        why="they are called by other numbers in training: each part was numbered by itself.",
        fix="number the classes once, from the training data, and use that for both",
        codes=("TCL", "CPP"),
        explains=("overfitting", "validation-preprocessed-differently"),
        figure=class_counts(r),
    )


def _amounts(r: Reading) -> Finding | None:
    """Amounts that are scaled in one and not in the other."""
    trained, evaluated = r.record.targets.values, r.record.evaluated_targets.values
    if min(len(trained), len(evaluated)) < ENOUGH or not all(map(isfinite, (*trained, *evaluated))):
        return None
    deviation, other = pstdev(trained), pstdev(evaluated)
    if not deviation > 0 or not other > 0 or set(trained) <= {0.0, 1.0}:
        return None
    apart = abs(fmean(trained) - fmean(evaluated)) / max(deviation, other)
    if 0.1 < other / deviation < 10 and apart < 4:
        return None
    return Finding(
        cause="validation-preprocessed-differently",
        severity="warning",
        certainty=0.8,
        title="The targets of evaluation are on another scale than those of training",
        where="the data",
        evidence=(
            f"targets have mean {fmean(trained):.3g} and deviation {deviation:.3g} in training, "
            f"{fmean(evaluated):.3g} and {other:.3g} in evaluation",
        ),
        why="the network is judged by other units than it learned.",
        fix="scale both with the training data's mean and deviation, or bring the outputs back before comparing",
        codes=("CPP", "VRM"),
        explains=("overfitting", "wrong-labels", "too-little-data"),
    )
