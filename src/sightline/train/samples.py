"""Samples through training: what the model writes after each look at the validation split."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from sightline.core.errors import DataError
from sightline.core.files import to_json
from sightline.core.run_folder import RunFolder
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.data import Split

if TYPE_CHECKING:
    from sightline.data.tokenizer import Tokenizer

SAMPLES = "samples/text.jsonl"

PROMPT_TOKENS = 8
"""Tokens of the validation text that a model goes on from, where no begin token starts it."""

Write = Callable[[Sequence[int], int], str]
"""From the prompt's tokens and the number of updates done to the text that follows."""


class Samples:
    """A follower of the engine: after each look it lets the model go on from the same prompts, and keeps the text.

    Every line of ``samples/text.jsonl`` is ``{"step", "prompt", "text"}``. Whatever chance ``write`` draws from the
    global generators comes from the stream "sample", afresh for every step: training's own streams stay as they are,
    and a resumed run writes the same lines.

    Args:
        folder: the run.
        seeds: the run's random streams.
        model: in evaluation mode while it writes, and back afterwards.
        tokenizer: turns prompts into text.
        prompts: tokens to go on from.
        write: decodes; see ``generate``.

    Lecture: X8
    """

    def __init__(
        self,
        *,
        folder: RunFolder,
        seeds: Seeds,
        model: nn.Module,
        tokenizer: "Tokenizer",
        prompts: Sequence[Sequence[int]],
        write: Write,
    ) -> None:
        self.folder, self.seeds, self.model, self.tokenizer = folder, seeds, model, tokenizer
        self.prompts, self.write = [list(prompt) for prompt in prompts], write

    def __call__(self, step: int) -> None:
        """Write the samples of so many updates; those of later ones, of a run that was set back, are forgotten.

        Raises:
            RunFolderError: when the file can't be written.
        """
        training = {module: module.training for module in self.model.modules()}
        self.model.eval()
        try:
            with self.seeds.scope("sample", step), torch.no_grad():
                texts = [self.write(prompt, step) for prompt in self.prompts]
        finally:
            for module, mode in training.items():
                module.training = mode
        rows = [row for row in read_samples(self.folder) if row["step"] < step]
        for prompt, text in zip(self.prompts, texts, strict=True):
            rows.append({"step": step, "prompt": self.tokenizer.decode(prompt), "text": text})
        self.folder.write(SAMPLES, "".join(to_json(row) + "\n" for row in rows))


def sample_writer(
    model: nn.Module, tokenizer: "Tokenizer", seeds: Seeds, *, max_new_tokens: int = 200, temperature: float = 0.8
) -> Write:
    """What writes a run's samples: seeded sampling that goes on past the context length, to an end token at most.

    Args:
        model: a network of next tokens, or an encoder-decoder.
        tokenizer: the one it is trained with.
        seeds: the run's random streams.
        max_new_tokens: most tokens of a sample.
        temperature: T; below 1 likelier tokens come more often than the model thinks.

    Lecture: X8
    """
    from sightline.generate.generation import generate
    from sightline.generate.sampling import Sample

    writes_another = getattr(model, "text_task", "") == "encoder-decoder"
    most = min(max_new_tokens, getattr(model, "context_length", None) or max_new_tokens)
    end = tokenizer.special("end")
    options: dict[str, Any] = {"end": () if end is None else end, "window": not writes_another}

    def write(prompt: Sequence[int], step: int) -> str:
        found = generate(
            model,
            [prompt],
            max_new_tokens=most if writes_another else max_new_tokens,
            method=None if writes_another else Sample(temperature=temperature),
            seed=seeds.number("sample", step),
            **options,
        )
        return tokenizer.decode(found[0].tokens)

    return write


def read_samples(folder: RunFolder) -> list[dict[str, Any]]:
    """The samples there are, oldest first."""
    return [json.loads(line) for line in folder.text(SAMPLES).splitlines()] if folder.has(SAMPLES) else []


def sample_prompts(split: Split, schema: Schema, *, count: int = 1) -> list[list[int]]:
    """What a model is to go on from: the beginning of validation examples, or for the task "sequence" whole sources.

    An example that starts with a begin token gives that token alone.

    Args:
        split: the validation split.
        schema: the data's.
        count: how many prompts; of those that are alike only one is kept.

    Raises:
        DataError: for a split without any token.
    """
    rows = torch.linspace(0, len(split) - 1, min(count, len(split))).long()
    begin = schema.text.begin if schema.text is not None else None
    prompts: list[list[int]] = []
    for batch in split.batches(batch_size=max(1, len(rows)), order=rows):
        for row in range(len(batch)):
            tokens = batch.inputs[row] if batch.present is None else batch.inputs[row][batch.present[row]]
            prompt = tokens.tolist()
            if schema.task != "sequence":
                prompt = prompt[:1] if prompt[:1] == [begin] else prompt[:PROMPT_TOKENS]
            if prompt and prompt not in prompts:
                prompts.append(prompt)
    if not prompts:
        raise DataError(expected="validation text to begin samples from", found="none", do="give more text")
    return prompts
