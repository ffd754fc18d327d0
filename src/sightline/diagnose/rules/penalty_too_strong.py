"""A penalty on weights, added to the loss, that is larger than the loss."""

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import shrinkage
from sightline.diagnose.tape_paths import ancestors, weights_of


@RULES.register("penalty-too-strong")
def penalty_too_strong(r: Reading) -> Finding | None:
    """A penalty on weights, added to the loss, that is larger than the loss."""
    loss = r.loss
    if loss is None or not r.looks:
        return None
    tape = r.tape
    root = next((b.producer for b in r.looks[min(1, len(r.looks) - 1)].backwards if b.producer is not None), None)
    if root is None:
        return None
    tree = ancestors(tape, root)
    inside: float | None = None
    site = ""
    for index in sorted(tree):
        call = tape.calls[index]
        if call.name in ("abs", "norm", "pow", "square", "sum") and call.module == "" and weights_of(tape, call):
            site = site or call.site
    if not site:
        return None
    whole = tape.calls[root].result.mean
    part = loss.call.result.mean if not loss.by_hand else None
    inside = whole - part if part is not None else None
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
        explains=("no-progress", "stopped-too-early", "rate-too-low", "dead-units", "vanishing-gradients"),
    )
