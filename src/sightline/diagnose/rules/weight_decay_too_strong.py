"""Weight decay that pulls harder than the loss."""

from statistics import median

from sightline.diagnose.figures import weight_norm
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import shrinkage

USUAL_DECOUPLED = 0.02
"""Up to here it is the rate that is too high where weights shrink."""


@RULES.register("weight-decay-too-strong")
def weight_decay_too_strong(r: Reading) -> Finding | None:
    """Weight decay that pulls harder than the loss."""
    updates = r.updates
    if len(updates) < 3 or not r.record.groups or r.training is None or not r.training.finite:
        return None
    decay = max(
        (float(d) for g in r.record.groups if isinstance(d := g.settings.get("weight_decay"), (int, float))),
        default=0.0,
    )
    decoupled = any("AdamW" in g.optimizer or g.settings.get("decoupled_weight_decay") for g in r.record.groups)
    if decay <= (USUAL_DECOUPLED if decoupled else 0):
        return None
    shrink = shrinkage(r.record)
    pulls = []
    for u in updates[len(updates) // 2 :]:
        lr = max(u.rates, default=0.0)
        for g, w, d in zip(u.gradient, u.weight, u.update, strict=True):
            if w > 0:
                pulls.append(lr * decay * w / d if decoupled and d > 0 else decay * w / g if g > 0 else 1e9)
    pull = median(pulls) if pulls else 0.0
    if pull < 0.5 or shrink > 0.6 or (r.learned and shrink > 0.45 and pull < 0.9):
        return None
    return Finding(
        cause="weight-decay-too-strong",
        severity="warning",
        certainty=0.85,
        title="Weight decay overpowers the loss",
        where="the optimiser",
        evidence=(
            f"with weight_decay = {decay:g} the pull to 0 is {pull:.2g} of the "
            f"{'update' if decoupled else 'gradient'} (median over layers)",
            f"weights have shrunk to {shrink:.0%} of their norm at the start (median over layers)",
        ),
        why="weights shrink until the loss can no longer be lowered.",
        fix="weight_decay = 1e-4 (SGD) to 1e-2 (AdamW), or 0",
        codes=("WDW", "RAW", "RCW"),
        change={"weight_decay": 0.0 if not decoupled else 1e-2},
        explains=(
            "rate-too-high",
            "collapsed-outputs",
            "no-progress",
            "stopped-too-early",
            "vanishing-gradients",
            "rate-too-low",
            "dead-units",
        ),
        figure=weight_norm(r),
    )
