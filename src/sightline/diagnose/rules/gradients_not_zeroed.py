"""Gradients of earlier steps are still there when the next are added."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES


@RULES.register("gradients-not-zeroed")
def gradients_not_zeroed(r: Reading) -> Finding | None:
    """Gradients of earlier steps are still there when the next are added."""
    seen = r.record.cleared + r.record.uncleared
    if seen < 3 or r.record.uncleared < 0.8 * seen:
        return None
    return Finding(
        cause="gradients-not-zeroed",
        severity="error",
        certainty=0.97,
        title="Gradients are never set to zero between updates",
        where=short(r.record.backward_site),
        evidence=(
            f"before {r.record.uncleared:,} of {seen:,} updates the gradients of the update before were still there",
        ),
        why="backward() adds to what is there: every step follows the sum of all gradients so far, a momentum that never ends.",
        fix="call optimizer.zero_grad() once before every backward()",
        codes=("NZG",),
        explains=("rate-too-high", "exploding-gradients", "clipping-always-active", "dead-units"),
    )
