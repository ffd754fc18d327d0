"""A deep network without normalisation: plain and not learning, or residual with nothing to hold its sum."""

from sightline.diagnose.figures import gradient_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import ancestors, weights_of

NORMALISATIONS = frozenset(["batch_norm", "layer_norm", "group_norm", "rms_norm", "instance_norm", "normalize"])


def _branches(r: Reading) -> list[tuple[Call, Call, set[int]]]:
    """Residual sums: (the sum, the end of the branch with more layers, the branch's calls)."""
    tape, layers, found = r.tape, {c.index for c in r.layers}, []
    for call in tape.calls:
        producers = [o.producer for o in call.operands if o.grad]
        if call.name != "add" or len(producers) != 2 or len({o.shape for o in call.operands}) != 1:
            continue
        if None in producers or producers[0] == producers[1] or len(call.result.shape) < 3:
            continue
        left, right = (ancestors(tape, p) for p in producers)
        if not left & right & layers and not any(tape.calls[i].name == "embedding" for i in left & right):
            continue
        sides = sorted(
            ((len((own - other) & layers), p, own - other) for own, other, p in _both(left, right, producers)),
            key=lambda side: side[0],
        )
        if sides[-1][0] >= 2 and sides[-1][1] is not None:
            found.append((call, tape.calls[sides[-1][1]], sides[-1][2]))
    return found


def _both(
    left: set[int], right: set[int], producers: list[int | None]
) -> tuple[tuple[set[int], set[int], int | None], tuple[set[int], set[int], int | None]]:
    return (left, right, producers[0]), (right, left, producers[1])


def _residual(r: Reading) -> Finding | None:
    """A sum over many branches, none of which is normalised, nor starts near 0."""
    branches = _branches(r)
    bare = [
        (total, end)
        for total, end, calls in branches
        if not any(r.tape.calls[i].name in NORMALISATIONS for i in calls)
        and not any(
            c.name in NORMALISATIONS and any(o.producer == total.index for o in c.operands) for c in r.tape.calls
        )
        and end.result.deviation > 1e-4 * total.result.deviation
    ]
    if len(bare) < 3 or len(bare) < len(branches) or r.two_players or r.left is None or r.left < 0.5:
        return None
    first, last = bare[0][0].result.deviation, bare[-1][0].result.deviation
    return Finding(
        cause="missing-normalisation",
        severity="warning",
        certainty=0.65,
        title="Residual branches without normalisation",
        where=bare[0][1].module or r.network,
        evidence=(
            f"{len(bare)} branches are added to a residual stream and none is normalised; the sum has a deviation of "
            f"{first:.3g} after the first and {last:.3g} after the last",
        ),
        why="what each branch adds grows with what it is given, and no rate suits all of them.",
        fix="put LayerNorm (BatchNorm for pictures) into every branch, or start the last layer of each at 0",
        codes=("LRM", "MWA"),
        explains=("no-progress", "stopped-too-early", "exploding-gradients", "rate-too-high"),
        figure=gradient_by_layer(r),
    )


@RULES.register("missing-normalisation")
def missing_normalisation(r: Reading) -> Finding | None:
    """A deep network without normalisation: plain and not learning, or residual with nothing to hold its sum."""
    used = {name for c in r.layers for name in weights_of(r.tape, c)}  # one that is called often is one
    layers = len(used & r.matrices)
    norms = sum(c.name in NORMALISATIONS for c in r.tape.calls)
    if layers < 12 or norms or r.learned or r.two_players:
        return _residual(r)
    return Finding(
        cause="missing-normalisation",
        severity="warning",
        certainty=0.65,
        title="A deep network without normalisation",
        where=r.network,
        evidence=(f"{layers} layers with weights, no normalisation; the loss fell by {r.fallen:.0%}",),
        why="at such depth the signal's size, and the gradient's, drift by chance from layer to layer.",
        fix="add BatchNorm or LayerNorm after each layer, and residual connections",
        codes=("LRM", "MWA"),
        explains=("no-progress", "stopped-too-early", "vanishing-gradients", "exploding-gradients"),
        figure=gradient_by_layer(r),
    )
