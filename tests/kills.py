"""Runs in processes of their own that can be killed at any moment, and what must be the same in the end."""

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from sightline.core.checkpoint import find_checkpoint
from sightline.core.run_folder import RunFolder

PRELOADED = ["sightline.train", "sightline.data", "sightline.recipes", "sightline.generate", "torch.utils.tensorboard"]
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
