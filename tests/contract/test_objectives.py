"""Every registered objective: loss, gradient, prediction, metrics, and the data it refuses."""

import pytest
import torch
from torch import nn

from sightline.core.config import build, resolve
from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.objectives import OBJECTIVES, CrossEntropy, Exponential, Logistic, Objective, default_objective

TWO = Schema("table", "classification", (4,), classes=("no", "yes"))
FIVE = Schema("table", "classification", (4,), classes=tuple("abcde"))
NUMBER = Schema("table", "regression", (4,), target="price", target_mean=2000.0, target_std=25.0)
NOTHING = Schema("table", "none", (4,))

CLASSIFICATION = ["binary-cross-entropy", "cross-entropy", "exponential", "hinge", "logistic"]
REGRESSION = ["absolute", "squared"]
CASES = [(name, schema) for name in CLASSIFICATION for schema in (TWO, FIVE)]
CASES += [(name, NUMBER) for name in REGRESSION]
every_case = pytest.mark.parametrize(("name", "schema"), CASES, ids=[f"{n}-{s.num_outputs}" for n, s in CASES])


def batch_of(schema: Schema, size: int = 12) -> Batch:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(size, 4, generator=generator)
    target = (
        torch.arange(size) % len(schema.classes)
        if schema.task == "classification"
        else 2000 + 25 * torch.randn(size, generator=generator)
    )
    return Batch(inputs, target, torch.arange(size), size)


def make(name: str, schema: Schema) -> Objective:
    objective: Objective = build(resolve(name, OBJECTIVES, "objective"), OBJECTIVES, schema)
    return objective


def linear(schema: Schema) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, schema.num_outputs)


def test_the_cases_cover_the_registry() -> None:
    known = [name for name, kind in OBJECTIVES.items() if kind.task in ("classification", "regression")]  # type: ignore[attr-defined]
    assert len(known) == 7
    assert sorted(CLASSIFICATION + REGRESSION) == known  # those on text: test_text_objectives.py
    assert all(make(name, schema).name == name for name, schema in CASES)


@every_case
def test_the_total_is_the_mean_of_the_examples_losses(name: str, schema: Schema) -> None:
    objective, model, batch = make(name, schema), linear(schema), batch_of(schema)
    loss = objective(model, batch)
    losses = objective.losses(loss.prediction, batch.target)
    assert losses.shape == (12,)
    assert (losses >= 0).all()
    assert loss.total.shape == ()
    assert torch.equal(loss.total, losses.mean())
    assert torch.equal(sum(loss.parts.values(), torch.tensor(0.0)), loss.total)
    assert torch.equal(loss.target, batch.target)


@every_case
def test_following_the_gradient_lowers_the_loss(name: str, schema: Schema) -> None:
    objective, model, batch = make(name, schema), linear(schema), batch_of(schema)
    before = objective(model, batch).total
    before.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            assert parameter.grad is not None
            assert parameter.grad.abs().sum() > 0
            parameter.sub_(parameter.grad, alpha=0.01)
    assert objective(model, batch).total < before


@every_case
def test_training_learns_what_is_learnable(name: str, schema: Schema) -> None:
    objective, model, batch = make(name, schema), linear(schema), batch_of(schema, 200)
    score = batch.inputs @ torch.tensor([1.0, -2.0, 0.5, 0.0])
    if schema.task == "classification":
        edges = torch.linspace(-3, 3, len(schema.classes) + 1)[1:-1]
        target = torch.bucketize(score, edges)
        model = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, len(schema.classes)))  # type: ignore[assignment]
    else:
        target = 2000 + 25 * score
    batch = Batch(batch.inputs, target, batch.indices, 200)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(250):
        optimizer.zero_grad()
        objective(model, batch).total.backward()
        optimizer.step()
    metrics = objective.metrics()
    objective.update(metrics, model(batch.inputs).detach(), target)
    found = float(metrics.compute()[objective.monitor])
    assert found > 0.95 if objective.mode == "max" else found < 2.5


@every_case
def test_predictions_are_labels_with_probabilities_or_values(name: str, schema: Schema) -> None:
    objective = make(name, schema)
    generator = torch.Generator().manual_seed(3)
    outputs = 3 * torch.randn(50, schema.num_outputs, generator=generator, dtype=torch.float64)
    prediction = objective.predict(outputs)
    if schema.task == "regression":
        torch.testing.assert_close(prediction.value, outputs[:, 0] * 25 + 2000)
        assert prediction.probabilities is None
        return
    assert torch.equal(prediction.value, outputs.argmax(1))
    if name == "hinge":
        assert prediction.probabilities is None
        return
    assert prediction.probabilities is not None
    torch.testing.assert_close(prediction.probabilities.sum(1), torch.ones(50, dtype=torch.float64))
    assert torch.equal(prediction.probabilities.argmax(1), prediction.value)


@pytest.mark.parametrize("name", ["binary-cross-entropy", "cross-entropy", "exponential", "logistic"])
def test_the_best_constant_outputs_imply_the_class_frequencies(name: str) -> None:
    objective = make(name, TWO)
    target = (torch.arange(10) < 3).long()
    outputs = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([outputs], max_iter=100, tolerance_grad=1e-12, tolerance_change=0)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        total = objective.losses(outputs.expand(10, 2), target).mean()
        total.backward()
        return total

    optimizer.step(closure)
    probabilities = objective.predict(outputs.detach()).probabilities
    assert probabilities is not None
    assert probabilities[0, 1].item() == pytest.approx(0.3, abs=1e-6)


