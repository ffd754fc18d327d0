"""Schedules: a factor on the rate at each step, a pure function of the step, so resuming needs no state."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch

from sightline.core.config import Config, Option
from sightline.core.registry import Registry

SCHEDULES: Registry[Callable[..., "Schedule"]] = Registry("schedule")


@dataclass(frozen=True)
class Schedule(Config):
    """Linear warm-up over the first W = round(warmup · total) steps, then the schedule's own course.

    Step k < W has the factor (k+1)/(W+1); step W is the first of the course, with factor 1.

    Args:
        warmup: part of the run spent on the rise.

    Source: the warm-up is Goyal et al. 2017, §2.2

    Lecture: O5
    """

    warmup: Annotated[
        float, Option("part of the run over which the rate rises from 0", "fraction of the run", 0, 1)
    ] = 0.0

    def factor(self, step: int, total_steps: int) -> float:
        """What the rate is multiplied by.

        Args:
            step: updates done, counted from 0.
            total_steps: updates of the whole run; the course stays at its end beyond it.
        """
        rise = round(self.warmup * total_steps)
        if step < rise:
            return (step + 1) / (rise + 1)
        return self._course(step - rise, max(total_steps - rise, 1))

    def _course(self, step: int, steps: int) -> float:
        """The factor ``step`` updates after the warm-up, of ``steps`` in all."""
        raise NotImplementedError


@SCHEDULES.register("constant")
@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate all along: 1.

    Example:
        >>> [Constant(warmup=0.3).factor(k, 10) for k in range(5)]
        [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def _course(self, step: int, steps: int) -> float:
        return 1.0


@SCHEDULES.register("step")
@dataclass(frozen=True)
class Step(Schedule):
    """A drop every so often: gamma^⌊progress / every⌋.

    Args:
        every: part of the run after warm-up between two drops.
        gamma: what each drop multiplies the rate by.

    Example:
        >>> [Step(every=0.5, gamma=0.1).factor(k, 4) for k in range(4)]
        [1.0, 1.0, 0.1, 0.1]
    """

    every: Annotated[float, Option("part of the run between two drops", "fraction of the run", above=0, maximum=1)] = (
        0.25
    )
    gamma: Annotated[float, Option("what each drop multiplies the rate by", above=0, maximum=1)] = 0.1

    def _course(self, step: int, steps: int) -> float:
        # a drop falls on the first step at or past its place; the allowance is for sums of rounded fractions
        drops = math.floor(min(step, steps - 1) / (self.every * steps) + 1e-9)
        return float(self.gamma**drops)


@SCHEDULES.register("milestones")
@dataclass(frozen=True)
class Milestones(Schedule):
    """A drop at each of a few places: gamma^(number of places passed).

    Args:
        at: the places, as parts of the run after warm-up; in any order, a place twice drops twice.
        gamma: what each drop multiplies the rate by.

    Source: He et al. 2016, §4.2: a tenth after 32,000 and again after 48,000 of 64,000 updates

    Lecture: O5

    Example:
        >>> [Milestones(at=(0.5, 0.75), gamma=0.5).factor(k, 4) for k in range(4)]
        [1.0, 1.0, 0.5, 0.25]
    """

    at: Annotated[tuple[float, ...], Option("where the rate drops", "fractions of the run", minimum=0, maximum=1)] = (
        0.5,
        0.75,
    )
    gamma: Annotated[float, Option("what each drop multiplies the rate by", above=0, maximum=1)] = 0.1

    def _course(self, step: int, steps: int) -> float:
        progress = min(step, steps - 1) / steps + 1e-9  # the allowance is for rounded fractions
        return float(self.gamma ** sum(place <= progress for place in self.at))


@SCHEDULES.register("inverse-time")
@dataclass(frozen=True)
class InverseTime(Schedule):
    """1/t decay: 1 / (1 + decay·t) after t updates: the sum of rates diverges, that of their squares does not.

    Args:
        decay: how fast; the rate is halved after 1/decay updates.

    Source: Robbins and Monro 1951

    Example:
        >>> [InverseTime(decay=1.0).factor(k, 4) for k in range(4)]
        [1.0, 0.5, 0.3333333333333333, 0.25]
    """

    decay: Annotated[float, Option("how fast; the rate is halved after 1/decay updates", "per update", minimum=0)] = (
        0.001
    )

    def _course(self, step: int, steps: int) -> float:
        return 1 / (1 + self.decay * min(step, steps))


@SCHEDULES.register("linear")
@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from 1 to the end: 1 + (final − 1)·progress; with a warm-up it is the triangular schedule.

    Args:
        final: the factor at the end of the run.

    Source: Smith 2017, "Cyclical Learning Rates", one cycle; Jordan 2024, §3

    Lecture: O5

    Example:
        >>> [round(Linear(warmup=0.4, final=0.1).factor(k, 5), 3) for k in range(6)]
        [0.333, 0.667, 1.0, 0.7, 0.4, 0.1]
    """

    final: Annotated[float, Option("the factor at the end of the run", minimum=0, maximum=1)] = 0.0

    def _course(self, step: int, steps: int) -> float:
        return 1 + (self.final - 1) * min(step / steps, 1.0)


@SCHEDULES.register("cosine")
@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine: final + (1 − final)·(1 + cos(π·progress))/2.

    Args:
        final: the factor at the end of the run.

    Source: Loshchilov and Hutter 2017, eq. (5), without restarts

    Example:
        >>> [round(Cosine(final=0.2).factor(k, 4), 3) for k in range(5)]
        [1.0, 0.883, 0.6, 0.317, 0.2]
    """

    final: Annotated[float, Option("the factor at the end of the run", minimum=0, maximum=1)] = 0.0

    def _course(self, step: int, steps: int) -> float:
        progress = min(step / steps, 1.0)
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2


def set_lr(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to its ``"initial_lr"`` times a factor.

    A group without one takes the rate it has now for its initial one.

    Example:
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.4)
        >>> for factor in (0.5, 0.25):
        ...     set_lr(optimizer, factor)
        >>> optimizer.param_groups[0]["lr"]
        0.1
    """
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
