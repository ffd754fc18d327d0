"""The course of a run: what it is compared with another by, in plain numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from sightline.diagnose.passes import Pass, passes
from sightline.diagnose.reading import Reading
from sightline.diagnose.record import Record
from sightline.diagnose.tensor_facts import TensorFacts

SQUARED = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
"""Losses that mean the same whatever the last function of the network is."""


@dataclass(frozen=True)
class Course:
    """How a run went.

    Attributes:
        updates: made.
        passes: backward passes.
        losses: what they started from, means over ``span`` of them.
        validation: looks without gradients, by update.
        training: batches looked at closely.
        weights, targets: numbers that two runs share if they begin alike: of initial weights, of the first targets.
        guess: loss of the best constant guess; None where it is not known.
        amounts: whether the loss is a distance to amounts.
        players: optimisers at work.
        stopped: the error that ended it, or "".
        made: how often the change that was to be tried was made.
    """

    updates: int
    passes: int
    losses: tuple[float, ...]
    span: int = 1
    validation: tuple[Pass, ...] = ()
    training: tuple[Pass, ...] = ()
    weights: tuple[float, ...] = ()
    targets: tuple[float, ...] = ()
    guess: float | None = None
    amounts: bool = False
    players: int = 1
    stopped: str = ""
    made: int = 0

    @classmethod
    def of(cls, record: Record, *, made: int = 0) -> "Course":
        """Of what a watch has seen.

        Example:
            >>> Course.of(Record()).updates
            0
        """
        reading = Reading(record)
        loss = reading.loss
        return cls(
            updates=record.steps,
            passes=record.loss.count,
            losses=tuple(record.loss.values),
            span=record.loss.span,
            validation=passes(seen for seen in record.losses if not seen.grad),
            training=passes(seen for seen in record.losses if seen.grad),
            weights=_numbers([p.facts for p in record.parameters]),
            targets=_numbers([record.targets.facts] if record.targets.facts is not None else []),
            guess=reading.guess,
            amounts=loss is not None and not loss.others and loss.kind in SQUARED,
            players=len({update.optimizer for update in record.updates}),
            stopped=record.stopped.splitlines()[0][:300] if record.stopped else "",
            made=made,
        )

    @classmethod
    def failed(cls, why: str) -> "Course":
        """Of a run of which nothing is known but how it ended."""
        return cls(0, 0, (), stopped=why)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Course":
        """Of its parts by name, lists for tuples."""
        parts: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in plain.items()}
        for key in ("validation", "training"):
            parts[key] = tuple(Pass(**each) for each in plain[key])
        return cls(**parts)

    def up_to(self, updates: int) -> list[float]:
        """Losses of the first updates, as far as whole spans go."""
        share = self.passes * min(1.0, updates / max(1, self.updates))
        return list(self.losses[: round(share / self.span)])

    def ending(self, updates: int) -> "Course":
        """Its last updates, as if they were all.

        Example:
            >>> Course(updates=4, passes=4, losses=(4.0, 3.0, 2.0, 1.0)).ending(2).losses
            (2.0, 1.0)
        """
        kept = self.losses[-max(1, round(len(self.losses) * updates / max(1, self.updates))) :]
        left_out = max(0, self.updates - updates)
        looks = tuple(replace(look, step=look.step - left_out) for look in self.validation if look.step >= left_out)
        return replace(self, updates=updates, passes=len(kept) * self.span, losses=kept, validation=looks, training=())


def coarser(values: Sequence[float], span: int, wanted: int) -> list[float]:
    """Means over spans of ``wanted`` of values that are means over ``span``, both powers of 2; an open end is left out.

    Example:
        >>> coarser([1.0, 3.0, 5.0, 7.0, 9.0], 1, 2)
        [2.0, 6.0]
    """
    every = max(1, wanted // span)
    return [sum(values[i : i + every]) / every for i in range(0, len(values) - every + 1, every)]


def _numbers(facts: Sequence[TensorFacts]) -> tuple[float, ...]:
    numbers = [number for each in facts for number in (each.mean, each.deviation, each.minimum, each.maximum)]
    return tuple(number if isfinite(number) else 0.0 for number in numbers)
