"""Evaluation that builds graphs it never uses."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("evaluation-with-gradients")
def evaluation_with_gradients(r: Reading) -> Finding | None:
    """Evaluation that builds graphs it never uses."""
    calls = sum(n for (_, training, grad), n in r.record.entries.items() if not training and grad)
    trained = sum(n for (_, training, grad), n in r.record.entries.items() if training and grad)
    if calls < 2 or trained < calls or trained < 3:
        return None
    return Finding(
        cause="evaluation-with-gradients",
        severity="warning",
        certainty=0.8,
        title="Evaluation follows gradients",
        where=r.network,
        evidence=(f"{calls:,} forward passes in evaluation mode followed gradients, and no backward pass came",),
        why="it costs memory and time, and a graph kept by mistake grows.",
        fix="evaluate within `with torch.no_grad():`",
    )
