"""Small figures that show a finding: what rules have in common to draw, from a reading alone."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from statistics import median

from sightline.diagnose.finding import Curves
from sightline.diagnose.reading import Reading
from sightline.diagnose.record import UpdateSeen

MOST_POINTS = 160
"""Points of a line: a figure is a few hundred pixels wide."""

WIDE = 30.0
"""Largest over smallest value from which an axis is logarithmic."""

Line = Sequence[tuple[float, float]]


def loss_curve(r: Reading) -> Curves | None:
    """Training loss, validation loss where there was a look, and the loss of the best constant guess.

    A mean over a span of steps stands for the span where there are many.
    """
    values, span = r.record.loss.values, r.record.loss.span
    stride = max(1, -(-len(values) // MOST_POINTS))
    training = []
    for start in range(0, len(values), stride):
        part = values[start : start + stride]
        training.append((float(start * span), sum(part) / len(part)))
    lines: dict[str, Line] = {"training": training}
    if len(r.validation_passes) > 1:
        passes = [(float(step), loss) for step, loss, _ in r.validation_passes]
        every = -(-len(passes) // MOST_POINTS)
        lines["validation"] = [*passes[:-1:every], passes[-1]]
    if r.guess is not None and training:
        lines["best constant guess"] = [(0.0, r.guess), (max(training[-1][0], 1.0), r.guess)]
    return _curves("update", "loss", lines)


def gradient_norm(r: Reading) -> Curves | None:
    """Norm of the whole gradient at the updates looked at."""
    return _curves("update", "gradient norm", {"gradient norm": [(float(u.step), u.gradient_norm) for u in r.updates]})


def weight_norm(r: Reading) -> Curves | None:
    """Norm of all weights together at the updates looked at."""
    norms = [(float(u.step), sum(w * w for w in u.weight) ** 0.5) for u in r.updates]
    return _curves("update", "norm of the weights", {"norm of the weights": norms})


def learning_rate(r: Reading) -> Curves | None:
    """The first group's rate, held until it changes."""
    changes = [(step, rates[0]) for step, rates in r.record.rates if rates]
    held: list[tuple[float, float]] = []
    for place, (step, rate) in enumerate(changes):
        end = changes[place + 1][0] - 1 if place + 1 < len(changes) else r.record.steps - 1
        held += [(float(step), rate)] + ([(float(end), rate)] if end > step else [])
    stride = max(1, -(-len(held) // MOST_POINTS))
    return _curves("update", "learning rate", {"learning rate": held[::stride]})


def update_by_layer(r: Reading) -> Curves | None:
    """Update over weight of every layer, from the first to the last: early in the training, and late."""
    return _by_layer(r, "update over weight", lambda u, i: u.update[i])


def gradient_by_layer(r: Reading) -> Curves | None:
    """Gradient over weight of every layer, from the first to the last: early in the training, and late."""
    return _by_layer(r, "gradient over weight", lambda u, i: u.gradient[i])


def dead_by_layer(r: Reading) -> Curves | None:
    """Share of units that are zero on every example of a batch, by layer of rectifiers: early, and late."""
    return _units(r, "dead units", "dead")


def saturated_by_layer(r: Reading) -> Curves | None:
    """Share of values where a layer's function is flat, from the first to the last such layer: early, and late."""
    return _units(r, "saturated values", "saturated")


def class_counts(r: Reading) -> Curves | None:
    """How often each class was asked for."""
    counts = sorted(r.record.targets.classes.items())[:MOST_POINTS]
    return _curves("class", "examples", {"examples": [(float(label), float(count)) for label, count in counts]})


def _by_layer(r: Reading, words: str, top: Callable[[UpdateSeen, int], float]) -> Curves | None:
    names = [p.name for p in r.record.parameters if p.fan_in > 0]
    third = max(1, len(r.updates) // 3)
    lines: dict[str, Line] = {}
    for when, updates in (("early", r.updates[:third]), ("late", r.updates[-third:])):
        line = []
        for depth, name in enumerate(names, 1):
            places = [(u, u.names.index(name)) for u in updates if name in u.names]
            found = [top(u, i) / u.weight[i] for u, i in places if u.weight[i] > 0]
            if found:
                line.append((float(depth), median(found)))
            elif any(name in u.without for u in updates):
                line.append((float(depth), 0.0))
        lines[when] = line
    return _curves("layer, from the first", words, lines)


def _units(r: Reading, words: str, kind: str) -> Curves | None:
    third = max(1, len(r.looks) // 3)
    order: dict[str, int] = {}
    lines: dict[str, Line] = {}
    for when, looks in (("early", r.looks[:third]), ("late", r.looks[-third:])):
        shares: dict[str, list[float]] = {}
        for call in (call for look in looks for call in look.tape.calls if call.grad):
            share = getattr(call, kind)
            if share is not None:
                name = f"{call.module} {call.name}"
                order.setdefault(name, len(order) + 1)
                shares.setdefault(name, []).append(share)
        lines[when] = sorted((float(order[name]), median(found)) for name, found in shares.items())
    return _curves("layer, from the first", f"share of {words}", lines)


def _curves(x: str, y: str, lines: Mapping[str, Line]) -> Curves | None:
    """None where nothing finite is there, or no line has two points."""
    kept = {name: tuple(line) for name, line in lines.items() if line}
    finite = [value for line in kept.values() for _, value in line if isfinite(value)]
    if not finite or all(len(line) < 2 for line in kept.values()):
        return None
    return Curves(x, y, kept, logarithmic=min(finite) > 0 and max(finite) > WIDE * min(finite))
