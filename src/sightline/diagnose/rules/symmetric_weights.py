"""Weights that start as one number, so that units stay copies of each other."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.record import ParameterSeen
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import last_weight, names
from sightline.diagnose.tape_paths import SHAPE_ONLY, ancestors, weights_of


def _harmless(r: Reading, p: ParameterSeen) -> bool:
    """A matrix that starts at 0 beside a way round it (the last of a residual branch) and that moves."""
    end = r.record.end.get(p.name)
    well = r.learned and (r.left is None or r.left < 0.4)
    return p.facts.constant and p.facts.minimum == 0 and end is not None and end.deviation > 0 and well


def _only_added(r: Reading, p: ParameterSeen) -> bool:
    """Whether nothing is multiplied by it, as by positions that are added to embeddings: it has no units."""
    calls = (r.tape.calls[i] for i in ancestors(r.tape, r.root))
    uses = {call.name for call in calls if p.name in weights_of(r.tape, call)}
    return "add" in uses and not uses - SHAPE_ONLY - {"add"}


@RULES.register("symmetric-weights")
def symmetric_weights(r: Reading) -> Finding | None:
    """Weights that start as one number, so that units stay copies of each other."""
    alike = [
        p
        for p in r.record.parameters
        if p.alike and p.trained and p.fan_in > 1 and p.shape[0] > 1 and p.facts.finite and r.trained_network(p.name)
    ]
    if not alike:
        return None
    last = last_weight(r)
    # a last layer that starts at 0 is a known and harmless start: its gradients differ by class
    alike = [p for p in alike if not (p.name == last and p.facts.constant and p.facts.minimum == 0)]
    end = [p for p in alike if not _harmless(r, p) and not _only_added(r, p)]
    if not end:
        return None
    p = end[0]
    what = f"all {p.facts.minimum:g}" if p.facts.constant else "all rows alike"
    return Finding(
        cause="symmetric-weights",
        severity="error",
        certainty=0.93,
        title="A layer starts with all its units alike",
        where=names(q.name for q in end),
        evidence=(f"{p.name} {p.shape} starts {what}",),
        why="units with the same weights get the same gradient: they stay copies, and the layer counts as one unit.",
        fix="leave torch's own start, or use nn.init.kaiming_normal_ / xavier_uniform_ (biases may be 0)",
        codes=("WCI",),
        change={"redraw": ", ".join(q.name for q in end)},
        explains=(
            "collapsed-outputs",
            "no-progress",
            "stopped-too-early",
            "rate-too-low",
            "rate-too-high",
            "vanishing-gradients",
            "exploding-gradients",
            "dead-units",
            "saturation",
            "bad-initialisation",
        ),
        figure=loss_curve(r),
    )
