"""Dropout that leaves too little of the signal."""

from math import prod

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import names


def _on_scores(r: Reading) -> Finding | None:
    """Dropout between the last layer and the loss."""
    found = [c for c in r.end if c.name == "dropout" and isinstance(p := c.option("p", 1), float) and p >= 0.1]
    if not found or not found[0].option("training", 2, True) or not r.end[-1].name.startswith(("linear", "conv")):
        return None
    return Finding(
        cause="dropout-too-strong",
        severity="warning",
        certainty=0.8,
        title="Dropout falls on the outputs themselves",
        where=found[0].module or short(found[0].site),
        evidence=(f"dropout of {found[0].option('p', 1):g} comes after the last layer: scores are set to 0 by chance",),
        why="the loss is asked to be right with outputs missing; no weight can make up for that.",
        fix="put dropout before the last layer",
        codes=("RCD", "ACH"),
        explains=("stopped-too-early",),
        figure=loss_curve(r),
    )


def _few_for_so_many(r: Reading) -> bool:
    """Whether targets are so few beside the weights that they would be learned by heart without strong dropout."""
    passes = r.record.trained_examples / max(1, r.record.distinct_examples)
    targets = r.record.targets.counted / max(1.0, passes)
    return 0 < 100 * targets < sum(p.size for p in r.record.parameters if p.trained)


@RULES.register("dropout-too-strong")
def dropout_too_strong(r: Reading) -> Finding | None:
    """Dropout that leaves too little of the signal, or falls on the outputs."""
    strong = [
        c
        for c in r.tape.calls
        if c.name.startswith(("dropout", "feature_dropout", "alpha_dropout"))
        and c.grad
        and isinstance(p := c.option("p", 1), float)
        and p >= 0.65
        and c.option("training", 2, True)
    ]
    many = [
        c
        for c in r.tape.calls
        if c.name.startswith("dropout") and c.grad and isinstance(p := c.option("p", 1), float) and p >= 0.5
    ]
    if (on_scores := _on_scores(r)) is not None:
        return on_scores
    if not strong and len(many) < 3:
        return None
    if not strong and (r.learned and (r.left is None or r.left < 0.5)):
        return None
    if r.learned and _few_for_so_many(r):
        return None
    found = strong or many
    left = prod(1 - float(c.option("p", 1) or 0) for c in found)
    rates = ", ".join(f"{c.option('p', 1):g}" for c in found)
    return Finding(
        cause="dropout-too-strong",
        severity="warning" if strong else "advice",
        certainty=0.75,
        title="Dropout is too strong",
        where=names(c.module for c in found),
        evidence=(f"dropout of {rates} on the way through: {left:.1%} of the paths are left",),
        why="the network mostly sees noise, and underfits.",
        fix="dropout of 0.1 to 0.5, and only where the network overfits",
        codes=("RCD",),
        change={"dropout": 0.3},
        explains=("stopped-too-early",),
        figure=loss_curve(r),
    )
