"""Measuring a trained model on a split: figures with their standard errors, confusion, worst mistakes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.progress import progress
from sightline.core.run_folder import RunFolder
from sightline.data import Schema, Split
from sightline.objectives import Objective
from sightline.objectives.image_objective import ImageObjective
from sightline.objectives.measure import Measure, measure
from sightline.objectives.objective import run
from sightline.objectives.span import Span
from sightline.objectives.token_objective import TokenObjective
from sightline.train.image_evaluation import measure_images
from sightline.train.image_examination import Finding
from sightline.train.language_evaluation import Passage, measure_answers, measure_tokens

MISTAKES = 24
SCATTER_POINTS = 2000
BATCH = 512


@dataclass(frozen=True)
class Mistake:
    """An example the model got most wrong.

    Args:
        index: its row in the split.
        target: its true class, or value in the target's units; of a text, what was to be predicted.
        predicted: the model's class or value.
        probability: what the model gave its own answer; none for regression and margin losses without one. Of a text,
            the geometric mean of what it gave the right tokens.
        loss: the surrogate loss of this example.
        picture: path of its picture within the run folder.
        row: its raw values, for a table.
    """

    index: int
    target: str | float
    predicted: str | float
    probability: float | None
    loss: float
    picture: str | None = None
    row: dict[str, Any] | None = None


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one split; ``evaluation["accuracy"]`` is the plain number.

    Args:
        split: "validation", "test", or the source of other data.
        checkpoint: which weights.
        count: number of examples.
        loss: mean surrogate loss.
        metrics: value, standard error and unit of every metric.
        classes: class names, for classification.
        confusion: examples of true class i (row) given class j (column).
        per_class: precision, recall, F1 and count of each class.
        mistakes: the worst ones, worst first.
        scatter: up to 2,000 pairs of true and predicted value, for regression.
        findings: what is amiss with a network that makes images.
        details: what else was measured of one, by name.
        notes: what was done to other data to fit.
    """

    split: str
    checkpoint: str
    count: int
    loss: float
    metrics: Mapping[str, Measure]
    classes: tuple[str, ...] = ()
    confusion: list[list[int]] | None = None
    per_class: list[dict[str, Any]] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    scatter: list[tuple[float, float]] | None = None
    findings: list[Finding] = field(default_factory=list)
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getitem__(self, metric: str) -> float:
        return self.metrics[metric].value

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = asdict(self)
        return plain if self.notes else {name: value for name, value in plain.items() if name != "notes"}

    def __str__(self) -> str:
        lines = [f"{self.split}: {self.count:,} examples, {self.checkpoint}"]
        for name, figure in self.metrics.items():
            lines.append(f"  {name:<10} {figure}")
        lines.append(f"  {'loss':<10} {self.loss:.4f}")
        lines += [str(finding) for finding in self.findings]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Outputs:
    """A model's answers to a whole split, in order, on the CPU."""

    outputs: Float[Tensor, "count outputs"]
    target: Int[Tensor, " count"] | Float[Tensor, " count"]
    losses: Float[Tensor, " count"]


Decode = Callable[[list[int]], str]
"""From tokens to text."""


def evaluate(
    model: nn.Module,
    objective: Objective,
    split: Split,
    schema: Schema,
    *,
    name: str,
    checkpoint: str,
    seed: int = 0,
    decode: Decode | None = None,
) -> Evaluation:
    """Measure a model on every example of a split, once, in evaluation mode.

    Args:
        model: the network.
        objective: the surrogate loss and the metrics.
        split: the examples.
        schema: of the data.
        name: of the split.
        checkpoint: which weights.
        seed: of the run; what an objective hides from the model is drawn under it, the same every time.
        decode: turns tokens into text; without it the mistakes of a language model have none.

    Lecture: F14
    """
    if isinstance(objective, TokenObjective | Span):
        return _evaluate_text(model, objective, split, schema, name, checkpoint, seed, decode)
    if isinstance(objective, ImageObjective):
        figures = measure_images(
            model, objective, split, seed=seed, worst=MISTAKES if objective.monitor == "loss" else 0
        )
        return Evaluation(
            split=name,
            checkpoint=checkpoint,
            count=len(split),
            loss=figures.loss,
            metrics=figures.metrics,
            mistakes=[
                Mistake(index=index, target="", predicted="", probability=None, loss=loss)
                for index, loss in figures.worst
            ],
            findings=figures.examination.findings,
            details=figures.examination.details,
        )
    answers = _collect(model, objective, split)
    classification = schema.task == "classification"
    prediction = objective.predict(answers.outputs)
    values = prediction.value.cpu()
    evaluation: dict[str, Any] = {}
    if classification:
        matrix = torch.zeros(len(schema.classes), len(schema.classes), dtype=torch.int64)
        matrix.index_put_((answers.target, values), torch.ones_like(answers.target), accumulate=True)
        evaluation["confusion"] = matrix.tolist()
        evaluation["per_class"] = _per_class(matrix, schema.classes)
        wrong = values != answers.target
        badness = torch.where(wrong, answers.losses, torch.full_like(answers.losses, -torch.inf))
    else:
        badness = (values - answers.target).abs()
        chosen = torch.linspace(0, len(values) - 1, min(SCATTER_POINTS, len(values))).long()
        evaluation["scatter"] = list(zip(answers.target[chosen].tolist(), values[chosen].tolist(), strict=True))
    mistakes = []
    for index in badness.argsort(descending=True, stable=True)[:MISTAKES].tolist():
        if classification and not wrong[index]:
            break
        true, given = answers.target[index].item(), values[index].item()
        probability = None if prediction.probabilities is None else float(prediction.probabilities[index].max())
        mistakes.append(
            Mistake(
                index=index,
                target=schema.classes[int(true)] if classification else float(true),
                predicted=schema.classes[int(given)] if classification else float(given),
                probability=probability,
                loss=float(answers.losses[index]),
                row=split.row(index),
            )
        )
    return Evaluation(
        split=name,
        checkpoint=checkpoint,
        count=len(split),
        loss=float(answers.losses.double().mean()),
        metrics=measure(prediction, answers.target, schema),
        classes=schema.classes,
        mistakes=mistakes,
        **evaluation,
    )


