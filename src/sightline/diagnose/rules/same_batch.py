"""A loop that begins a new pass at every step and only ever sees the first batch."""

from math import prod

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _others_unknown(r: Reading) -> bool:
    """Whether many other examples are evaluated than are trained on, and not answered well.

    Where few numbers are given for each and no loss is computed, answers are looked at between the few that there are.
    """
    if r.record.distinct_evaluated < 5 * r.record.distinct_examples or r.record.shared_examples:
        return False
    losses = [loss for _, loss, _ in r.validation_passes]
    if losses and r.guess is not None:
        return losses[-1] > 0.5 * r.guess
    if r.accuracies:
        return max(share for _, share in r.accuracies) < 0.75
    return r.entry is not None and bool(r.entry.inputs) and prod(r.entry.inputs[0].shape[1:]) > 8


@RULES.register("same-batch")
def same_batch(r: Reading) -> Finding | None:
    """A loop that begins a new pass at every step and only ever sees the first batch."""
    steps = r.record.steps
    for loader in r.record.loaders:
        first_only = loader.batches > 1 and loader.iterators > 3 and loader.drawn <= 1.05 * loader.iterators
        if first_only and not loader.shuffled and loader.iterators >= 0.5 * steps and steps > 3:
            seen = f"{r.record.distinct_examples:,} of {loader.examples:,} examples were ever trained on"
            return Finding(
                cause="same-batch",
                severity="error",
                certainty=0.95,
                title="Every update uses the same batch",
                where="the DataLoader",
                evidence=(f"{loader.iterators:,} passes were begun and one batch drawn from each; {seen}",),
                why="next(iter(loader)) begins anew each time: the network learns one batch by heart.",
                fix="loop `for x, y in loader:`",
                codes=("IDS", "TRD"),
                explains=("overfitting", "too-little-data"),
                figure=loss_curve(r),
            )
    repeated = r.record.distinct_examples
    per_step = r.record.trained_examples / max(1, r.record.backwards)
    whole = not r.data_size and per_step >= 4 and repeated <= 64 and _others_unknown(r)
    known = r.record.distinct_evaluated if whole else r.data_size
    if (
        steps > 10
        and known
        and repeated < 0.2 * known
        and 0.9 * per_step <= repeated <= 1.01 * per_step
        and r.record.trained_examples > min(known, 100 * repeated)
    ):
        return Finding(
            cause="same-batch",
            severity="error",
            certainty=0.85,
            title="Every update uses the same batch",
            where="the loop",
            evidence=(f"{steps:,} updates saw {repeated:,} different examples; there are {known:,} at least",),
            why="the network learns one batch by heart.",
            fix="draw the next batch at every step",
            codes=("IDS", "TRD"),
            explains=("not-shuffled",) if whole else ("overfitting", "too-little-data", "not-shuffled"),
            figure=loss_curve(r),
        )
    return None
