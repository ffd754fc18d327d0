"""The run specification: the four parts of a run, its plan and its seed, in one frozen value."""

from dataclasses import dataclass, field
from typing import Annotated

from sightline.core.config import Choice, Config, OneOf, Option
from sightline.data.spec import DataSpec
from sightline.models import MODELS
from sightline.objectives import OBJECTIVES
from sightline.optim import OPTIMIZERS, SCHEDULES
from sightline.train.plan import Plan


@dataclass(frozen=True)
class RunSpec(Config):
    """Everything that decides a run: the same specification gives the same weights, bit for bit, on one machine type.

    Args:
        name: what the run folder is called, before the time is added.
        data: where examples come from.
        model: the network; none for a module built in Python that no registry knows.
        objective: what is minimised; none until the data are looked at.
        optim: the optimiser.
        schedule: how its rate changes.
        plan: how long, how much, on what.
        seed: decides every random stream.

    Lecture: F1
    """

    name: Annotated[str, Option("what the run folder is called, before the time is added")]
    data: DataSpec
    model: Annotated[Choice | None, OneOf(MODELS), Option("the network f_θ")]
    optim: Annotated[Choice, OneOf(OPTIMIZERS), Option("the optimiser")]
    objective: Annotated[
        Choice | None,
        OneOf(OBJECTIVES),
        Option("the surrogate loss; none: cross-entropy for classes, squared for numbers, the network's own for text"),
    ] = None
    schedule: Annotated[Choice, OneOf(SCHEDULES), Option("how the rate changes over the run")] = field(
        default_factory=lambda: Choice("constant")
    )
    plan: Plan = field(default_factory=Plan)
    seed: Annotated[int, Option("decides every random stream of the run", minimum=0)] = 0