def _evaluate_text(
    model: nn.Module,
    objective: TokenObjective | Span,
    split: Split,
    schema: Schema,
    name: str,
    checkpoint: str,
    seed: int,
    decode: Decode | None,
) -> Evaluation:
    """The same for text: the mistakes are the passages with the highest loss a token."""
    if isinstance(objective, Span):
        figures = measure_answers(model, objective, split, seed=seed, worst=MISTAKES)
    else:
        figures = measure_tokens(model, objective, split, schema, seed=seed, worst=MISTAKES)
    matrix = figures.confusion
    return Evaluation(
        split=name,
        checkpoint=checkpoint,
        count=len(split),
        loss=figures.loss,
        metrics=figures.metrics,
        classes=schema.classes,
        confusion=None if matrix is None else matrix.tolist(),
        per_class=[] if matrix is None else _per_class(matrix, schema.classes),
        mistakes=[_as_mistake(passage, schema, decode) for passage in figures.worst],
    )


def _as_mistake(passage: Passage, schema: Schema, decode: Decode | None) -> Mistake:
    """A passage in words: its text, its classes, or the places of its answer."""

    def told(numbers: list[int]) -> str:
        if schema.task == "span":
            return "–".join(map(str, numbers))
        if schema.task == "token-classification":
            return " ".join(schema.classes[number] for number in numbers)
        return "" if decode is None else decode(numbers)

    return Mistake(
        index=passage.index,
        target=told(passage.target),
        predicted=told(passage.predicted),
        probability=math.exp(-passage.nats),
        loss=passage.loss,
    )


def _collect(model: nn.Module, objective: Objective, split: Split) -> _Outputs:
    """Run the model over the split; losses and answers come to the CPU."""
    device = next(model.parameters()).device
    outputs, targets, losses = [], [], []
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), progress(f"measuring on {split.name}", len(split), "examples") as bar:
            for batch in split.batches(batch_size=BATCH, device=device):
                answer = run(model, batch).float()
                outputs.append(answer.cpu())
                targets.append(batch.target.cpu())
                losses.append(objective.losses(answer, batch.target).float().cpu())
                bar.advance(len(batch))
    finally:
        model.train(was_training)
    return _Outputs(torch.cat(outputs), torch.cat(targets), torch.cat(losses))


def _per_class(matrix: Int[Tensor, "true predicted"], classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class; a class that was never given (or never there) has 0."""
    hits = matrix.diagonal().double()
    precision = hits / matrix.sum(0).clamp(min=1)
    recall = hits / matrix.sum(1).clamp(min=1)
    f1 = 2 * hits / (matrix.sum(0) + matrix.sum(1)).clamp(min=1)
    return [
        {"class": name, "precision": p, "recall": r, "f1": f, "count": n}
        for name, p, r, f, n in zip(
            classes, precision.tolist(), recall.tolist(), f1.tolist(), matrix.sum(1).tolist(), strict=True
        )
    ]


def write_evaluation(folder: RunFolder, evaluation: Evaluation, split: Split) -> None:
    """Leave an evaluation in the run folder, with the pictures of its worst mistakes."""
    record = evaluation.to_dict()
    for mistake in record["mistakes"]:
        index = mistake["index"]
        mistake["picture"] = keep_picture(folder, split, index, f"samples/mistakes/{evaluation.split}-{index}.png")
    folder.write(f"readings/evaluation-{evaluation.split}.json", record)


def keep_picture(folder: RunFolder, split: Split, index: int, path: str) -> str | None:
    """Leave an example's picture in the run folder, and tell its path; none where examples are no images."""
    picture = split.picture(index)
    if picture is None:
        return None
    content = BytesIO()
    picture.save(content, "PNG")
    folder.write(path, content.getvalue())
    return path
