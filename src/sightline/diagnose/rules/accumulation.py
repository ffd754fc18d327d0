"""Gradients gathered over several batches, whose losses are not averaged, or averaged twice."""

from statistics import median

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding, Severity
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.record import Look
from sightline.diagnose.rules.registry import RULES, tells
from sightline.diagnose.tape_paths import loss_call, multiplied


@RULES.register("accumulation")
@tells("accumulation-not-averaged", "Gradients gathered over several batches, whose losses are not averaged.")
@tells("accumulation-averaged-twice", "Gradients gathered over several batches, whose losses are averaged twice.")
def accumulation(r: Reading) -> Finding | None:
    """Gradients gathered over several batches, whose losses are not averaged, or averaged twice."""
    if r.record.steps < 3 or len({u.optimizer for u in r.record.updates}) != 1 or r.record.uncleared.get(0, 0) > 2:
        return None
    if (once := _by_the_batch(r)) is not None:
        return once
    whole = [look for look in r.looks if len({b.site for b in look.backwards}) == 1 and len(look.backwards) > 1]
    if len(whole) < 0.6 * len(r.looks) or not whole:
        return None
    passes = min(len(look.backwards) for look in whole)  # more where the rest of a pass over the data is added
    factors = [factor for look in whole if (factor := _factor(look)) is not None]
    if passes < 2 or not factors:
        return None
    factor = median(factors)
    adaptive = any("Ada" in group.optimizer or "RMS" in group.optimizer for group in r.record.groups)
    if factor > 0.99:
        cause, title = "accumulation-not-averaged", "Gathered losses are not averaged"
        why = f"the gradient is {passes} times that of the mean loss, and so is a step of SGD."
        fix = f"divide the loss by {passes} before backward()"
        severity: Severity = "advice" if adaptive or r.learned else "warning"
    elif factor < 1.2 / passes**2:
        cause, title = "accumulation-averaged-twice", "Gathered losses are averaged twice"
        why = f"the gradient is {1 / (factor * passes):.3g} times smaller than that of the mean loss."
        fix = f"divide the loss by {passes}, once"
        severity = "advice" if adaptive else "warning"
    else:
        return None
    return Finding(
        cause=cause,
        severity=severity,
        certainty=0.75,
        title=title,
        where=short(whole[-1].backwards[0].site),
        evidence=(f"{passes} backward passes before an update; each loss is multiplied by {factor:.3g} before",),
        why=why,
        fix=fix,
        codes=("HLR",),
        explains=("rate-too-high", "rate-too-low", "exploding-gradients"),
        figure=loss_curve(r),
    )


def _by_the_batch(r: Reading) -> Finding | None:
    """A loss that is a mean over the batch, divided by the batch's size again."""
    adaptive = any("Ada" in group.optimizer or "RMS" in group.optimizer for group in r.record.groups)
    if r.learned or adaptive or r.loss is None or r.loss.by_hand or r.loss.target is None or not r.loss.target.shape:
        return None
    if r.loss.call.option("reduction", 99, "mean") != "mean":
        return None
    size = r.loss.target.shape[0]
    whole = [look for look in r.looks if len(look.backwards) == 1]
    factors = [factor for look in whole if (factor := _factor(look)) is not None]
    if size < 8 or len(factors) < 3 or abs(median(factors) * size - 1) > 0.01:
        return None
    return Finding(
        cause="accumulation-averaged-twice",
        severity="warning",
        certainty=0.75,
        title="The loss is divided by the batch's size twice",
        where=short(whole[-1].backwards[0].site),
        evidence=(f"{r.loss.kind} is a mean over {size} examples, and multiplied by {median(factors):.3g} = 1/{size}",),
        why=f"the gradient, and a step of SGD, are {size} times smaller than the rate says.",
        fix="leave the division out",
        codes=("HLR",),
        explains=("rate-too-low", "no-progress", "wrong-labels", "stopped-too-early"),
        figure=loss_curve(r),
    )


def _factor(look: Look) -> float | None:
    """What the loss was multiplied by before its backward pass."""
    root = look.backwards[-1].producer
    loss = loss_call(look.tape, root)
    return None if loss is None or loss.by_hand else multiplied(look.tape, loss.call, root)
