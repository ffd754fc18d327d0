"""Weights that start far larger or smaller than their fan-in asks for."""

from math import hypot, log, sqrt

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.rules.words import last_weight, names

EXPLAINED = (
    "rate-too-high",
    "rate-too-low",
    "vanishing-gradients",
    "exploding-gradients",
    "saturation",
    "no-progress",
    "stopped-too-early",
    "dead-units",
    "attention-collapse",
    "unigram-level",
)


def _normed(r: Reading) -> bool:
    """Whether normalisation follows the layers, so that the size of weights matters little."""
    layers = len(r.layers)
    norms = sum(c.name in ("batch_norm", "layer_norm", "group_norm", "rms_norm") for c in r.tape.calls)
    return layers > 2 and norms >= 0.5 * layers


def _one_sided(r: Reading) -> Finding | None:
    """Matrices that start with no number below 0."""
    every = [p for p in r.record.parameters if p.fan_in >= 8 and p.trained and p.shape[0] > 1 and p.facts.finite]
    found = [p for p in every if p.facts.minimum >= 0 and p.facts.mean > 1.2 * p.facts.deviation > 0]
    if len(found) < max(2, 0.6 * len(every)) or (r.left is not None and r.left < 0.5):
        return None
    return Finding(
        cause="bad-initialisation",
        severity="warning",
        certainty=0.8,
        title="Weights start with one sign",
        where=names(p.name for p in found),
        evidence=(
            f"{len(found)} of {len(every)} matrices hold no number below 0; {found[0].name} has mean "
            f"{found[0].facts.mean:.2g} and deviation {found[0].facts.deviation:.2g}",
        ),
        why="every unit sums its inputs up alike: all say the same, saturate together, and have one gradient.",
        lecture=("U7", "F13"),
        fix="draw around 0: nn.init.kaiming_normal_, nn.init.uniform_(w, -a, a), or leave torch's own",
        codes=("WCI",),
        change={"redraw": ", ".join(p.name for p in found)},
        explains=EXPLAINED,
        figure=loss_curve(r),
    )


@RULES.register("bad-initialisation")
def bad_initialisation(r: Reading) -> Finding | None:
    """Weights that start far larger or smaller than their fan-in asks for."""
    sizes = {
        p.name: hypot(p.facts.mean, p.facts.deviation) * sqrt(p.fan_in)
        for p in r.record.parameters
        if p.fan_in > 1
        and p.trained
        and p.shape[0] > 1
        and not p.facts.constant
        and r.trained_network(p.name)
        and p.facts.finite
    }
    grown = r.training is not None and r.guess is not None and r.guess > 0 and r.training.start > 4 * r.guess
    if (one_sided := _one_sided(r)) is not None:
        return one_sided
    if not sizes or (_normed(r) and not (grown and sizes.get(last_weight(r), 0.0) > 4)):
        return None
    large = {name: s for name, s in sizes.items() if s > 6 or (grown and s > 4 and name == last_weight(r))}
    small = {name: s for name, s in sizes.items() if s < 0.06 and name != last_weight(r)}
    if large and (grown or max(large.values()) > 15 or not r.learned):
        found, what = large, "large"
    elif small and (not r.learned or (r.left is not None and r.left > 0.4)):
        found, what = small, "small"
    else:
        return None
    worst = max(found, key=lambda n: abs(log(found[n])))
    evidence = [f"{worst} starts with a deviation of {found[worst]:.3g}/√fan-in; 0.6 to 2 keeps the size of the signal"]
    if r.training is not None and r.guess is not None:
        evidence.append(f"the loss starts at {r.training.start:.3g}; a constant guess has {r.guess:.3g}")
    return Finding(
        cause="bad-initialisation",
        severity="warning",
        certainty=0.8,
        title=f"Weights start too {what}",
        where=names(found),
        evidence=tuple(evidence),
        why="the signal grows or fades with every layer, and so do the gradients.",
        lecture=("U7", "F13"),
        fix="use He's start for ReLU layers (nn.init.kaiming_normal_), or leave torch's own",
        codes=("WCI",),
        change={"redraw": ", ".join(found)},
        explains=EXPLAINED,
        figure=loss_curve(r),
    )
