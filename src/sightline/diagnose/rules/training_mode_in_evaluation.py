"""Evaluation with dropout on, or with batch statistics."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("training-mode-in-evaluation")
def training_mode_in_evaluation(r: Reading) -> Finding | None:
    """Evaluation with dropout on, or with batch statistics."""
    calls = sum(n for (_, training, grad), n in r.record.entries.items() if training and not grad)
    right = sum(n for (_, training, grad), n in r.record.entries.items() if not training and not grad)
    if not r.modal or calls < 1 or right > calls or r.two_players:
        return None
    kinds = ", ".join(r.modal)
    return Finding(
        cause="training-mode-in-evaluation",
        severity="warning",
        certainty=0.85,
        title="The network is evaluated in training mode",
        where=r.network,
        evidence=(
            f"{calls:,} forward passes without gradients ran in training mode, {right:,} in evaluation "
            f"mode; it has {kinds}",
        ),
        why="dropout stays on and batch normalisation uses the batch's own statistics (and goes on learning them), so "
        "the figures are not those of the network that will be used.",
        fix="call model.eval() before evaluation and model.train() after it",
        codes=("VRM", "PMC"),
        figure=loss_curve(r),
        change={"mode": "evaluation"},
    )
