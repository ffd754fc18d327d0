"""Labels that start at 1, or that no output stands for."""

from sightline.diagnose.figures import class_counts, loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES


def _outside(r: Reading) -> Finding | None:
    """A label for binary cross-entropy that is no probability: −1, say, for what is not real."""
    for call in (c for look in r.looks[:4] for c in look.tape.calls):
        truth = call.operands[1] if call.name.startswith("binary_cross_entropy") and len(call.operands) > 1 else None
        facts = truth.facts if truth is not None else None
        if facts is None or not facts.constant or 0 <= facts.minimum <= 1:
            continue
        return Finding(
            cause="label-range",
            severity="error",
            certainty=0.9,
            title="A label is no probability",
            where=short(call.site),
            evidence=(f"{call.name} is given targets that are all {facts.minimum:g}; it wants 0 to 1",),
            why="the loss has no lowest value: it falls as long as the scores grow.",
            fix="label with 0 and 1; −1 and 1 are a hinge loss's",
            codes=("TCL", "LCH"),
            explains=("mode-collapse", "discriminator-too-strong", "classification-loss-for-regression"),
            figure=loss_curve(r),
        )
    return None


@RULES.register("label-range")
def label_range(r: Reading) -> Finding | None:
    """Labels that start at 1, or that no output stands for."""
    if (outside := _outside(r)) is not None:
        return outside
    loss = r.loss
    text = r.record.stopped
    if "out of bounds" in text and "arget" in text:
        return Finding(
            cause="label-range",
            severity="error",
            certainty=0.97,
            title="A label has no output",
            where=short(r.record.backward_site) if r.record.backward_site else r.network,
            evidence=(text,),
            why="classes are counted from 0 to the number of outputs less 1.",
            fix="give the last layer an output a class, and count labels from 0",
            codes=("LCN", "TCL", "IWF"),
            figure=class_counts(r),
        )
    classes = r.record.targets.classes
    if (
        loss is None
        or loss.kind not in ("cross_entropy", "nll_loss")
        or loss.prediction is None
        or len(loss.prediction.shape) < 2
    ):
        return None
    width = loss.prediction.shape[1]
    ignored = loss.call.option("ignore_index", 4, -100)
    seen = sorted(c for c in classes if c != ignored)
    if len(seen) < 2 or sum(classes.values()) < 20 * len(seen) or width > 1_000:
        return None
    if seen[0] == 1 and seen[-1] == width - 1 and len(seen) == width - 1:
        evidence = f"{width} outputs, labels 1 to {width - 1}: class 0 never occurs"
        fix = "subtract 1 from the labels and take one output fewer"
    elif width > 2 * (seen[-1] + 1) and width - len(seen) > 3:
        evidence = f"{width} outputs, but only {len(seen)} classes, {seen[0]} to {seen[-1]}"
        fix = f"give the last layer {seen[-1] + 1} outputs"
    else:
        return None
    return Finding(
        cause="label-range",
        severity="advice",
        certainty=0.6,
        title="Outputs that no label stands for",
        where=short(loss.call.site),
        evidence=(evidence,),
        why="the network first has to learn that these never occur; often a sign of labels that are read wrongly.",
        fix=fix,
        codes=("LCN", "TCL"),
        figure=class_counts(r),
    )
