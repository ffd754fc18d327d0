"""Validation that gets worse while training still gets better."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding, Severity
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("overfitting")
def overfitting(r: Reading) -> Finding | None:
    """Validation that gets worse while training still gets better."""
    passes = r.validation_passes
    if len(passes) < 4 or r.training is None or not r.training.finite or r.two_players:
        return None
    losses = [loss for _, loss, _ in passes]
    best = min(range(len(losses)), key=lambda i: losses[i])
    end = sum(losses[-2:]) / 2
    if (
        best >= 0.7 * len(losses)
        or end < 1.25 * losses[best]
        or r.training.end > 0.6 * losses[best]
        or losses[best] <= 0
    ):
        return None
    right = [accuracy for _, _, accuracy in passes if accuracy is not None]
    kept = right and right[-1] >= max(right) - 0.015 and end < 2 * losses[best]
    severity: Severity = "advice" if kept or r.record.put_back else "warning"
    few = r.record.distinct_examples
    return Finding(
        cause="overfitting",
        severity=severity,
        certainty=0.7,
        title="The network overfits",
        where=r.network,
        evidence=(
            f"validation loss was lowest ({losses[best]:.3g}) at update {passes[best][0]:,} and is "
            f"{end:.3g} at the end; training loss is {r.training.end:.3g}",
            f"{few:,} different examples, {sum(p.size for p in r.record.parameters):,} parameters",
        ),
        why="it goes on learning the training examples by heart.",
        fix="stop at the lowest validation loss; more data, augmentation, weight decay or dropout",
        codes=("TRD", "RCP", "HNE"),
        figure=loss_curve(r),
    )
