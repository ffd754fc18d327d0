"""The metrics of each task, as torchmetrics collections: they add up over batches and processes."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

from sightline.objectives.span import span_f1


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


class MeanNats(Metric):
    """Σ nats / number of tokens, and what follows from it.

    The rounding error of the sum is carried along: a long text adds millions of terms.

    Lecture: F14

    Example:
        >>> metric = MeanNats()
        >>> metric.update(torch.tensor([1.0, 3.0]), torch.tensor([True, False]))
        >>> metric.compute().item()
        2.0
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    nats: Tensor
    lost: Tensor
    tokens: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("nats", "lost"):
            self.add_state(name, torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("tokens", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, nats: Float[Tensor, " terms"], right: Bool[Tensor, " terms"]) -> None:
        """Take some tokens in."""
        added = nats.sum().to(self.nats) + self.lost
        total = self.nats + added
        self.lost = added - (total - self.nats)
        self.nats = total
        self.tokens += len(nats)

    def compute(self) -> Float[Tensor, ""]:
        """The mean; NaN of no tokens."""
        return (self.nats + self.lost) / self.tokens


class Perplexity(MeanNats):
    """exp(mean nats): how many tokens, equally likely, would surprise as much.

    Lecture: F14

    Example:
        >>> metric = Perplexity()
        >>> metric.update(torch.log(torch.tensor([4.0, 4.0])), torch.tensor([True, False]))
        >>> round(metric.compute().item(), 5)
        4.0
    """

    def compute(self) -> Float[Tensor, ""]:
        """exp of the mean."""
        return super().compute().exp()


class BitsPerByte(MeanNats):
    """mean nats / (ln 2 · bytes a token): the length the text would be packed to.

    Tokenizers compare by it as long as they keep the whole text: an unknown token is cheap, for it does not say what
    stood there.

    Args:
        bytes_per_token: UTF-8 bytes of a text over the tokens that are predicted of it, end tokens among them.

    Lecture: F14

    Example:
        >>> metric = BitsPerByte(4.0)
        >>> metric.update(torch.log(torch.tensor([16.0])), torch.tensor([False]))
        >>> round(metric.compute().item(), 5)
        1.0
    """

    def __init__(self, bytes_per_token: float) -> None:
        super().__init__()
        self.nats_per_bit = math.log(2) * bytes_per_token

    def compute(self) -> Float[Tensor, ""]:
        """The mean in bits, over the bytes."""
        return super().compute() / self.nats_per_bit


class ShareRight(Metric):
    """The share of tokens that were the likeliest.

    Lecture: F14

    Example:
        >>> metric = ShareRight()
        >>> metric.update(torch.zeros(4), torch.tensor([True, False, True, True]))
        >>> metric.compute().item()
        0.75
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    right: Tensor
    tokens: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("right", "tokens"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, nats: Float[Tensor, " terms"], right: Bool[Tensor, " terms"]) -> None:
        """Take some tokens in."""
        self.right += right.sum()
        self.tokens += len(right)

    def compute(self) -> Float[Tensor, ""]:
        """Right ones over all; NaN of none."""
        return self.right / self.tokens


def language_metrics(bytes_per_token: float | None) -> MetricCollection:
    """Perplexity and the share of right tokens; bits per byte, where a token's bytes are known.

    Args:
        bytes_per_token: UTF-8 bytes of the training text over the tokens predicted of it, end tokens among them. While
            a run trains, other texts are taken to have as many.

    Lecture: F14
    """
    wanted: dict[str, Metric | MetricCollection] = {"perplexity": Perplexity(), "accuracy": ShareRight()}
    if bytes_per_token is not None:
        wanted["bits_per_byte"] = BitsPerByte(bytes_per_token)
    return MetricCollection(wanted, compute_groups=False)


class PairMetrics:
    """The metrics of hidden tokens, and the share of sentence pairs that were told right, ``pair_accuracy``.

    Lecture: F14

    Example:
        >>> metrics = PairMetrics()
        >>> metrics.update(torch.zeros(2), torch.tensor([True, False]), torch.tensor([True, True, True, False]))
        >>> {name: value.item() for name, value in metrics.compute().items()}
        {'accuracy': 0.5, 'perplexity': 1.0, 'pair_accuracy': 0.75}
    """

    def __init__(self) -> None:
        self.tokens, self.pairs = language_metrics(None), ShareRight()

    def update(
        self, nats: Float[Tensor, " terms"], right: Bool[Tensor, " terms"], pairs_right: Bool[Tensor, " batch"]
    ) -> None:
        """Take some tokens and some pairs in."""
        self.tokens.update(nats, right)
        self.pairs.update(torch.zeros_like(pairs_right, dtype=torch.float32), pairs_right)

    def compute(self) -> dict[str, Tensor]:
        """Every metric, by name."""
        return {**self.tokens.compute(), "pair_accuracy": self.pairs.compute()}

    def reset(self) -> None:
        """Forget what was taken in."""
        self.tokens.reset()
        self.pairs.reset()

    def to(self, device: torch.device | str) -> "PairMetrics":
        """The same on another device."""
        self.tokens.to(device)
        self.pairs.to(device)
        return self


def token_class_metrics(num_classes: int) -> MetricCollection:
    """Accuracy over all tokens and the macro average of F1 over their classes.

    Lecture: F14
    """
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes, average="micro", validate_args=False),
            "f1": MulticlassF1Score(num_classes, average="macro", validate_args=False),
        }
    )


class SpanScores(Metric):
    """Over examples, the mean share of exact spans and the mean F1 of their tokens, as ``exact_match`` and ``f1``.

    F1 of one example is 2·overlap/(tokens predicted + tokens true).

    Source: Rajpurkar et al. 2016, "SQuAD", §6.1 (of tokens by their places instead of words)

    Lecture: F14
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    exact: Tensor
    overlap: Tensor
    examples: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("exact", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("overlap", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("examples", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predicted: Int[Tensor, "batch 2"], target: Int[Tensor, "batch 2"]) -> None:
        """Take some examples in."""
        self.exact += (predicted == target).all(1).sum()
        self.overlap += span_f1(predicted, target).sum()
        self.examples += len(target)

    def compute(self) -> dict[str, Tensor]:
        """Both, by name; NaN of no examples."""
        return {"exact_match": self.exact / self.examples, "f1": self.overlap / self.examples}
