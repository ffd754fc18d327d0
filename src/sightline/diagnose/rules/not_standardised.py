"""Inputs far from mean 0 and deviation 1, or features of very different sizes, and no layer to even them out."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES, tells


def _evened(r: Reading) -> bool:
    """Whether the first thing that happens to the inputs is a normalisation."""
    for call in r.tape.calls:
        if call.name in (
            "batch_norm",
            "layer_norm",
            "instance_norm",
            "group_norm",
            "embedding",
            "one_hot",
            "normalize",
        ):
            return True
        if call.module and call.name in ("linear", "conv1d", "conv2d", "conv3d", "lstm", "gru", "matmul"):
            return False
    return False


def _broken(r: Reading) -> Finding | None:
    """Inputs or targets with numbers that are none."""
    given = (e.inputs[0] for look in r.looks for e in look.entries if e.grad and e.inputs)
    x = next((facts for facts in given if facts.floating and not facts.finite), None)
    at = r.record.targets.broken_at
    if x is None and at is None:
        return None
    return Finding(
        cause="nan-in-data",
        severity="error",
        certainty=0.97,
        title=f"The {'targets' if x is None else 'inputs'} hold NaN or infinity",
        where="the data",
        evidence=(
            f"at update {at:,} the loss is not a number for the first time, and some of its targets are none"
            if x is None
            else f"{x.nans:.1%} NaN, {x.infinities:.1%} infinite of the numbers in a batch",
        ),
        why="one such number makes the loss, every gradient and then every weight NaN.",
        fix="fill or drop missing values before training",
        codes=("CPP", "IWF"),
        explains=("unstable-loss", "rate-too-high", "no-progress", "exploding-gradients", "collapsed-outputs"),
        figure=loss_curve(r),
    )


@RULES.register("not-standardised")
@tells("not-standardised")
@tells("nan-in-data", "Inputs or targets that hold NaN or infinity.")
def not_standardised(r: Reading) -> Finding | None:
    """Inputs far from mean 0 and deviation 1, or features of very different sizes, and no layer to even them out."""
    entry = r.entry
    if entry is None or not entry.inputs:
        return None
    x = entry.inputs[0]
    broken = _broken(r)
    if broken is not None:
        return broken
    if not x.floating or _evened(r):
        return None
    size = max(abs(x.minimum), abs(x.maximum))
    table = entry.features
    apart = table is not None and table[0] > 10 * table[1] and table[0] > 5
    if x.deviation > 10 or (size > 50 and x.deviation > 3) or abs(x.mean) > 5 * max(x.deviation, 1e-9) > 0:
        evidence = (
            f"inputs of mean {x.mean:.4g} and deviation {x.deviation:.4g}, between {x.minimum:.4g} and {x.maximum:.4g}"
        )
    elif apart and table is not None:
        evidence = f"one feature has a deviation of {table[0]:.3g}, the middle one of {table[1]:.3g}"
    elif 0 < x.deviation < 0.005 and size < 0.05:
        evidence = (
            f"inputs of deviation {x.deviation:.2g}, between {x.minimum:.2g} and {x.maximum:.2g}: almost nothing enters"
        )
    else:
        return None
    pictures = x.whole and x.maximum > 100 and x.minimum >= 0 and x.maximum <= 255
    if pictures:
        evidence += ": pictures of 0 to 255"
    return Finding(
        cause="not-standardised",
        severity="advice" if r.left is not None and r.left < 0.1 else "warning",
        certainty=0.85,
        title="The inputs are not scaled",
        where="the data",
        evidence=(evidence,),
        why=(
            "activations and gradients grow with the inputs: the rate that suits one feature or layer "
            "is far off for another."
        ),
        fix="divide pictures by 255 and standardise"
        if pictures
        else "standardise each feature with the training data's mean and deviation",
        codes=("CPP",),
        change={"standardise": True},
        explains=(
            "exploding-gradients",
            "rate-too-high",
            "dead-units",
            "bad-initialisation",
            "saturation",
        ),
        figure=loss_curve(r),
    )
