"""Inputs that are all alike."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("constant-input")
def constant_input(r: Reading) -> Finding | None:
    """Inputs that are all alike."""
    entry = r.entry
    if entry is None or not entry.inputs or not entry.inputs[0].shape or entry.inputs[0].shape[0] < 2:
        return None
    x = entry.inputs[0]
    if not x.constant or x.deviation != 0 or len(r.looks) < 2 or not x.finite:
        return None
    if any(e.inputs and not e.inputs[0].constant for look in r.looks for e in look.entries if e.grad):
        return None
    return Finding(
        cause="constant-input",
        severity="error",
        certainty=0.95,
        title="The inputs are all one number",
        where="the data",
        evidence=(f"every number of every batch looked at is {x.minimum:g}",),
        why="there is nothing to learn from.",
        fix="look at what the data loader gives",
        codes=("CPP", "IWF"),
        explains=("no-progress", "stopped-too-early", "rate-too-low"),
        figure=loss_curve(r),
    )
