"""A network of fewer numbers than one example has."""

from math import prod

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("too-small")
def too_small(r: Reading) -> Finding | None:
    """A network of fewer numbers than one example has, which learns little."""
    x = r.entry.inputs[0] if r.entry is not None and r.entry.inputs else None
    size = sum(p.size for p in r.record.parameters if p.trained and r.trained_network(p.name))
    t = r.training
    if x is None or t is None or not t.finite or r.left is None or r.two_players or r.by_pixel or r.tokens:
        return None
    if not 0 < size < prod(x.shape[1:]) or r.left < 0.5 or r.record.steps < 50 or len(r.layers) < 2:
        return None
    return Finding(
        cause="too-small",
        severity="warning",
        certainty=0.6,
        title="The network is too small",
        where=r.network,
        evidence=(
            f"it has {size:,} parameters, an example has {prod(x.shape[1:]):,} numbers; the loss ends at "
            f"{r.left:.0%} of a constant guess's",
        ),
        why="so few weights can tell little of so much apart.",
        fix="more units or channels: double the width until the training loss falls no further",
        codes=("LCN", "LCF"),
        explains=("stopped-too-early", "rate-too-low", "no-progress"),
        figure=loss_curve(r),
    )
