"""What a run computes depends on its specification alone: not on looks, not on stops."""

import sys
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sightline.core.checkpoint import find_checkpoint, list_checkpoints, load_weights
from sightline.core.config import Choice
from sightline.core.errors import CheckpointError, ConfigurationError, DataError, NonFiniteLossError
from sightline.core.run_folder import RunFolder
from sightline.data import DataSpec, load
from sightline.models import mlp
from sightline.train import Interrupted, Plan, RunSpec, fit, open_run, resume, train
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
    with pytest.raises(DataError, match="other content"):
        open_run(run.folder.path).evaluate()
    with pytest.raises(DataError, match="other content"):
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


def test_a_model_made_in_python_is_gone_on_with_from_before_its_first_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first weights come from no seed of the run: they are kept until there is a checkpoint."""
    data = load("iris")
    model = mlp(data.schema, width=8)
    plan = Plan(epochs=2, batch_size=16)
    whole = fit(deepcopy(model), data, plan, runs=tmp_path / "a", name="run", quiet=True)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["sightline.train.carry_out"], "run_processes", stopped)
        with pytest.raises(KeyboardInterrupt):
            fit(deepcopy(model), data, plan, runs=tmp_path / "b", name="run", quiet=True)
    resumed = resume(tmp_path / "b" / "run", quiet=True)
    assert same(last_weights(whole.folder), last_weights(resumed.folder))


def test_a_builder_with_a_seed_gives_the_weights_of_the_command_line(tmp_path: Path) -> None:
    spec = specification(keep=9)
    assert spec.model is not None
    by_command = train(spec.replace(seed=5), runs=tmp_path, name="run", quiet=True)
    data = load("iris")
    torch.rand(3)
    model = mlp(data.schema, seed=5, **spec.model.options)
    assert same(load_weights(by_command.folder.checkpoints / "step-000000000"), model.state_dict())


def test_a_mask_of_minus_infinity_does_not_stop_a_run(tmp_path: Path) -> None:
    class Masked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 3)
            self.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))

        def forward(self, x: Tensor) -> Tensor:
            outputs: Tensor = self.linear(x)
            return outputs

    run = fit(Masked(), load("iris"), Plan(epochs=1), runs=tmp_path, quiet=True)
    assert run.folder.status()["state"] == "completed"


@pytest.mark.parametrize(
    ("model", "found"),
    [(torch.nn.Identity(), "without any"), (torch.nn.LSTM(4, 3), "a tuple"), (torch.nn.Linear(4, 2), "shape")],
)
def test_a_model_that_does_not_fit_is_refused(tmp_path: Path, model: torch.nn.Module, found: str) -> None:
    with pytest.raises(ConfigurationError, match=found):
        fit(model, load("iris"), runs=tmp_path, quiet=True)


def test_evaluating_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("\n".join(["x,label", *(f"{i},{'ab'[i % 2]}" for i in range(60))]))
    spec = specification().replace(data=DataSpec(source="t.csv", target="label"))
    run = train(spec, runs=tmp_path / "runs", name="run", quiet=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert open_run(run.folder.path).evaluate("validation").count > 0
