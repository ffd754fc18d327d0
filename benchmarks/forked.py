"""Runs Python functions in forked children: torch is imported once, each run starts from the same clean state.

A child gets its own folder, its output goes to a file there, its processor time is limited, and what its function
returns comes back pickled.
"""

import contextlib
import io
import os
import pickle
import resource
import runpy
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What came of one child: its function's value, or the error it ended with."""

    value: Any
    error: str
    seconds: float  # of processor time


def warm_up() -> None:
    """Imports what the programs import, so that no child pays for it; no gradient is computed, which starts threads."""
    import scipy.linalg
    import sklearn.datasets
    import sklearn.model_selection
    import sklearn.preprocessing
    import torch
    import torch._dynamo
    from PIL import Image
    from pyarrow import parquet

    assert all((scipy.linalg, sklearn.datasets, sklearn.model_selection, sklearn.preprocessing, Image, parquet))
    torch.set_num_threads(1)
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.Adam([parameter]).step()


def run_script(path: Path, arguments: list[str]) -> str:
    """The script's output, run as `python path arguments` would."""
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(path.parent))
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        runpy.run_path(str(path), run_name="__main__")
    return written.getvalue()


def _child(function: Callable[[], Any], answer: Path, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    started = time.process_time()
    value, error = None, ""
    warnings.simplefilter("ignore")
    try:
        value = function()
    except BaseException as raised:  # noqa: BLE001 - a faulty program may end in any way; its words are kept
        error = "".join(traceback.format_exception_only(raised)).strip()
    outcome = Outcome(value, error, time.process_time() - started)
    answer.with_suffix(".part").write_bytes(pickle.dumps(outcome))
    answer.with_suffix(".part").rename(answer)
    os._exit(0)


def _read(answer: Path, status: int) -> Outcome:
    if answer.exists():
        outcome = pickle.loads(answer.read_bytes())  # noqa: S301 - written by our own child
        assert isinstance(outcome, Outcome)
        return outcome
    return Outcome(None, f"ended by signal {os.WTERMSIG(status)}: out of time or memory", float("nan"))


def run_all(
    jobs: Mapping[str, Callable[[], Any]], *, workers: int = 2, cpu_seconds: int = 60, wall_seconds: float = 900.0
) -> Iterator[tuple[str, Outcome]]:
    """The outcome of each job, in the order they end.

    Args:
        jobs: name → function without arguments; its value must pickle.
        workers: children at a time.
        cpu_seconds: processor time after which a child is ended.
        wall_seconds: time after which a child is ended though it waits.
    """
    waiting = list(jobs.items())
    running: dict[int, tuple[str, Path, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            while waiting and len(running) < workers:
                name, function = waiting.pop(0)
                answer = Path(folder) / f"{len(waiting)}.pickle"
                process = os.fork()
                if process == 0:
                    _child(function, answer, cpu_seconds)
                running[process] = (name, answer, time.monotonic())
            for process, (_, _, started) in running.items():
                if time.monotonic() - started > wall_seconds:
                    os.kill(process, signal.SIGKILL)
            for process in list(running):
                ended, status = os.waitpid(process, os.WNOHANG)
                if ended:
                    name, answer, _ = running.pop(process)
                    yield name, _read(answer, status)
            time.sleep(0.02)
