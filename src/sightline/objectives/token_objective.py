"""Objectives whose terms are tokens: the mean is over those that are to be predicted, and only they meet the head."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.schema import IGNORED, Schema, Task, TextSchema
from sightline.data.batch import Batch
from sightline.objectives import surrogate
from sightline.objectives.objective import Metrics, Objective, Prediction, run, widened

PORTION_OUTPUTS = 2**25
"""Most outputs at once when measuring: 128 MiB of them."""

PORTION_TOKENS = 2**16
"""Most tokens at once when measuring."""


@dataclass(frozen=True)
class TokenScores:
    """How a model did on a batch, term by term.

    Shapes:
        all (terms,), but ``pairs_right`` (batch,)

    Args:
        losses: what is minimised, in nats.
        nats: −log p of what the token should have been; ``losses`` unless the targets are smoothed.
        predicted: the likeliest token (or class).
        target: what it should have been.
        rows: the example, by its place in the batch, that each term is of.
        pairs_right: of each example, whether the model told right how its two sentences are paired, where it is asked.
    """

    losses: Float[Tensor, " terms"]
    nats: Float[Tensor, " terms"]
    predicted: Int[Tensor, " terms"]
    target: Int[Tensor, " terms"]
    rows: Int[Tensor, " terms"]
    pairs_right: Bool[Tensor, " batch"] | None = None


class TokenObjective(Objective):
    """Cross-entropy of tokens: ℓ = −(1/n) Σ log p(target), over the n tokens that are to be predicted.

    Targets that are ``IGNORED`` count nowhere; a batch of nothing else has a loss of exactly 0.

    Lecture: F3, T6
    """

    mode = "min"
    monitor = "loss"
    suits: ClassVar[tuple[str, ...]]
    """The kinds of network it is for: "decoder", "encoder", "encoder-decoder"."""
    label_smoothing: float = 0.0
    """Share of a target that is spread evenly over the vocabulary."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        if schema.text is None:
            raise ConfigurationError(
                expected="a schema that says how text becomes tokens", found="text = None", do="load the data again"
            )
        self.text: TextSchema = schema.text

    def chosen(self, batch: Batch) -> Bool[Tensor, "batch length"] | None:
        """The tokens of a prepared batch that are to be predicted; none: all are."""
        return batch.target != IGNORED

    def terms(self, batch: Batch) -> Mapping[str, int]:
        """The number of tokens to be predicted."""
        chosen = self.chosen(batch)
        return {self.name: batch.target.numel() if chosen is None else int(chosen.sum())}

    def answers(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """The outputs of the tokens to be predicted and what they should be, (terms, num_outputs) and (terms,).

        Raises:
            ConfigurationError: for a network of another kind.
        """
        self.require_kind(model)
        chosen = self.chosen(batch)
        if chosen is None:
            return self.outputs(model, batch, None).flatten(0, -2), batch.target.flatten()
        return self.outputs(model, batch, chosen), batch.target[chosen]

    def outputs(self, model: nn.Module, batch: Batch, chosen: Bool[Tensor, "batch length"] | None) -> Tensor:
        """What the model gives for the tokens chosen, (terms, num_outputs); for all, (batch, length, num_outputs)."""
        outputs: Tensor = run(model, batch, **({} if chosen is None else {"select": chosen}))
        return outputs

    def require_kind(self, model: nn.Module) -> None:
        """Refuse a network that sees what it is to predict, or does not see what it needs.

        Raises:
            ConfigurationError: for a network that says it is of another kind.
        """
        kind = said_by(model, "text_task")
        if kind is not None and kind not in self.suits:
            raise ConfigurationError(
                expected=f"for the objective {self.name!r} a network that is a text {' or '.join(self.suits)}",
                found=f"{type(model).__name__}, a text {kind}",
                do="choose another network, or another --objective: 'next-token' for a decoder, 'masked-language' for "
                "an encoder, 'span-corruption' or 'denoising' for an encoder-decoder",
            )

    def losses(
        self, outputs: Float[Tensor, "terms num_outputs"], target: Int[Tensor, " terms"] | Float[Tensor, " terms"]
    ) -> Float[Tensor, " terms"]:
        """−Σ_k q_k log softmax(z)_k of each token, q the target, smoothed where that is asked for."""
        return surrogate.cross_entropy(outputs, target, self.label_smoothing)

    def predict(self, outputs: Float[Tensor, "terms num_outputs"]) -> Prediction:
        """The likeliest token of each term, and the probability of every one."""
        return Prediction(outputs.argmax(1), outputs.softmax(1))

    def scores(self, model: nn.Module, batch: Batch) -> TokenScores:
        """Losses and guesses, term by term, of a prepared batch."""
        chosen = self.chosen(batch)
        outputs, target = self.answers(model, batch)
        return self.scores_of(widened(outputs), target, _rows(batch, chosen))

    def scores_of(
        self, outputs: Float[Tensor, "terms num_outputs"], target: Int[Tensor, " terms"], rows: Int[Tensor, " terms"]
    ) -> TokenScores:
        """The scores of outputs."""
        losses = self.losses(outputs, target)
        nats = surrogate.cross_entropy(outputs, target) if self.label_smoothing else losses
        return TokenScores(losses, nats, outputs.argmax(1), target, rows)

    @abstractmethod
    def metrics(self) -> Metrics:
        """Fresh metrics; :meth:`take` fills them."""

    def take(self, metrics: Metrics, scores: TokenScores) -> None:
        """Take scores into the metrics."""
        metrics.update(scores.nats, scores.predicted == scores.target)

    def update(
        self,
        metrics: Metrics,
        outputs: Float[Tensor, "terms num_outputs"],
        target: Int[Tensor, " terms"] | Float[Tensor, " terms"],
    ) -> None:
        """Take the outputs of some tokens in."""
        self.take(metrics, self.scores_of(outputs, target, torch.zeros_like(target)))

    def portions(self, batch: Batch) -> list[Batch]:
        """A prepared batch in parts small enough to be measured at once: a vocabulary makes many outputs."""
        outputs = sum(self.terms(batch).values()) * self.schema.num_outputs
        needed = max(outputs / PORTION_OUTPUTS, batch.inputs.numel() / PORTION_TOKENS)
        return batch.split(max(1, math.ceil(needed)))

    def take_in(self, metrics: Metrics, model: nn.Module, batch: Batch) -> tuple[float, int]:
        """Measure a prepared batch portion by portion: every metric, the sum of its losses and their number."""
        total, count = 0.0, 0
        with torch.no_grad():
            for portion in self.portions(batch):
                scores = self.scores(model, portion)
                self.take(metrics, scores)
                total, count = total + float(scores.losses.sum()), count + len(scores.losses)
        return total, count


class LanguageObjective(TokenObjective):
    """Cross-entropy of a vocabulary's tokens, with the metrics of language: perplexity and accuracy.

    Lecture: F14, T6
    """

    task: ClassVar[Task] = "language"
    counts_bytes: ClassVar[bool] = False
    """Whether every token of the text is predicted, each once: then its cost in bits a byte is known too."""

    @property
    def bytes_per_token(self) -> float | None:
        """UTF-8 bytes a predicted token stands for, where every token of the text is predicted."""
        return self.text.bytes_per_token if self.counts_bytes else None

    def metrics(self) -> Metrics:
        """Perplexity and the share of right tokens; bits per byte where the whole text is predicted."""
        from sightline.objectives.metrics import language_metrics

        return language_metrics(self.bytes_per_token)


def said_by(model: nn.Module, name: str) -> Any:
    """What a network says of itself, however it is wrapped for several processes; none where it says nothing.

    Example:
        >>> network = nn.Linear(2, 2)
        >>> network.start_token = 1
        >>> said_by(nn.Sequential(network), "start_token")
        1
    """
    return next((getattr(module, name) for module in model.modules() if hasattr(module, name)), None)


def _rows(batch: Batch, chosen: Bool[Tensor, "batch length"] | None) -> Int[Tensor, " terms"]:
    """The place in its batch of each term's example."""
    if chosen is not None:
        return chosen.nonzero()[:, 0]
    return torch.arange(len(batch), device=batch.target.device).repeat_interleave(batch.target.shape[1])


def shift_right(
    target: Int[Tensor, "batch length"], start: int, *, fill: int | None = None
) -> Int[Tensor, "batch length"]:
    """What a decoder reads to write a text: the start token, then the text without its last token.

    Args:
        target: the text; ``IGNORED`` where it is over.
        start: the token that begins.
        fill: stands where the text is over; none: 0.

    Source: Vaswani et al. 2017, "Attention Is All You Need", §3.1

    Lecture: T6

    Example:
        >>> shift_right(torch.tensor([[5, 6, 7], [8, 9, IGNORED]]), 1).tolist()
        [[1, 5, 6], [1, 8, 9]]
    """
    shifted = target.roll(1, 1)
    shifted[:, :1] = start
    return shifted.masked_fill(shifted == IGNORED, fill or 0)


def write(model: nn.Module, batch: Batch, chosen: Bool[Tensor, "batch length"] | None, text: TextSchema) -> Tensor:
    """An encoder-decoder's outputs: it reads the inputs and writes the target, each token from those before it.

    Shapes:
        (terms, num_outputs) of the tokens chosen; of all, (batch, length, num_outputs)

    Raises:
        ConfigurationError: for a network without a decoder that starts.
    """
    start = said_by(model, "start_token")
    if start is None:
        raise ConfigurationError(
            expected="an encoder-decoder: a network that reads one text and writes another",
            found=type(model).__name__,
            do="choose t5, bart or transformer as the --model",
        )
    told = {"decoder_tokens": shift_right(batch.target, int(start), fill=text.pad)}
    outputs: Tensor = run(model, batch, **told, **({} if chosen is None else {"select": chosen}))
    return outputs
