"""Training with dropout off and frozen batch statistics."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("evaluation-mode-in-training")
def evaluation_mode_in_training(r: Reading) -> Finding | None:
    """Training with dropout off and frozen batch statistics."""
    right = sum(n for (_, training, grad), n in r.record.entries.items() if training and grad)
    wrong = sum(n for (_, training, grad), n in r.record.entries.items() if not training and grad)
    if not r.modal or r.record.backwards < 3 or wrong < 0.5 * r.record.backwards or wrong < right:
        return None
    kinds = ", ".join(r.modal)
    return Finding(
        cause="evaluation-mode-in-training",
        severity="warning",
        certainty=0.85,
        title="The network is trained in evaluation mode",
        where=r.network,
        evidence=(
            f"{wrong:,} forward passes with gradients ran in evaluation mode, {right:,} in training "
            f"mode; it has {kinds}",
        ),
        why="dropout does nothing, and batch normalisation keeps the statistics it had: the start's, perhaps.",
        fix="call model.train() at the start of every epoch, after evaluation",
        codes=("RCD",),
        figure=loss_curve(r),
        change={"mode": "training"},
    )
