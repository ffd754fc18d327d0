"""A loss no better than a constant guess, and no cause seen."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("no-progress")
def no_progress(r: Reading) -> Finding | None:
    """A loss no better than a constant guess, and no cause seen."""
    t = r.training
    if t is None or not t.finite or r.record.steps < 30 or r.two_players:
        return None
    flat = r.left > 0.97 if r.left is not None else r.fallen < 0.02
    if not flat:
        return None
    return Finding(
        cause="no-progress",
        severity="warning",
        certainty=0.5,
        title="Nothing is learned from the inputs",
        where=r.network,
        evidence=(
            f"the loss ends at {t.end:.4g}"
            + (f"; the best constant guess has {r.guess:.4g}" if r.guess is not None else f", from {t.start:.4g}"),
        ),
        why="the network answers every example alike.",
        fix="try to learn 10 examples by heart first; then look at rate, inputs, and labels",
        codes=("HLR", "ACH", "TCL"),
        figure=loss_curve(r),
    )
