"""Targets that stand in the inputs."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("leak")
def leak(r: Reading) -> Finding | None:
    """Targets that stand in the inputs."""
    if r.record.targets.in_input < 0.95 or r.loss is None or not r.learned:
        return None
    return Finding(
        cause="leak",
        severity="error",
        certainty=0.85,
        title="The targets stand in the inputs",
        where="the data",
        evidence=(f"{r.record.targets.in_input:.0%} of the targets are the input token at the same place",),
        why="the network only has to copy; what comes next it never learns.",
        fix="shift by one: inputs tokens[:, :-1], targets tokens[:, 1:]",
        codes=("TCL", "VRM"),
        explains=("wrong-labels", "overfitting"),
        figure=loss_curve(r),
    )
