"""What the recipes on MNIST and CIFAR-10 promise, measured; docs/results.md records the figures."""

import statistics
from pathlib import Path

import pytest

from sightline.core.config import from_yaml, to_yaml
from sightline.core.run_folder import RunFolder
from sightline.recipes import RECIPES
from sightline.train import Run, RunSpec, train

SEEDS = (0, 1, 2)


def run_recipe(name: str, source: Path, runs: Path, seed: int = 0) -> Run:
    spec = RECIPES[name]().replace(seed=seed)
    spec = from_yaml(RunSpec, to_yaml(spec.replace(data=spec.data.replace(source=str(source)))))
    return train(spec, runs=runs, name=f"{name}-{seed}", quiet=True)


def accuracy_and_seconds(run: Run) -> tuple[float, float]:
    reading = run.folder.read("readings/evaluation-test.json")
    return reading["metrics"]["accuracy"]["value"], run.folder.status()["seconds"]


def last_training_loss(folder: RunFolder) -> float:
    """The mean over the last epoch's logged steps."""
    rows = [row for row in folder.metrics() if row["kind"] == "train"]
    end = max(row["epoch"] for row in rows)
    return statistics.mean(float(row["loss"]) for row in rows if row["epoch"] > end - 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "data", "least", "minutes"),
    [("mnist-lenet", "mnist", 0.9905, 30), ("mnist-best", "mnist", 0.9955, 30), ("cifar10-fast", "cifar10", 0.90, 30)],
)
def test_a_recipe_reaches_what_it_promises(
    name: str,
    data: str,
    least: float,
    minutes: int,
    real_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    accuracy, seconds = accuracy_and_seconds(run_recipe(name, real_data / data, tmp_path))
    with capsys.disabled():
        print(f"\n{name}: accuracy {accuracy:.4f}, {seconds:.0f} s of training")
    assert accuracy >= least
    assert seconds <= 60 * minutes


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_depth_hurts_plain_networks_and_not_residual_ones(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """He et al. 2016, figure 6: the training loss after the same short training, three seeds."""
    losses: dict[str, list[float]] = {}
    for name in ("depth-plain-20", "depth-plain-56", "depth-resnet-20", "depth-resnet-56"):
        runs = [run_recipe(name, real_data / "cifar10", tmp_path, seed) for seed in SEEDS]
        losses[name] = [last_training_loss(run.folder) for run in runs]
        told = ", ".join(f"{100 * accuracy_and_seconds(run)[0]:.1f} %" for run in runs)
        with capsys.disabled():
            mean, spread = statistics.mean(losses[name]), statistics.stdev(losses[name])
            print(f"\n{name}: training loss {mean:.3f} ± {spread:.3f}; test accuracy {told}")
    assert min(losses["depth-plain-56"]) > max(losses["depth-plain-20"])
    gaps = {
        kind: [deep - flat for flat, deep in zip(losses[f"{kind}-20"], losses[f"{kind}-56"], strict=True)]
        for kind in ("depth-plain", "depth-resnet")
    }
    error = statistics.stdev(gaps["depth-resnet"]) / len(SEEDS) ** 0.5
    with capsys.disabled():
        print(f"\nResNet-56 − ResNet-20: {statistics.mean(gaps['depth-resnet']):+.3f} ± {error:.3f}")
    assert statistics.mean(gaps["depth-resnet"]) <= 2 * error  # not worse, as far as three seeds can tell
    assert statistics.mean(gaps["depth-resnet"]) <= 0.05 * statistics.mean(gaps["depth-plain"])
