"""Two runs of one training, without a change and with it: does it help?

    d = mean over the last quarter of (changed − unchanged)      s = √(Σ (dᵦ − d)² / (B − 1) / B)

The last quarter is cut into B = 8 blocks; dᵦ are the blocks' means. Where both runs drew the same batches, differences
are taken step by step, so that what a batch does to both falls out; else s² is the sum of both runs' own. The error
is that of one seed's two runs: it says how sure the difference is in these, not over seeds. Losses above ten times
that of a constant guess are cut there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import fmean, variance

from sightline.diagnose.changes import changes_forward, measure_of, told
from sightline.diagnose.course import Course, coarser
from sightline.diagnose.finding import Outcome, Tried
from sightline.diagnose.passes import Pass
from sightline.diagnose.tape import Plain

BLOCKS = 8
QUANTILES = (4.303, 3.182, 2.776, 2.571, 2.447, 2.365)
"""Of Student's t with 2 to 7 degrees of freedom, two-sided, 95 %: for 3 to 8 blocks."""

MATTERS = 0.02
"""Smallest difference that counts: in accuracy, or as a share of the loss of a constant guess (where that is not known,
of the loss at the start)."""

MATTERS_ALONE = 0.1
"""The same of a difference whose error is not known."""

HIGHEST = 10.0
"""A loss above so many of a constant guess's counts as that: one spike may not hide what the other steps tell."""

WORDS = {"helped": "It helps", "no difference": "It makes no difference", "worse": "It makes it worse"}


@dataclass(frozen=True)
class Difference:
    """Two means and what is known of their difference.

    Attributes:
        measure: of what.
        before, after: without the change, with it.
        error: standard error of the difference; None where it is not known.
        blocks: that the error comes from.
        scale: what a difference is a share of.
        lower_is_better: of a loss; not of an accuracy.
    """

    measure: str
    before: float
    after: float
    error: float | None
    blocks: int = BLOCKS
    scale: float = 1.0
    lower_is_better: bool = True

    @property
    def outcome(self) -> Outcome:
        """Better, worse, or neither: beyond the error and large enough to matter. NaN is worse than any number."""
        broken = not isfinite(self.before), not isfinite(self.after)
        if any(broken):
            return "no difference" if all(broken) else "helped" if broken[0] else "worse"
        gain = (self.before - self.after) * (1 if self.lower_is_better else -1)
        least = MATTERS_ALONE * self.scale
        if self.error is not None:
            least = max(MATTERS * self.scale, QUANTILES[self.blocks - 3] * self.error)
        if abs(gain) <= least:
            return "no difference"
        return "helped" if gain > 0 else "worse"

    @property
    def told(self) -> str:
        """The numbers in words."""
        shown = [f"{v:.4g}" if isfinite(v) else "not a number" for v in (self.before, self.after)]
        error = "" if self.error is None else f" ± {self.error:.2g}"
        apart = f" ({self.after - self.before:+.3g}{error})" if isfinite(self.after - self.before) else ""
        return f"{self.measure} {shown[0]} without it, {shown[1]} with it{apart}"


def compared(first: Course, second: Course, change: Mapping[str, Plain]) -> Tried:
    """What a change came to.

    Args:
        first: the run without it.
        second: the run with it.
        change: which.

    Lecture: U7

    Example:
        >>> flat = Course(updates=64, passes=64, losses=(1.0,) * 64)
        >>> falling = Course(updates=64, passes=64, losses=tuple(1 - k / 64 for k in range(64)), made=64)
        >>> compared(flat, falling, {"lr": 0.1}).outcome
        'helped'
    """
    what, updates = told(change), min(first.updates, second.updates)
    if second.stopped and (second.updates < first.updates or not second.updates):
        why = f"with {what} the second run came to {updates:,} updates only: {second.stopped}."
        return Tried("not compared", why, updates)
    if not second.made:
        return Tried("not compared", f"{what}: nothing in the second run could be changed so.")
    alike = paired(first, second, change)
    found = difference(first, second, change, alike=alike)
    if isinstance(found, str):
        return Tried("not compared", f"with {what}, {updates:,} updates: can't be compared ({found}).", updates)
    parts, verdict = [found.told], WORDS[found.outcome]
    if found.measure.startswith("training loss"):
        parts += [each.told for each in (validation(first, second),) if each is not None]
        if first.guess is not None and found.after > 0.95 * first.guess:
            parts.append(f"a constant guess has {first.guess:.4g}")
            verdict += ", but is not enough" if found.outcome == "helped" else ""
    if "epochs" in change:
        parts.append("each run at its own end")
    elif not alike:
        parts.append("the runs did not begin alike (the program sets no seed), so part of the difference may be chance")
    sentence = f"with {what}, {updates:,} updates: {'; '.join(parts)}. {verdict}."
    return Tried(found.outcome, sentence, updates, found.measure, found.before, found.after, found.error)


