"""An activation whose outputs hardly vary: a constant drowns the signal."""

from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES

ACTIVATIONS = ("sigmoid", "tanh", "hardsigmoid", "hardtanh", "softsign", "softplus", "clamp", "gelu", "elu", "silu")


@RULES.register("vanishing-signal")
def vanishing_signal(r: Reading) -> Finding | None:
    """An activation whose outputs hardly vary: a constant drowns the signal."""
    if r.left is None or r.left < 0.85 or r.two_players:
        return None
    flat: dict[str, list[float]] = {}
    for look in r.looks[: max(4, len(r.looks) // 2)]:
        for call in look.tape.calls:
            facts = call.result
            if (
                call.name in ACTIVATIONS
                and call.module
                and call.grad
                and not r.is_output(call)
                and len(facts.shape) > 1
                and facts.finite
                and abs(facts.mean) > 0
            ):
                flat.setdefault(f"{call.module} ({call.name})", []).append(facts.deviation / abs(facts.mean))
    drowned = {name: ratio for name, ratios in flat.items() if (ratio := median(ratios)) < 0.05}
    if not drowned:
        return None
    worst = min(drowned, key=lambda name: drowned[name])
    return Finding(
        cause="vanishing-signal",
        severity="warning",
        certainty=0.7,
        title="A constant drowns the signal",
        where=worst,
        evidence=(
            f"the values of {worst} vary by {drowned[worst]:.1%} of their mean",
            f"the loss ends at {r.left:.0%} of that of the best constant guess",
        ),
        why="the layers after it see nearly the same for every example, and gradients shrink on their way through.",
        fix="use ReLU or tanh there, or normalise after it",
        codes=("ACH", "CPP"),
        explains=("no-progress", "stopped-too-early", "collapsed-outputs", "vanishing-gradients"),
        figure=loss_curve(r),
    )
