"""Every metric, and every figure with a standard error, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor

from sightline.core.schema import Schema
from sightline.objectives import CrossEntropy, Squared, standard_error

CLASSES = 5
SCHEMA = Schema("table", "classification", (2,), classes=tuple("abcde"))


def sample(allowed_target: list[int], allowed_label: list[int], n: int = 300) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(0)
    target = generator.choice(allowed_target, n)
    label = np.where(generator.random(n) < 0.6, np.where(np.isin(target, allowed_label), target, allowed_label[0]), 0)
    return torch.from_numpy(label), torch.from_numpy(target)


CASES = {
    "all classes": ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
    "a class absent": ([0, 1, 3, 4], [0, 1, 3, 4]),
    "a class never predicted": ([0, 1, 2, 3, 4], [0, 1, 2, 3]),
    "a class only predicted": ([1, 2, 3, 4], [0, 1, 2, 3, 4]),
    "two classes": ([0, 1], [0, 1]),
}


def expected_of(label: Tensor, target: Tensor) -> dict[str, float]:
    options = {"average": "macro", "zero_division": 0.0}
    return {
        "accuracy": sk.accuracy_score(target, label),
        "precision": sk.precision_score(target, label, **options),
        "recall": sk.recall_score(target, label, **options),
        "f1": sk.f1_score(target, label, **options),
    }


@pytest.mark.parametrize("case", CASES)
def test_classification_metrics(case: str) -> None:
    label, target = sample(*CASES[case])
    objective = CrossEntropy(SCHEMA)
    metrics = objective.metrics()
    outputs = torch.nn.functional.one_hot(label, CLASSES).float()
    for some in torch.arange(len(label)).split(64):
        objective.update(metrics, outputs[some], target[some])
    found, expected = metrics.compute(), expected_of(label, target)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("case", CASES)
def test_classification_figures(case: str) -> None:
    label, target = sample(*CASES[case])
    expected = expected_of(label, target)
    figures = {
        "precision": standard_error.macro_precision,
        "recall": standard_error.macro_recall,
        "f1": standard_error.macro_f1,
    }
    for name, figure in figures.items():
        assert figure(label, target, CLASSES).value == pytest.approx(expected[name], abs=1e-12), name
    assert standard_error.accuracy(label, target).value == pytest.approx(expected["accuracy"], abs=1e-12)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (2000.0, 0.5), (-3e5, 8e4)])
def test_regression_metrics_in_the_targets_units(mean: float, std: float) -> None:
    generator = torch.Generator().manual_seed(0)
    target = mean + std * torch.randn(500, generator=generator, dtype=torch.float64)
    outputs = ((target - mean) / std * 0.8 + 0.3 * torch.randn(500, generator=generator)).float()[:, None]
    objective = Squared(Schema("table", "regression", (2,), target_mean=mean, target_std=std))
    metrics = objective.metrics()
    for some in torch.arange(500).split(128):
        objective.update(metrics, outputs[some], target[some])
    found = metrics.compute()
    prediction = outputs[:, 0].double() * std + mean
    expected = {
        "mae": sk.mean_absolute_error(target, prediction),
        "rmse": sk.root_mean_squared_error(target, prediction),
        "r2": sk.r2_score(target, prediction),
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=2e-6), name
    assert standard_error.mean_absolute_error(prediction, target).value == pytest.approx(expected["mae"])
    assert standard_error.root_mean_squared_error(prediction, target).value == pytest.approx(expected["rmse"])
    assert standard_error.r_squared(prediction, target).value == pytest.approx(expected["r2"])


@pytest.mark.parametrize("target", [[3.0], [3.0, 3.0, 3.0], [0.1, 0.1, 0.1]])
def test_r_squared_of_targets_that_do_not_vary_is_nan(target: list[float]) -> None:
    objective = Squared(Schema("table", "regression", (2,)))
    metrics = objective.metrics()
    objective.update(metrics, torch.zeros(len(target), 1), torch.tensor(target))
    assert torch.isnan(metrics.compute()["r2"])
    assert np.isnan(standard_error.r_squared(torch.zeros(len(target)), torch.tensor(target)).value)
