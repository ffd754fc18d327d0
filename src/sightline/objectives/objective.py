"""What an objective is: a surrogate loss to minimise, beside the metrics that are really wanted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema, Task
from sightline.data.batch import Batch
from sightline.models.auxiliary import AuxiliaryOutputs

CUSTOMARY: Mapping[Task, str] = {
    "classification": "cross-entropy",
    "regression": "squared",
    "language": "next-token",
    "sequence": "sequence",
    "token-classification": "token-classification",
    "span": "span",
}
"""The usual objective of each task."""


@dataclass(frozen=True)
class Loss:
    """One batch's loss.

    Args:
        total: the mean over the batch; what is differentiated.
        parts: what ``total`` is the sum of, by name.
        prediction: the model's outputs, (terms, num_outputs).
        target: what they should have been, (terms,).
    """

    total: Float[Tensor, ""]
    parts: Mapping[str, Tensor]
    prediction: Float[Tensor, "terms num_outputs"]
    target: Int[Tensor, " terms"] | Float[Tensor, " terms"]


@dataclass(frozen=True)
class Prediction:
    """What a user is told.

    Args:
        value: class numbers, or values in the target's own units, (batch,).
        probabilities: of each class, (batch, classes), summing to 1; none where the loss implies none.
    """

    value: Int[Tensor, " batch"] | Float[Tensor, " batch"]
    probabilities: Float[Tensor, "batch classes"] | None = None


@runtime_checkable
class Metrics(Protocol):
    """What is used of a ``torchmetrics.MetricCollection``."""

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Take in one batch."""

    def compute(self) -> dict[str, Any]:
        """Every metric over all that was taken in, by all processes."""

    def reset(self) -> None:
        """Forget what was taken in."""

    def to(self, *args: Any, **kwargs: Any) -> "Metrics":
        """The same on another device."""


class Objective:
    """The surrogate loss of one task, its predictions and its metrics.

    A model gives one output a class (two at least), or one standardised number; on text, outputs of each token.

    Args:
        schema: the data set's.

    Raises:
        ConfigurationError: when the data's task is not the objective's.

    Lecture: F1, F3
    """

    name: ClassVar[str]
    """The loss's name in the registry and in ``Loss.parts``."""
    task: ClassVar[Task]
    """What the data must ask for."""
    monitor: ClassVar[str]
    """The metric that picks the best checkpoint."""
    mode: ClassVar[str]
    """Whether a better ``monitor`` is larger ("max") or smaller ("min")."""
    progress: float = 1.0
    """Share of the run's updates that are done, in [0, 1]; training sets it before each, outside training it is 1."""

    def __init__(self, schema: Schema) -> None:
        if schema.task != self.task:
            raise ConfigurationError(
                expected=f"data for {self.task}, which the objective {self.name!r} is for",
                found=f"data for {schema.task}" if schema.task != "none" else "data without a target",
                do=f"choose another objective, {CUSTOMARY[schema.task]!r} for one"
                if schema.task != "none"
                else "put each class into a folder of its own, or leave the objective out to make images"
                if schema.kind == "image"
                else "name a --target",
            )
        self.schema = schema

    def prepare(self, batch: Batch) -> Batch:
        """What the model is to see of a batch; objectives that hide a part of it choose the part here, by chance.

        It is called once for an update, before the batch is divided; everything after it is determined.
        """
        return batch

    def terms(self, batch: Batch) -> Mapping[str, int]:
        """How many losses each of :meth:`__call__`'s parts is the mean of, for a prepared batch.

        The mean over a batch that is divided, over processes or over time, weighs each division's mean by its share
        of all terms. Here every example is one; a part that is not named counts as the objective's own.
        """
        return {self.name: len(batch)}

    def answers(self, model: nn.Module, batch: Batch) -> tuple[Any, Tensor]:
        """The model's outputs on a prepared batch and what they should be, term by term.

        Shapes:
            (terms, num_outputs) or ``AuxiliaryOutputs`` of them, and (terms,); here a term is an example
        """
        return run(model, batch), batch.target

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        """Run the model on a prepared batch and weigh its outputs; those of reduced precision are widened first.

        Heads inside the network add ``auxiliary``, the weighted sum of their losses. Mixed examples
        weigh the losses of both targets: λ·ℓ(z, y) + (1 − λ)·ℓ(z, y′).

        Args:
            model: from ``batch.inputs`` to (batch, num_outputs), or to ``AuxiliaryOutputs`` of them.
            batch: the examples.
        """
        given, target = self.answers(model, batch)
        if isinstance(given, Tensor):
            given = AuxiliaryOutputs(given, (), ())
        outputs = widened(given.outputs)
        total = last = self._mean_loss(outputs, target, batch)
        parts = {self.name: last}
        if given.auxiliary:
            losses = (self._mean_loss(widened(inner), target, batch) for inner in given.auxiliary)
            parts["auxiliary"] = sum(
                (weight * loss for weight, loss in zip(given.weights, losses, strict=True)), torch.zeros_like(last)
            )
            total = last + parts["auxiliary"]
        return Loss(total=total, parts=parts, prediction=outputs, target=target)

    def _mean_loss(self, outputs: Tensor, target: Tensor, batch: Batch) -> Tensor:
        """The mean over the terms, mixed targets weighed by their shares; 0 where there is none."""
        losses = self.losses(outputs, target)
        if batch.mix is None:
            return losses.mean() if len(losses) else losses.sum()
        share = batch.mix.share.to(losses)
        return (share * losses + (1 - share) * self.losses(outputs, batch.mix.partner)).mean()

    def take_in(self, metrics: "Metrics", model: nn.Module, batch: Batch) -> tuple[float, int]:
        """Measure a prepared batch: every metric, and the sum of its losses and their number."""
        outputs, target = self.answers(model, batch)
        outputs = widened(outputs)
        self.update(metrics, outputs, target)
        losses = self.losses(outputs, target)
        return float(losses.sum()), len(losses)

    def losses(
        self,
        outputs: Float[Tensor, "batch num_outputs"],
        target: Int[Tensor, " batch"] | Float[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """The surrogate loss of each example."""
        raise NotImplementedError

    def predict(self, outputs: Float[Tensor, "batch num_outputs"]) -> Prediction:
        """Turn a model's outputs into what a user is told."""
        raise NotImplementedError

    def metrics(self) -> Metrics:
        """Fresh metrics of the task, a ``torchmetrics.MetricCollection``; they reduce over processes."""
        raise NotImplementedError

    def update(
        self,
        metrics: Metrics,
        outputs: Float[Tensor, "batch num_outputs"],
        target: Int[Tensor, " batch"] | Float[Tensor, " batch"],
    ) -> None:
        """Take one batch into :meth:`metrics`."""
        raise NotImplementedError


def run(model: nn.Module, batch: Batch, **options: Any) -> Any:
    """A model's outputs for a batch; where examples are filled up or made of several sentences it is told."""
    told = {"present": batch.present, "segments": batch.segments}
    return model(batch.inputs, **{name: value for name, value in told.items() if value is not None}, **options)


def widened(outputs: Tensor) -> Tensor:
    """Outputs of reduced precision as float32.

    Example:
        >>> widened(torch.zeros(2, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs
