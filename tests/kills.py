"""Runs in processes of their own that can be killed at any moment, and what must be the same in the end."""

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from torch.multiprocessing.spawn import start_processes

from sightline.core.checkpoint import find_checkpoint
from sightline.core.run_folder import RunFolder

PRELOADED = [
    "sightline.train",
    "sightline.data",
    "sightline.recipes",
    "sightline.generate",
    "sightline.cli.ending",
    "sightline.train.sharded",
    "lightning_fabric",
    "torchmetrics.classification",
    "torch.utils.tensorboard",
]
"""Imported once: a process then starts at once, and is killed at work and not while it imports."""


def context() -> ForkServerContext:
    """Where processes start from."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(PRELOADED)
    return found


def begin(function: Callable[..., object], *arguments: object) -> BaseProcess:
    """Start a function in a process of its own."""
    process = context().Process(target=function, args=arguments)
    process.start()
    return process


def finish(function: Callable[..., object], *arguments: object) -> None:
    """Run a function in a process of its own to its end."""
    process = begin(function, *arguments)
    process.join()
    assert process.exitcode == 0


def command(words: list[str]) -> None:
    """What the command line does."""
    from sightline.cli.main import main

    raise SystemExit(main(words))


def telling_command(words: list[str], told: str) -> None:
    """What the command line does, its standard error in a file."""
    file = os.open(told, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(file, 2)
    command(words)


def measuring_is_interrupted(words: list[str], number: int) -> None:
    """The same, with a signal that comes while the run is measured."""
    from sightline.train.run import Run

    Run.evaluate = lambda *_: os.kill(os.getpid(), number)  # type: ignore[method-assign,assignment]
    command(words)


def with_a_disk_that_fills(words: list[str], told: str, step: int) -> None:
    """The same, where from a step on no file may be longer than 300 kB."""
    import resource
    import signal

    from sightline.train.engine import Engine

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    save = Engine._save

    def limited(self: Engine) -> None:
        if self.position.step > step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        save(self)

    Engine._save = limited  # type: ignore[method-assign]
    telling_command(words, told)


def fork_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings in several processes start them from one that has the libraries loaded: each is spared seconds.

    What the command does, it is tried with in ``test_interrupted_processes.py``.
    """
    context()

    def start(*arguments: Any, start_method: str, **options: Any) -> Any:
        assert start_method == "spawn"
        options["start_method"] = "forkserver"
        return start_processes(*arguments, **options)

    monkeypatch.setattr("sightline.train.processes.start_processes", start)


def reached(folder: Path) -> int:
    """Step of the newest checkpoint; -1 before the first."""
    return max((int(p.name.removeprefix("step-")) for p in folder.glob("checkpoints/step-*")), default=-1)


def wait_until_reached(process: BaseProcess, folder: Path, step: int) -> None:
    """Wait for a checkpoint of a step, or a later one, or the process's end."""
    while process.is_alive() and reached(folder) < step:
        time.sleep(0.001)


def ending(folder: Path) -> dict[str, Any]:
    """Everything that must not depend on interruptions: last and best weights, optimisers, the record, the figures,
    and the pictures made."""
    run = RunFolder.open(folder)
    assert run.status()["state"] == "completed"
    last = find_checkpoint(run)
    best = find_checkpoint(run, "best") if (run.checkpoints / "best").exists() else last
    timeless = [{k: v for k, v in row.items() if "second" not in k} for row in run.metrics()]
    return {
        "last": (last.name, (last / "model.safetensors").read_bytes(), (last / "state.safetensors").read_bytes()),
        "best": (best.name, (best / "model.safetensors").read_bytes()),
        "metrics": timeless,
        "test": run.text("readings/evaluation-test.json"),
        "pictures": {p.name: p.read_bytes() for p in (run.path / "samples").glob("step-*.png")},
    }
