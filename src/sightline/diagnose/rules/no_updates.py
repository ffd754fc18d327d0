"""Gradients are computed, but no optimiser makes a step; or steps without any backward pass."""

from sightline.diagnose.figures import update_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES


@RULES.register("no-updates")
def no_updates(r: Reading) -> Finding | None:
    """Gradients are computed, but no optimiser makes a step; or steps without any backward pass."""
    backwards, steps = r.record.backwards, r.record.steps
    if r.record.by_hand:
        return None
    if backwards >= 3 and not r.record.updates and steps == 0:
        found = f"{backwards:,} backward passes, no optimizer.step()"
        fix = "call optimizer.step() after backward()"
    elif steps >= 3 and backwards == 0:
        found, fix = f"{steps:,} updates, no backward pass", "call loss.backward() before optimizer.step()"
    else:
        return None
    return Finding(
        cause="no-updates",
        severity="error",
        certainty=0.97,
        title="The weights are never updated from the loss",
        where=short(r.record.backward_site) if r.record.backward_site else r.network,
        evidence=(found,),
        why="one half of the update is missing, so nothing is learned.",
        fix=fix,
        codes=("NZG",),
        explains=("no-progress", "stopped-too-early", "detached"),
        figure=update_by_layer(r),
    )
