"""Measuring a model on text: sums are kept, never the outputs of a whole split, for a vocabulary makes many."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn

from sightline.core.progress import progress
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.data import Split
from sightline.data.batch import Batch
from sightline.objectives import Objective
from sightline.objectives.measure import Measure, measure_language, measure_share, measure_spans, measure_token_classes
from sightline.objectives.objective import widened
from sightline.objectives.span import Span
from sightline.objectives.token_objective import LanguageObjective, TokenObjective, TokenScores

BATCH = 512
GROUPS = 100
"""Groups of examples that are left out one by one for the standard error of F1."""


@dataclass(frozen=True)
class Passage:
    """An example whose loss is high.

    Args:
        index: its row in the split.
        loss: the mean over its terms, in nats.
        nats: the mean of −log p of what its terms should have been; ``loss`` unless the targets are smoothed.
        target: what its terms should have been: tokens, classes, or places of first and last token.
        predicted: what the model gave.
    """

    index: int
    loss: float
    nats: float
    target: list[int]
    predicted: list[int]


@dataclass(frozen=True)
class TextFigures:
    """Figures of one model on one split of text.

    Args:
        loss: mean over all terms.
        metrics: value and standard error of each.
        worst: the passages of the highest mean loss, worst first.
        confusion: terms of true class i (row) given class j (column), where the terms have classes.
    """

    loss: float
    metrics: Mapping[str, Measure]
    worst: list[Passage]
    confusion: Int[Tensor, "true predicted"] | None = None


def measure_tokens(
    model: nn.Module, objective: TokenObjective, split: Split, schema: Schema, *, seed: int, worst: int
) -> TextFigures:
    """Measure an objective whose terms are tokens, on every example once, in evaluation mode.

    What the objective hides is drawn under the seed alone: the same model gives the same figures every time.

    Args:
        model: on the device where it is to be measured.
        objective: whose terms are tokens.
        split: the examples.
        schema: of the data.
        seed: of the run.
        worst: how many passages to keep.

    Lecture: F14
    """
    count = len(split)
    classes = len(schema.classes) if schema.task == "token-classification" else 0
    sums = {name: torch.zeros(count, dtype=torch.float64) for name in ("loss", "nats")}
    sums |= {name: torch.zeros(count, dtype=torch.int64) for name in ("right", "terms")}
    confusion = torch.zeros(min(GROUPS, count), classes, classes, dtype=torch.int64)
    passages: list[Passage] = []
    pairs: list[Tensor] = []
    for first, batch in _prepared(model, objective, split, seed):
        for portion in objective.portions(batch):
            scores = _on_cpu(objective.scores(model, portion))
            rows = scores.rows + first
            sums["loss"].index_add_(0, rows, scores.losses.double())
            sums["nats"].index_add_(0, rows, scores.nats.double())
            sums["right"].index_add_(0, rows, (scores.predicted == scores.target).long())
            sums["terms"].index_add_(0, rows, torch.ones_like(rows))
            if classes:
                where = (rows % len(confusion), scores.target, scores.predicted)
                confusion.index_put_(where, torch.ones_like(rows), accumulate=True)
            if scores.pairs_right is not None:
                pairs.append(scores.pairs_right)
            passages = _worst([*passages, *_passages(scores, rows, worst)], worst)
            first += len(portion)
    if classes:
        metrics = measure_token_classes(sums["right"], sums["terms"], confusion)
    else:
        assert isinstance(objective, LanguageObjective)
        known = split.bytes_per_term if objective.counts_bytes else None
        metrics = measure_language(sums["nats"], sums["right"], sums["terms"], known)
    if pairs:
        metrics |= {"pair_accuracy": measure_share(torch.cat(pairs))}
    loss = float(sums["loss"].sum() / sums["terms"].sum())
    return TextFigures(loss, metrics, passages, confusion.sum(0) if classes else None)


def measure_answers(model: nn.Module, objective: Span, split: Split, *, seed: int, worst: int) -> TextFigures:
    """Measure span extraction on every example that has an answer, once, in evaluation mode.

    Args:
        model: on the device where it is to be measured.
        objective: first and last token.
        split: the examples.
        seed: of the run.
        worst: how many passages to keep.

    Lecture: F14
    """
    losses, predicted, target, rows = [], [], [], []
    for first, batch in _prepared(model, objective, split, seed):
        outputs, places = objective.answers(model, batch)
        outputs = widened(outputs)
        losses.append(torch.stack(objective.losses(outputs, places).chunk(2)).mean(0).cpu())
        predicted.append(torch.stack(objective.predict(outputs).value.chunk(2), 1).cpu())
        target.append(torch.stack(places.chunk(2), 1).cpu())
        rows.append(objective.answered(batch).nonzero()[:, 0].cpu() + first)
    loss, given, true, row = torch.cat(losses), torch.cat(predicted), torch.cat(target), torch.cat(rows)
    passages = [
        Passage(int(row[i]), float(loss[i]), float(loss[i]), true[i].tolist(), given[i].tolist())
        for i in loss.argsort(descending=True, stable=True)[:worst].tolist()
    ]
    return TextFigures(float(loss.double().mean()), measure_spans(given, true), passages)


def _prepared(model: nn.Module, objective: Objective, split: Split, seed: int) -> Iterator[tuple[int, Batch]]:
    """A split's prepared batches, each with the number of its first example; the model is in evaluation mode."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    first = 0
    try:
        with (
            torch.no_grad(),
            Seeds(seed).scope("evaluate", 0),
            progress(f"measuring on {split.name}", len(split), "examples") as bar,
        ):
            for batch in split.batches(batch_size=BATCH, device=device):
                yield first, objective.prepare(batch)
                first += len(batch)
                bar.advance(len(batch))
    finally:
        model.train(was_training)


def _on_cpu(scores: TokenScores) -> TokenScores:
    """The scores where sums are kept in float64."""
    pairs = None if scores.pairs_right is None else scores.pairs_right.cpu()
    return TokenScores(
        scores.losses.cpu(), scores.nats.cpu(), scores.predicted.cpu(), scores.target.cpu(), scores.rows.cpu(), pairs
    )


def _passages(scores: TokenScores, rows: Int[Tensor, " terms"], worst: int) -> list[Passage]:
    """The passages of the highest mean loss among these."""
    if not len(rows):
        return []
    examples, inverse, counts = rows.unique(return_inverse=True, return_counts=True)
    means, nats = (
        torch.zeros(len(examples), dtype=torch.float64).index_add_(0, inverse, values.double()) / counts
        for values in (scores.losses, scores.nats)
    )
    passages = []
    for i in means.argsort(descending=True, stable=True)[:worst].tolist():
        own = inverse == i
        passages.append(
            Passage(
                int(examples[i]),
                float(means[i]),
                float(nats[i]),
                scores.target[own].tolist(),
                scores.predicted[own].tolist(),
            )
        )
    return passages


def _worst(passages: list[Passage], count: int) -> list[Passage]:
    """The passages of the highest loss, worst first."""
    return sorted(passages, key=lambda passage: -passage.loss)[:count]
