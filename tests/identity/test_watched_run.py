"""Every run is diagnosed; what is trained is bit for bit what it would be without."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import sightline
from sightline.core.checkpoint import find_checkpoint, load_state, load_weights
from sightline.core.errors import NonFiniteLossError
from sightline.core.run_folder import RunFolder
from sightline.train import Plan
from sightline.train.run import Run
from sightline.train.watched_run import watched_run

FILES = ("findings.json", "readings/watch.json")


def trained(parent: Path, name: str, **changes: Any) -> Run:
    data = sightline.load("iris")
    model = sightline.models.mlp(data.schema, width=8, depth=2, dropout=0.2, seed=0)
    plan = Plan(**{"epochs": 3, "batch_size": 16, **changes})
    return sightline.fit(model, data, plan, seed=0, name=name, runs=parent, quiet=True)


@contextmanager
def unwatched_run(*_: object, **__: object) -> Iterator[None]:
    yield


@pytest.mark.usefixtures("as_a_user_calls")  # the tests' checks of types draw from Python's random stream themselves
def test_a_run_is_the_same_with_and_without_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = trained(tmp_path, "watched")
    monkeypatch.setattr(sys.modules["sightline.train.carry_out"], "watched_run", unwatched_run)
    plain = trained(tmp_path, "plain")
    assert all(watched.folder.has(name) and not plain.folder.has(name) for name in FILES)
    first, second = (load_weights(find_checkpoint(run.folder)) for run in (watched, plain))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    ends = [load_state(find_checkpoint(run.folder)) for run in (watched, plain)]
    assert str(ends[0]["seeds"]) == str(ends[1]["seeds"])
    rows = [
        [{key: value for key, value in row.items() if "second" not in key} for row in run.folder.metrics()]
        for run in (watched, plain)
    ]
    assert rows[0] == rows[1]
    steps = max(row["step"] for row in rows[0])
    found = watched.folder.read("findings.json")
    assert found["trained"] is True
    assert f"{steps:,} updates" in found["seen"]
    assert "resumed" not in found["seen"]
    drawn = watched.folder.read("readings/watch.json")
    assert drawn["facts"]["updates"] == steps
    assert len(drawn["layers"]["names"]) == 3


def test_a_resumed_run_tells_what_part_was_watched(tmp_path: Path) -> None:
    run = trained(tmp_path, "again", keep=9)
    half = sorted(path.name for path in run.folder.checkpoints.glob("step-*"))[-2]
    step = int(half.removeprefix("step-"))
    sightline.resume(run.folder.path, checkpoint=half, quiet=True)
    found = run.folder.read("findings.json")
    assert f"The run was resumed at update {step:,}" in found["seen"]
    before = run.folder.text("findings.json")
    sightline.resume(run.folder.path, quiet=True)  # nothing is left to do
    assert run.folder.text("findings.json") == before
    assert f"resumed at update {step:,}" in sightline.report.render(run.folder)


@pytest.mark.parametrize(
    "error", [NonFiniteLossError(expected="a", found="NaN at step 3", do="b"), KeyboardInterrupt(), ValueError("oh")]
)
def test_what_was_found_is_left_however_training_ends(tmp_path: Path, error: BaseException) -> None:
    folder = RunFolder.create(tmp_path, "run")
    net = nn.Linear(2, 1)
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(type(error)), watched_run(folder, net, since=0):  # noqa: PT012
        for _ in range(3):
            sgd.zero_grad()
            net(torch.ones(4, 2)).square().mean().backward()
            sgd.step()
        raise error
    found = folder.read("findings.json")
    assert "3 updates" in found["seen"]
    assert ("The program ended with" in found["seen"]) == (not isinstance(error, KeyboardInterrupt))
    assert ("NaN at step 3" in found["seen"]) == isinstance(error, NonFiniteLossError)
    assert folder.read("readings/watch.json")["facts"]["updates"] == 3


def test_a_process_that_does_not_watch_leaves_nothing(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "run")
    with watched_run(folder, nn.Linear(1, 1), since=0, active=False):
        pass
    assert not any(folder.has(name) for name in FILES)
