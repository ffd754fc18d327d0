"""Heads inside a network: the loss is ℓ + Σ wᵢ ℓᵢ, and so is its gradient."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

import sightline
from sightline.core.errors import NonFiniteLossError
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.models.auxiliary import AuxiliaryOutputs
from sightline.models.googlenet import GoogLeNet
from sightline.objectives import CrossEntropy, Squared
from sightline.optim import SGD, Constant
from sightline.train import Plan, Supervised

SCHEMA = Schema("image", "classification", (2, 8, 8), classes=("a", "b", "c"))
PRICED = Schema("image", "regression", (2, 8, 8), target="price", target_mean=3.0, target_std=2.0)


def network(auxiliary_weight: float = 0.3, num_outputs: int = 3) -> GoogLeNet:
    """In float64, without the chance of dropout."""
    torch.manual_seed(0)
    model = GoogLeNet(
        in_channels=2,
        num_outputs=num_outputs,
        stem="small",
        width_factor=0.125,
        batch_norm=False,
        auxiliary_weight=auxiliary_weight,
    ).double()
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return model.train()


def batch_of(schema: Schema = SCHEMA) -> Batch:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(6, *schema.input_shape, generator=generator, dtype=torch.float64)
    target = torch.arange(6) % 3 if schema.classes else 3 + torch.randn(6, generator=generator, dtype=torch.float64)
    return Batch(inputs, target, torch.arange(6), 6)


@pytest.mark.parametrize("schema", [SCHEMA, PRICED], ids=["classes", "number"])
@pytest.mark.parametrize("weight", [0.3, 0.05])
def test_the_total_is_the_last_loss_and_the_weighted_inner_ones(schema: Schema, weight: float) -> None:
    objective = CrossEntropy(schema) if schema.classes else Squared(schema)
    model, batch = network(weight, schema.num_outputs), batch_of(schema)
    loss = objective(model, batch)
    outputs, (first, second), weights = model(batch.inputs)
    assert weights == (weight, weight)
    last, *inner = (objective.losses(given, batch.target).mean() for given in (outputs, first, second))
    torch.testing.assert_close(loss.total, last + weight * (inner[0] + inner[1]), rtol=1e-14, atol=0)
    torch.testing.assert_close(loss.parts["auxiliary"], weight * (inner[0] + inner[1]), rtol=1e-14, atol=0)
    torch.testing.assert_close(sum(loss.parts.values()), loss.total, rtol=1e-14, atol=0)
    assert torch.equal(loss.prediction, outputs)
    assert not torch.equal(first, second)


def test_each_head_inside_has_its_own_weight() -> None:
    class Three(nn.Module):
        def forward(self, x: Tensor) -> AuxiliaryOutputs:
            flat = x.flatten(1)
            return AuxiliaryOutputs(flat[:, :3], (flat[:, 3:6], flat[:, 6:9]), (0.2, 0.7))

    objective, batch = CrossEntropy(SCHEMA), batch_of()
    flat = batch.inputs.flatten(1)
    last, first, second = (objective.losses(flat[:, k : k + 3], batch.target).mean() for k in (0, 3, 6))
    torch.testing.assert_close(objective(Three(), batch).total, last + 0.2 * first + 0.7 * second, rtol=1e-14, atol=0)


def test_gradients_of_all_losses_add_up_and_reach_every_parameter() -> None:
    objective, model, batch = CrossEntropy(SCHEMA), network(), batch_of()
    parameters = dict(model.named_parameters())
    found = torch.autograd.grad(objective(model, batch).total, list(parameters.values()))
    outputs, inside, weights = model(batch.inputs)
    pieces = []
    for given, weight in zip((outputs, *inside), (1.0, *weights), strict=True):
        loss = weight * objective.losses(given, batch.target).mean()
        pieces.append(
            torch.autograd.grad(
                loss, list(parameters.values()), retain_graph=True, allow_unused=True, materialize_grads=True
            )
        )
    for key, gradient, *parts in zip(parameters, found, *pieces, strict=True):
        assert gradient.abs().sum() > 0, key
        torch.testing.assert_close(gradient, parts[0] + parts[1] + parts[2], rtol=1e-10, atol=1e-14)
        # head i learns from its own loss alone, a block from those of all heads behind it
        sources = [bool(part.any()) for part in parts]
        assert sources == expected_sources(key), key


def expected_sources(key: str) -> list[bool]:
    """Whether the last, the first inner and the second inner loss depend on a parameter."""
    if key.startswith("auxiliary.inception4a"):
        return [False, True, False]
    if key.startswith("auxiliary.inception4d"):
        return [False, False, True]
    before_4a = key.startswith(("stages.stem", "stages.inception3", "stages.inception4a"))
    before_4d = before_4a or key.startswith(("stages.inception4b", "stages.inception4c", "stages.inception4d"))
    return [True, before_4a, before_4d]


def test_in_evaluation_the_last_head_is_alone() -> None:
    objective, model, batch = CrossEntropy(SCHEMA), network().eval(), batch_of()
    outputs = model(batch.inputs)
    assert isinstance(outputs, Tensor)
    loss = objective(model, batch)
    assert list(loss.parts) == ["cross-entropy"]
    assert torch.equal(loss.total, objective.losses(outputs, batch.target).mean())
    assert torch.equal(outputs, model.train()(batch.inputs).outputs)


def test_a_weight_of_0_builds_no_heads_inside() -> None:
    model, batch = network(auxiliary_weight=0.0), batch_of()
    assert isinstance(model(batch.inputs), Tensor)
    assert not any("auxiliary" in key for key in model.state_dict())
    assert list(CrossEntropy(SCHEMA)(model, batch).parts) == ["cross-entropy"]


class Heads(nn.Module):
    """Two linear heads; the one inside is left out in evaluation."""

    def __init__(self, num_inputs: int = 128, num_outputs: int = 3) -> None:
        super().__init__()
        self.last, self.inner = nn.Linear(num_inputs, num_outputs), nn.Linear(num_inputs, num_outputs)

    def forward(self, x: Tensor) -> Tensor | AuxiliaryOutputs:
        flat = x.flatten(1)
        return AuxiliaryOutputs(self.last(flat), (self.inner(flat),), (0.5,)) if self.training else self.last(flat)


def algorithm_of(model: nn.Module) -> Supervised:
    made = Supervised(model, CrossEntropy(SCHEMA), SGD(lr=0.1), Constant())
    made.setup(Fabric(accelerator="cpu", devices=1), 10)
    return made


def test_the_logged_loss_is_the_last_heads_as_in_evaluation() -> None:
    torch.manual_seed(0)
    model, batch = Heads().double(), batch_of()
    algorithm = algorithm_of(model)
    expected, alone = CrossEntropy(SCHEMA)(model, batch), algorithm.evaluate([batch])["loss"]
    logs = algorithm.step(batch, detail=True)
    assert float(logs["loss"]) == pytest.approx(alone, rel=1e-6)
    assert float(logs["total_loss"]) == pytest.approx(expected.total.item(), rel=1e-12)
    assert logs["total_loss"] > logs["loss"] + 0.1
    assert "total_loss" not in algorithm.step(batch, detail=False)
    assert "total_loss" not in algorithm_of(nn.Sequential(nn.Flatten(), nn.Linear(128, 3)).double()).step(
        batch, detail=True
    )


def test_the_total_is_averaged_over_processes_by_their_shares() -> None:
    model, batch = Heads().double(), batch_of()
    algorithm, expected, asked = algorithm_of(model), CrossEntropy(SCHEMA)(model, batch).total.item(), []

    def all_reduce(value: Tensor, *, reduce_op: str) -> Tensor:
        asked.append(reduce_op)
        return value

    algorithm.fabric = SimpleNamespace(world_size=2, all_reduce=all_reduce)  # type: ignore[assignment]
    logs = algorithm.step(replace(batch, global_size=20), detail=True)
    assert float(logs["total_loss"]) == pytest.approx(expected * 6 * 2 / 20, rel=1e-12)
    assert asked == ["mean"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("every_step", [True, False], ids=["checked at once", "checked later"])
def test_an_inner_loss_that_is_not_finite_is_told(value: float, every_step: bool) -> None:
    model = Heads().double()
    with torch.no_grad():
        model.inner.weight[0] = value
    algorithm = algorithm_of(model)
    algorithm.checks_every_step = every_step
    assert not math.isfinite(algorithm.step(batch_of(), detail=False)["loss"])


def test_a_run_compares_like_with_like(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = sightline.load("digits")
    plan = Plan(epochs=1, batch_size=512, log_steps=1)
    run = sightline.fit(Heads(64, 10), data, plan, optim=SGD(lr=1e-9), name="h", runs=tmp_path)
    training = [row for row in run.folder.metrics() if row["kind"] == "train"]
    (looked,) = (row for row in run.folder.metrics() if row["kind"] == "validation")
    # the weights stand still: both losses are of the same network, over other examples
    assert all(row["loss"] == pytest.approx(looked["loss"], rel=0.1) for row in training)
    assert all(row["total_loss"] > 1.3 * row["loss"] for row in training)
    told = capsys.readouterr()
    line = next(line for line in (told.out + told.err).splitlines() if "train loss" in line)
    assert float(line.split("train loss")[1].split()[0]) == pytest.approx(looked["loss"], rel=0.1)


def test_a_run_stops_at_an_inner_loss_that_is_not_finite(tmp_path: Path) -> None:
    class Broken(Heads):
        def forward(self, x: Tensor) -> Any:
            given = super().forward(x)
            return given if isinstance(given, Tensor) else given._replace(weights=(math.nan,))

    plan = Plan(epochs=1, batch_size=512)
    with pytest.raises(NonFiniteLossError, match="step 1 "):
        sightline.fit(Broken(64, 10), sightline.load("digits"), plan, name="b", runs=tmp_path, quiet=True)
