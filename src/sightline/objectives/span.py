"""Span extraction: which part of a text answers, by its first and its last token."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.data.batch import Batch
from sightline.objectives import surrogate
from sightline.objectives.objective import Metrics, Objective, Prediction, run
from sightline.objectives.registry import OBJECTIVES
from sightline.objectives.token_objective import said_by


@OBJECTIVES.register("span")
class Span(Objective):
    """First and last token of the answer: ℓ = −½(log p(first) + log q(last)), softmaxes over the text's tokens.

    A model gives two numbers a token. Of n examples there are 2n terms, the n first tokens and then the n last; a
    term's outputs are one number for each place in the text, −∞ where it is filled up. Examples whose target is
    ``IGNORED`` count nowhere.

    Source: Devlin et al. 2019, "BERT", §4.2

    Lecture: F3, T6

    Example:
        >>> from sightline.core.schema import Schema, TextSchema
        >>> objective = Span(Schema("text", "span", (4,), text=TextSchema(vocabulary_size=9, length=4)))
        >>> first, last = torch.tensor([[0.0, 3.0, 0.0, 2.0]]), torch.tensor([[3.0, 0.0, 1.0, 0.0]])
        >>> objective.predict(torch.cat([first, last])).value.tolist()
        [1, 2]
    """

    name = "span"
    task = "span"
    monitor = "f1"
    mode = "max"
    suits: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    """The kinds of network it is for."""

    def answered(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """The examples that have an answer."""
        return (batch.target >= 0).all(1)

    def terms(self, batch: Batch) -> Mapping[str, int]:
        """Two an example that has an answer."""
        return {self.name: 2 * int(self.answered(batch).sum())}

    def answers(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Outputs (2·answered, length) and places (2·answered,): of the first tokens, then of the last.

        Raises:
            ConfigurationError: for a network that writes text.
        """
        kind = said_by(model, "text_task")
        if kind is not None and kind not in self.suits:
            raise ConfigurationError(
                expected="a network that gives outputs for each token it reads",
                found=f"{type(model).__name__}, an {kind}",
                do="choose bert or gpt as the --model",
            )
        outputs: Tensor = run(model, batch)
        if batch.present is not None:
            outputs = outputs.masked_fill(~batch.present[:, :, None], -torch.inf)
        answered = self.answered(batch)
        return outputs[answered].permute(2, 0, 1).flatten(0, 1), batch.target[answered].T.flatten()

    def losses(
        self, outputs: Float[Tensor, "terms length"], target: Int[Tensor, " terms"] | Float[Tensor, " terms"]
    ) -> Float[Tensor, " terms"]:
        """−log softmax(z) at the place."""
        return surrogate.cross_entropy(outputs, target)

    def predict(self, outputs: Float[Tensor, "terms length"]) -> Prediction:
        """The places of the best spans: all first tokens, then all last ones."""
        return Prediction(best_span(*outputs.chunk(2)).T.flatten())

    def metrics(self) -> Metrics:
        """The share of exact spans and the mean F1 of their tokens."""
        from sightline.objectives.metrics import SpanScores

        return SpanScores()

    def update(
        self,
        metrics: Metrics,
        outputs: Float[Tensor, "terms length"],
        target: Int[Tensor, " terms"] | Float[Tensor, " terms"],
    ) -> None:
        """Take some examples in."""
        metrics.update(best_span(*outputs.chunk(2)), torch.stack(target.chunk(2), 1))


def best_span(first: Float[Tensor, "batch length"], last: Float[Tensor, "batch length"]) -> Int[Tensor, "batch 2"]:
    """argmax over i ≤ j of first_i + last_j: for every j, the best i up to it is a running maximum.

    Lecture: T6

    Example:
        >>> best_span(torch.tensor([[0.0, 3.0, 0.0, 2.0]]), torch.tensor([[3.0, 0.0, 1.0, 0.0]])).tolist()
        [[1, 2]]
    """
    if not len(first):
        return torch.zeros(0, 2, dtype=torch.int64, device=first.device)
    highest, where = first.cummax(1)
    end = (highest + last).argmax(1, keepdim=True)
    return torch.cat([where.gather(1, end), end], 1)


def span_f1(predicted: Int[Tensor, "batch 2"], target: Int[Tensor, "batch 2"]) -> Float[Tensor, " batch"]:
    """F1 of two spans' tokens: 2·overlap/(length predicted + length true), first and last token included.

    Source: Rajpurkar et al. 2016, "SQuAD", §6.1, of tokens by their places instead of words

    Lecture: F14

    Example:
        >>> round(span_f1(torch.tensor([[2, 5]]), torch.tensor([[4, 5]])).item(), 4)
        0.6667
    """
    first, last = torch.maximum(predicted[:, 0], target[:, 0]), torch.minimum(predicted[:, 1], target[:, 1])
    overlap = (last - first + 1).clamp(min=0)
    lengths = (predicted[:, 1] - predicted[:, 0] + 1) + (target[:, 1] - target[:, 0] + 1)
    return 2 * overlap.float() / lengths
