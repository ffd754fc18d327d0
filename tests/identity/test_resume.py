"""What a run computes depends on its specification alone: not on looks, not on stops."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sightline.core.checkpoint import find_checkpoint, list_checkpoints, load_weights
from sightline.core.config import Choice
from sightline.core.errors import CheckpointError, NonFiniteLossError
from sightline.core.run_folder import RunFolder
from sightline.data import DataSpec
from sightline.train import Interrupted, Plan, RunSpec, resume, train
from sightline.train.engine import Engine


def specification(**plan: object) -> RunSpec:
    return RunSpec(
        name="x",
        data=DataSpec(source="iris"),
        model=Choice("mlp", {"width": 16, "depth": 2, "dropout": 0.3}),
        optim=Choice("sgd", {"lr": 0.05, "momentum": 0.9}),
        schedule=Choice("cosine"),
        plan=Plan(**{"epochs": 4, "batch_size": 16, "log_steps": 3, **plan}),  # type: ignore[arg-type]
    )


def last_weights(folder: RunFolder) -> Mapping[str, Tensor]:
    return load_weights(find_checkpoint(folder))


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_looking_more_seldom_leaves_the_training_bit_identical(tmp_path: Path) -> None:
    often = train(specification(), runs=tmp_path / "a", quiet=True)
    seldom = train(specification(evaluate_every=3), runs=tmp_path / "b", quiet=True)
    assert len([r for r in often.folder.metrics() if r["kind"] == "validation"]) == 4
    assert len([r for r in seldom.folder.metrics() if r["kind"] == "validation"]) == 2
    assert same(last_weights(often.folder), last_weights(seldom.folder))


def test_saving_more_often_leaves_the_training_bit_identical(tmp_path: Path) -> None:
    one = train(specification(), runs=tmp_path / "a", quiet=True)
    two = train(specification(checkpoint_steps=1), runs=tmp_path / "b", quiet=True)
    assert same(last_weights(one.folder), last_weights(two.folder))


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    one = train(specification(), runs=tmp_path / "a", quiet=True)
    two = train(specification().replace(seed=1), runs=tmp_path / "b", quiet=True)
    assert not same(last_weights(one.folder), last_weights(two.folder))


def interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the engine believe that a SIGTERM came at a step."""
    original = Engine._save_or_stop

    def patched(self: Engine) -> None:
        if self.position.step == step:
            self.listener.number = 15
        original(self)

    monkeypatch.setattr(Engine, "_save_or_stop", patched)


@pytest.mark.parametrize("step", [1, 9, 11])
def test_interrupted_in_the_middle_of_an_epoch_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    whole = train(specification(), runs=tmp_path / "a", name="run", quiet=True)
    with monkeypatch.context() as patch:
        interrupt_at(patch, step)
        with pytest.raises(Interrupted) as caught:
            train(specification(), runs=tmp_path / "b", name="run", quiet=True)
    assert caught.value.exit_code == 143
    folder = RunFolder.open(tmp_path / "b" / "run")
    assert folder.status()["state"] == "interrupted"
    resumed = resume(folder.path, quiet=True)
    assert same(last_weights(whole.folder), last_weights(resumed.folder))
    timeless = [
        [{k: v for k, v in r.items() if "second" not in k} for r in f.metrics()] for f in (whole.folder, folder)
    ]
    assert timeless[0] == timeless[1]


def test_resuming_from_an_earlier_checkpoint_ends_the_same(tmp_path: Path) -> None:
    run = train(specification(keep=9), runs=tmp_path, name="run", quiet=True)
    expected = dict(last_weights(run.folder))
    checkpoints = list_checkpoints(run.folder)
    (checkpoints[-1] / "state.json").write_text("altered")
    run.folder.set_status("interrupted")
    with pytest.raises(CheckpointError, match=f"--from {checkpoints[-2].name}"):
        resume(run.folder.path, quiet=True)
    resumed = resume(run.folder.path, checkpoint=checkpoints[1].name, quiet=True)
    assert same(last_weights(resumed.folder), expected)


def test_changed_data_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [f"{i},{i % 7},{'ab'[i % 2]}" for i in range(80)]
    table.write_text("\n".join(["x,y,label", *rows]))
    spec = specification().replace(data=DataSpec(source=str(table), target="label"))
    run = train(spec, runs=tmp_path, name="run", quiet=True)
    run.folder.set_status("interrupted")
    table.write_text("\n".join(["x,y,label", *reversed(rows[1:]), "999,3,a"]))
    with pytest.raises(CheckpointError, match="other content"):
        resume(run.folder.path, quiet=True)


def test_a_loss_gone_to_nan_stops_with_step_and_layer_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    spec = specification(checkpoint_steps=1).replace(optim=Choice("sgd", {"lr": 1e18}))
    with pytest.raises(NonFiniteLossError, match=r"at step \d+ .*first in (layer|parameter)") as caught:
        train(spec, runs=tmp_path, name="run", quiet=True)
    assert caught.value.exit_code == 1
    folder = RunFolder.open(tmp_path / "run")
    assert folder.status()["state"] == "failed"
    assert all(torch.isfinite(w).all() for w in last_weights(folder).values())


def test_patience_stops_early(tmp_path: Path) -> None:
    spec = specification(epochs=100, patience=2).replace(optim=Choice("sgd", {"lr": 1e-9}))
    run = train(spec, runs=tmp_path, quiet=True)
    assert run.folder.status()["epoch"] == 3


def test_reduced_precision_resumes_as_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(specification(precision="bf16"), runs=tmp_path / "a", name="run", quiet=True)
    single = train(specification(), runs=tmp_path / "c", name="run", quiet=True)
    assert not same(last_weights(whole.folder), last_weights(single.folder))
    with monkeypatch.context() as patch:
        interrupt_at(patch, 9)
        with pytest.raises(Interrupted):
            train(specification(precision="bf16"), runs=tmp_path / "b", name="run", quiet=True)
    assert same(last_weights(whole.folder), last_weights(resume(tmp_path / "b" / "run", quiet=True).folder))
