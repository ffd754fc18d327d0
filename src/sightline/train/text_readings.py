"""What a run on text leaves for its report: samples through training, attention, and the text it was surprised by."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from sightline.core.run_folder import RunFolder
from sightline.core.seeds import Seeds
from sightline.data import Data
from sightline.objectives import Objective
from sightline.train.attention_record import write_attention
from sightline.train.samples import Samples, sample_prompts, sample_writer
from sightline.train.text_examples import write_examples

PROMPTS = 2
"""Texts that are gone on from after every look."""


def samples_of(folder: RunFolder, seeds: Seeds, model: nn.Module, data: Data) -> list[Callable[[int], None]]:
    """What the engine is to call after each look: the writer of samples, for a model that writes text."""
    kind, task = getattr(model, "text_task", None), data.schema.task
    if data.tokenizer is None or (kind, task) not in (("decoder", "language"), ("encoder-decoder", "sequence")):
        return []
    prompts = sample_prompts(data.validation, data.schema, count=PROMPTS)
    write = sample_writer(model, data.tokenizer, seeds)
    return [Samples(folder=folder, seeds=seeds, model=model, tokenizer=data.tokenizer, prompts=prompts, write=write)]


def write_text_readings(
    folder: RunFolder, model: nn.Module, objective: Objective, data: Data, *, worst: Sequence[int], seed: int
) -> None:
    """Leave attention maps and surprising passages of the validation split; nothing where data are no text.

    Args:
        folder: the run.
        model: with the weights to be shown.
        objective: its surrogate loss.
        data: the run's.
        worst: numbers of the validation examples with the highest loss, worst first.
        seed: the run's.

    Raises:
        RunFolderError: when they can't be written.
    """
    if data.tokenizer is None or not hasattr(model, "text_task"):
        return
    tokenizer = data.tokenizer
    write_attention(folder, model, data.validation, tokenizer, objective=objective, seed=seed)
    if data.schema.task not in ("language", "sequence"):
        return
    translate: Any = None
    if data.schema.task == "sequence":
        write = sample_writer(model, tokenizer, Seeds(seed))

        def translate(source: Sequence[int]) -> str:
            return write(source, 0)

    write_examples(
        folder, model, objective, data.validation, tokenizer, worst=list(worst), translate=translate, seed=seed
    )
