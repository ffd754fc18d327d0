"""Batches so large that a run makes few updates."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("batch-too-large")
def batch_too_large(r: Reading) -> Finding | None:
    """Batches so large that a run makes few updates."""
    t, steps = r.training, r.record.steps
    if t is None or not t.finite or r.two_players or not 2 <= steps <= 40 or not r.record.distinct_examples:
        return None
    size = r.record.trained_examples / max(1, r.record.backwards)
    share = size / r.record.distinct_examples
    far = r.left is None or r.left > 0.35
    if share < 0.25 or size < 64 or not far or t.end >= t.start:
        return None
    return Finding(
        cause="batch-too-large",
        severity="warning",
        certainty=0.7,
        title="Batches are so large that few updates are made",
        where="the batch size",
        evidence=(f"{steps} updates of {size:,.0f} examples each, {share:.0%} of the data; the loss still falls",),
        why="an update costs as much as the batch is large, and is hardly better for it.",
        fix=f"a batch size of {max(16, min(128, round(size / 16)))}",
        codes=("HBS", "HNE"),
        explains=("stopped-too-early", "rate-too-low", "no-progress"),
        figure=loss_curve(r),
    )
