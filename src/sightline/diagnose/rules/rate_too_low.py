"""Updates so small that the loss still falls in a straight line, far from what can be reached."""

from math import log10
from statistics import median

from sightline.diagnose.figures import update_by_layer
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


@RULES.register("rate-too-low")
def rate_too_low(r: Reading) -> Finding | None:
    """Updates so small that the loss still falls in a straight line, far from what can be reached."""
    t = r.training
    if t is None or not t.finite or r.record.steps < 10 or not r.updates:
        return None
    small = r.update_ratio
    if small is None or small <= 0:
        return None
    lr = max((x for x in r.updates[0].rates), default=0.0)
    if lr <= 0:
        return None
    follow = [u.follow for u in r.updates if u.follow is not None]
    straight = median(follow) if follow else 0.0
    moved = small * r.record.steps
    far = r.left > 0.45 if r.left is not None else r.fallen < 0.5
    falling = t.end < t.before * 1.02 and t.end < t.start * 1.02
    very = r.left is None or r.left > 0.7
    creeping = very and falling and moved <= 0.25 and small <= 4e-4 and straight >= 0.02
    barely = falling and moved <= 0.25 and small <= 1.5e-3 and (r.left is None or r.left > 0.8) and straight >= -0.1
    late = follow[len(follow) // 2 :]
    # the next gradient is that of this step, to the end: nothing has been reached yet
    on = len(late) >= 6 and median(late) > 0.85 and moved <= 0.3 and small <= 1.5e-3 and t.end < t.start
    still = very and moved <= 0.05 and small <= 1e-4 and t.end < 1.2 * t.start
    if r.two_players:  # of a game the losses say little: only what hardly moves at all
        far, creeping, barely, on, still = True, False, False, False, moved <= 0.05 and small <= 1e-4
    if not far or not (creeping or barely or on or still):
        return None
    target = lr * max(10.0, min(1000.0, 2e-3 / small))
    suggestion = 10.0 ** round(log10(target))
    plain = r.record.groups[0].optimizer == "SGD" and not r.record.groups[0].settings.get("momentum")
    return Finding(
        cause="rate-too-low",
        severity="warning",
        certainty=0.6 + 0.3 * (moved < 0.05),
        title="The learning rate is too low",
        where="the optimiser",
        evidence=(
            f"an update changes a weight by {small:.1e} of its size: over {r.record.steps:,} updates "
            f"at most {moved:.1%}",
            f"the loss went from {t.start:.3g} to {t.end:.3g}"
            + (f"; a constant guess has {r.guess:.3g}" if r.guess is not None else ""),
        ),
        why="the network is still what it was at the start: almost linear in its weights, far from any solution.",
        fix=f"try lr = {suggestion:g}" + (", or Adam" if plain else ""),
        codes=("HLR", "OCH", "HNE") if plain else ("HLR", "HNE"),
        change={"lr": suggestion},
        explains=("no-progress", "stopped-too-early", "vanishing-signal"),
        figure=update_by_layer(r),
    )
