"""The table of objectives, and the customary one for each task."""

from collections.abc import Callable

from sightline.core.config import Choice, resolve
from sightline.core.errors import DataError
from sightline.core.registry import Registry
from sightline.core.schema import Schema
from sightline.objectives.objective import Objective

OBJECTIVES: Registry[Callable[..., Objective]] = Registry("objective")


def default_objective(schema: Schema) -> Choice:
    """Cross-entropy for classes, squared loss for numbers.

    Raises:
        DataError: for data in which nothing is to be predicted.

    Example:
        >>> default_objective(Schema(kind="table", task="regression", input_shape=(3,))).name
        'squared'
    """
    if schema.task == "none":
        raise DataError(
            expected="data with a target",
            found=f"{schema.kind} data without one",
            do="name the column with --target, or put the images into one folder a class",
        )
    name = "cross-entropy" if schema.task == "classification" else "squared"
    return resolve(name, OBJECTIVES, "objective")
