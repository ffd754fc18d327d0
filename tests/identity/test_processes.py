"""Two processes give the gradients of one with the same global batch."""

from pathlib import Path

import pytest
import torch

from kills import fork_processes
from sightline.core.checkpoint import find_checkpoint, load_weights
from sightline.core.config import Choice
from sightline.data import DataSpec
from sightline.data.text_spec import TextSpec
from sightline.train import Plan, RunSpec, train


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    fork_processes(monkeypatch)


def specification(devices: int, batch_size: int, epochs: int = 1) -> RunSpec:
    return RunSpec(
        name="x",
        data=DataSpec(source="breast_cancer"),
        model=Choice("mlp", {"width": 32}),
        optim=Choice("sgd", {"lr": 1.0}),
        plan=Plan(epochs=epochs, batch_size=batch_size, devices=devices, strategy="ddp" if devices > 1 else "auto"),
    )


def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    """One plain step with rate 1 moves the weights by exactly the gradient; the batch splits unevenly."""
    moves = {}
    for devices in (1, 2):
        runs = tmp_path / str(devices)
        run = train(specification(devices, batch_size=100_001), runs=runs, name="run", quiet=True)
        before = load_weights(run.folder.checkpoints / "step-000000000")
        after = load_weights(find_checkpoint(run.folder))
        assert run.folder.status()["step"] == 1
        moves[devices] = {name: before[name] - after[name] for name in before}
    largest = max(float((moves[1][name] - moves[2][name]).abs().max()) for name in moves[1])
    assert any(move.abs().max() > 1e-3 for move in moves[1].values())
    assert largest < 1e-6


def test_two_processes_follow_one_through_uneven_batches(tmp_path: Path) -> None:
    one, two = (
        train(specification(devices, 65, epochs=2), runs=tmp_path / str(devices), name="run", quiet=True)
        for devices in (1, 2)
    )
    assert one.folder.status()["step"] == two.folder.status()["step"] > 4
    a, b = load_weights(find_checkpoint(one.folder)), load_weights(find_checkpoint(two.folder))
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-5)
    assert [r["loss"] for r in one.folder.metrics()] == pytest.approx(
        [r["loss"] for r in two.folder.metrics()], rel=1e-4
    )


def test_what_two_processes_look_at_is_what_is_saved(tmp_path: Path) -> None:
    """Batch normalisation: the running statistics of the first process are measured, and saved."""
    spec = RunSpec(
        name="x",
        data=DataSpec(source="digits"),
        model=Choice("resnet", {"width": 4}),
        optim=Choice("sgd", {"lr": 0.1}),
        plan=Plan(epochs=1, devices=2, strategy="ddp"),
    )
    run = train(spec, runs=tmp_path, name="run", quiet=True)
    looked = next(row for row in run.folder.metrics() if row["kind"] == "validation")
    assert looked["loss"] == pytest.approx(run.evaluate("validation").loss, rel=1e-5)


def test_two_processes_follow_one_on_text(tmp_path: Path) -> None:
    """Three updates of a small GPT: unequal texts, so the processes' shares of a batch hold other numbers of tokens.

    Each update must weigh every real token alike, wherever it is; the weights then agree as far as sums in another
    order do.
    """
    words = ["to", "be", "or", "not", "that", "is", "the", "question"]
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(2, 16, (80,), generator=generator).tolist()
    lines = [" ".join(words[i] for i in torch.randint(8, (n,), generator=generator).tolist()) for n in lengths]
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    weights, losses = {}, {}
    for devices in (1, 2):
        spec = RunSpec(
            name="x",
            data=DataSpec(
                source=str(tmp_path / "lines.txt"),
                text=TextSpec(tokenizer="words", documents="line", form="padded", length=16),
            ),
            model=Choice("gpt", {"depth": 1, "width": 16, "num_heads": 2, "dropout": 0.0}),
            optim=Choice("sgd", {"lr": 0.5}),
            schedule=Choice("constant"),
            plan=Plan(steps=3, batch_size=7, devices=devices, strategy="ddp" if devices > 1 else "auto"),
        )
        run = train(spec, runs=tmp_path / str(devices), name="run", quiet=True)
        assert run.folder.status()["step"] == 3
        weights[devices] = load_weights(find_checkpoint(run.folder))
        losses[devices] = [row["loss"] for row in run.folder.metrics() if row["kind"] == "train"]
        before = load_weights(run.folder.checkpoints / "step-000000000")
        moved = max(float((weights[devices][name] - before[name]).abs().max()) for name in before)
        assert moved > 1e-2
    apart = max(float((weights[1][name] - weights[2][name]).abs().max()) for name in weights[1])
    assert apart < 1e-6
    assert losses[1] == pytest.approx(losses[2], rel=1e-6)
