"""A last activation whose range does not hold the targets."""

from math import inf

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import left_out

RANGES = {
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, inf),
    "softplus": (0.0, inf),
    "relu6": (0.0, 6.0),
}

MIDDLE = {"sigmoid": 0.5, "hardsigmoid": 0.5, "tanh": 0.0, "hardtanh": 0.0, "softsign": 0.0}
"""What activations give for 0."""


@RULES.register("output-cannot-reach-targets")
def output_cannot_reach_targets(r: Reading) -> Finding | None:
    """A last activation whose range does not hold the targets."""
    loss = r.loss
    if (
        loss is None
        or loss.kind.removesuffix("_loss") not in ("mse", "l1", "smooth_l1", "huber", "binary_cross_entropy")
        or loss.target is None
    ):
        return None
    squash = next((c for c in r.end if c.name in RANGES), None)
    truth = r.facts(loss.target)
    if squash is None or truth is None or not truth.finite:
        return None
    if any(c.name in ("mul", "div", "add", "sub") for c in r.end[: r.end.index(squash)]):
        return None
    low, high = RANGES[squash.name]
    before = next((c for c in r.end[r.end.index(squash) + 1 :] if c.name in ("relu", "relu6")), None)
    if before is not None and squash.name in MIDDLE:
        low = MIDDLE[squash.name]  # what a rectifier has cut off never comes below the middle
    spread = truth.deviation or 1.0
    if truth.minimum >= low - 0.05 * spread and truth.maximum <= high + 0.05 * spread:
        return None
    return Finding(
        cause="output-cannot-reach-targets",
        severity="error",
        certainty=0.93,
        title=f"The last activation, {squash.name}, can't reach the targets",
        where=short(squash.site),
        evidence=(
            f"{squash.name} gives {low:g} to {high:g}; the targets lie between {truth.minimum:.4g} and "
            f"{truth.maximum:.4g}",
        ),
        why="the network can do no better than the nearest end of its range, where its gradients vanish.",
        fix="end with a plain linear layer, or scale the targets into the range",
        codes=("ACH", "CPP"),
        change=left_out(r, squash),
        explains=(
            "rate-too-high",
            "dead-units",
            "collapsed-outputs",
            "no-progress",
            "stopped-too-early",
            "rate-too-low",
            "saturation",
            "target-scale",
            "vanishing-gradients",
            "bottleneck",
        ),
        figure=loss_curve(r),
    )
