"""ReLU units that give 0 for every example."""

from sightline.diagnose.figures import dead_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _from_the_start(r: Reading) -> bool:
    """Whether some layer's units were dead before any update could kill them."""
    return any(c.dead is not None and c.dead > 0.6 and c.examples >= 16 and c.grad for c in r.looks[0].tape.calls)


@RULES.register("dead-units")
def dead_units(r: Reading) -> Finding | None:
    """ReLU units that give 0 for every example."""
    found: dict[str, list[float]] = {}
    for look in r.looks[-max(1, len(r.looks) // 3) :]:
        for call in look.tape.calls:
            if call.dead is not None and call.examples >= 16 and call.grad:
                found.setdefault(f"{call.module or 'the loop'} ({call.name})", []).append(call.dead)
    dead = {name: min(values) for name, values in found.items() if values and min(values) > 0.6}
    total = [min(values) for values in found.values()]
    if not dead or (r.learned and max(dead.values()) < 0.9) or (r.learned and not any(v == 1.0 for v in dead.values())):
        return None
    worst = max(dead, key=lambda n: dead[n])
    lr = max((abs(x) for x in r.updates[0].rates), default=0.0) if r.updates else 0.0
    return Finding(
        cause="dead-units",
        severity="warning",
        certainty=0.7 + 0.2 * (dead[worst] == 1.0),
        title="Rectifier units are dead",
        where=worst,
        evidence=(
            f"{dead[worst]:.0%} of the units of {worst} give 0 for every example of a batch; "
            f"{len(dead)} of {len(total)} layers have over 60 %",
        ),
        why="a unit that gives 0 for every example gets no gradient and can't come back.",
        lecture=("U7", "F12"),
        fix=f"lower the rate (now {lr:g}), or use leaky ReLU, and He's start",
        codes=("ACH", "HLR", "WCI"),
        change={"leaky_relu": 0.01} if _from_the_start(r) else {"lr": lr / 10} if lr > 0 else {},
        explains=("no-progress", "stopped-too-early", "rate-too-low", "vanishing-gradients", "collapsed-outputs"),
        figure=dead_by_layer(r),
    )
