"""Gradients clipped to one norm at every step."""

from statistics import median

from sightline.diagnose.figures import gradient_norm
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("clipping-always-active")
def clipping_always_active(r: Reading) -> Finding | None:
    """Gradients clipped to one norm at every step."""
    norms = [u.gradient_norm for u in r.updates if u.names and not u.zero]
    if len(norms) < 6 or r.two_players:
        return None
    middle = median(norms)
    same = sum(abs(n - middle) < 2e-3 * middle for n in norms) / len(norms)
    if same < 0.9 or not 0 < middle < 1e4:
        return None
    tiny = middle < 0.02
    adaptive = "betas" in (r.record.groups[0].settings if r.record.groups else {})
    harmful = tiny and not r.learned and not adaptive
    return Finding(
        cause="clipping-always-active",
        severity="warning" if harmful else "advice",
        certainty=0.8 if harmful else 0.5,
        title="Gradients are clipped at every step",
        where="gradient clipping",
        evidence=(f"the gradient's norm is {middle:.3g} at {same:.0%} of the steps looked at",),
        why="every step then has one length: clipping sets the rate, and the gradient's size tells nothing.",
        fix="clip at about twice the usual norm before clipping, or lower the rate instead",
        codes=("HLR",),
        explains=("rate-too-low", "no-progress", "stopped-too-early") if harmful else (),
        figure=gradient_norm(r),
    )
