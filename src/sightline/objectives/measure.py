"""Every metric of a task on a whole split, each with its standard error and unit."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.schema import Schema
from sightline.objectives import standard_error as se
from sightline.objectives.objective import Prediction


@dataclass(frozen=True)
class Measure:
    """One figure.

    Args:
        value: what was measured.
        standard_error: how far it would move with another test set of the same size.
        unit: the target's name for an error in its units; empty for a share.
    """

    value: float
    standard_error: float
    unit: str = ""


def measure(
    prediction: Prediction, target: Int[Tensor, " batch"] | Float[Tensor, " batch"], schema: Schema
) -> dict[str, Measure]:
    """Accuracy and macro precision, recall, F1; or MAE and RMSE in the target's units, and R².

    Lecture: F14
    """
    value = prediction.value
    if schema.task == "classification":
        count = len(schema.classes)
        estimates = {
            "accuracy": se.accuracy(value, target),
            "precision": se.macro_precision(value, target, count),
            "recall": se.macro_recall(value, target, count),
            "f1": se.macro_f1(value, target, count),
        }
        units = {}
    else:
        estimates = {
            "mae": se.mean_absolute_error(value, target),
            "rmse": se.root_mean_squared_error(value, target),
            "r2": se.r_squared(value, target),
        }
        units = {"mae": schema.target, "rmse": schema.target}
    return {name: Measure(*estimate, units.get(name, "")) for name, estimate in estimates.items()}
