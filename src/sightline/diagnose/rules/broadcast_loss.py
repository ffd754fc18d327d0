"""Outputs and targets of different shapes that are stretched against each other."""

from math import prod

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import broadcast_shape
from sightline.diagnose.tape_paths import LOSS_NAMES, ancestors

PAIRED = frozenset({"sub", "rsub", "mul", "div", "add", *LOSS_NAMES}) - {
    "cross_entropy",
    "nll_loss",
    "multi_margin_loss",
}


@RULES.register("broadcast-loss")
def broadcast_loss(r: Reading) -> Finding | None:
    """Outputs and targets of different shapes that are stretched against each other."""
    for index in sorted(ancestors(r.tape, r.root)):
        call = r.tape.calls[index]
        if call.name not in PAIRED or len(call.operands) < 2:
            continue
        a, b = call.operands[:2]
        if a.origin or b.origin or not a.grad or b.grad or (call.module and call.name not in LOSS_NAMES):
            continue
        size = max(prod(a.shape), prod(b.shape))
        stretched = prod(broadcast_shape(a.shape, b.shape))
        if stretched > size and size > 1:
            return Finding(
                cause="broadcast-loss",
                severity="error",
                certainty=0.95,
                title="Outputs and targets are stretched against each other",
                where=short(call.site),
                evidence=(
                    f"{call.name} of {a.shape} and {b.shape}: every output is compared with every "
                    f"target, {stretched:,} pairs",
                ),
                why="the best answer to all targets at once is their mean: the network learns to ignore its input.",
                fix="give both one shape, for example output.squeeze(-1), or target.view_as(output)",
                codes=("IWS",),
                explains=("no-progress", "stopped-too-early", "rate-too-low", "rate-too-high"),
                figure=loss_curve(r),
            )
    return None
