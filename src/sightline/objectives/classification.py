"""Objectives over classes. Every model gives K logits z for K ≥ 2 classes.

The margin losses and binary cross-entropy know two sides only. With K = 2 they see f = z₁ − z₀ and
y = ±1 for class 1 or 0. With K > 2 they are summed over K one-versus-rest problems: f = z_k and
y = +1 for the example's own class k, −1 for the others. The label is the largest logit in either case.
"""

from typing import Annotated

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.config import Option, check
from sightline.core.errors import DataError
from sightline.core.schema import Schema
from sightline.objectives import surrogate
from sightline.objectives.objective import Metrics, Objective, Prediction
from sightline.objectives.registry import OBJECTIVES

_SMOOTHING = Option("share of the target spread evenly over all classes", minimum=0, below=1)


class Classification(Objective):
    """What all objectives over classes share: labels by the largest logit, and the metrics.

    Accuracy is the share of right labels. Precision, recall and F1 are macro averages: the plain mean
    of each class's own figure over the classes that occur as label or prediction, 0 for a class whose
    figure is 0/0.

    Lecture: F3, F14
    """

    task = "classification"
    monitor = "accuracy"
    mode = "max"

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self.num_classes = len(schema.classes)
        if self.num_classes < 2:
            raise DataError(
                expected="at least two classes to tell apart",
                found=f"{self.num_classes}: {', '.join(schema.classes) or 'none'}",
                do="add examples of another class",
            )

    def predict(self, outputs: Float[Tensor, "batch num_outputs"]) -> Prediction:
        """The class of the largest logit, and probabilities where the loss implies them."""
        return Prediction(outputs.argmax(1), self.probabilities(outputs))

    def probabilities(self, outputs: Float[Tensor, "batch num_outputs"]) -> Float[Tensor, "batch num_outputs"] | None:
        """What the loss's minimiser says about each class, where it says anything."""
        raise NotImplementedError

    def metrics(self) -> Metrics:
        """Accuracy, and macro-averaged precision, recall and F1."""
        from sightline.objectives.metrics import classification_metrics

        return classification_metrics(self.num_classes)

    def update(
        self,
        metrics: Metrics,
        outputs: Float[Tensor, "batch num_outputs"],
        target: Int[Tensor, " batch"] | Float[Tensor, " batch"],
    ) -> None:
        """Take one batch's labels in."""
        metrics.update(outputs.argmax(1), target)


