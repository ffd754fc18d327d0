"""Layers that are frozen at the random values they were made with."""

from sightline.diagnose.figures import update_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import drawn_normal, fresh, names


@RULES.register("frozen-parameters")
def frozen_parameters(r: Reading) -> Finding | None:
    """Layers that are frozen at the random values they were made with."""
    still = [
        p for p in r.record.parameters if not p.trained and p.fan_in > 1 and p.size > 16 and r.trained_network(p.name)
    ]
    frozen = [p for p in still if fresh(p)]
    normal = [p for p in still if drawn_normal(p)]
    if not frozen and len(normal) >= max(3, 0.6 * len(still)):
        frozen = normal
    if not frozen:
        return None
    how = (
        "the normal spread of He's or Glorot's start"
        if frozen is normal
        else "the uniform spread of a new layer, ±1/√fan-in"
    )
    total = sum(p.size for p in r.record.parameters)
    lost = sum(p.size for p in frozen)
    return Finding(
        cause="frozen-parameters",
        severity="warning",
        certainty=0.85,
        title="Layers are frozen at random values",
        where=names(p.name for p in frozen),
        evidence=(f"{lost:,} of {total:,} numbers have requires_grad = False and still {how}",),
        why="what a frozen random layer throws away no later layer can bring back.",
        fix="remove requires_grad = False there, or load trained weights before freezing",
        codes=("FRZ",),
        change={"train": ", ".join(p.name for p in frozen)},
        explains=("no-progress", "rate-too-low", "stopped-too-early"),
        figure=update_by_layer(r),
    )
