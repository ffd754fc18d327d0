"""A moving average of the weights that at the end still holds much of their start."""

from math import exp, log

from sightline.diagnose.finding import Finding
from sightline.diagnose.reading import Reading, short
from sightline.diagnose.record import Look
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


def _mixing(tape: Tape, call: Call) -> tuple[float, Operand] | None:
    """The share of new weights that a call mixes into an average, and the average: lerp, or shares that make 1."""
    if call.module or len(call.operands) < 2:
        return None
    if call.name in LERPS:
        share = _number(call.option("weight", 2))
        new = call.operands[len(call.operands) // 2]
        return (share, call.operands[0]) if share is not None and parameter_of(tape, new) else None
    if call.name != "add" or len(call.operands) != 2:
        return None
    shares = [_factor(tape, o) for o in call.operands]
    shares[1] *= _number(call.keywords.get("alpha")) or 1.0
    sources = [i for i in (0, 1) if _source(tape, call.operands[i])]
    if not sources or abs(sum(shares) - 1) > 1e-6:
        return None
    fresh = min(sources, key=lambda i: shares[i])
    return (shares[fresh], call.operands[1 - fresh]) if shares[fresh] < 0.999 else None


def _mixed(look: Look) -> tuple[Call, float, str] | None:
    """The first such call of a step, the share, and the average's parameter where a network is called that has it."""
    for call in look.tape.calls:
        found = _mixing(look.tape, call)
        if found is not None:
            return call, found[0], _source(look.tape, found[1])
    return None


def _at_work(r: Reading, name: str) -> bool:
    """Whether the average takes part in the training: a target that the network is to follow slowly."""
    owner = next((n for n in r.record.networks[1:] if name.startswith(f"{n}.")), "")
    called = sum(any(e.network == owner for e in look.entries) for look in r.record.looks)
    return bool(owner) and called > len(r.record.looks) / 2


@RULES.register("average-too-slow")
def average_too_slow(r: Reading) -> Finding | None:
    """A moving average of the weights that at the end still holds much of their start."""
    seen = [(look.step, _mixed(look)) for look in r.record.looks if look.step > 0]
    mixed = [(step, found) for step, found in seen if found is not None]
    if len(mixed) < 4 or r.record.steps < 10:
        return None
    often = len(mixed) / len(seen)
    ends = [step for step, _ in mixed[1:]] + [r.record.steps]
    left = exp(sum((end - step) * often * log(1 - m[1]) for (step, m), end in zip(mixed, ends, strict=True)))
    call, share, name = mixed[-1][1]
    if left < 0.1 or _at_work(r, name):
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
