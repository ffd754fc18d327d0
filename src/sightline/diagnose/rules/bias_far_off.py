"""Biases that start so large that they decide the output."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.rules.words import names


@RULES.register("bias-far-off")
@tells("bad-initialisation")
def bias_far_off(r: Reading) -> Finding | None:
    """Biases that start so large that they decide the output."""
    biases = [
        p for p in r.record.parameters if len(p.shape) == 1 and p.name.endswith("bias") and p.trained and p.facts.finite
    ]
    far = [p for p in biases if max(abs(p.facts.minimum), abs(p.facts.maximum)) >= 3 and p.shape[0] > 1]
    far = [p for p in far if r.trained_network(p.name)]
    if not far or r.learned:
        return None
    return Finding(
        cause="bad-initialisation",
        severity="warning",
        certainty=0.75,
        title="Biases start far from 0",
        where=names(p.name for p in far),
        evidence=(f"{far[0].name} starts between {far[0].facts.minimum:g} and {far[0].facts.maximum:g}",),
        why="rectifiers start dead or always on, saturating functions start saturated.",
        fix="start biases at 0",
        codes=("BCI", "WCI"),
        change={"redraw": ", ".join(p.name for p in far)},
        explains=(
            "dead-units",
            "saturation",
            "no-progress",
            "stopped-too-early",
            "rate-too-low",
            "vanishing-gradients",
        ),
        figure=loss_curve(r),
    )
