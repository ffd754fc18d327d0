"""Where to start with a model on data of one's own: settings that do well on most."""

from pathlib import Path

from sightline.core.config import Choice
from sightline.data.spec import DataSpec
from sightline.train.plan import Plan
from sightline.train.spec import RunSpec

_OPTIM = {
    "resnet": Choice("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}),
    "mlp": Choice("adamw", {"lr": 1e-3, "weight_decay": 0.01}),
}
_SCHEDULE = {"resnet": Choice("cosine", {"warmup": 0.1})}
_PLAN = {"resnet": Plan(batch_size=128), "mlp": Plan(batch_size=32, patience=20)}


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
    return RunSpec(
        name=f"{stem}-{model}" if stem else model,
        data=DataSpec(source=source),
        model=Choice(model),
        optim=_OPTIM.get(model, Choice("adamw")),
        schedule=_SCHEDULE.get(model, Choice("cosine")),
        plan=_PLAN.get(model, Plan()),
    )
