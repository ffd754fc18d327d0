"""Plans by updates: so many and no more, looks at their multiples, and resumed to the last bit."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sightline.core.checkpoint import find_checkpoint, load_weights
from sightline.core.config import Choice
from sightline.core.run_folder import RunFolder
from sightline.data import DataSpec
from sightline.train import Interrupted, Plan, Run, RunSpec, resume, train
from sightline.train.engine import Engine

STEPS_AN_EPOCH = 7  # of the flowers for training, 16 at once


def specification(**plan: object) -> RunSpec:
    return RunSpec(
        name="x",
        data=DataSpec(source="iris"),
        model=Choice("mlp", {"width": 8, "depth": 1, "dropout": 0.2}),
        optim=Choice("sgd", {"lr": 0.05, "momentum": 0.9}),
        schedule=Choice("cosine"),
        plan=Plan(**{"steps": 16, "batch_size": 16, "log_steps": 3, **plan}),  # type: ignore[arg-type]
    )


def last_weights(folder: RunFolder) -> Mapping[str, Tensor]:
    return load_weights(find_checkpoint(folder))


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def looks(run: Run) -> list[int]:
    return [row["step"] for row in run.folder.metrics() if row["kind"] == "validation"]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ({}, [7, 14, 16]),
        ({"evaluate_steps": 5}, [5, 10, 15, 16]),
        ({"evaluate_steps": 7}, [7, 14, 16]),
        ({"evaluate_steps": 8}, [8, 16]),
        ({"steps": 14, "evaluate_every": 2}, [14]),
        ({"steps": 3, "evaluate_steps": 10}, [3]),
    ],
)
def test_a_run_stops_after_its_updates_and_looks_at_multiples(
    tmp_path: Path, plan: dict[str, object], expected: list[int]
) -> None:
    run = train(specification(**plan), runs=tmp_path, name="run", quiet=True)
    assert run.folder.status()["step"] == plan.get("steps", 16)
    assert find_checkpoint(run.folder).name == f"step-{plan.get('steps', 16):09d}"
    assert looks(run) == expected
    epochs = int(str(plan.get("steps", 16))) // STEPS_AN_EPOCH
    assert run.folder.status()["epoch"] == epochs


def test_by_updates_is_by_epochs_where_they_come_to_the_same(tmp_path: Path) -> None:
    by_steps = train(specification(steps=14), runs=tmp_path / "a", quiet=True)
    by_epochs = train(specification(steps=None, epochs=2), runs=tmp_path / "b", quiet=True)
    assert same(last_weights(by_steps.folder), last_weights(by_epochs.folder))


def test_looks_leave_the_training_bit_identical(tmp_path: Path) -> None:
    often = train(specification(steps=9, evaluate_steps=1), runs=tmp_path / "a", quiet=True)
    seldom = train(specification(steps=9), runs=tmp_path / "b", quiet=True)
    assert len(looks(often)) == 9
    assert same(last_weights(often.folder), last_weights(seldom.folder))


@pytest.mark.parametrize(("step", "plan"), [(4, {}), (10, {"accumulate": 3})])
def test_resumed_in_the_middle_it_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, plan: dict[str, object]
) -> None:
    spec = specification(evaluate_steps=5, **plan)
    whole = train(spec, runs=tmp_path / "a", name="run", quiet=True)
    original = Engine._save_or_stop

    def patched(self: Engine) -> None:
        if self.position.step == step:
            self.listener.number = 15
        original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "_save_or_stop", patched)
        with pytest.raises(Interrupted):
            train(spec, runs=tmp_path / "b", name="run", quiet=True)
    resumed = resume(tmp_path / "b" / "run", quiet=True)
    assert same(last_weights(whole.folder), last_weights(resumed.folder))
    timeless = [
        [{k: v for k, v in row.items() if "second" not in k} for row in run.folder.metrics()]
        for run in (whole, resumed)
    ]
    assert timeless[0] == timeless[1]


def test_patience_counts_looks_by_updates(tmp_path: Path) -> None:
    spec = specification(steps=500, evaluate_steps=3, patience=2, keep=9).replace(optim=Choice("sgd", {"lr": 1e-9}))
    run = train(spec, runs=tmp_path, quiet=True)
    assert looks(run) == [3, 6, 9]
    assert run.folder.status()["step"] == 9
    run.folder.set_status("interrupted")
    again = resume(run.folder.path, checkpoint="step-000000003", quiet=True)  # the look at 3 is remembered
    assert looks(again) == [3, 6, 9]


def test_accumulated_parts_train_as_the_whole_batch(tmp_path: Path) -> None:
    """Without dropout, whose chance falls differently on parts."""
    model = Choice("mlp", {"width": 8, "depth": 1})
    one, four = (
        train(specification(accumulate=parts).replace(model=model), runs=tmp_path / str(parts), quiet=True)
        for parts in (1, 4)
    )
    a, b = last_weights(one.folder), last_weights(four.folder)
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-6)
    assert not same(a, b)
