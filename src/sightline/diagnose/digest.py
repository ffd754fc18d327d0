"""A record in plain numbers for drawing: curves by step, layers over time."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from sightline.diagnose.reading import Reading
from sightline.diagnose.record import Record

MOST_LAYERS = 64
MOST_POINTS = 1_000


def digest(record: Record) -> dict[str, Any]:
    """What a page draws of a watch; every value that is not a number stays one.

    Keys: ``loss``, ``validation``, ``accuracy``, ``rates``: lists of [step, value]; ``guess``: the loss of the best
    constant guess, or None; ``layers``: names of the weights by depth, the steps looked at, and by layer and step the
    gradient's norm and the update's, each over the weight's; ``units``: dead and saturated shares by layer and step;
    ``facts``: networks, parameters, updates, seconds, examples.

    Lecture: U1, U7
    """
    reading = Reading(record)
    values = record.loss.values
    stride = max(1, len(values) // MOST_POINTS)
    span = record.loss.span
    every = max(1, len(record.rates) // MOST_POINTS)
    updates = sorted(reading.updates, key=lambda u: u.step)
    names = [p.name for p in record.parameters if p.fan_in > 0 and any(p.name in u.names for u in updates)][
        :MOST_LAYERS
    ]
    return {
        "loss": [[i * span, values[i]] for i in _kept(values, stride)],
        "validation": [[step, loss] for step, loss, _ in reading.validation_passes],
        "accuracy": [[step, right] for step, _, right in reading.validation_passes if right is not None],
        "rates": [[step, rate[0]] for step, rate in record.rates[::every] if rate],
        "guess": reading.guess,
        "layers": {
            "names": names,
            "steps": [u.step for u in updates],
            "gradient": [[_over(u.gradient, u.weight, u.names, name) for u in updates] for name in names],
            "update": [[_over(u.update, u.weight, u.names, name) for u in updates] for name in names],
        },
        "units": _units(reading),
        "facts": {
            "networks": list(record.networks),
            "parameters": sum(p.size for p in record.parameters),
            "optimizers": [group.optimizer for group in record.groups],
            "updates": record.steps,
            "looks": len(record.looks),
            "seconds": record.seconds,
            "examples": record.trained_examples,
            "distinct": record.distinct_examples,
            "stopped": record.stopped,
        },
    }


def _kept(values: Sequence[float], stride: int) -> list[int]:
    """Places of a long curve: of every stretch the highest and the lowest, and the first that is not a number."""
    if stride == 1:
        return list(range(len(values)))
    kept: set[int] = set()
    for start in range(0, len(values), 2 * stride):
        places = range(start, min(start + 2 * stride, len(values)))
        numbers = [i for i in places if isfinite(values[i])]
        kept |= {next((i for i in places if not isfinite(values[i])), start)}
        if numbers:
            kept |= {min(numbers, key=lambda i: values[i]), max(numbers, key=lambda i: values[i])}
    return sorted(kept)


def _over(top: tuple[float, ...], below: tuple[float, ...], names: tuple[str, ...], name: str) -> float | None:
    if name not in names:
        return None
    at = names.index(name)
    return top[at] / below[at] if below[at] > 0 and isfinite(below[at]) else None


def _units(reading: Reading) -> dict[str, dict[str, list[list[float]]]]:
    """Shares by layer: [step, share]."""
    found: dict[str, dict[str, list[list[float]]]] = {"dead": {}, "saturated": {}}
    for look in reading.looks:
        for call in look.tape.calls:
            if not call.grad or not call.module or len(found["dead"]) + len(found["saturated"]) > 2 * MOST_LAYERS:
                continue
            if call.dead is not None:
                found["dead"].setdefault(call.module, []).append([look.step, call.dead])
            if call.saturated is not None:
                found["saturated"].setdefault(call.module, []).append([look.step, call.saturated])
    return found