@every_case
def test_metrics_have_the_expected_names_and_start_afresh(name: str, schema: Schema) -> None:
    objective, batch = make(name, schema), batch_of(schema)
    metrics = objective.metrics()
    objective.update(metrics, linear(schema)(batch.inputs).detach(), batch.target)
    values = metrics.compute()
    expected = {"accuracy", "precision", "recall", "f1"} if schema.classes else {"mae", "rmse", "r2"}
    assert set(values) == expected
    assert all(value.shape == () for value in values.values())
    assert objective.monitor in expected
    assert objective.mode == ("max" if schema.classes else "min")
    metrics.reset()
    objective.update(metrics, linear(schema)(batch.inputs).detach(), batch.target)
    assert all(torch.equal(value, values[key]) for key, value in metrics.compute().items())


@every_case
def test_metrics_over_batches_are_those_over_everything(name: str, schema: Schema) -> None:
    objective, batch = make(name, schema), batch_of(schema)
    outputs = linear(schema)(batch.inputs).detach()
    whole, parts = objective.metrics(), objective.metrics()
    objective.update(whole, outputs, batch.target)
    for some in torch.arange(12).split(5):
        objective.update(parts, outputs[some], batch.target[some])
    found, expected = parts.compute(), whole.compute()
    assert len(expected) >= 3
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value)


@every_case
def test_low_precision_outputs_are_widened(name: str, schema: Schema) -> None:
    loss = make(name, schema)(
        linear(schema).bfloat16(), Batch(**{**vars(batch_of(schema)), "inputs": torch.ones(12, 4).bfloat16()})
    )
    assert loss.total.dtype == torch.float32
    assert loss.prediction.dtype == torch.float32


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classes_are_refused_by_numbers_and_numbers_by_classes(name: str) -> None:
    with pytest.raises(ConfigurationError, match="'squared'"):
        make(name, NUMBER)
    for other in REGRESSION:
        with pytest.raises(ConfigurationError, match="'cross-entropy'"):
            make(other, TWO)


@pytest.mark.parametrize("name", CLASSIFICATION + REGRESSION)
def test_data_without_a_target_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="without a target"):
        make(name, NOTHING)
    with pytest.raises(ConfigurationError, match="put each class into a folder"):
        make(name, Schema("image", "none", (1, 8, 8)))


def test_one_class_or_a_constant_target_is_refused() -> None:
    with pytest.raises(DataError, match="at least two classes"):
        make("hinge", Schema("table", "classification", (4,), classes=("only",)))
    with pytest.raises(DataError, match="varies"):
        make("squared", Schema("table", "regression", (4,), target_std=0.0))


@pytest.mark.parametrize("value", [1.0, -0.1, float("nan"), "much"])
def test_label_smoothing_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(ConfigurationError, match="label_smoothing"):
        resolve({"name": "cross-entropy", "label_smoothing": value}, OBJECTIVES, "objective")


def test_the_default_suits_the_task() -> None:
    assert default_objective(TWO).name == "cross-entropy"
    assert dict(default_objective(TWO).options) == {"label_smoothing": 0.0}
    assert default_objective(NUMBER).name == "squared"
    with pytest.raises(DataError, match="target"):
        default_objective(NOTHING)


def test_two_classes_see_the_difference_of_the_logits() -> None:
    outputs, target = torch.tensor([[0.3, 1.5], [2.0, -1.0]]), torch.tensor([1, 1])
    margins = torch.tensor([1.2, -3.0])
    torch.testing.assert_close(Exponential(TWO).losses(outputs, target), torch.exp(-margins))
    torch.testing.assert_close(Logistic(TWO).losses(outputs, target), torch.log1p(torch.exp(-margins)))
    # of two classes, cross-entropy is the logistic loss
    torch.testing.assert_close(CrossEntropy(TWO).losses(outputs, target), Logistic(TWO).losses(outputs, target))


def test_more_classes_are_summed_one_against_the_rest() -> None:
    outputs, target = torch.tensor([[0.5, -1.0, 2.0, 0.0, 0.0]]), torch.tensor([2])
    found = make("hinge", FIVE).losses(outputs, target)
    # classes a to e: 1 + 0.5, 1 − 1, max(0, 1 − 2), 1, 1
    assert found.tolist() == [1.5 + 0 + 0 + 1 + 1]


def test_a_smoothed_target_is_spread_as_published() -> None:
    objective = CrossEntropy(FIVE, label_smoothing=0.2)
    outputs, target = torch.randn(1, 5, generator=torch.Generator().manual_seed(0)), torch.tensor([3])
    q = torch.full((5,), 0.2 / 5)
    q[3] = 1 - 0.2 * 4 / 5
    assert q.sum().item() == pytest.approx(1)
    torch.testing.assert_close(objective.losses(outputs, target), -(q * outputs.log_softmax(1)).sum(1))


def test_the_regression_target_is_standardised_before_precision_is_lost() -> None:
    schema = Schema("table", "regression", (1,), target_mean=1e8, target_std=0.5)
    objective = make("squared", schema)
    target = torch.tensor([1e8 + 0.5, 1e8 - 0.25], dtype=torch.float64)
    assert objective.losses(torch.zeros(2, 1), target).tolist() == [1.0, 0.25]
