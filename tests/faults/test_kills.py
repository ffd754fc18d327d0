"""Kill a run at random moments, resume it, and compare its end with one that was never touched, bit for bit."""

import random
import signal
import time
from pathlib import Path

import pytest

from kills import begin, ending, finish, wait_until_reached
from sightline.core.checkpoint import list_checkpoints
from sightline.core.config import Choice
from sightline.core.run_folder import RunFolder
from sightline.data import DataSpec
from sightline.train import Plan, RunSpec, resume, train

KILLS = 9


def specification() -> RunSpec:
    """Small, but with everything that must be restored: dropout, momentum, a schedule, patience, mid-epoch saves."""
    return RunSpec(
        name="killed",
        data=DataSpec(source="digits"),
        model=Choice("mlp", {"width": 64, "depth": 2, "dropout": 0.2}),
        optim=Choice("adamw", {"lr": 3e-3}),
        schedule=Choice("cosine", {"warmup": 0.1}),
        plan=Plan(epochs=3, batch_size=96, patience=2, checkpoint_steps=3, log_steps=5),
    )


def start(runs: str) -> None:
    train(specification(), runs=runs, name="run", quiet=True)


def go_on(folder: str) -> None:
    resume(folder, quiet=True)


def test_killed_at_random_moments_ends_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(start, str(tmp_path / "undisturbed"))
    expected = ending(tmp_path / "undisturbed" / "run")
    steps = RunFolder.open(tmp_path / "undisturbed" / "run").status()["step"]

    chance, inside, before, first, same = random.Random(0), 0, 0, 0, 0
    for kill in range(KILLS):
        runs = tmp_path / f"kill-{kill}"
        process = begin(start, str(runs))
        moment = -1 if kill % 5 == 1 else chance.randrange(-1, steps - 2)
        while process.is_alive() and not (runs / "run" / "spec.yaml").exists():  # from here on there is a run
            time.sleep(0.001)
        wait_until_reached(process, runs / "run", moment)
        if kill % 5 != 1:  # every fifth kill comes as soon as there is a run
            time.sleep(chance.uniform(0, 0.03))
        if kill % 4 == 0:  # every fourth kill waits for a save to be under way
            while process.is_alive() and not list((runs / "run" / "checkpoints").glob(".*.part")):
                pass
        process.kill()
        process.join()
        folder = RunFolder.open(runs / "run")
        inside += bool(list(folder.checkpoints.glob(".*.part")))
        before += process.exitcode == -signal.SIGKILL
        first += not list_checkpoints(folder)
        process = begin(go_on, str(folder.path))
        process.join()
        same += ending(folder.path) == expected
    with capsys.disabled():
        told = f"{before} while running, {inside} inside a save, {first} before the first checkpoint"
        print(f"\n{KILLS} kills ({told}): {same} identical endings")
    assert same == KILLS
    assert before >= KILLS - 2, "the kills came too late to mean anything"
