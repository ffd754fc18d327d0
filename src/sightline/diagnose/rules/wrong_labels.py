"""Targets that the inputs do not tell: learned by heart, and not right on new data."""

from math import sqrt
from statistics import fmean, median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape_paths import multiplied

DRAWING = frozenset(
    ["rand", "randn", "rand_like", "randn_like", "randint", "bernoulli", "normal", "uniform", "dropout"]
)
"""Functions that draw random numbers."""


def _amounts(r: Reading) -> Finding | None:
    """The same of targets that are amounts: on new examples no look was better than a constant guess."""
    losses = [loss for _, loss, _ in r.validation_passes]
    if (
        len(losses) < 3
        or r.left is None
        or r.guess is None
        or r.record.targets.classes
        or not 0 < r.left < 0.93
        or min(losses) < 0.95 * r.guess
        or r.record.evaluated_examples < 50
        or r.two_players
    ):
        return None
    return Finding(
        cause="wrong-labels",
        severity="warning",
        certainty=0.7,
        title="The targets do not follow from the inputs",
        where="the data",
        evidence=(
            f"training loss fell to {r.left:.0%} of a constant guess's ({r.guess:.3g}), but on examples not trained on "
            f"it never came below {min(losses):.3g}",
        ),
        why="the network learns the examples by heart: targets are permuted, or belong to other inputs.",
        fix="check that inputs and targets are shuffled together and read in one order",
        codes=("TCL", "IDS"),
        explains=("overfitting",),
        figure=loss_curve(r),
    )


def _by_heart(r: Reading) -> Finding | None:
    """Without validation: passes over the data teach nothing at first, and then each example comes by itself."""
    passes = r.record.trained_examples / max(1, r.record.distinct_examples)
    values = r.record.loss.values
    each = len(values) / max(1.0, passes)
    if (
        r.guess is None
        or r.left is None
        or not r.record.targets.classes
        or r.accuracies
        or r.two_players
        or passes < 8
        or each < 8
        or r.loss is None
        or r.loss.target is None
        or len(r.loss.target.shape) != 1
        or not 0.3 < r.left <= 0.8
        or (r.update_ratio or 0.0) < 2e-3
    ):
        return None
    second = values[round(each) : round(2 * each)]
    if min(values[: round(2 * each)]) < 0.85 * r.guess or not 0.96 < fmean(second) / r.guess < 1.1:
        return None
    return Finding(
        cause="wrong-labels",
        severity="warning",
        certainty=0.6,
        title="The labels are learned by heart",
        where="the data",
        evidence=(
            f"in the second pass over the data the loss is still {fmean(second) / r.guess:.1%} of a constant guess's; "
            f"after {passes:.0f} passes it is {r.left:.0%}",
        ),
        why="what holds for all examples is learned in the first passes, what holds for single ones in the last.",
        fix="check that inputs and labels are shuffled together and read in one order; measure on new examples",
        codes=("TCL", "IDS"),
        explains=("overfitting",),
        figure=loss_curve(r),
    )


def _two_ahead(r: Reading) -> Finding | None:
    """Tokens that are told two places on, with the one between left out."""
    share = r.record.targets.two_ahead
    if share < 0.95 or r.record.targets.ahead > 0.6:
        return None
    return Finding(
        cause="wrong-labels",
        severity="warning",
        certainty=0.8,
        title="The targets are shifted by one place too many",
        where="the data",
        evidence=(f"{share:.0%} of the targets are the input's token two places on",),
        why="the token between is never seen and never asked for.",
        fix="inputs tokens[:, :-1], targets tokens[:, 1:]",
        codes=("TCL", "IDS"),
        explains=("unigram-level",),
        figure=loss_curve(r),
    )


def _altered(r: Reading) -> bool:
    """Whether a data set gives its examples in another form at each pass."""
    drawn, size = r.record.trained_examples, r.data_size
    return 0 < 1.5 * size < drawn and r.record.distinct_examples > 1.2 * size


