"""Evaluation with dropout on, or with batch statistics."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import MODAL


@RULES.register("training-mode-in-evaluation")
def training_mode_in_evaluation(r: Reading) -> Finding | None:
    """Evaluation with dropout on, or with batch statistics."""
    random = [m for m in r.record.modules if m.kind in MODAL and m.settings.get("p", 1.0)]
    calls = sum(n for (_, training, grad), n in r.record.entries.items() if training and not grad)
    right = sum(n for (_, training, grad), n in r.record.entries.items() if not training and not grad)
    if not random or calls < 1 or right > calls or r.two_players:
        return None
    kinds = ", ".join(sorted({m.kind for m in random}))
    return Finding(
        cause="training-mode-in-evaluation",
        severity="warning",
        certainty=0.85,
        title="The network is evaluated in training mode",
        where=r.network,
        evidence=(
            f"{calls:,} forward passes without gradients ran in training mode, {right:,} in evaluation mode; it has {kinds}",
        ),
        why="dropout stays on and batch normalisation uses the batch's own statistics (and goes on learning them), so the "
        "figures are not those of the network that will be used.",
        fix="call model.eval() before evaluation and model.train() after it",
        codes=("VRM", "PMC"),
    )