def difference(first: Course, second: Course, change: Mapping[str, Plain], *, alike: bool) -> Difference | str:
    """By what a change may be judged; or why by nothing."""
    measure = measure_of(change)
    if measure == "validation":
        return (
            validation_difference(first, second) or "it changes what the training loss measures, and none is validated"
        )
    if measure == "accuracy" and not first.amounts:  # a distance to amounts is one whatever the network ends with
        return accuracy_difference(first, second) or "it changes what the loss is, and no accuracy was seen"
    if first.players > 1 and first.passes > 1.5 * first.updates:
        return "two optimisers are at work: one loss falling says little"
    return loss_difference(first, second, alike=alike) or "too few updates"


def validation(first: Course, second: Course) -> Difference | None:
    """What both runs' validation tells, to stand beside the training loss: accuracy, else the loss."""
    right = accuracy_difference(first, second)
    if right is not None and right.measure == "validation accuracy":
        return right
    return validation_difference(first, second)


def paired(first: Course, second: Course, change: Mapping[str, Plain]) -> bool:
    """Whether both began alike: the same weights and targets, and, where it can be, the same first loss."""
    if first.weights != second.weights or "epochs" in change:
        return False
    each_update = first.passes * second.updates, second.passes * first.updates
    if abs(each_update[0] - each_update[1]) > max(first.updates, second.updates):
        return False  # other numbers of backward passes for an update: steps can't be told one from one
    if first.targets and second.targets and first.targets != second.targets:
        return False
    if changes_forward(change) or first.span > 1 or second.span > 1 or not first.losses or not second.losses:
        return True
    return first.losses[0] == second.losses[0] or not isfinite(first.losses[0])


def loss_difference(first: Course, second: Course, *, alike: bool) -> Difference | None:
    """Of the training loss over the last quarter of the updates that both made; None where these are too few."""
    updates, span = min(first.updates, second.updates), max(first.span, second.span)
    a, b = (coarser(run.up_to(updates), run.span, span) for run in (first, second))
    count = min(len(a), len(b))
    a, b = a[:count], b[:count]
    size = count // 4 // BLOCKS
    if not size:
        return None
    scale = _scale(first, [a[0], b[0]])
    last = [values[-size * BLOCKS :] for values in (a, b)]
    if not all(isfinite(value) for values in last for value in values):
        return Difference("training loss", fmean(last[0]), fmean(last[1]), None, scale=scale)
    measure, most = "training loss", HIGHEST * scale
    if max(map(max, last)) > most:
        measure = f"training loss (cut at {most:.3g})"
        last = [[min(value, most) for value in values] for values in last]
    before, after = map(fmean, last)
    blocks = [[fmean(values[k * size : (k + 1) * size]) for k in range(BLOCKS)] for values in last]
    if alike:
        blocks = [[y - x for x, y in zip(*blocks, strict=True)]]
    error = sqrt(sum(variance(each) for each in blocks) / BLOCKS)
    return Difference(measure, before, after, error, scale=scale)


def validation_difference(first: Course, second: Course) -> Difference | None:
    """Of the validation loss, over the looks that both took after half of the updates, at most eight, a look a block.

    None where there is no such look.
    """
    both = _validated(first, second)
    if not both:
        return None
    both = both[-BLOCKS:]
    before, after = (fmean(look[k].loss for look in both) for k in (0, 1))
    apart = [y.loss - x.loss for x, y in both]
    known = len(both) > 2 and isfinite(sum(apart))
    error = sqrt(variance(apart) / len(apart)) if known else None
    scale = _scale(first, [first.validation[0].loss])
    return Difference("validation loss", before, after, error, len(both), scale)


def accuracy_difference(first: Course, second: Course) -> Difference | None:
    """Of the last validation's accuracy, else of the training batches looked at in the later half."""
    looks = _validated(first, second)[-1:]
    if looks and looks[0][0].accuracy is not None and looks[0][1].accuracy is not None:
        return _of_accuracies("validation accuracy", [looks[0][0]], [looks[0][1]])
    updates = min(first.updates, second.updates)
    x, y = (
        [p for p in run.training if updates / 2 <= p.step < updates and p.accuracy is not None]
        for run in (first, second)
    )
    return _of_accuracies("training accuracy", x, y) if x and y else None


def _validated(first: Course, second: Course) -> list[tuple[Pass, Pass]]:
    """Looks without gradients that both runs took at one update, in the later half."""
    updates = min(first.updates, second.updates)
    earlier = {each.step: each for each in first.validation if updates / 2 <= each.step <= updates}
    return [(earlier[each.step], each) for each in second.validation if each.step in earlier]


def _scale(first: Course, starts: Sequence[float]) -> float:
    if first.guess is not None and first.guess > 0:
        return first.guess
    return min((abs(value) for value in starts if isfinite(value) and value != 0), default=1.0)


def _of_accuracies(measure: str, x: Sequence[Pass], y: Sequence[Pass]) -> Difference:
    """Pooled; the error is that of two shares of so many examples, √(p(1 − p)/n + q(1 − q)/m)."""
    totals = [sum(each.examples for each in passes) for passes in (x, y)]
    p, q = (
        sum((each.accuracy or 0.0) * each.examples for each in passes) / n
        for passes, n in zip((x, y), totals, strict=True)
    )
    error = sqrt(p * (1 - p) / totals[0] + q * (1 - q) / totals[1])
    return Difference(measure, p, q, error, lower_is_better=False)
