"""The first NaN or infinity, and the call that made it."""

from sightline.diagnose.figures import loss_curve
from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape_paths import weights_of


@RULES.register("unstable-loss")
def unstable_loss(r: Reading) -> Finding | None:
    """The first NaN or infinity, and the call that made it."""
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
            if call.result.infinities and not call.result.nans and call.module:
                continue
            given = call.operands[0] if call.operands else None
            facts = None
            if given is not None:
                facts = given.facts if given.producer is None else look.tape.calls[given.producer].result
            if facts is not None and not facts.finite:
                continue
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
