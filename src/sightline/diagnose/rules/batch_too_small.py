"""Batch normalisation over a handful of examples, or updates from single ones."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("batch-too-small")
def batch_too_small(r: Reading) -> Finding | None:
    """Batch normalisation over a handful of examples, or updates from single ones."""
    entry = r.entry
    if entry is None or not entry.inputs or not entry.inputs[0].shape:
        return None
    size = entry.inputs[0].shape[0]
    normed = [c for c in r.tape.calls if c.name == "batch_norm" and c.keywords.get("training", True) and c.grad]
    few = [c for c in normed if (c.result.shape[0] <= 4 and len(c.result.shape) == 2) or c.result.shape[0] <= 2]
    if not few or not entry.training:
        return None
    return Finding(
        cause="batch-too-small",
        severity="warning",
        certainty=0.8,
        title="Batch normalisation sees too few examples",
        where=few[0].module,
        evidence=(f"statistics of {few[0].result.shape[0]} examples (the batch has {size})",),
        why="the mean and variance of so few are mostly chance, and in evaluation other ones are used.",
        fix="use batches of 16 or more, or GroupNorm/LayerNorm",
        codes=("HBS", "LRM"),
        explains=("no-progress",),
        figure=loss_curve(r),
    )
