"""Networks that make images, trained by the command, killed at an arbitrary moment, and resumed: the same end."""

import random
import signal
import time
from pathlib import Path

import pytest

from kills import begin, command, ending, finish, wait_until_reached
from small_models import SMALL_IMAGES

STEPS = 24
PLAN = {"steps": STEPS, "batch-size": 16, "evaluate-steps": 8, "checkpoint-steps": 2, "log-steps": 4, "average": 0.9}
NETWORKS = ["gan", *(name for name in SMALL_IMAGES if name not in ("gan", "gated-pixelcnn"))]


def words(name: str, runs: Path) -> list[str]:
    """What to type to train a small one on digits."""
    model = {
        key: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for key, value in SMALL_IMAGES[name].items()
    }
    options = [word for key, value in model.items() for word in (f"--model.{key.replace('_', '-')}", value)]
    options += [word for key, value in PLAN.items() for word in (f"--plan.{key}", str(value))]
    return ["train", name, "--data", "digits", *options, "--runs", str(runs), "--name", "run", "--quiet"]


@pytest.mark.parametrize(
    "name", [name if name == "gan" else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
def test_a_killed_run_ends_as_one_never_touched(name: str, tmp_path: Path) -> None:
    """The GAN's in every run of the tests: two networks, two optimisers and an average must all come back."""
    finish(command, words(name, tmp_path / "undisturbed"))
    expected = ending(tmp_path / "undisturbed" / "run")
    assert len(expected["pictures"]) == 3
    chance = random.Random(name)
    folder = tmp_path / "killed" / "run"
    process = begin(command, words(name, tmp_path / "killed"))
    wait_until_reached(process, folder, chance.randrange(2, STEPS - 8))
    time.sleep(chance.uniform(0, 0.02))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "the kill came too late to mean anything"
    finish(command, ["resume", str(folder), "--quiet"])
    found = ending(folder)
    for part, value in expected.items():
        assert found[part] == value, part
