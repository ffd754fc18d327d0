"""Hidden units at the flat ends of sigmoid or tanh."""

from statistics import median

from sightline.diagnose.figures import saturated_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("saturation")
def saturation(r: Reading) -> Finding | None:
    """Hidden units at the flat ends of sigmoid or tanh."""
    found: dict[str, list[float]] = {}
    for look in r.looks[-max(1, len(r.looks) // 3) :]:
        ends = {c.index for c in look.tape.calls[-12:]}
        for call in look.tape.calls:
            if (
                call.saturated is not None
                and call.grad
                and call.module
                and len(call.result.shape) > 1
                and not r.is_output(call)
            ):
                last = call.index in ends and call.name == "sigmoid" and call.result.shape[-1] <= 2
                if not last:
                    found.setdefault(f"{call.module} ({call.name})", []).append(call.saturated)
    full = {name: median(v) for name, v in found.items() if median(v) > 0.7}
    if not full or r.learned or r.two_players:
        return None
    worst = max(full, key=lambda n: full[n])
    return Finding(
        cause="saturation",
        severity="warning",
        certainty=0.75,
        title="Units are saturated",
        where=worst,
        evidence=(f"{full[worst]:.0%} of the values of {worst} lie where its slope is below 1 % of the greatest",),
        why="no gradient passes a unit at its flat end.",
        fix="scale the inputs, start with smaller weights, or use ReLU with normalisation",
        codes=("ACH", "WCI", "CPP"),
        explains=("no-progress", "stopped-too-early", "rate-too-low", "vanishing-gradients"),
        figure=saturated_by_layer(r),
    )
