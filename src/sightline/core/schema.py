"""The schema: what a data set's examples are, enough to build a model and to read new inputs alike."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["image", "table", "text"]
Task = Literal["classification", "regression", "none"]


@dataclass(frozen=True)
class Column:
    """One input column of a table, with the training statistics it is standardised by.

    Args:
        name: as in the file.
        kind: "number" (one standardised input) or "category" (one 0/1 input per category).
        mean: training mean of the known values, in the column's units.
        std: training standard deviation, in the column's units; 1 where it was 0.
        categories: known categories, in the order of their inputs.
        missing: whether training had missing values: a missing number becomes the mean and sets one
            more 0/1 input; a missing category sets none of its inputs.
    """

    name: str
    kind: Literal["number", "category"]
    mean: float = 0.0
    std: float = 1.0
    categories: tuple[str, ...] = ()
    missing: bool = False

    @property
    def width(self) -> int:
        """Number of model inputs this column becomes."""
        return len(self.categories) if self.kind == "category" else 1 + self.missing


@dataclass(frozen=True)
class Schema:
    """Kinds, shapes, classes and training statistics of a data set.

    Args:
        kind: image, table or text.
        task: what is to be predicted.
        input_shape: shape of one example as the model sees it: (channels, height, width) or (inputs,).
        target: the target's name ("label", "price").
        classes: class names in the order of their numbers; empty for regression.
        target_mean: training mean of a regression target, in its units.
        target_std: training standard deviation of a regression target, in its units.
        standardise: how images are standardised (see ``data/standardise.py``).
        image_mean: the E[x] subtracted, pixel values in [0, 1]: per channel, or per position, flattened.
        image_std: the standard deviation divided by, same layout as ``image_mean``.
        columns: input columns of a table.
    """

    kind: Kind
    task: Task
    input_shape: tuple[int, ...]
    target: str = "label"
    classes: tuple[str, ...] = ()
    target_mean: float = 0.0
    target_std: float = 1.0
    standardise: str = "channel"
    image_mean: tuple[float, ...] = ()
    image_std: tuple[float, ...] = ()
    columns: tuple[Column, ...] = ()

    @property
    def num_outputs(self) -> int:
        """Outputs a predictor needs: one a class, or one for a number.

        Example:
            >>> Schema(kind="table", task="classification", input_shape=(4,), classes=("a", "b")).num_outputs
            2
        """
        return len(self.classes) if self.task == "classification" else 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Schema":
        """Read :meth:`to_dict` back."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
        values["columns"] = tuple(Column(**{**c, "categories": tuple(c["categories"])}) for c in values["columns"])
        return cls(**values)