def _noisier(r: Reading) -> Finding | None:
    """Validation that is far easier than training, though the network computes the same in both: labels of training."""
    passes = [p for p in r.validation_passes if p[2] is not None]
    t, classes = r.training, r.record.targets.classes
    if len(passes) < 2 or t is None or not t.finite or r.left is None or r.guess is None or r.modal or r.two_players:
        return None
    if any(c.name in DRAWING for c in r.tape.calls) or _altered(r):
        return None  # what is altered at random is harder in training by itself
    if r.loss is None or r.loss.call.option("label_smoothing", 99, 0.0) or sum(classes.values()) < 200:
        return None
    if r.loss.call.option("reduction", 99, "mean") == "sum" or multiplied(r.tape, r.loss.call, r.root) != 1:
        return None
    last = median(loss for _, loss, _ in passes[-3:])
    if r.left < 0.4 or not 0 < last < 0.7 * t.end or r.record.distinct_evaluated < 100:
        return None
    return Finding(
        cause="wrong-labels",
        severity="warning",
        certainty=0.7,
        title="The labels of training are noisier than those of validation",
        where="the data",
        evidence=(f"training loss ends at {t.end:.3g}, validation loss at {last:.3g}, with the same loss and network",),
        why="what is learned is right on clean labels; part of the training labels say something else.",
        fix="look at the training examples of the highest loss: their labels are likely wrong",
        codes=("TCL",),
        explains=("stopped-too-early", "rate-too-low"),
        figure=loss_curve(r),
    )


def _by_chance(r: Reading) -> bool:
    """Whether no pass over validation data was better than the most frequent class."""
    right = [share for _, share in r.accuracies]
    classes = r.record.targets.classes
    if len(right) < 2 or not classes or r.record.distinct_evaluated < 50 or r.record.shared_examples:
        return False
    chance = max(classes.values()) / sum(classes.values())
    return max(right) < chance + 0.05 + 1.5 * sqrt(chance * (1 - chance) / r.record.distinct_evaluated)


def _nothing_to_learn(r: Reading) -> Finding | None:
    """What is left where updates are of a usual size, and still no better than a constant guess: the data."""
    t = r.training
    if (
        t is None
        or not t.finite
        or r.left is None
        or not (0.85 if _by_chance(r) else 0.96) < r.left < (1.12 if r.record.targets.places else 1.05)
        or not 1e-3 < (r.update_ratio or 0.0) < 3e-2
        or r.record.steps < 100
        or r.two_players
    ):
        return None
    return Finding(
        cause="wrong-labels",
        severity="warning",
        certainty=0.66,
        title="The targets do not seem to follow from the inputs",
        where="the data",
        evidence=(
            f"the loss ends at {t.end:.4g}, a constant guess has {r.guess:.4g}",
            f"an update changes a weight by {r.update_ratio:.2g} of its size, as usual, and no other fault was found",
        ),
        why="the network moves and finds nothing to learn: targets are permuted, or belong to other inputs.",
        fix="check that inputs and targets are shuffled together and read in one order; then try to learn ten examples",
        codes=("TCL", "IDS"),
        explains=("no-progress", "collapsed-outputs"),
        form="no-progress",
        figure=loss_curve(r),
    )


@RULES.register("wrong-labels")
def wrong_labels(r: Reading) -> Finding | None:
    """Targets that the inputs do not tell: learned by heart, and not right on new data."""
    other = _two_ahead(r) or _amounts(r) or _by_heart(r) or _noisier(r) or _nothing_to_learn(r)
    if other is not None:
        return other
    accuracies, losses = r.accuracies, r.validation_passes
    classes = r.record.targets.classes
    total = sum(classes.values())
    if (
        not accuracies
        or r.training is None
        or r.guess is None
        or total < 50
        or not r.training.finite
        or r.record.shared_examples
    ):
        return None
    chance = max(classes.values()) / total
    right = max(share for _, share in accuracies)
    slack = 0.05 + 1.5 * sqrt(chance * (1 - chance) / max(20, r.record.distinct_evaluated))
    if right > chance + slack or r.training.end > 0.85 * r.guess or (losses and losses[-1][1] < 1.02 * r.guess):
        return None
    return Finding(
        cause="wrong-labels",
        severity="warning",
        certainty=0.8,
        title="The labels do not follow from the inputs",
        where="the data",
        evidence=(
            f"training loss fell to {r.training.end:.3g} ({r.guess:.3g} for a constant guess), "
            f"but on examples not trained on at most {right:.1%} are right; the most frequent class is {chance:.1%}",
        ),
        why="the network learns the examples by heart: labels are permuted, or belong to other inputs.",
        fix="check that inputs and labels are shuffled together and read in one order",
        codes=("TCL", "IDS"),
        explains=("overfitting",),
        figure=loss_curve(r),
    )
