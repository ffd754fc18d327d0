"""Biases that start so large that they decide the output."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.rules.words import names
from sightline.diagnose.tape_paths import weights_of


def _silenced(r: Reading, biases: set[str]) -> float:
    """Greatest share of units dead at the first look in a rectifier right behind a layer with such a bias."""
    tape = r.looks[0].tape
    found = [0.0]
    for call in tape.calls:
        before = call.operands[0].producer if call.dead is not None and call.examples >= 16 else None
        if before is not None and biases & set(weights_of(tape, tape.calls[before])):
            found.append(call.dead or 0.0)
    return max(found)


@RULES.register("bias-far-off")
@tells("bad-initialisation")
@tells("dead-units", "Rectifiers silenced by a bias far below 0.")
def bias_far_off(r: Reading) -> Finding | None:
    """Biases that start so large that they decide the output."""
    biases = [
        p for p in r.record.parameters if len(p.shape) == 1 and p.name.endswith("bias") and p.trained and p.facts.finite
    ]
    far = [p for p in biases if max(abs(p.facts.minimum), abs(p.facts.maximum)) >= 3 and p.shape[0] > 1]
    far = [p for p in far if r.trained_network(p.name)]
    if not far or r.learned or not r.looks:
        return None
    dead = _silenced(r, {p.name for p in far})
    return Finding(
        cause="dead-units" if dead > 0.6 else "bad-initialisation",
        severity="warning",
        certainty=0.92 if dead > 0.6 else 0.75,
        title="Biases far below 0 silence the units behind" if dead > 0.6 else "Biases start far from 0",
        where=names(p.name for p in far),
        evidence=(
            f"{far[0].name} starts between {far[0].facts.minimum:g} and {far[0].facts.maximum:g}"
            + (
                f"; {dead:.0%} of the rectifiers behind it give 0 for every example from the start"
                if dead > 0.6
                else ""
            ),
        ),
        why="rectifiers start dead or always on, saturating functions start saturated.",
        fix="start biases at 0",
        codes=("BCI", "WCI"),
        change={"redraw": ", ".join(p.name for p in far)},
        explains=(
            *(() if dead > 0.6 else ("dead-units",)),
            "saturation",
            "no-progress",
            "stopped-too-early",
            "rate-too-low",
            "vanishing-gradients",
            "collapsed-outputs",
        ),
        figure=loss_curve(r),
    )
