"""Words that rules share."""

from collections.abc import Iterable
from math import hypot, log, sqrt
from statistics import median

from sightline.diagnose.reading import Reading
from sightline.diagnose.record import ParameterSeen, Record
from sightline.diagnose.tape import Call, Plain
from sightline.diagnose.tape_paths import weights_of
from sightline.diagnose.tensor_facts import LIMIT


def names(found: Iterable[str], most: int = 3) -> str:
    """A few names, and how many more.

    Example:
        >>> names(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    every = list(found)
    if len(every) <= most:
        return ", ".join(every)
    return f"{', '.join(every[:most])} and {len(every) - most} more"


def fresh(p: ParameterSeen) -> bool:
    """Whether a matrix is spread as torch draws a new layer: uniform, up to 1/√fan-in."""
    reach = max(-p.facts.minimum, p.facts.maximum) * sqrt(p.fan_in)
    return 0.9 < reach <= 1.0001 and abs(p.facts.deviation * sqrt(3 * p.fan_in) - 1) < 0.1


def drawn_normal(p: ParameterSeen) -> bool:
    """Whether a matrix is spread as He's and Glorot's normal starts draw it: mean 0, √(2/n) with one of its fans.

    A trained matrix comes so near to that by chance alone: this tells something of several matrices together.
    """
    n = p.size
    if p.fan_in < 8 or n < 256 or p.facts.deviation <= 0:
        return False
    fan_out = p.shape[0] * (n // (p.shape[0] * p.shape[1]) if len(p.shape) > 2 else 1)
    ends = max(-p.facts.minimum, p.facts.maximum) / p.facts.deviation
    near = [abs(p.facts.deviation * sqrt(fan / 2) - 1) for fan in (p.fan_in, fan_out, (p.fan_in + fan_out))]
    seen = min(n, LIMIT)
    return (
        min(near) < 4 / sqrt(2 * seen)
        and abs(p.facts.mean) < 4 * p.facts.deviation / sqrt(seen)
        and 2.4 < ends < sqrt(2 * log(seen)) + 1.5
    )


def broadcast_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape two are stretched to; where they can't be, the first.

    Example:
        >>> broadcast_shape((3, 1), (3,))
        (3, 3)
    """
    length = max(len(a), len(b))
    x, y = (1,) * (length - len(a)) + a, (1,) * (length - len(b)) + b
    if any(m != n and 1 not in (m, n) for m, n in zip(x, y, strict=True)):
        return a
    return tuple(max(m, n) for m, n in zip(x, y, strict=True))


def shrinkage(record: Record) -> float:
    """Size of the matrices' numbers at the end over that at the start, median over matrices; 1 where there is none."""
    found = []
    for p in record.parameters:
        end = record.end.get(p.name)
        start = hypot(p.facts.mean, p.facts.deviation)
        if end is not None and p.fan_in > 1 and start > 0:
            found.append(hypot(end.mean, end.deviation) / start)
    return median(found) if found else 1.0


def left_out(r: Reading, call: Call) -> dict[str, Plain]:
    """The change that leaves a call out, where its place tells it from the others of its name; else none."""
    same = [c for c in r.tape.calls if (c.name, c.module, c.site) == (call.name, call.module, call.site)]
    return {"leave_out": call.name, "module": call.module, "site": call.site} if len(same) == 1 else {}


def several_targets(r: Reading) -> bool:
    """Whether a step's losses are about different questions, whose targets are counted together."""
    calls = (r.loss.call, *r.loss.others) if r.loss is not None else ()
    return len({call.operands[0].shape[1:] for call in calls if call.operands}) > 1


def last_weight(r: Reading) -> str:
    """The matrix that gives the network's outputs: that of the last layer before the loss."""
    for call in r.end:
        for operand in call.operands:
            if operand.origin.startswith("parameter:") and len(operand.shape) > 1:
                return operand.origin.removeprefix("parameter:")
    return ""


def gradient_by_depth(r: Reading) -> list[tuple[str, float]]:
    """(module, gradient norm over weight norm) of the layers in order of use; medians over looks.

    Layers that start at 0, the last of a residual branch say, are left out: any gradient is large beside them.
    """
    found = []
    at_zero = {p.name for p in r.record.parameters if p.facts.constant and p.facts.minimum == 0}
    seen: set[str] = set()
    for call in r.layers:
        for name in weights_of(r.tape, call):
            if name in seen or not name.endswith("weight") or name in at_zero:
                continue
            seen.add(name)
            ratios = [
                u.gradient[i] / u.weight[i]
                for u in r.updates
                if name in u.names and u.weight[i := u.names.index(name)] > 0
            ]
            if ratios:
                found.append((call.module or name, median(ratios)))
    return found
