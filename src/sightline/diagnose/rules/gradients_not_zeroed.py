"""Gradients of earlier steps are still there when the next are added."""

from sightline.diagnose.figures import gradient_norm
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES


@RULES.register("gradients-not-zeroed")
def gradients_not_zeroed(r: Reading) -> Finding | None:
    """Gradients of earlier steps are still there when the next are added."""
    number, seen, left = 0, 0, 0
    for optimizer, count in r.record.uncleared.items():
        every = count + r.record.cleared.get(optimizer, 0)
        if every >= 3 and count >= 0.8 * every:
            number, seen, left = optimizer, every, count
    if not left:
        return None
    return Finding(
        cause="gradients-not-zeroed",
        severity="error",
        certainty=0.97,
        title="Gradients are never set to zero between updates",
        where=short(r.record.backward_site),
        evidence=(
            f"before {left:,} of {seen:,} updates of optimiser {number + 1} the gradients of the "
            "update before were still there",
        ),
        why=(
            "backward() adds to what is there: every step follows the sum of all gradients so far, a "
            "momentum that never ends."
        ),
        fix="call optimizer.zero_grad() once before every backward()",
        codes=("NZG",),
        change={"zero_grad": True},
        explains=(
            "collapsed-outputs",
            "mode-collapse",
            "no-progress",
            "rate-too-high",
            "exploding-gradients",
            "clipping-always-active",
            "dead-units",
        ),
        figure=gradient_norm(r),
    )
