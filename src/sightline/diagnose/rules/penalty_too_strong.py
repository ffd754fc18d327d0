"""A penalty on weights, added to the loss, that is larger than the loss."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.rules.words import shrinkage
from sightline.diagnose.tape_paths import ancestors, weights_of


def _penalty(r: Reading, root: int, tree: set[int]) -> float | None:
    """Size of the summand of the loss that is made of parameters alone."""
    outputs = {e.output_producer for look in r.looks for e in look.entries if look.tape is r.tape}
    made = {o for o in outputs if o is not None}
    for index in sorted(tree, reverse=True):
        call = r.tape.calls[index]
        if call.name not in ("add", "sum") or call.result.shape != () or len(call.operands) != 2:
            continue
        for operand in call.operands:
            if operand.producer is None:
                continue
            below = ancestors(r.tape, operand.producer)
            if not below & made and any(weights_of(r.tape, r.tape.calls[i]) for i in below):
                return r.tape.calls[operand.producer].result.mean
    return None


@RULES.register("penalty-too-strong")
@tells("weight-decay-too-strong")
def penalty_too_strong(r: Reading) -> Finding | None:
    """A penalty on weights, added to the loss, that is larger than the loss."""
    tape, root = r.tape, r.root
    if r.loss is None or root is None:
        return None
    tree = ancestors(tape, root)
    site = ""
    for index in sorted(tree):
        call = tape.calls[index]
        if call.name in ("abs", "norm", "pow", "square", "sum") and call.module == "" and weights_of(tape, call):
            site = site or call.site
    if not site:
        return None
    whole = tape.calls[root].result.mean
    inside = _penalty(r, root, tree)
    if inside is None or whole <= 0:
        return None
    share = inside / whole
    shrink = shrinkage(r.record)
    if share < 0.5 or (shrink > 0.7 and r.learned):
        return None
    return Finding(
        cause="weight-decay-too-strong",
        severity="warning",
        certainty=0.85,
        title="The penalty on the weights outweighs the loss",
        where=short(site),
        evidence=(
            f"at the start the penalty is {inside:.3g} of a loss of {whole:.3g} ({share:.0%})",
            f"weights shrink to {shrink:.0%} of their norm",
        ),
        why="the cheapest way down is to make the weights 0, whatever the data say.",
        fix="make the penalty's factor 10 to 1,000 times smaller",
        codes=("RAW", "RCW", "WDW"),
        explains=(
            "rate-too-high",
            "collapsed-outputs",
            "no-progress",
            "stopped-too-early",
            "rate-too-low",
            "dead-units",
            "vanishing-gradients",
        ),
        figure=loss_curve(r),
    )
