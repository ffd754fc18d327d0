"""The first NaN or infinity, and the call that made it."""

from collections.abc import Iterator
from math import isfinite, prod

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.record import Look
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import Call
from sightline.diagnose.tape_paths import ancestors, weights_of
from sightline.diagnose.tensor_facts import TensorFacts


def _near_zero(r: Reading) -> Finding | None:
    """A loss that divides by data that come near 0, or cross it."""
    found = [call for look in r.looks for call in _by_small(look)]
    if found:
        call, facts = max(found, key=lambda pair: max(abs(pair[0].result.minimum), abs(pair[0].result.maximum)))
        size = max(abs(call.result.minimum), abs(call.result.maximum))
        return Finding(
            cause="unstable-loss",
            severity="warning",
            certainty=0.75,
            title="The loss divides by numbers near 0",
            where=short(call.site),
            evidence=(
                f"div by data between {facts.minimum:.3g} and {facts.maximum:.3g}: quotients of up to {size:.3g}, "
                f"{size / max(call.result.deviation, 1e-30):.0f} times their deviation",
            ),
            why="a few examples with a small divisor rule the loss and every gradient.",
            fix="divide by a size that can't be small (a standard deviation, |y| + 1), or leave the division out",
            codes=("LWC", "LCH"),
            explains=("rate-too-high", "clipping-always-active", "exploding-gradients"),
            figure=loss_curve(r),
        )
    return None


def _by_small(look: Look) -> Iterator[tuple[Call, TensorFacts]]:
    """Errors that are divided by data near 0 in one step, with the data."""
    root = next((b.producer for b in look.backwards if b.producer is not None), None)
    tree = ancestors(look.tape, root)
    for call in look.tape.calls:
        if call.name != "div" or call.module or call.index not in tree or len(call.operands) != 2:
            continue
        above, below = call.operands
        facts = below.facts if below.producer is None else look.tape.calls[below.producer].result
        difference = look.tape.calls[above.producer].name if above.producer is not None else ""
        if difference not in ("sub", "rsub", "abs", "pow", "square", "mul"):
            continue  # what the network gives is scaled, not its error
        if not above.grad or below.grad or facts is None or not facts.finite or prod(facts.shape) < 8:
            continue
        crosses = facts.minimum < 0 < facts.maximum and not facts.zeros
        near = 0 < facts.minimum < 0.01 * facts.mean
        size = max(abs(call.result.minimum), abs(call.result.maximum))
        if (crosses or near) and size > 5 * call.result.deviation and not facts.whole:
            yield call, facts


@RULES.register("unstable-loss")
def unstable_loss(r: Reading) -> Finding | None:
    """The first NaN or infinity, and the call that made it; or a loss divided by numbers near 0."""
    return _first_none(r) or _near_zero(r)


def _first_none(r: Reading) -> Finding | None:
    for look in r.record.looks:
        for call in look.tape.calls:
            if call.result.finite or call.name in (
                "masked_fill",
                "full",
                "full_like",
                "empty",
                "empty_like",
                "log_",
                "triu",
            ):
                continue
            if any(o.facts is not None and not o.facts.finite for o in call.operands):
                continue
            if any(isinstance(a, float) and not isfinite(a) for a in (*call.arguments, *call.keywords.values())):
                continue  # written there on purpose: scores that a softmax is to leave out
            if call.result.infinities and not call.result.nans and call.module:
                continue
            given = [o.facts if o.producer is None else look.tape.calls[o.producer].result for o in call.operands]
            if any(each is not None and not each.finite for each in given):
                continue
            facts = given[0] if given else None
            written = call.name in ("log", "div", "sqrt", "exp", "pow", "log2", "reciprocal", "rsqrt", "acos", "mul")
            weights = bool(weights_of(look.tape, call))
            if weights:
                return None
            range_of = f" of numbers between {facts.minimum:.3g} and {facts.maximum:.3g}" if facts is not None else ""
            return Finding(
                cause="unstable-loss",
                severity="error",
                certainty=0.9 if written else 0.6,
                title=f"{call.name} makes NaN or infinity",
                where=short(call.site),
                evidence=(f"at update {look.step:,}, {call.name}{range_of} gave NaN or infinity first",),
                why="one NaN in the loss makes every gradient NaN, and every weight after the next step.",
                fix="keep its argument away from the edge (clamp, add a small ε), or use torch's own loss, which does",
                codes=("LWC",) if written else (),
                explains=(
                    "rate-too-high",
                    "no-progress",
                    "stopped-too-early",
                    "exploding-gradients",
                    "logits-into-probability-loss",
                ),
                figure=loss_curve(r),
            )
    return None
