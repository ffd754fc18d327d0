"""A running sum of losses that keeps every step's graph in memory."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape_paths import ancestors

MANY = 24
"""More losses than a loop holds at a time that forgets each after its step."""


@RULES.register("graph-accumulated")
def graph_accumulated(r: Reading) -> Finding | None:
    """A running sum of losses that keeps every step's graph in memory."""
    look = r.looks[-1] if len(r.looks) > 2 else None
    if look is None or not look.backwards:
        return None
    if r.record.kept_losses >= MANY:
        return Finding(
            cause="graph-accumulated",
            severity="warning",
            certainty=0.85,
            title="Losses are kept together with their graphs",
            where=short(look.backwards[-1].site),
            evidence=(f"{r.record.kept_losses} losses of earlier steps were still there, with the graphs behind them",),
            why="each step's graph stays in memory as long as its loss does.",
            fix="keep loss.item() (or loss.detach())",
            codes=(),
        )
    root = max((b.producer for b in look.backwards if b.producer is not None), default=None)
    tree = ancestors(look.tape, root)
    for call in look.tape.calls:
        kept = [o for o in call.operands if o.grad and o.producer is None and not o.origin and o.shape == ()]
        if (
            call.name == "add"
            and call.module == ""
            and call.result.shape == ()
            and call.grad
            and kept
            and call.index not in tree
        ):
            return Finding(
                cause="graph-accumulated",
                severity="warning",
                certainty=0.9,
                title="The running sum of losses keeps every graph",
                where=short(call.site),
                evidence=(
                    "a loss that gradients flow through is added to a sum of earlier steps, outside "
                    "of the backward pass",
                ),
                why="each step's graph, with all its activations, stays in memory until the sum is gone.",
                fix="add loss.item() (or loss.detach())",
                codes=(),
            )
    return None
