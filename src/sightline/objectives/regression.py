"""Objectives over numbers. A model gives one output z for the standardised target (y − μ)/σ.

μ and σ are the training targets' mean and standard deviation, from the schema. Losses are of the
standardised target; predictions and metrics are in the target's own units.
"""

from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.objectives import surrogate
from sightline.objectives.objective import Metrics, Objective, Prediction
from sightline.objectives.registry import OBJECTIVES


class Regression(Objective):
    """What all objectives over numbers share: units, and the metrics MAE, RMSE and R².

    Raises:
        DataError: for a training target of no spread.

    Lecture: F3, F14
    """

    task = "regression"
    monitor = "rmse"
    mode = "min"

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        if not schema.target_std > 0:
            raise DataError(
                expected=f"a target {schema.target!r} that varies",
                found=f"standard deviation {schema.target_std:g} over the training split",
                do="choose another --target",
            )

    def standardise(self, target: Int[Tensor, " batch"] | Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """(y − μ)/σ, in the target's own precision and on its device."""
        return (target - self.schema.target_mean) / self.schema.target_std

    def losses(
        self,
        outputs: Float[Tensor, "batch num_outputs"],
        target: Int[Tensor, " batch"] | Float[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """The surrogate loss in standardised units."""
        return self.number_loss(outputs[:, 0], self.standardise(target).to(outputs))

    def number_loss(
        self, prediction: Float[Tensor, " batch"], target: Float[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        """The loss of standardised predictions and targets."""
        raise NotImplementedError

    def predict(self, outputs: Float[Tensor, "batch num_outputs"]) -> Prediction:
        """zσ + μ, in the target's own units and float64 (on the CPU where the device has none: MPS)."""
        z = outputs[:, 0].cpu() if outputs.is_mps else outputs[:, 0]
        return Prediction(z.double() * self.schema.target_std + self.schema.target_mean)

    def metrics(self) -> Metrics:
        """Mean absolute error and root mean squared error in the target's own units, and R²."""
        from sightline.objectives.metrics import regression_metrics

        return regression_metrics(self.schema.target_std)

    def update(
        self,
        metrics: Metrics,
        outputs: Float[Tensor, "batch num_outputs"],
        target: Int[Tensor, " batch"] | Float[Tensor, " batch"],
    ) -> None:
        """Take one batch in, standardised: a mean far from 0 costs no digits so."""
        metrics.update(outputs[:, 0], self.standardise(target).to(outputs))


@OBJECTIVES.register("squared")
class Squared(Regression):
    """Squared loss of the standardised target, (z − (y − μ)/σ)².

    Lecture: F3

    Example:
        >>> import torch
        >>> objective = Squared(Schema("table", "regression", (2,), target_mean=10.0, target_std=2.0))
        >>> objective.losses(torch.tensor([[0.0]]), torch.tensor([14.0])).item()
        4.0
        >>> objective.predict(torch.tensor([[1.0]])).value.item()
        12.0
    """

    name = "squared"

    def number_loss(
        self, prediction: Float[Tensor, " batch"], target: Float[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        """(z − t)²."""
        return surrogate.squared(prediction, target)


@OBJECTIVES.register("absolute")
class Absolute(Regression):
    """Absolute loss of the standardised target, |z − (y − μ)/σ|: few outliers do not move it far.

    Lecture: F3

    Example:
        >>> import torch
        >>> objective = Absolute(Schema("table", "regression", (2,), target_mean=10.0, target_std=2.0))
        >>> objective.losses(torch.tensor([[0.0]]), torch.tensor([14.0])).item()
        2.0
    """

    name = "absolute"

    def number_loss(
        self, prediction: Float[Tensor, " batch"], target: Float[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        """|z − t|."""
        return surrogate.absolute(prediction, target)
