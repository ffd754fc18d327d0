"""The metrics of each task, as torchmetrics collections: they add up over batches and processes."""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)


class RSquared(Metric):
    """R² = 1 − Σ(f − y)²/Σ(y − ȳ)²: the share of the target's variance that is explained.

    NaN where the targets do not vary, so for a single example too.

    Args:
        none; ``update`` takes predictions and targets of mean about 0 and spread about 1, as the sum of
        squares is taken about 0 first.

    Lecture: F14

    Example:
        >>> metric = RSquared()
        >>> metric.update(torch.tensor([0.0, 1.0]), torch.tensor([-1.0, 1.0]))
        >>> metric.compute().item()
        0.5
    """

    is_differentiable = True
    higher_is_better = True
    full_state_update = False

    count: Tensor
    total: Tensor
    squares: Tensor
    residual: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("count", "total", "squares", "residual"):
            self.add_state(name, torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, preds: Float[Tensor, " batch"], target: Float[Tensor, " batch"]) -> None:
        """Take one batch in."""
        self.count += len(target)
        self.total += target.sum()
        self.squares += target.square().sum()
        self.residual += (preds - target).square().sum()

    def compute(self) -> Float[Tensor, ""]:
        """1 − residual sum of squares / total sum of squares."""
        spread = self.squares - self.total.square() / self.count
        # below rounding error there is no spread to explain
        varies = spread > torch.finfo(spread.dtype).eps * self.squares
        return torch.where(varies, 1 - self.residual / spread, torch.nan)


def classification_metrics(num_classes: int) -> MetricCollection:
    """Accuracy over all examples; precision, recall and F1 averaged over classes ("macro").

    A class that is neither label nor prediction of any example is left out of the averages; a class's
    0/0 counts as 0.

    Lecture: F14
    """
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
            "precision": MulticlassPrecision(num_classes, average="macro", validate_args=False),
            "recall": MulticlassRecall(num_classes, average="macro", validate_args=False),
            "f1": MulticlassF1Score(num_classes, average="macro", validate_args=False),
        }
    )


def regression_metrics(unit: float) -> MetricCollection:
    """MAE and RMSE of standardised predictions, times ``unit``; and R², which has no unit.

    Args:
        unit: the standard deviation that targets were divided by, in their units.

    Lecture: F14
    """
    return MetricCollection(
        {
            "mae": MeanAbsoluteError() * unit,
            "rmse": MeanSquaredError(squared=False) * unit,
            "r2": RSquared(),
        }
    )
