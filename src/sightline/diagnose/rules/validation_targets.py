"""Targets of evaluation unlike those of training: classes never trained on, or amounts on another scale."""

from math import isfinite
from statistics import fmean, pstdev

from sightline.diagnose.figures import class_counts
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.targets_seen import MOST_BATCHES

ENOUGH = 100
"""Targets of each, below which nothing is said."""


@RULES.register("validation-targets")
@tells("not-shuffled", "Classes that are evaluated and hardly trained on: sorted data were split.")
@tells("wrong-labels", "A class of evaluation that training calls by another name.")
@tells("validation-preprocessed-differently", "Targets on another scale in evaluation than in training.")
def validation_targets(r: Reading) -> Finding | None:
    """Targets of evaluation unlike those of training: classes never trained on, or amounts on another scale."""
    if r.two_players or r.loss is None:
        return None
    return _classes(r) or _amounts(r)


def _classes(r: Reading) -> Finding | None:
    """Classes that are evaluated and never trained on."""
    trained, evaluated = r.record.targets.classes, r.record.evaluated_targets.classes
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
    if not new:
        return None
    share = sum(evaluated[c] for c in new) / total
    several = len(new) > 1 and share > 0.25
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
