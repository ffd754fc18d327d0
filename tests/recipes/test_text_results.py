"""What the recipes on text promise, measured; docs/results.md records the figures."""

import gzip
import re
import statistics
from pathlib import Path

import pytest
import torch

from sightline import fit, from_pretrained, models
from sightline.core.config import Choice, from_yaml, to_yaml
from sightline.core.seeds import Seeds
from sightline.data import DataSpec, load_spec
from sightline.data.text_spec import TextSpec
from sightline.objectives.objective import widened
from sightline.recipes import RECIPES
from sightline.train import Plan, Run, RunSpec, train

SEEDS = (0, 1, 2)
AUTHORS = {
    "les_miserables": "Hugo",
    "middlemarch": "Eliot",
    "sherlock_holmes": "Doyle",
    "war_and_peace": "Tolstoy",
}
LABELS = (8, 32, 128)
"""Labelled paragraphs of each author."""
TESTED = 300
"""Paragraphs of each author that nothing was trained on."""


def run_recipe(name: str, source: Path, runs: Path) -> Run:
    spec = RECIPES[name]()
    spec = from_yaml(RunSpec, to_yaml(spec.replace(data=spec.data.replace(source=str(source)))))
    return train(spec, runs=runs, name=name, quiet=True)


def loss_of(run: Run, split: str) -> float:
    value: float = run.folder.read(f"readings/evaluation-{split}.json")["loss"]
    return value


@pytest.mark.slow
def test_a_gpt_learns_the_letters_of_shakespeare(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_recipe("shakespeare-gpt", real_data / "tinyshakespeare" / "input.txt", tmp_path)
    seconds = run.folder.status()["seconds"]
    with capsys.disabled():
        print(f"\nshakespeare-gpt: {loss_of(run, 'validation'):.3f} nats a letter, {seconds:.0f} s")
    assert loss_of(run, "validation") <= 1.88
    assert seconds <= 240


def paragraphs(novel: Path) -> list[str]:
    """Those of at least 200 characters."""
    text = gzip.decompress(novel.read_bytes()).decode()
    joined = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return [part for part in joined if len(part) >= 200]


@pytest.fixture
def library(real_data: Path, tmp_path: Path) -> Path:
    """Four novels: the first four fifths to read, of which some paragraphs have labels; the rest to be told apart."""
    chance = torch.Generator().manual_seed(0)
    for stem, author in AUTHORS.items():
        every = paragraphs(real_data / "gutenberg" / f"{stem}.txt.gz")
        read, unread = every[: len(every) * 4 // 5], every[len(every) * 4 // 5 :]
        write(tmp_path / "reading" / f"{author}.txt", read)
        known = [read[row] for row in torch.randperm(len(read), generator=chance).tolist()]
        for labels in LABELS:
            write(tmp_path / f"labels-{labels}" / "train" / f"{author}.txt", known[:labels])
            write(tmp_path / f"labels-{labels}" / "validation" / f"{author}.txt", known[-100:])
            tested = [unread[row] for row in torch.randperm(len(unread), generator=chance)[:TESTED].tolist()]
            write(tmp_path / f"labels-{labels}" / "test" / f"{author}.txt", tested)
    return tmp_path


def write(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(texts), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_what_bert_read_helps_to_tell_authors(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Row A6 on text: the same network and labels, with the weights of masked words or with fresh ones."""
    reading = run_recipe("novels-bert", library / "reading", library)
    form = reading.spec.model
    assert form is not None
    for labels in LABELS:
        text = TextSpec(tokenizer=str(reading.folder.path / "tokenizer.json"), documents="paragraph", length=64)
        data = load_spec(DataSpec(source=str(library / f"labels-{labels}"), target="file", text=text))
        accuracy: dict[str, list[float]] = {"fresh": [], "pretrained": []}
        for seed in SEEDS:
            with Seeds(seed).scope("init"):
                fresh = models.bert(data.schema, **form.options)
                last = reading.folder.path / "checkpoints" / "best"
                pretrained = from_pretrained(last, task="classification", num_outputs=len(AUTHORS)).train()
            for name, network in (("fresh", fresh), ("pretrained", pretrained)):
                run = fit(
                    network,
                    data,
                    Plan(steps=max(150, 3 * labels), batch_size=32, clip_norm=1.0, evaluate_steps=50),
                    optim=Choice("adamw", {"lr": 5e-4, "weight_decay": 0.01}),
                    schedule=Choice("linear", {"warmup": 0.1}),
                    seed=seed,
                    name=f"{name}-{labels}-{seed}",
                    runs=library,
                    quiet=True,
                )
                accuracy[name].append(run.evaluate("test")["accuracy"])
        with capsys.disabled():
            print(f"\n{labels} labelled paragraphs of each author, {len(data.test):,} tested:")
            for name, of in accuracy.items():
                print(f"  {name}: {100 * statistics.mean(of):.1f} ± {100 * statistics.stdev(of):.1f} % right")
        assert min(accuracy["pretrained"]) > max(accuracy["fresh"])


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_t5_fills_gaps_better_than_the_commonest_words(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What stood in the spans left out of unread text, beside guessing every token by its frequency in the rest."""
    run = run_recipe("novels-t5", library / "reading", library)
    schema = run.schema.text
    assert schema is not None
    special = torch.tensor(sorted({*schema.sentinels, *(t for t in (schema.pad, schema.end) if t is not None)}))
    counts = torch.ones(schema.vocabulary_size, dtype=torch.float64)  # one more than seen: none is impossible
    for batch in run.data.train.batches(batch_size=256):
        counts += torch.bincount(batch.inputs.flatten(), minlength=schema.vocabulary_size)
    counts[special] = 0
    unigram = (counts / counts.sum()).log()
    losses, frequencies, right, commonest = [], [], [], []
    with torch.no_grad(), Seeds(0).scope("evaluate"):
        for batch in run.data.test.batches(batch_size=64):
            outputs, target = run.objective.answers(run.model, run.objective.prepare(batch))
            words = ~torch.isin(target, special)
            scores, target = widened(outputs)[words], target[words]
            scores[:, special] = -torch.inf  # that a word stands here is known to both
            losses.append(torch.nn.functional.cross_entropy(scores, target, reduction="none"))
            frequencies.append(-unigram[target])
            right.append(scores.argmax(1) == target)
            commonest.append(target == unigram.argmax())
    ours, theirs = torch.cat(losses).double(), torch.cat(frequencies)
    margin, error = (theirs - ours).mean().item(), ((theirs - ours).std() / len(ours) ** 0.5).item()
    with capsys.disabled():
        hits, chance = torch.cat(right).float().mean().item(), torch.cat(commonest).float().mean().item()
        print(f"\n{len(ours):,} tokens left out: {ours.mean():.3f} nats, by frequency {theirs.mean():.3f},")
        print(
            f"  {margin:.3f} ± {error:.3f} fewer; {100 * hits:.1f} % guessed right, the commonest {100 * chance:.1f} %"
        )
    assert margin - 2 * error >= 0.6
