"""Updates so large that the loss rises, jumps or becomes NaN."""

from math import isfinite, log10
from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES


def _of_a_player(r: Reading) -> Finding | None:
    """Of two optimisers that play against each other one whose steps are larger than its weights."""
    for number in sorted({u.optimizer for u in r.record.updates}):
        updates = [u for u in r.record.updates if u.optimizer == number]
        ratios = [v for u in updates[:4] if (v := r.ratio(u)) is not None]
        if len(ratios) < 3 or max(ratios) < 0.8 or median(ratios) < 0.2:
            continue
        lr = max((abs(x) for x in updates[0].rates), default=0.0)
        return Finding(
            cause="rate-too-high",
            severity="warning",
            certainty=0.75,
            title="The learning rate of one player is too high",
            where=f"optimiser {number + 1}, of {updates[0].names[0]}",
            evidence=(
                f"its first updates change a weight by {max(ratios):.2g} of its size (1e-4 to 1e-2 is usual) at "
                f"lr = {lr:g}",
            ),
            why="after a few such steps nothing is left of the start that the other player could learn from.",
            fix=f"try lr = {10.0 ** round(log10(0.02 / max(ratios) * lr)):g}" if lr > 0 else "a lower rate",
            codes=("HLR",),
            explains=("dead-units", "mode-collapse", "discriminator-too-strong", "collapsed-outputs", "saturation"),
            figure=loss_curve(r),
        )
    return None


def _killed(r: Reading) -> bool:
    """Whether most units of some layer were alive at the first look and give 0 for every example at the last ones."""
    at_first = {c.module: c.dead for c in r.looks[0].tape.calls if c.dead is not None and c.examples >= 16 and c.grad}
    alive = {module for module, dead in at_first.items() if dead < 0.3}
    late = [c for look in r.looks[-max(1, len(r.looks) // 3) :] for c in look.tape.calls if c.grad]
    shares = {m: [c.dead for c in late if c.module == m and c.dead is not None] for m in alive}
    return any(found and min(found) > 0.6 for found in shares.values())


def _overshoots(r: Reading, follow: list[float], first: float, usual: float) -> bool:
    """Steps that stay large and go past the lowest point, on a loss that has stopped falling half way."""
    t, late = r.training, follow[len(follow) // 2 :]
    if t is None or not t.finite or r.left is None or r.left < 0.5 or len(late) < 6 or t.before <= 0:
        return False
    return first > 0.4 and usual > 0.015 and median(late) < -0.1 and t.end > 0.97 * t.before


@RULES.register("rate-too-high")
def rate_too_high(r: Reading) -> Finding | None:
    """Updates so large that the loss rises, jumps or becomes NaN."""
    t = r.training
    if t is None or r.record.steps < 3 or not r.updates:
        return None
    usual = r.update_ratio or 0.0
    first = max((v for u in r.updates[:4] if (v := r.ratio(u)) is not None), default=0.0)
    # steps that ruin a network at once leave nothing to move later
    died = usual < 1e-4 and first > 0.08
    big = max(usual, first if first > 0.5 or died or not isfinite(t.end) else 0.0)
    broken = not isfinite(t.end) or r.record.loss.not_finite is not None
    if r.record.loss.not_finite == 0:
        return None  # no update was made yet
    worse = t.finite and (
        t.end > t.start + 0.2 * abs(t.start)
        or (r.guess is not None and r.guess > 0 and t.end > 1.05 * r.guess and t.end > 1.5 * t.best)
    )
    well = r.left is not None and r.left < 0.1  # large steps at first, of Adagrad say, that led somewhere
    useless = (r.left is not None and r.left > 0.97) or (r.left is None and r.fallen < 0.1)
    lr = max((abs(x) for x in r.updates[0].rates), default=0.0)
    follow = [u.follow for u in r.updates if u.follow is not None]
    past = median(follow) if follow else 0.0
    grew = t.finite and t.end > 10 * max(t.best, 1e-12) and t.end > t.start
    thrown = useless and t.highest > 1.5 * t.start and t.highest > 1.3 * (r.guess or 0.0)
    if r.two_players and not broken:
        return _of_a_player(r)
    certainty = 0.0
    evidence = []
    if broken:
        certainty = 0.6 + 0.35 * (big > 0.05)
        evidence.append(
            f"the loss is not a number from update {r.record.loss.not_finite:,} on"
            if r.record.loss.not_finite is not None
            else "the loss ends as NaN or infinity"
        )
    elif worse or grew:
        certainty = 0.6 + 0.3 * (big > 0.05)
        evidence.append(
            f"the loss went from {t.start:.3g} to {t.end:.3g}"
            + (f"; a constant guess has {r.guess:.3g}" if r.guess is not None else "")
        )
    elif useless and (big > 0.05 or (thrown and big > 0.01)):
        certainty = 0.85
        if thrown:
            evidence.append(f"on its way the loss rose from {t.start:.3g} to {t.highest:.3g}")
        evidence.append(
            f"the loss ends at {t.end:.3g}"
            + (f", a constant guess has {r.guess:.3g}" if r.guess is not None else f", from {t.start:.3g}")
        )
    elif (big > 0.3 and usual > 0.02 and not well) or (first > 1 and r.left is not None and r.left > 0.8):
        certainty, big = 0.65, max(big, first)
    elif (useless and first > 0.05 and _killed(r)) or _overshoots(r, follow, first, usual):
        certainty, big = 0.65, max(big, first)
        evidence.append(f"the loss ends at {t.end:.3g}, from {t.start:.3g}")
    if certainty < 0.6 or (big < 0.003 and not broken):
        return None
    evidence.append(f"an update changes a weight by {big:.2g} of its size (1e-4 to 1e-2 is usual) at lr = {lr:g}")
    if past < 0:
        evidence.append(
            f"after a step the slope along it has turned round (median {past:.2g} of what it was): it "
            "went past the lowest point"
        )
    # a first step tells best what the rate does to fresh weights; 2e-2 is usual there, and 3e-3 later
    target = lr * min(0.1, 0.02 / first if first > 0 else 0.003 / max(big, 1e-9))
    suggestion = 10.0 ** round(log10(target)) if target > 0 else 1e-3
    return Finding(
        cause="rate-too-high",
        severity="error" if broken or worse or useless else "warning",
        certainty=min(certainty, 0.95),
        title="The learning rate is too high",
        where="the optimiser",
        evidence=tuple(evidence),
        why=(
            "beyond 2 / sharpness a step overshoots what it descends: the loss rises along the "
            "steepest direction instead."
        ),
        lecture=("U7", "U3"),
        fix=f"try lr = {suggestion:g}",
        codes=("HLR",),
        change={"lr": suggestion},
        explains=(
            "no-progress",
            "stopped-too-early",
            "exploding-gradients",
            "dead-units",
            "unstable-loss",
            "saturation",
            "overfitting",
            "collapsed-outputs",
            "vanishing-gradients",
            "vanishing-signal",
        ),
        figure=loss_curve(r),
    )
