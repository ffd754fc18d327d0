"""Targets that are all one and the same."""

from collections import Counter

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.tape_paths import ancestors, multiplied
from sightline.diagnose.two_players import games


def _one_side(r: Reading) -> Finding | None:
    """A game in which the generator is taught the label that the discriminator is taught for what it makes."""
    labels: list[tuple[float, float]] = []
    for look in r.looks:
        game = next(games(look), None)
        if game is None:
            continue
        roots = [b.producer for b in look.backwards]
        for call in look.tape.calls:
            if not call.name.startswith("binary_cross_entropy") or len(call.operands) < 2:
                continue
            before = ancestors(look.tape, call.operands[0].producer)
            # what was made before the other player's update is on the tape before this one
            earlier = any(
                o.grad and o.producer is None and not o.origin and len(o.shape) > 1
                for i in before
                for o in look.tape.calls[i].operands
            )
            made = game.maker.output_producer in before or earlier
            y = call.operands[1]
            facts = y.facts if y.producer is None else look.tape.calls[y.producer].result
            upwards = any(f is not None and f < 0 for f in (multiplied(look.tape, call, root) for root in roots))
            if made and facts is not None and facts.constant and not upwards:
                labels.append((look.step, facts.mean))
    both = [step for step, count in Counter(step for step, _ in labels).items() if count > 1]
    if len(both) < 4 or len({label for _, label in labels}) != 1:
        return None
    return Finding(
        cause="wrong-labels",
        severity="error",
        certainty=0.85,
        title="Both players want the same answer of what is made",
        where="the game",
        evidence=(f"in every loss on what the generator makes the target is {labels[0][1]:g}",),
        why="the generator is taught to be recognised: nothing drives it towards the data.",
        fix="for the generator's loss the target of made examples is that of real ones (1)",
        codes=("TCL", "LCH"),
        explains=("discriminator-too-strong", "mode-collapse", "collapsed-outputs", "vanishing-gradients"),
        figure=loss_curve(r),
    )


@RULES.register("constant-targets")
@tells("constant-targets")
@tells(
    "wrong-labels",
    "A game whose real and made examples, or whose players, have one label.",
)
def constant_targets(r: Reading) -> Finding | None:
    """Targets that are all one and the same."""
    if r.two_players and (one := _one_side(r)) is not None:
        return one
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
