"""Targets that are all one and the same."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES, tells


@RULES.register("constant-targets")
@tells("constant-targets")
@tells("wrong-labels", "A game whose real and made examples carry one label.")
def constant_targets(r: Reading) -> Finding | None:
    """Targets that are all one and the same."""
    t = r.record.targets
    few = (len(t.classes) == 1 and sum(t.classes.values()) >= 50) or (
        not t.classes and len(t.values) >= 50 and len(set(t.values)) == 1
    )
    if not few or t.facts is None or not t.facts.finite:
        return None
    value = next(iter(t.classes)) if t.classes else t.values[0]
    return Finding(
        cause="wrong-labels" if r.two_players else "constant-targets",
        severity="error",
        certainty=0.9,
        title="All targets are the same",
        where="the data",
        evidence=(f"every one of {max(sum(t.classes.values()), len(t.values)):,} targets is {value:g}",),
        why="answering that one number always is right: nothing about the inputs is learned.",
        fix="look at how targets are made (of a game: real ones are 1, made ones 0)",
        codes=("TCL", "LCH", "IDS"),
        explains=("no-progress", "discriminator-too-strong", "label-range", "same-batch"),
        figure=loss_curve(r),
    )
