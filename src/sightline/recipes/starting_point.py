"""Where to start with a model on data of one's own: settings that do well on most."""

from collections.abc import Callable
from pathlib import Path

from sightline.core.config import Choice
from sightline.core.registry import Registry
from sightline.data.spec import DataSpec
from sightline.train.plan import Plan
from sightline.train.spec import RunSpec

STARTING_POINTS: Registry[Callable[[DataSpec, str], RunSpec]] = Registry("starting point")


def starting_point(model: str, source: str) -> RunSpec:
    """A specification for one model family on one source of data.

    Args:
        model: a name from the model registry.
        source: where the data are.

    Example:
        >>> starting_point("mlp", "iris").optim.name
        'adamw'
    """
    stem = Path(source.removeprefix("hf:")).name.partition(".")[0]
    return STARTING_POINTS[model](DataSpec(source=source), f"{stem}-{model}" if stem else model)


@STARTING_POINTS.register("mlp")
def mlp(data: DataSpec, name: str) -> RunSpec:
    """AdamW at its usual rate with a cosine, small batches, early stopping: tables are small and overfit soon."""
    return RunSpec(
        name=name,
        data=data,
        model=Choice("mlp"),
        optim=Choice("adamw", {"lr": 1e-3, "weight_decay": 0.01}),
        schedule=Choice("cosine"),
        plan=Plan(batch_size=32, patience=20),
    )


@STARTING_POINTS.register("resnet")
def resnet(data: DataSpec, name: str) -> RunSpec:
    """SGD with Nesterov momentum at a high rate, a cosine after warm-up, as residual networks are mostly trained."""
    return RunSpec(
        name=name,
        data=data,
        model=Choice("resnet"),
        optim=Choice("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}),
        schedule=Choice("cosine", {"warmup": 0.1}),
        plan=Plan(batch_size=128),
    )
