"""A few targets so far off that they decide a squared loss alone."""

from math import isfinite, prod
from statistics import quantiles

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape_paths import back, is_layer

FAR = 30
"""Interquartile ranges from the median."""


@RULES.register("target-outliers")
def target_outliers(r: Reading) -> Finding | None:
    """A few targets so far off that they decide a squared loss alone."""
    loss, values = r.loss, r.record.targets.values
    if (
        loss is None
        or loss.kind != "mse_loss"
        or loss.target is None
        or prod(loss.target.shape[1:]) > 16
        or r.two_players
    ):
        return None
    if len(values) < 100 or not all(map(isfinite, values)):
        return None
    if any(is_layer(r.tape, call) for call in back(r.tape, loss.target)):
        return None  # what a network expects of a reward that is rare, say
    low, middle, high = quantiles(values, n=4)
    off = sorted((abs(value - middle) for value in values), reverse=True)
    far = sum(distance > FAR * (high - low) for distance in off)
    if high == low or not 0 < far <= max(1, len(values) / 20):
        return None
    share = sum(distance**2 for distance in off[:far]) / sum(distance**2 for distance in off)
    if share < 0.8:
        return None
    return Finding(
        cause="target-outliers",
        severity="advice" if r.left is not None and r.left < 0.1 else "warning",
        certainty=0.75,
        title="A few targets decide the loss",
        where="the data",
        evidence=(
            f"{far:,} of {len(values):,} targets lie more than {FAR} interquartile ranges ({high - low:.3g}) from the "
            f"median ({middle:.3g}), up to {off[0]:.3g} away; they make {share:.0%} of the squared distance",
        ),
        why="a squared loss follows its largest errors: what holds for all other examples hardly counts.",
        fix="check these targets and mend or drop them; else their logarithm as the target, or nn.SmoothL1Loss()",
        codes=("CPP", "TCL", "LCH"),
        explains=(
            "target-scale",
            "exploding-gradients",
            "rate-too-high",
            "rate-too-low",
            "no-progress",
            "clipping-always-active",
            "wrong-labels",
            "forgetting",
            "validation-preprocessed-differently",
            "stopped-too-early",
        ),
        figure=loss_curve(r),
    )
