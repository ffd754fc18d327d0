"""Layers that are made anew in every forward pass."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import fresh_weight


@RULES.register("recreated-parameters")
def recreated_parameters(r: Reading) -> Finding | None:
    """Layers that are made anew in every forward pass."""
    if r.record.steps < 3 or len(r.looks) < 3:
        return None
    looks = r.looks[1:]  # a lazy layer draws its numbers once
    made: list[list[Call]] = [[c for c in look.tape.calls if fresh_weight(look.tape, c) is not None] for look in looks]
    if not all(made):
        return None
    call = made[0][0]
    return Finding(
        cause="recreated-parameters",
        severity="error",
        certainty=0.95,
        title="A layer is made anew in every forward pass",
        where=short(call.site),
        evidence=(
            f"at {len(made)} of {len(made)} steps looked at, the matrix of {call.name} was drawn at random, then used",
        ),
        why="what one update teaches it is gone in the next: it is random for ever, and the rest learns against it.",
        fix="make the layer once, in __init__, and keep it as an attribute",
        codes=("FRZ", "OCH"),
        explains=(
            "no-progress",
            "stopped-too-early",
            "rate-too-low",
            "unregistered-parameters",
            "collapsed-outputs",
            "unstable-loss",
        ),
    )
