"""Signals and failures while several processes train, and while a run is measured."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sightline.core.checkpoint import list_checkpoints
from sightline.core.run_folder import RunFolder
from sightline.train import Interrupted

MAIN = "from sightline.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"


def command(runs: Path, *words: str, code: str = MAIN) -> subprocess.Popen[str]:
    """The command in a process group of its own, as a terminal has it."""
    return subprocess.Popen(
        [sys.executable, "-c", code, "train", "mlp", "--data", "iris", "--runs", str(runs), "--name", "run", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def test_an_interruption_survives_the_way_between_processes() -> None:
    stop = pickle.loads(pickle.dumps(Interrupted(15, 7)))  # noqa: S301 (made on the line itself)
    assert (stop.number, stop.step, stop.exit_code) == (15, 7, 143)


@pytest.mark.parametrize(("number", "whole_group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_two_processes_save_and_stop(tmp_path: Path, number: signal.Signals, whole_group: bool) -> None:
    """Ctrl-C in a terminal reaches every process of the group; a plain kill the first one alone."""
    process = command(tmp_path, "--devices", "2", "--strategy", "ddp", "--epochs", "100000", "--plan.patience", "none")
    wait_for(tmp_path / "run" / "checkpoints" / "last", process)
    time.sleep(1)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert "sightline resume" in err
    folder = RunFolder.open(tmp_path / "run")
    assert folder.status()["state"] == "interrupted"
    assert number.name in folder.status()["why"]
    assert list_checkpoints(folder)[-1].name == f"step-{folder.status()['step']:09d}"


def test_a_failure_in_one_of_two_processes_is_told_in_three_parts(tmp_path: Path) -> None:
    """The first process can't save: the second one waits for it in vain."""
    words = ("--devices", "2", "--strategy", "ddp", "--epochs", "100000", "--plan.patience", "none")
    process = command(tmp_path, *words)
    wait_for(tmp_path / "run" / "checkpoints" / "last", process)
    (tmp_path / "run" / "checkpoints").rename(tmp_path / "run" / "elsewhere")
    (tmp_path / "run" / "checkpoints").write_text("")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert "expected:   to write" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_measuring(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import os, signal\n"
        "from sightline.train.run import Run\n"
        f"Run.evaluate = lambda *_: os.kill(os.getpid(), {int(number)})\n" + MAIN
    )
    process = command(tmp_path, "--epochs", "3", code=code)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 128 + number, err
    assert RunFolder.open(tmp_path / "run").status()["state"] == "interrupted"
    again = subprocess.run(
        [sys.executable, "-m", "sightline.cli.main", "resume", str(tmp_path / "run")], capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    assert "accuracy" in again.stdout
