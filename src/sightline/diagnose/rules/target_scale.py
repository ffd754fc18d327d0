"""Amounts as targets whose size is far from that of a network's outputs."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("target-scale")
def target_scale(r: Reading) -> Finding | None:
    """Amounts as targets whose size is far from that of a network's outputs."""
    loss = r.loss
    if (
        loss is None
        or loss.kind.removesuffix("_loss") not in ("mse", "l1", "smooth_l1", "huber")
        or loss.target is None
    ):
        return None
    facts = r.facts(loss.target)
    if facts is None or not facts.finite or facts.constant or r.left is None or r.left < 0.2:
        return None
    if not (facts.deviation > 8 or facts.deviation < 0.01 or abs(facts.mean) > 5 * facts.deviation):
        return None
    return Finding(
        cause="target-scale",
        severity="warning",
        certainty=0.75,
        title="The targets are not scaled",
        where="the data",
        evidence=(
            f"targets of mean {facts.mean:.4g} and deviation {facts.deviation:.4g}; a new network answers about 0 ± 1",
            f"at the end {r.left:.0%} of a constant guess's loss is left",
        ),
        why="most updates go into reaching the size of the targets, with gradients as large.",
        fix="standardise the targets with the training data's mean and deviation, and undo it in predictions",
        codes=("CPP",),
        explains=("stopped-too-early", "clipping-always-active", "exploding-gradients", "rate-too-low"),
        figure=loss_curve(r),
    )
