"""Batch normalisation over a handful of examples, or updates from single ones."""

from math import prod

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _noisy(r: Reading, size: int) -> Finding | None:
    """Updates from single examples that go nowhere."""
    if not 1 <= size <= 4 or r.record.steps < 200 or r.left is None or r.left < 0.9 or r.two_players:
        return None
    if r.record.trained_examples > 1.5 * size * r.record.steps:  # gathered over several batches
        return None
    return Finding(
        cause="batch-too-small",
        severity="warning",
        certainty=0.6,
        title="Updates are made from too few examples",
        where="the batch",
        evidence=(
            f"{size} examples an update; after {r.record.steps:,} the loss is {r.left:.0%} of a constant guess's",
        ),
        why="the gradient of so few is mostly chance: at this rate the updates undo each other.",
        fix=f"use batches of 32 or more, or a rate {max(4, 32 // size)} times lower",
        codes=("HBS", "HLR"),
        explains=("no-progress", "dead-units", "collapsed-outputs"),
        figure=loss_curve(r),
    )


def _dense(r: Reading) -> bool:
    """Whether every pixel has a target: then a batch of two pictures holds thousands of examples."""
    target = r.loss.target if r.loss is not None else None
    return r.by_pixel and target is not None and prod(target.shape[-2:]) >= 256


@RULES.register("batch-too-small")
def batch_too_small(r: Reading) -> Finding | None:
    """Batch normalisation over a handful of examples, or updates from single ones."""
    entry = r.entry
    if entry is None or not entry.inputs or not entry.inputs[0].shape:
        return None
    size = entry.inputs[0].shape[0]
    normed = [c for c in r.tape.calls if c.name == "batch_norm" and c.keywords.get("training", True) and c.grad]
    few = [c for c in normed if (c.result.shape[0] <= 4 and len(c.result.shape) == 2) or c.result.shape[0] <= 2]
    if entry.training and not few:
        return _noisy(r, size)
    if not few or not entry.training or (r.learned and _dense(r)):
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
