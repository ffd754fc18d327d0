"""A model spread over two processes trains as in one, goes on as if never stopped, and is looked at as in one."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import nn
from torch.distributed.tensor import DTensor

import sightline
from kills import fork_processes
from sightline.core.checkpoint import find_checkpoint, load_state, load_weights
from sightline.core.config import Choice, build
from sightline.core.run_folder import RunFolder
from sightline.data import DataSpec
from sightline.optim import OPTIMIZERS, SGD, Adagrad, Adam, AdamW, RMSProp, clip_by_value
from sightline.train import Plan, Run, RunSpec, fit, resume, train
from sightline.train.placement import Alone
from sightline.train.sharded import Sharded

ONE = Plan(epochs=2, batch_size=65, checkpoint_steps=3, log_steps=1, keep=100)
TWO = ONE.replace(devices=2, strategy="fsdp")


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    fork_processes(monkeypatch)


def trained(runs: Path, plan: Plan, optim: Choice) -> Run:
    """The width, the outputs and the batches divide by no number of processes."""
    spec = RunSpec("x", DataSpec("breast_cancer"), Choice("mlp", {"width": 31}), optim=optim, plan=plan)
    return train(spec, runs=runs, name="run", quiet=True)


def normalised() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 31), nn.BatchNorm1d(31), nn.ReLU(), nn.Dropout(0.2), nn.Linear(31, 3))


def largest_difference(one: Run, two: Run) -> float:
    a, b = load_weights(find_checkpoint(one.folder)), load_weights(find_checkpoint(two.folder))
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


def test_spread_over_two_processes_follows_one(tmp_path: Path) -> None:
    optim = Choice("adamw", {"l1": 1e-4})
    one, two = (trained(tmp_path / str(plan.devices), plan.replace(clip_norm=0.3), optim) for plan in (ONE, TWO))
    assert one.folder.status()["step"] == two.folder.status()["step"] >= 10
    assert largest_difference(one, two) < 1e-5
    norms = [[r["grad_norm"] for r in run.folder.metrics() if "grad_norm" in r] for run in (one, two)]
    assert len(norms[0]) == one.folder.status()["step"]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


@pytest.fixture
def group_of_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fabric]:
    """This process as a group of processes, so that shares can be had without starting others."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(probe.getsockname()[1]))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    torch.distributed.init_process_group("gloo", rank=0, world_size=1)
    yield Fabric(accelerator="cpu", devices=1)
    torch.distributed.destroy_process_group()


def test_every_optimiser_takes_the_same_steps_on_shares(group_of_one: Fabric) -> None:
    x, y = torch.randn(16, 4), torch.randint(3, (16,))
    specifications = [SGD(lr=0.1), SGD(lr=0.1, momentum=0.9), Adagrad(), RMSProp(), Adam(), AdamW()]
    assert {type(s) for s in specifications} == {build(Choice(name), OPTIMIZERS).__class__ for name in OPTIMIZERS}
    for specification in specifications:
        places = Alone(normalised().eval(), group_of_one), Sharded(normalised().eval(), group_of_one)
        assert not isinstance(next(places[0].model.parameters()), DTensor)
        assert all(isinstance(p, DTensor) for p in places[1].model.parameters())
        for place in places:
            optimizer = specification.build(place.model)
            for _ in range(3):
                place.optimizer_state(optimizer)
                optimizer.zero_grad()
                place.backward(F.cross_entropy(place.model(x), y))
                clip_by_value(place.model.parameters(), 0.01)
                optimizer.step()
        whole, shares = (place.weights() for place in places)
        assert not torch.equal(whole["0.weight"], normalised().state_dict()["0.weight"])
        for name in whole:
            torch.testing.assert_close(whole[name], shares[name], rtol=0, atol=1e-6)


def test_it_goes_on_in_the_middle_of_an_epoch_to_the_same_bits(tmp_path: Path) -> None:
    data = sightline.load("iris")
    plan = TWO.replace(batch_size=11, precision="bf16")
    whole = fit(normalised(), data, plan, optim="adam", runs=tmp_path / "a", quiet=True)
    shutil.copytree(whole.folder.path, tmp_path / "b")
    RunFolder.open(tmp_path / "b").set_status("interrupted")
    resumed = resume(tmp_path / "b", model=normalised(), checkpoint="step-000000003", quiet=True)
    assert largest_difference(whole, resumed) == 0
    a, b = (load_state(find_checkpoint(run.folder))["algorithm"] for run in (whole, resumed))
    assert a["step_number"] == b["step_number"] > 10
    assert a["optimizer"]["state"].keys() == {name for name, _ in normalised().named_parameters()}
    for name, moments in a["optimizer"]["state"].items():
        assert all(torch.equal(moments[key], b["optimizer"]["state"][name][key]) for key in moments)
    assert whole.folder.metrics()[-1]["accuracy"] == resumed.folder.metrics()[-1]["accuracy"]


def test_running_statistics_are_those_of_whole_models_in_two_processes(tmp_path: Path) -> None:
    data = sightline.load("iris")
    ddp, fsdp = (
        fit(normalised(), data, TWO.replace(strategy=s, batch_size=12), optim="sgd", runs=tmp_path / s, quiet=True)
        for s in ("ddp", "fsdp")
    )
    assert largest_difference(ddp, fsdp) < 1e-5
    losses = [[r["loss"] for r in run.folder.metrics() if "accuracy" in r] for run in (ddp, fsdp)]
    assert len(losses[0]) == 2
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_process_with_fewer_batches_to_look_at_is_not_waited_for(tmp_path: Path) -> None:
    """1,025 examples to look at: two batches of 512 and 1 in the first process, one of 512 in the second."""
    file = tmp_path / "rows.csv"
    x = torch.linspace(-1, 1, 12_812).tolist()
    file.write_text("x,label\n" + "".join(f"{v},{'a' if v < 0.1 else 'b'}\n" for v in x))
    spec = RunSpec("x", DataSpec(str(file), target="label"), Choice("mlp", {"width": 8}), optim=Choice("adamw"))
    runs = [
        train(spec.replace(plan=plan), runs=tmp_path / str(plan.devices), name="run", quiet=True)
        for plan in (Plan(epochs=1, batch_size=512), Plan(epochs=1, batch_size=512, devices=2, strategy="fsdp"))
    ]
    assert len(runs[0].data.validation) == 1025
    looks = [[r for r in run.folder.metrics() if "accuracy" in r] for run in runs]
    assert len(looks[0]) == len(looks[1]) == 1
    assert looks[0][0]["loss"] == pytest.approx(looks[1][0]["loss"], rel=1e-4)
