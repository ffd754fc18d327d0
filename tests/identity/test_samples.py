"""Samples through training: written at every look, and training as it would be without them."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sightline.core.checkpoint import find_checkpoint, load_weights
from sightline.core.config import Choice
from sightline.core.errors import DataError
from sightline.core.run_folder import RunFolder
from sightline.core.schema import Schema, TextSchema
from sightline.core.seeds import Seeds
from sightline.data import DataSpec
from sightline.data.batch import Batch
from sightline.data.token_array import TokenArray
from sightline.data.token_split import BlockSplit
from sightline.data.train_tokenizer import train_tokenizer
from sightline.models.gpt import GPT
from sightline.train import Plan, RunSpec, train
from sightline.train.engine import Engine
from sightline.train.samples import Samples, read_samples, sample_prompts, sample_writer

LETTERS = train_tokenizer("characters", ["to be or not"], vocabulary_size=None)

SPEC = RunSpec(
    name="x",
    data=DataSpec(source="iris"),
    model=Choice("mlp", {"width": 8, "dropout": 0.4}),
    optim=Choice("sgd", {"lr": 0.05}),
    plan=Plan(steps=9, batch_size=16, evaluate_steps=3),
)


def chancy(prompt: Sequence[int], step: int) -> str:
    """A writer that draws from every global generator."""
    return f"{step}: {torch.rand(1).item():.9f} {np.random.rand():.9f} {random.random():.9f}"  # noqa: NPY002


def with_samples(monkeypatch: pytest.MonkeyPatch, write: Callable[[Sequence[int], int], str] = chancy) -> list[bool]:
    """Give every engine a follower that writes samples; tells whether the model was training meanwhile."""
    original, modes = Engine.__init__, list[bool]()

    def patched(self: Engine, *given: Any, **options: Any) -> None:
        original(self, *given, **options)
        model: Any = self.algorithm.model  # type: ignore[attr-defined]

        def watching(prompt: Sequence[int], step: int) -> str:
            modes.append(model.training)
            return write(prompt, step)

        prompts = [LETTERS.encode("to"), LETTERS.encode("be")]
        self.followers = [
            Samples(
                folder=self.folder, seeds=self.seeds, model=model, tokenizer=LETTERS, prompts=prompts, write=watching
            )
        ]

    monkeypatch.setattr(Engine, "__init__", patched)
    return modes


def test_training_is_bit_identical_with_and_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = train(SPEC, runs=tmp_path / "a", quiet=True)
    modes = with_samples(monkeypatch)
    sampled = train(SPEC, runs=tmp_path / "b", quiet=True)
    again = train(SPEC, runs=tmp_path / "c", quiet=True)
    before, after = (load_weights(find_checkpoint(run.folder)) for run in (plain, sampled))
    assert all(torch.equal(before[name], after[name]) for name in before)
    losses = [[row["loss"] for row in run.folder.metrics()] for run in (plain, sampled)]
    assert losses[0] == losses[1]
    rows = read_samples(sampled.folder)
    assert [(row["step"], row["prompt"]) for row in rows] == [(s, p) for s in (3, 6, 9) for p in ("to", "be")]
    assert rows == read_samples(again.folder)
    assert len({row["text"].split(" ")[1] for row in rows}) == 6
    assert modes == [False] * 12
    assert read_samples(plain.folder) == []


def test_what_a_run_set_back_writes_again_is_there_once(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "x")
    follower = Samples(
        folder=folder,
        seeds=Seeds(0),
        model=torch.nn.Dropout(),
        tokenizer=LETTERS,
        prompts=[LETTERS.encode("to")],
        write=chancy,
    )
    for step in (1, 2, 3):
        follower(step)
    first = read_samples(folder)
    follower(2)
    assert read_samples(folder) == first[:2]


class Fixed(BlockSplit):
    """Examples as they are given."""

    def __init__(self, rows: Sequence[Sequence[int]], present: Sequence[Sequence[int]] | None = None) -> None:
        super().__init__("validation", TokenArray(np.zeros(2 * len(rows) + 1, dtype=np.uint16)), 2)
        self.given = torch.tensor(rows)
        self.there = None if present is None else torch.tensor(present).bool()

    def cut(self, epoch: Any, device: torch.device) -> Any:
        for rows in epoch:
            i = rows.indices
            there = None if self.there is None else self.there[i]
            yield Batch(self.given[i], self.given[i], i, len(i), present=there)


def schema(task: Any = "language", begin: int | None = 1) -> Schema:
    return Schema("text", task, (10,), text=TextSchema(vocabulary_size=20, length=10, begin=begin))


def test_prompts_begin_as_the_text_does() -> None:
    long = [list(range(2, 12)), list(range(5, 15)), list(range(2, 12))]
    assert sample_prompts(Fixed(long), schema()) == [list(range(2, 10))]
    assert sample_prompts(Fixed(long), schema(), count=3) == [list(range(2, 10)), list(range(5, 13))]
    begun = Fixed([[1, 5, 6, 0], [1, 7, 0, 0]], [[1, 1, 1, 0], [1, 1, 0, 0]])
    assert sample_prompts(begun, schema(), count=2) == [[1]]
    assert sample_prompts(begun, schema(begin=None), count=2) == [[1, 5, 6], [1, 7]]
    assert sample_prompts(Fixed(long), schema("sequence"), count=2) == [list(range(2, 12))]
    with pytest.raises(DataError, match="samples"):
        sample_prompts(Fixed([[0, 0]], [[0, 0]]), schema())


def test_the_writer_is_seeded_by_the_step() -> None:
    torch.manual_seed(0)
    model = GPT(
        vocabulary_size=LETTERS.vocabulary_size, context_length=6, depth=1, width=8, num_heads=2, positions="rotary"
    )
    prompt = LETTERS.encode("to")
    texts = []
    for _ in range(2):
        write = sample_writer(model, LETTERS, Seeds(0), max_new_tokens=20)
        texts.append([write(prompt, step) for step in (1, 2)])
    assert texts[0] == texts[1]
    assert texts[0][0] != texts[0][1]
    assert all(texts[0])
    model.train()(torch.tensor([prompt])).sum().backward()  # what was decoded leaves nothing that training can't use
