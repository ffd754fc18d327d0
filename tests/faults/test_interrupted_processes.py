"""Signals and failures while several processes train, and while a run is measured."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from kills import begin, command, finish, fork_processes, measuring_is_interrupted
from sightline.cli.main import main
from sightline.core.checkpoint import list_checkpoints
from sightline.core.run_folder import RunFolder
from sightline.train import Interrupted

TWO = ("--devices", "2", "--strategy", "ddp", "--epochs", "100000", "--plan.patience", "none")


def words(runs: Path, *more: str) -> list[str]:
    return ["train", "mlp", "--data", "iris", "--runs", str(runs), "--name", "run", *more]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """No process outlives the wait for its first checkpoint."""
    deadline = time.monotonic() + 200
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    if not path.exists():
        process.kill()
    assert path.exists()


def check_interrupted(folder: RunFolder, number: signal.Signals, told: str) -> None:
    assert "Traceback" not in told
    assert "sightline resume" in told
    assert folder.status()["state"] == "interrupted"
    assert number.name in folder.status()["why"]
    assert list_checkpoints(folder)[-1].name == f"step-{folder.status()['step']:09d}"


def test_an_interruption_survives_the_way_between_processes() -> None:
    stop = pickle.loads(pickle.dumps(Interrupted(15, 7)))  # noqa: S301 (made on the line itself)
    assert (stop.number, stop.step, stop.exit_code) == (15, 7, 143)


def test_two_processes_save_and_stop_at_ctrl_c(tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches every process of the group; all of them are started as for a user."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sightline", *words(tmp_path, *TWO)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(tmp_path / "run" / "checkpoints" / "last", process)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130, told
    check_interrupted(RunFolder.open(tmp_path / "run"), signal.SIGINT, told)


def once_saved(checkpoints: Path, act: Callable[[], object]) -> None:
    """Something that happens beside a training of this process, as soon as it has saved."""

    def wait() -> None:
        while not (checkpoints / "last").exists():
            time.sleep(0.02)
        act()

    Thread(target=wait, daemon=True).start()


def test_two_processes_save_and_stop_at_a_plain_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It reaches the first process alone."""
    fork_processes(monkeypatch)
    once_saved(tmp_path / "run" / "checkpoints", lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert main(words(tmp_path, *TWO)) == 143
    check_interrupted(RunFolder.open(tmp_path / "run"), signal.SIGTERM, capsys.readouterr().err)


def test_a_failure_in_one_of_two_processes_is_told_in_three_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first process can't save: the second one waits for it in vain."""
    checkpoints = tmp_path / "run" / "checkpoints"

    def break_it() -> None:
        checkpoints.rename(tmp_path / "run" / "elsewhere")
        checkpoints.write_text("")

    fork_processes(monkeypatch)
    once_saved(checkpoints, break_it)
    assert main(words(tmp_path, *TWO)) == 2
    told = capsys.readouterr().err
    assert "expected:   to write" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_measuring(tmp_path: Path, number: signal.Signals) -> None:
    process = begin(measuring_is_interrupted, words(tmp_path, "--epochs", "3"), int(number))
    process.join(timeout=90)
    assert process.exitcode == 128 + number
    folder = RunFolder.open(tmp_path / "run")
    assert folder.status()["state"] == "interrupted"
    finish(command, ["resume", str(tmp_path / "run"), "--quiet"])
    assert folder.status()["state"] == "completed"
    assert "accuracy" in folder.read("readings/evaluation-test.json")["metrics"]
