"""The running average of weights: beside its definition, and through a run that is killed."""

from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

import sightline
from sightline.core.checkpoint import find_checkpoint, load_state, load_weights
from sightline.train import Plan
from sightline.train.placement import place
from sightline.train.weight_average import Averaged


def test_the_average_is_its_definition() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).double()
    averaged = Averaged(place(model, Fabric(accelerator="cpu", devices=1), sharded=False), 0.9)
    expected = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    for update in range(30):
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn_like(weight))
        model(torch.randn(4, 2, dtype=torch.float64))
        averaged.update()
        decay = min(0.9, (1 + update) / (10 + update))
        for name, tensor in model.state_dict().items():
            now = tensor.detach().clone()
            expected[name] = decay * expected[name] + (1 - decay) * now if now.is_floating_point() else now
    for name, tensor in averaged.weights().items():
        torch.testing.assert_close(tensor, expected[name])
    assert averaged.weights()["1.num_batches_tracked"].item() == 30


def test_inside_the_block_the_model_has_the_average_and_afterwards_its_own_weights() -> None:
    model = nn.Linear(2, 2)
    averaged = Averaged(place(model, Fabric(accelerator="cpu", devices=1), sharded=False), 0.5)
    first = model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 1
    second = model.weight.detach().clone()
    with averaged.whole() as shown:
        assert torch.equal(shown.weight, first)  # type: ignore[arg-type]
    assert torch.equal(model.weight, second)


def test_an_interrupted_run_goes_on_with_weights_and_average(tmp_path: Path) -> None:
    data = sightline.load("digits")
    plan = Plan(steps=12, batch_size=64, average=0.8, evaluate_steps=4, checkpoint_steps=4, keep=9)
    whole = sightline.fit(sightline.models.mlp(data.schema, width=8, seed=0), data, plan, runs=tmp_path, quiet=True)
    last = find_checkpoint(whole.folder, "last")
    state, weights = load_state(last), load_weights(last)
    again = sightline.resume(whole.folder.path, checkpoint="step-000000004", quiet=True)
    last = find_checkpoint(again.folder, "last")
    after, kept = load_state(last), load_weights(last)
    assert all(torch.equal(weights[name], kept[name]) for name in weights)
    training = state["algorithm"]["training"]["weights"]
    assert all(torch.equal(training[name], after["algorithm"]["training"]["weights"][name]) for name in training)
    assert any(not torch.equal(training[name], weights[name]) for name in weights)
