"""A moving average of the weights that at the end still holds much of their start."""

from collections.abc import Iterator
from math import exp, log

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.rules.registry import RULES
from sightline.diagnose.tape import Call, Operand, Plain, Tape
from sightline.diagnose.tape_paths import parameter_of

LERPS = ("lerp", "foreach_lerp")


def _number(value: Plain) -> float | None:
    """A factor strictly between 0 and 1."""
    return float(value) if isinstance(value, float) and 0 < value < 1 else None


def _factor(tape: Tape, operand: Operand) -> float:
    """What an operand was multiplied by just before; 1 if it was not."""
    if operand.producer is None:
        return 1.0
    made = tape.calls[operand.producer]
    if made.name != "mul" or len(made.operands) != 1:
        return 1.0
    return next((f for a in made.arguments if (f := _number(a)) is not None), 1.0)


def _source(tape: Tape, operand: Operand) -> str:
    """The parameter that an operand is, or that it is a multiple of."""
    name = parameter_of(tape, operand)
    if name or operand.producer is None:
        return name
    made = tape.calls[operand.producer]
    return parameter_of(tape, made.operands[0]) if made.name == "mul" and len(made.operands) == 1 else ""


def _share(tape: Tape, call: Call) -> float | None:
    """The share of the new weights that a call mixes into an average: by lerp, or by a sum of shares that make 1."""
    if call.module or len(call.operands) < 2:
        return None
    if call.name in LERPS:
        new = call.operands[len(call.operands) // 2]
        return _number(call.option("weight", 2)) if parameter_of(tape, new) else None
    if call.name == "add" and len(call.operands) == 2:
        shares = [_factor(tape, o) for o in call.operands]
        shares[1] *= _number(call.keywords.get("alpha")) or 1.0
        sources = [bool(_source(tape, o)) for o in call.operands]
        if abs(sum(shares) - 1) < 1e-6 and sources.count(True) == 1:
            return shares[sources.index(True)]
    return None


def _mixed(tape: Tape) -> Iterator[tuple[Call, float]]:
    for call in tape.calls:
        share = _share(tape, call)
        if share is not None:
            yield call, share


@RULES.register("average-too-slow")
def average_too_slow(r: Reading) -> Finding | None:
    """A moving average of the weights that at the end still holds much of their start."""
    looks = [look for look in r.record.looks if look.step > 0]
    seen = [(look.step, next(_mixed(look.tape), None)) for look in looks]
    updates = [(step, found) for step, found in seen if found is not None]
    if len(updates) < 4 or r.record.steps < 10:
        return None
    often = len(updates) / len(seen)
    logs = 0.0
    for (step, (_, share)), (after, _) in zip(updates, [*updates[1:], (r.record.steps, updates[-1][1])], strict=True):
        logs += (after - step) * often * log(1 - share)
    left = exp(logs)
    call, share = updates[-1][1]
    if left < 0.1:
        return None
    fitting = 1 - min(0.5, 10 / max(1, r.record.steps * often))
    return Finding(
        cause="average-too-slow",
        severity="warning",
        certainty=0.8,
        title="The average of the weights still holds their start",
        where=short(call.site),
        evidence=(
            f"each time {share:.2g} of the new weights is mixed in: after {r.record.steps:,} updates {left:.0%} of the "
            "average is what the weights were at the start",
        ),
        why="what is evaluated or sampled from is a mixture with a network that had learned nothing.",
        fix=f"a decay of {fitting:.4g} for as few updates, or one that grows: min(decay, (1 + step) / (10 + step))",
        lecture=("U7", "X6"),
        codes=("HLR", "HNE"),
    )