@OBJECTIVES.register("cross-entropy")
class CrossEntropy(Classification):
    """Cross-entropy of the softmax, the negative log-likelihood of the true class in nats.

    Args:
        schema: the data set's.
        label_smoothing: α; the true class's target is 1 − α(K−1)/K, each other's α/K.

    Lecture: F3

    Example:
        >>> import torch
        >>> objective = CrossEntropy(Schema("table", "classification", (2,), classes=("no", "yes")))
        >>> objective.predict(torch.tensor([[0.0, 0.0]])).probabilities.tolist()
        [[0.5, 0.5]]
    """

    name = "cross-entropy"

    def __init__(
        self,
        schema: Schema,
        *,
        label_smoothing: Annotated[float, _SMOOTHING] = 0.0,
    ) -> None:
        super().__init__(schema)
        self.label_smoothing = check(label_smoothing, float, _SMOOTHING, None, "label_smoothing")

    def losses(
        self,
        outputs: Float[Tensor, "batch num_outputs"],
        target: Int[Tensor, " batch"] | Float[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """−Σ_k q_k log softmax(z)_k."""
        return surrogate.cross_entropy(outputs, target, self.label_smoothing)

    def probabilities(self, outputs: Float[Tensor, "batch num_outputs"]) -> Float[Tensor, "batch num_outputs"]:
        """softmax(z)."""
        return outputs.softmax(1)


class TwoSided(Classification):
    """A loss of one logit against two sides, made one of K classes as this file's head says."""

    def losses(
        self,
        outputs: Float[Tensor, "batch num_outputs"],
        target: Int[Tensor, " batch"] | Float[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """The loss of z₁ − z₀, or the sum over one-versus-rest problems."""
        if self.num_classes == 2:
            return self.side_loss(outputs[:, 1] - outputs[:, 0], target.to(outputs.dtype))
        member = F.one_hot(target, self.num_classes).to(outputs.dtype)
        return self.side_loss(outputs, member).sum(1)

    def side_loss(self, logit: Float[Tensor, "*axes"], member: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        """The loss of logits, for ``member`` = 1 on the class's own side and 0 on the other."""
        raise NotImplementedError


class _Logistic(TwoSided):
    """Losses whose minimiser is the log-odds: p = σ(f)."""

    def probabilities(self, outputs: Float[Tensor, "batch num_outputs"]) -> Float[Tensor, "batch num_outputs"]:
        """σ(f) and its complement; with K > 2, σ(z_k) of each class, divided by their sum."""
        if self.num_classes == 2:
            return outputs.softmax(1)
        return F.logsigmoid(outputs).softmax(1)


@OBJECTIVES.register("logistic")
class Logistic(_Logistic):
    """Logistic loss of the margin, log(1 + e^{−m}); one-versus-rest with more than two classes.

    Lecture: F3

    Example:
        >>> import torch
        >>> objective = Logistic(Schema("table", "classification", (2,), classes=("no", "yes")))
        >>> round(objective.losses(torch.zeros(1, 2), torch.tensor([1])).item(), 4)
        0.6931
    """

    name = "logistic"

    def side_loss(self, logit: Float[Tensor, "*axes"], member: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        """log(1 + e^{−m})."""
        return surrogate.logistic((2 * member - 1) * logit)


@OBJECTIVES.register("binary-cross-entropy")
class BinaryCrossEntropy(_Logistic):
    """Cross-entropy of the sigmoid, one yes-or-no question a class; the same numbers as ``logistic``.

    Lecture: F3

    Example:
        >>> import torch
        >>> objective = BinaryCrossEntropy(Schema("table", "classification", (2,), classes=("no", "yes")))
        >>> round(objective.losses(torch.zeros(1, 2), torch.tensor([0])).item(), 4)
        0.6931
    """

    name = "binary-cross-entropy"

    def side_loss(self, logit: Float[Tensor, "*axes"], member: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        """−t log σ(f) − (1−t) log(1 − σ(f))."""
        return surrogate.binary_cross_entropy(logit, member)


@OBJECTIVES.register("hinge")
class Hinge(TwoSided):
    """Hinge loss of the margin, max(0, 1 − m); it implies no probabilities.

    Lecture: F3

    Example:
        >>> import torch
        >>> objective = Hinge(Schema("table", "classification", (2,), classes=("no", "yes")))
        >>> objective.losses(torch.tensor([[0.0, 0.5]]), torch.tensor([1])).item()
        0.5
    """

    name = "hinge"

    def side_loss(self, logit: Float[Tensor, "*axes"], member: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        """max(0, 1 − m)."""
        return surrogate.hinge((2 * member - 1) * logit)

    def probabilities(self, outputs: Float[Tensor, "batch num_outputs"]) -> None:
        """None: the minimiser is the sign of the log-odds, whatever their size."""


@OBJECTIVES.register("exponential")
class Exponential(TwoSided):
    """Exponential loss of the margin, e^{−m}; its minimiser is half the log-odds, so p = σ(2f).

    Source: Friedman, Hastie and Tibshirani 2000, lemma 1

    Lecture: F3

    Example:
        >>> import torch
        >>> objective = Exponential(Schema("table", "classification", (2,), classes=("no", "yes")))
        >>> objective.losses(torch.zeros(1, 2), torch.tensor([1])).item()
        1.0
    """

    name = "exponential"

    def side_loss(self, logit: Float[Tensor, "*axes"], member: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        """e^{−m}."""
        return surrogate.exponential((2 * member - 1) * logit)

    def probabilities(self, outputs: Float[Tensor, "batch num_outputs"]) -> Float[Tensor, "batch num_outputs"]:
        """σ(2f) and its complement; with K > 2, σ(2z_k) of each class, divided by their sum."""
        if self.num_classes == 2:
            return (2 * outputs).softmax(1)
        return F.logsigmoid(2 * outputs).softmax(1)
