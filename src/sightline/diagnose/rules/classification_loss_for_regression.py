"""A loss that is not meant for such targets: for classes where there are amounts, or the reverse."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells


def _softmax(r: Reading) -> bool:
    return any(c.name in ("softmax", "log_softmax") for c in r.end)


def _softmax_anywhere(r: Reading) -> bool:
    """Whether an expectation over classes is what the loss is given, and is not learned."""
    poor = r.left is None or r.left > 0.3 or (len(r.accuracies) > 1 and r.accuracies[-1][1] < 0.6)
    return poor and any(c.name == "softmax" and c.grad and not c.module for c in r.tape.calls)


def _one_hot(r: Reading) -> int:
    """Classes of targets that are 1 at one place and 0 at the others; 0 where they are not."""
    rows = r.record.targets.places
    wide = r.loss.target.shape[-1] if r.loss is not None and r.loss.target is not None and r.loss.target.shape else 0
    one = len(rows) >= 32 and all(sum(row) == 1 and set(row) <= {0.0, 1.0} for row in rows)
    return wide if one and 3 <= wide == len(rows[0]) and len({row.index(1.0) for row in rows}) > 2 else 0


def _stands_still(r: Reading) -> bool:
    """A loss that is one number at every step, whatever the network answers."""
    t = r.training
    return t is not None and r.record.steps > 10 and t.start == t.best == t.end


@RULES.register("classification-loss-for-regression")
@tells(
    "classification-loss-for-regression",
    "A loss that is not meant for such targets, as one over classes where there are amounts.",
)
@tells("regression-loss-for-classes", "A loss for amounts, where the targets look like classes.")
def classification_loss_for_regression(r: Reading) -> Finding | None:
    """A loss that is not meant for such targets: for classes where there are amounts, or the reverse."""
    loss = r.loss
    if loss is None or loss.prediction is None:
        return None
    truth = r.facts(loss.target) if loss.target is not None else r.record.targets.facts
    width = 1 if len(loss.prediction.shape) == 1 and _softmax_anywhere(r) else r.width
    kind = loss.kind.removesuffix("_loss")
    evidence = ""
    fix = ""
    codes: tuple[str, ...] = ("LCH",)
    severity = "error"
    squashed = any(c.name in ("softmax", "sigmoid") for c in r.end)
    if (
        kind in ("cross_entropy", "nll", "cross-entropy")
        and width == 1
        and (not loss.by_hand or _softmax(r) or _stands_still(r))
    ):
        evidence, fix = (
            "a loss over classes is given one score an example: it is always 0",
            "use binary_cross_entropy_with_logits, or an output a class",
        )
        codes = ("LCH", "LCN", "ACH")
    elif truth is None or not truth.finite:
        return None
    elif kind.startswith("binary_cross_entropy") and (truth.minimum < 0 or truth.maximum > 1):
        amounts = not truth.whole or (width == 1 and len(r.record.targets.classes) > 20)
        between = f"{truth.minimum:.4g} and {truth.maximum:.4g}"
        evidence = f"binary cross-entropy is for targets between 0 and 1; these lie between {between}"
        fix = "use mse_loss for amounts (scaled); cross_entropy with an output a class for classes"
        codes = ("LCH", "LCN", "CPP")
        if amounts:
            codes = ("LCH", "ACH", "CPP")
    elif kind == "cross_entropy" and truth.floating and (truth.minimum < -0.01 or truth.maximum > 1.01):
        evidence = (
            f"cross-entropy takes targets of real numbers for probabilities; these lie between {truth.minimum:.4g} and "
            f"{truth.maximum:.4g}, and the loss can fall without end"
        )
        fix = "use mse_loss for amounts (scaled); whole numbers (.long()) as targets for classes"
        codes = ("LCH", "ACH", "CPP") if not truth.whole else ("LCH", "LCN", "CPP")
    elif kind == "cross-entropy" and width == 1 and (truth.minimum < -0.01 or truth.maximum > 1.01):
        evidence = (
            f"a cross-entropy written by hand is given targets between {truth.minimum:.4g} and {truth.maximum:.4g}"
        )
        fix = "use mse_loss for amounts (scaled); cross_entropy with an output a class for classes"
        codes = (
            ("LCH", "LCN", "CPP")
            if truth.whole and truth.maximum < 100 and truth.deviation < 30 and truth.minimum >= 0
            else ("LCH", "ACH", "CPP")
        )
    elif (
        kind in ("mse", "l1", "smooth_l1", "huber")
        and width == 1
        and truth.whole
        and truth.minimum >= 0
        and 2 <= truth.maximum <= 50
    ):
        distinct = len(set(r.record.targets.values)) or len(r.record.targets.classes)
        if not 3 <= distinct <= 50 or distinct < truth.maximum:
            return None
        severity = "warning"
        whole = f"{distinct} whole numbers up to {truth.maximum:.0f}"
        evidence = f"the targets are {whole}, as if classes; the loss is {loss.kind}"
        fix = "if they are classes: an output a class and cross_entropy; numbers of classes have no distance"
        codes = ("LCH", "LCN", "ACH")
    elif kind in ("mse", "l1", "smooth_l1", "huber") and _one_hot(r) and (r.left is None or r.left > 0.3):
        severity = "warning"
        evidence = (
            f"the targets are {_one_hot(r)} classes, 1 for the right one and 0 for the others; the loss is {loss.kind}"
        )
        fix = "cross_entropy, given the last layer's scores and the numbers of the classes"
        codes = ("LCH", "ACH")
    elif kind == "hinge" and squashed:
        severity = "warning"
        evidence, fix = (
            "a hinge loss is given outputs of softmax or sigmoid, which never reach its margin",
            "use cross_entropy",
        )
    else:
        return None
    return Finding(
        cause="regression-loss-for-classes"
        if severity == "warning" and kind != "hinge"
        else "classification-loss-for-regression",
        severity="error" if severity == "error" else "warning",
        certainty=0.9 if severity == "error" else 0.7,
        title="The loss is not meant for these targets",
        where=short(loss.call.site),
        evidence=(evidence,),
        why="its lowest value is not where the answers are right.",
        fix=fix,
        codes=codes,
        explains=(
            "no-progress",
            "stopped-too-early",
            "rate-too-low",
            "unstable-loss",
            "target-scale",
            "rate-too-high",
            "exploding-gradients",
            "softmax-wrong-dimension",
            "dead-units",
        ),
        figure=loss_curve(r),
    )
