"""Targets whose spread is far below their size keep all their digits, from the file to the figures."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from sightline.data import Data, load, read_inputs
from sightline.data.batch import target_on
from sightline.objectives.regression import Squared

N = 50
TIMES = 1.7e9 + 100 * np.random.default_rng(0).random(N)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    lines = [f"{i * 7 % 13},{t!r}" for i, t in enumerate(TIMES.tolist())]
    (tmp_path / "t.csv").write_text("x,time\n" + "\n".join(lines) + "\n")
    return tmp_path / "t.csv"


def times(data: Data) -> npt.NDArray[np.float64]:
    """The training targets as the table has them."""
    rows = [data.train.row(i) or {} for i in range(len(data.train))]
    return np.array([row["time"] for row in rows], np.float64)


def test_targets_are_those_of_the_file(path: Path) -> None:
    data = load(path, target="time")
    target = torch.cat([s.target for s in (data.train, data.validation, data.test)])
    assert target.dtype == torch.float64
    assert sorted(target.tolist()) == sorted(TIMES.tolist())
    batch = next(data.train.batches(batch_size=9, order=torch.arange(len(data.train)).flip(0)))
    assert torch.equal(batch.target, data.train.target.flip(0)[:9])
    inputs = read_inputs([path], data.schema)
    assert inputs.target is not None
    assert inputs.target.tolist() == TIMES.tolist()


def test_they_are_standardised_before_they_are_rounded(path: Path) -> None:
    data = load(path, target="time")
    objective = Squared(data.schema)
    batch = next(data.train.batches(batch_size=N))
    exact = (times(data) - data.schema.target_mean) / data.schema.target_std
    z = torch.zeros(len(batch), 1)
    losses = objective.losses(z, batch.target)
    assert losses.dtype == torch.float32
    np.testing.assert_allclose(losses.numpy(), exact**2, rtol=1e-5, atol=1e-9)
    metrics = objective.metrics()
    objective.update(metrics, torch.from_numpy(exact).float()[:, None], batch.target)
    assert metrics.compute()["rmse"].item() < 1e-4


def test_predictions_have_the_digits_of_the_targets(path: Path) -> None:
    data = load(path, target="time")
    exact = (times(data) - data.schema.target_mean) / data.schema.target_std
    value = Squared(data.schema).predict(torch.from_numpy(exact).float()[:, None]).value
    assert np.abs(value.numpy() - times(data)).max() < 1e-4


def test_on_a_device_without_float64_they_stay_on_the_cpu_until_standardised(path: Path) -> None:
    data = load(path, target="time")
    assert target_on(data.train.target, "mps").device.type == "cpu"
    losses = Squared(data.schema).losses(torch.zeros(len(data.train), 1, device="meta"), data.train.target)
    assert (losses.device.type, losses.dtype) == ("meta", torch.float32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_too(path: Path) -> None:
    data = load(path, target="time")
    here, there = (next(data.train.batches(batch_size=N, device=d)) for d in ("cpu", "cuda"))
    assert there.target.is_cuda
    assert torch.equal(there.target.cpu(), here.target)
    losses = [
        Squared(data.schema).losses(torch.zeros(len(b), 1, device=b.inputs.device), b.target) for b in (here, there)
    ]
    torch.testing.assert_close(losses[0], losses[1].cpu())
