"""Training that ends while the loss is still falling steeply."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, variance

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _falls(values: Sequence[float], share: float) -> bool:
    """Whether the last third lies below the middle one by more than two standard errors, and by a share of it."""
    third = len(values) // 3
    middle, last = values[third : 2 * third], values[-third:]
    if third < 4:
        return False
    error = sqrt((variance(middle) + variance(last)) / third)
    return fmean(last) < min(fmean(middle) - 2 * error, (1 - share) * fmean(middle))


@RULES.register("stopped-too-early")
def stopped_too_early(r: Reading) -> Finding | None:
    """Training that ends while the loss is still falling steeply."""
    t = r.training
    if t is None or not t.finite or r.two_players or r.record.steps < 20:
        return None
    values = r.record.loss.values
    half = len(values) // 2
    middle = (
        sum(values[half - max(1, half // 5) : half + max(1, half // 5)]) / (2 * max(1, half // 5))
        if half > 4
        else t.start
    )
    steep = 0.15 if r.left is None or r.left > 0.5 else 0.4
    falling = middle - t.end > steep * middle and t.before - t.end > 0.03 * t.before
    far = (r.left is not None and r.left > 0.35) or (r.left is None and t.end > 0.5 * t.start)
    different = r.record.distinct_examples  # fewer, where each was altered anew
    epochs = r.record.trained_examples / max(1, min(different, r.data_size or different))
    nothing_yet = r.left > 0.85 if r.left is not None else r.fallen < 0.2
    barely = epochs < 1.6 and (
        (nothing_yet and _falls(values, 0.005))
        or (r.left is not None and r.left > 0.65 and _falls(values, 0.1))
        or (r.left is not None and r.left > 0.3 and _falls(values, 0.25))
    )
    told = [loss for _, loss, _ in r.validation_passes]
    broken_off = epochs < 2.5 and 2 <= len(told) <= 4 and 0 < told[-1] < 0.96 * min(told[:-1]) and (r.left or 0.0) > 0.6
    if not (barely or broken_off) and (not falling or not far or epochs > 3.5):
        return None
    return Finding(
        cause="stopped-too-early",
        severity="warning",
        certainty=0.6,
        title="Training stops while the loss still falls",
        where="the number of epochs",
        evidence=(
            f"the loss was {middle:.3g} half way and {t.end:.3g} at the end, after {epochs:.1f} passes over the data",
        ),
        why="the network could be better for the asking.",
        fix=f"train at least {max(2, round(4 * epochs))} epochs; stop when validation stops improving",
        codes=("HNE",),
        change={"epochs": max(2, round(4 * epochs))},
        figure=loss_curve(r),
    )
