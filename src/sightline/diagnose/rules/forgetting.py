"""Fine-tuning whose first updates undo what the weights knew."""

from statistics import median

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.targets_seen import MOST_BATCHES


def _early(r: Reading) -> tuple[float, float, int] | None:
    """Loss before any update, the highest mean of three later looks in the first quarter of the run, and its step."""
    known = [(look.step, look.backwards[0].loss) for look in r.looks if look.backwards]
    if len(known) < 8 or known[0][0] != 0:
        return None
    later = [pair for pair in known[1:] if pair[0] <= max(8, r.record.steps // 4)]
    means = [(sum(v for _, v in later[i : i + 3]) / 3, later[i][0]) for i in range(len(later) - 2)]
    return (known[0][1], *max(means)) if means else None


def _narrowed(r: Reading) -> Finding | None:
    """The last part of training shows a few classes only, after all of them were shown."""
    seen = r.record.targets
    counts = [n for n, size in zip(seen.batch_classes, seen.batch_sizes, strict=True) if size >= 8]
    if len(counts) < 20 or len(counts) >= MOST_BATCHES or len(seen.classes) < 4 or r.two_players:
        return None
    usual = median(counts[: len(counts) // 2])
    last = next((i for i, n in enumerate(reversed(counts)) if n > 0.5 * usual), len(counts))
    if usual < 0.6 * len(seen.classes) or not max(8, 0.02 * len(counts)) <= last <= 0.6 * len(counts):
        return None
    few = max(counts[-last:])
    return Finding(
        cause="forgetting",
        severity="warning",
        certainty=0.8,
        title="Training ends on a few classes alone",
        where="the order of the data",
        evidence=(
            f"batches hold {usual:g} of {len(seen.classes)} classes at first and at most {few} in the last {last} "
            f"of {len(counts)}",
        ),
        why="nothing holds the network to what it knew of the others: the last updates undo it.",
        fix="mix examples of the other classes in, or a rate ten times lower for the last part; evaluate all classes",
        lecture=("U7", "P4"),
        codes=("HLR", "IDS", "TRD"),
        explains=("overfitting", "not-shuffled", "rate-too-high"),
    )


@RULES.register("forgetting")
@tells("forgetting", "Fine-tuning whose first updates undo what the weights knew, or that shows a few classes alone.")
def forgetting(r: Reading) -> Finding | None:
    """Fine-tuning whose first updates undo what the weights knew."""
    if (narrowed := _narrowed(r)) is not None:
        return narrowed
    t, early = r.training, _early(r)
    if t is None or not t.finite or early is None or r.guess is None or r.guess <= 0 or r.two_players:
        return None
    before, peak, step = early
    if not 0 < before <= 0.6 * r.guess or r.loss is None or r.loss.by_hand or not 0.9 * r.guess < peak < float("inf"):
        return None
    moves = [ratio for u in r.updates[:4] if (ratio := r.ratio(u)) is not None]
    rate = max((x for u in r.updates[:4] for x in u.rates), default=0.0)
    return Finding(
        cause="forgetting",
        severity="warning",
        certainty=0.8,
        title="The first updates undo what the weights knew",
        where="the optimiser",
        evidence=(
            f"before any update the loss is {before:.3g}, {before / r.guess:.0%} of a constant guess's; by update "
            f"{step} it is {peak:.3g}",
            *((f"the first updates change weights by {max(moves):.1%} of their size each",) if moves else ()),
        ),
        why="weights that were trained before are worth keeping: steps of this size make them no better than new.",
        fix=f"a rate of {rate / 30:.1g} (now {rate:g}) with a warm-up; train the new layers alone first, then all",
        lecture=("U7", "P4", "P1"),
        codes=("HLR",),
        change={"lr": rate / 30} if rate > 0 else {},
        explains=("rate-too-high", "unstable-loss", "exploding-gradients"),
    )
