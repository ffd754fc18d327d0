"""A discriminator that is always right: the generator learns nothing from it."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape_paths import multiplied
from sightline.diagnose.two_players import games


def _rarely_steps(r: Reading) -> Finding | None:
    """A generator that hardly ever gets a step."""
    made = {n: r.record.cleared.get(n, 0) + r.record.uncleared.get(n, 0) for n in (0, 1)}
    game = next((g for look in r.looks for g in games(look)), None)
    if set(r.record.cleared) | set(r.record.uncleared) != {0, 1} or game is None or min(made.values()) < 2:
        return None
    rare = min(made, key=lambda n: made[n])
    often = made[1 - rare]
    own = {r.owner(name) for u in r.record.updates if u.optimizer == rare for name in u.names}
    named = any("binary_cross_entropy" in loss.function for loss in r.record.losses)
    if often < (8 if named else 20) * made[rare] or (own and game.maker.network not in own):
        return None
    return Finding(
        cause="discriminator-too-strong",
        severity="warning",
        certainty=0.8,
        title="The generator hardly ever gets a step",
        where="the game",
        evidence=(f"its optimiser made {made[rare]:,} updates, the discriminator's {often:,}",),
        why="the discriminator is trained to the end against a generator that stands still, and then says nothing.",
        lecture=("U7", "X4"),
        fix="a generator's step after every one to five of the discriminator's: check the indentation",
        codes=("HLR", "MWA"),
        explains=("mode-collapse",),
        figure=loss_curve(r),
    )


def _flat_for_the_generator(r: Reading) -> Finding | None:
    """log(1 − D) as the generator's loss: flat where the discriminator is sure."""
    found = []
    for look in r.looks[-max(4, len(r.looks) // 3) :]:
        for call in look.tape.calls:
            made = call.operands[0].producer if call.name == "log" and call.operands else None
            before = look.tape.calls[made] if made is not None else None
            if before is None or before.name not in ("rsub", "sub") or call.result.maximum > 0 or call.module:
                continue
            inner = [look.tape.calls[o.producer].name for o in before.operands if o.producer is not None]
            if inner == ["sigmoid"]:
                factor = multiplied(look.tape, call, look.backwards[-1].producer if look.backwards else None)
                found.append((call, factor))
    low = [call for call, factor in found if factor is not None and factor > 0 and call.result.mean > -0.35]
    if len(low) < 3 or len(low) < 0.5 * len([f for _, f in found if f is not None and f > 0]):
        return None
    return Finding(
        cause="discriminator-too-strong",
        severity="warning",
        certainty=0.7,
        title="The generator's loss is flat where the discriminator is sure",
        where=short(low[0].site),
        evidence=(f"log(1 − D) is {low[-1].result.mean:.2g} at the end: of what is made nearly all is found out",),
        why="its slope is D itself: nothing, for pictures that are recognised as made.",
        lecture=("U7", "X4"),
        fix="minimise −log D instead: binary_cross_entropy_with_logits(D(fake), ones)",
        codes=("LCH", "HLR"),
        explains=("mode-collapse",),
        figure=loss_curve(r),
    )


@RULES.register("discriminator-too-strong")
def discriminator_too_strong(r: Reading) -> Finding | None:
    """A discriminator that is always right: the generator learns nothing from it."""
    if not r.two_players:
        return None
    if (other := _rarely_steps(r) or _flat_for_the_generator(r)) is not None:
        return other
    scores = [loss for loss in r.record.losses if loss.function.startswith("binary_cross_entropy") and loss.grad]
    tail = scores[-max(6, len(scores) // 3) :]
    if len(tail) < 6:
        return None
    low = [loss.value for loss in tail if loss.value < 0.05]
    high = [loss.value for loss in tail if loss.value > 3.5]
    if len(low) < 0.5 * len(tail) or len(high) < 0.2 * len(tail):
        return None
    return Finding(
        cause="discriminator-too-strong",
        severity="warning",
        certainty=0.8,
        title="The discriminator is too good",
        where="the game",
        evidence=(
            f"its losses are below 0.05 in {len(low)} of the last {len(tail)} looks, the generator's "
            f"above 3.5 in {len(high)}",
        ),
        why=(
            "where real and made images are told apart for sure, the discriminator is flat: the "
            "generator's gradient says nothing."
        ),
        lecture=("U7", "X4"),
        fix="a lower rate or fewer steps for the discriminator, R1 or spectral normalisation, instance noise",
        codes=("HLR", "MWA"),
        figure=loss_curve(r),
    )
