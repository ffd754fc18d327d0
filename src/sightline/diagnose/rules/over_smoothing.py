"""A deep graph network whose nodes all become alike."""

from statistics import median

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import Call, Tape

PRODUCTS = ("matmul", "mm", "sparse_mm", "spmm")
GATHERING = ("index_add", "scatter_add", "scatter_reduce")


def _neighbours(tape: Tape) -> list[Call]:
    """Sums over neighbours: a square matrix that nothing trains times the nodes, or rows added where edges end."""
    found = []
    for call in tape.calls:
        if call.rows is None or not call.grad:
            continue
        first = call.operands[0] if call.operands else None
        square = first is not None and first.shape[-2:] == (call.result.shape[0],) * 2
        graph = square and first is not None and not first.grad and not first.origin.startswith("parameter:")
        if (call.name in PRODUCTS and graph) or call.name in GATHERING:
            found.append(call)
    return found


@RULES.register("over-smoothing")
def over_smoothing(r: Reading) -> Finding | None:
    """A deep graph network whose nodes all become alike."""
    if r.learned or r.training is None:
        return None
    depths = [_neighbours(look.tape) for look in r.looks[-max(2, len(r.looks) // 4) :]]
    depths = [calls for calls in depths if len(calls) >= 4]
    if len(depths) < 2:
        return None
    first = median(1 - calls[0].rows.alike for calls in depths if calls[0].rows is not None)
    last = median(1 - calls[-1].rows.alike for calls in depths if calls[-1].rows is not None)
    if first <= 0 or last > 0.03 * first:
        return None
    return Finding(
        cause="over-smoothing",
        severity="warning",
        certainty=0.8,
        title="The nodes of the graph become alike",
        where=short(depths[-1][-1].site),
        evidence=(
            f"after the first of {len(depths[-1])} sums over neighbours nodes differ in direction by {first:.2g} "
            f"(1 − mean cosine), after the last by {max(0.0, last):.2g}",
            f"the loss ends at {r.training.end:.3g}"
            + (f"; a constant guess has {r.guess:.3g}" if r.guess is not None else f", from {r.training.start:.3g}"),
        ),
        why="each sum is an average with the neighbours: after many every node of a component tells the same.",
        fix="2 to 4 rounds of messages; deeper only with skip connections from the input (or from each round), or with "
        "pair normalisation",
        lecture=("U7", "G1"),
        codes=("MWA", "LCN"),
        explains=(
            "no-progress",
            "collapsed-outputs",
            "stopped-too-early",
            "vanishing-gradients",
            "missing-normalisation",
        ),
    )
