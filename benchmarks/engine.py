"""A training step through Sightline beside the same step in a hand-written PyTorch loop.

    python benchmarks/engine.py

Both train the same network from the same weights on the same batches of 28 × 28 images, with the same fused optimiser,
and must have the same weights after the first round. The loop by hand has its images standardised beforehand;
Sightline's does that for each batch, counts, logs and listens for signals. The two alternate in short rounds, so that
whatever else the machine does falls on both; the ratio is between the medians over the rounds. Target: ≤ 1.03.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric

from sightline.core.run_folder import RunFolder
from sightline.core.seeds import Seeds, permutation
from sightline.data import Data, TensorSplit, load
from sightline.models import mlp, resnet
from sightline.models.predictor import Predictor
from sightline.objectives import CrossEntropy
from sightline.optim import SCHEDULES, SGD
from sightline.train import Plan, Supervised
from sightline.train.engine import Engine
from sightline.train.interruption import Listener
from sightline.train.record import Record

ROUNDS, STEPS, BATCH, LR, MOMENTUM = 15, 100, 128, 0.01, 0.9


def images() -> Data:
    """Images of 28 × 28 in ten classes; what they show does not matter to the clock."""
    data = load("digits")
    pixels = torch.randint(0, 256, (STEPS * BATCH, 1, 28, 28), dtype=torch.uint8)
    schema = replace(data.schema, input_shape=(1, 28, 28))
    return replace(data, schema=schema, train=TensorSplit("train", pixels, torch.arange(len(pixels)) % 10, schema))


def by_hand(model: Predictor, data: Data, epochs: int) -> Callable[[int], None]:
    """The loop a practised user would write: tensors in memory, no loader, nothing that is not needed."""
    if any(isinstance(m, torch.nn.Conv2d) for m in model.modules()):
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, fused=True)
    everything = next(iter(data.train.batches(batch_size=len(data.train))))
    images, labels = everything.inputs, everything.target
    seeds = Seeds(0)
    model.train()

    def epoch(number: int) -> None:
        order = permutation(len(labels), seeds.number("order", number))
        for rows in order.split(BATCH):
            x = images[rows]
            if x.dim() == 4:
                x = x.contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(model(x), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return epoch


def through_sightline(model: Predictor, data: Data, folder: Path, epochs: int) -> Callable[[int], None]:
    """The engine's own epochs: steps, counting, logging, signals; without the looks and saves between them."""
    algorithm = Supervised(model, CrossEntropy(data.schema), SGD(lr=LR, momentum=MOMENTUM), SCHEDULES["constant"]())
    plan = Plan(epochs=epochs, batch_size=BATCH)
    run = RunFolder.create(folder, "run")
    fabric = Fabric(accelerator="cpu", devices=1)
    engine = Engine(algorithm, data, plan, run, Seeds(0), fabric, Listener(), {})
    algorithm.setup(fabric, engine.total_steps)
    engine.record, engine.started = Record(run, step=0, quiet=True), time.monotonic()
    engine._look = engine._save = lambda: None  # type: ignore[method-assign]

    def epoch(number: int) -> None:
        assert engine.position.epoch == number
        engine._epoch()

    return epoch


def measure(name: str, build: Callable[[], Predictor], data: Data) -> float:
    """Seconds a step of both, and their ratio."""
    models = [build() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    times: tuple[list[float], list[float]] = ([], [])
    steps = -(-len(data.train) // BATCH)
    with tempfile.TemporaryDirectory() as folder:
        ways = (by_hand(models[0], data, ROUNDS + 1), through_sightline(models[1], data, Path(folder), ROUNDS + 1))
        for round_number in range(ROUNDS + 1):
            for way in (0, 1) if round_number % 2 else (1, 0):
                start = time.perf_counter()
                ways[way](round_number)
                if round_number:  # the first round warms up
                    times[way].append((time.perf_counter() - start) / steps)
            if round_number == 0:
                pairs = zip(models[0].parameters(), models[1].parameters(), strict=True)
                same = all(torch.allclose(a, b, atol=1e-4) for a, b in pairs)
    hand, ours = (statistics.median(t) for t in times)
    ratios = sorted(b / a for a, b in zip(*times, strict=True))
    print(
        f"{name:<22} by hand {hand * 1e3:7.3f} ms   sightline {ours * 1e3:7.3f} ms   ratio {ours / hand:.3f} "
        f"(middle half {ratios[len(ratios) // 4]:.3f} to {ratios[-len(ratios) // 4]:.3f})   same weights: {same}"
    )
    return ours / hand


def main() -> None:
    """Measure the two networks."""
    torch.manual_seed(0)
    data = images()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, batch {BATCH}, {ROUNDS} rounds")
    measure("MLP, 10^6 parameters", lambda: mlp(data.schema, width=640, depth=2), data)
    measure("ResNet-8", lambda: resnet(data.schema, depth=8), data)


if __name__ == "__main__":
    main()
