"""What a model answers to inputs one by one: a class with its probability, or a number."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.data.inputs import Inputs
from sightline.objectives import Objective
from sightline.objectives.image_objective import ImageObjective
from sightline.train.evaluation import BATCH


@dataclass(frozen=True)
class Answer:
    """The model's answer to one input.

    Args:
        name: the file, or file and row.
        value: the class, or the number in the target's units.
        probabilities: of every class by name; none for regression.
    """

    name: str
    value: str | float
    probabilities: dict[str, float] | None = None


@dataclass(frozen=True)
class Predictions:
    """Answers to all inputs that could be read, and the ones that could not.

    Args:
        answers: one an input, in order.
        left_out: path and reason of each input that could not be used.
    """

    answers: list[Answer]
    left_out: list[tuple[str, str]] = field(default_factory=list)


def require_answers(objective: Objective, schema: Schema) -> None:
    """Refuse a model that tells no class and no number.

    Raises:
        ConfigurationError: for one that makes images, writes text, or tells something of every token.
    """
    if isinstance(objective, ImageObjective):
        raise ConfigurationError(
            expected="a run that tells a class or a number",
            found=f"one that makes images ({objective.name})",
            do="`sightline sample` makes some",
        )
    if schema.task not in ("classification", "regression"):
        raise ConfigurationError(
            expected="a run that tells a class or a number",
            found=f"one for the task {schema.task!r}",
            do="`sightline generate` writes text with it"
            if schema.task in ("language", "sequence")
            else "call run.model on texts that run.tokenizer has encoded",
        )


@torch.no_grad()
def predictions(model: nn.Module, objective: Objective, inputs: Inputs, classes: tuple[str, ...]) -> Predictions:
    """The model's answer to each input.

    Args:
        model: in evaluation mode.
        objective: what it was trained with; it turns outputs into answers.
        inputs: from ``sightline.data.read_inputs``.
        classes: names of the classes; empty for numbers.
    """
    prediction = objective.predict(torch.cat([part.float().cpu() for part in _outputs(model, inputs)]))
    answers = []
    for i, name in enumerate(inputs.names):
        value = prediction.value[i].item()
        if not classes:
            answers.append(Answer(name, float(value)))
            continue
        chances = None
        if prediction.probabilities is not None:
            chances = dict(zip(classes, prediction.probabilities[i].tolist(), strict=True))
        answers.append(Answer(name, classes[int(value)], chances))
    return Predictions(answers, list(inputs.left_out))


def _outputs(model: nn.Module, inputs: Inputs) -> Iterator[Tensor]:
    """The model's outputs, a batch at a time."""
    device = next(model.parameters()).device
    for start in range(0, len(inputs.inputs), BATCH):
        part = slice(start, start + BATCH)
        present = {} if inputs.present is None else {"present": inputs.present[part].to(device)}
        yield model(inputs.inputs[part].to(device), **present)
