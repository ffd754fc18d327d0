"""Training steps of our image networks beside the same networks as they are usually had.

    python benchmarks/vision.py [--rounds 7]

Peers: a textbook ResNet-20 (written out below, as in most tutorials) and transformers' ConvNeXt and ViT of the same
sizes, each in the loop of a tutorial: contiguous float32 tensors, torch.optim's optimiser as it comes. Ours train
through ``Supervised`` as every run does: once in float32, once with the recommended settings (channels-last, bfloat16
forward and backward where the processor has it, fused optimiser). Batches of 128. The three alternate in rounds, so
that whatever else the machine does falls on all; ratios are between medians. Targets: ≥ 1 in float32, ≥ 1.5
recommended.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from sightline.core.schema import Schema
from sightline.data.batch import Batch
from sightline.models.convnext import ConvNeXt
from sightline.models.predictor import Predictor
from sightline.models.resnet import ResNet
from sightline.models.vit import ViT
from sightline.objectives import CrossEntropy
from sightline.optim import SCHEDULES, SGD, AdamW
from sightline.train import Supervised

BATCH, CLASSES = 128, 10


class TextbookBlock(nn.Module):
    """A residual block as tutorials write it."""

    def __init__(self, num_inputs: int, num_outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_inputs, num_outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(num_outputs)
        self.conv2 = nn.Conv2d(num_outputs, num_outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_outputs)
        self.relu = nn.ReLU()
        self.stride, self.new = stride, num_outputs - num_inputs

    def forward(self, x: Tensor) -> Tensor:
        """Two convolutions and the skip of option A."""
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        skip = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.new // 2, self.new - self.new // 2))
        given: Tensor = self.relu(y + skip)
        return given


class TextbookResNet20(nn.Module):
    """ResNet-20 for 32 × 32 images as tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        sizes = [(16, 16, 1), (16, 32, 2), (32, 64, 2)]
        blocks = [TextbookBlock(b if i else a, b, s if i == 0 else 1) for a, b, s in sizes for i in range(3)]
        self.blocks = nn.Sequential(*blocks)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.fc(torch.flatten(self.pool(self.blocks(self.stem(x))), 1))
        return logits


def their_convnext() -> nn.Module:
    """transformers' ConvNeXt at a tiny size."""
    from transformers import ConvNextConfig, ConvNextForImageClassification

    config = ConvNextConfig(depths=[2, 2, 6, 2], hidden_sizes=[32, 64, 128, 256], patch_size=4, image_size=64)
    config.num_labels = CLASSES
    return ConvNextForImageClassification(config)


def their_vit() -> nn.Module:
    """transformers' ViT of the size "tiny": 192 wide, 12 layers, 3 heads."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=192, num_hidden_layers=12, num_attention_heads=3, intermediate_size=768,
        image_size=64, patch_size=8, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    config.num_labels = CLASSES
    return ViTForImageClassification(config)


@dataclass(frozen=True)
class Case:
    """One network: ours, the peer, the images' side and the optimiser."""

    name: str
    ours: Callable[[], Predictor]
    theirs: Callable[[], nn.Module]
    side: int
    optim: SGD | AdamW


CASES = [
    Case(
        "ResNet-20, 32 × 32",
        lambda: ResNet(in_channels=3, num_outputs=CLASSES, depths=(3, 3, 3), widths=(16, 32, 64)),
        TextbookResNet20,
        32,
        SGD(lr=0.01, momentum=0.9),
    ),
    Case(
        "ConvNeXt 2-2-6-2, 32 to 256 wide, 64 × 64",
        lambda: ConvNeXt(
            in_channels=3, num_outputs=CLASSES, depths=(2, 2, 6, 2), widths=(32, 64, 128, 256), patch_size=4
        ),
        their_convnext,
        64,
        AdamW(lr=1e-4),
    ),
    Case(
        "ViT-tiny, 64 × 64 in patches of 8",
        lambda: ViT(in_channels=3, num_outputs=CLASSES, image_size=64, patch_size=8, width=192, depth=12, num_heads=3),
        their_vit,
        64,
        AdamW(lr=1e-4),
    ),
]


def their_step(case: Case, x: Tensor, y: Tensor) -> Callable[[], None]:
    """A tutorial's step."""
    model = case.theirs().train()
    if isinstance(case.optim, SGD):
        optimizer: torch.optim.Optimizer = torch.optim.SGD(model.parameters(), lr=case.optim.lr, momentum=0.9)
    else:
        optimizer = torch.optim.AdamW(model.parameters(), lr=case.optim.lr)

    def step() -> None:
        optimizer.zero_grad()
        given = model(x)
        loss = F.cross_entropy(given if isinstance(given, Tensor) else given.logits, y)
        loss.backward()
        optimizer.step()

    return step


def our_step(case: Case, x: Tensor, y: Tensor, precision: str) -> Callable[[], None]:
    """A run's step: the algorithm that the engine repeats."""
    classes = tuple(map(str, range(CLASSES)))
    schema = Schema("image", "classification", (3, case.side, case.side), classes=classes)
    algorithm = Supervised(case.ours(), CrossEntropy(schema), case.optim, SCHEDULES["constant"]())
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)  # type: ignore[arg-type]
    algorithm.setup(fabric, 1000)
    batch = Batch(x, y, torch.arange(len(y)), len(y))

    def step() -> None:
        algorithm.step(batch, detail=False)

    return step


def measure(case: Case, rounds: int) -> None:
    """Print the medians of the three and their ratios."""
    torch.manual_seed(0)
    x, y = torch.randn(BATCH, 3, case.side, case.side), torch.randint(0, CLASSES, (BATCH,))
    steps = {
        "peer": their_step(case, x, y),
        "ours": our_step(case, x, y, "32-true"),
        "recommended": our_step(case, x, y, "bf16-mixed"),
    }
    for step in steps.values():  # what is only done once
        step(), step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            step(), step()
            seconds[name].append((time.perf_counter() - began) / 2)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    print(
        f"{case.name}: peer {median['peer'] * 1e3:.0f} ms, ours float32 {median['ours'] * 1e3:.0f} ms "
        f"({median['peer'] / median['ours']:.2f} ×), recommended {median['recommended'] * 1e3:.0f} ms "
        f"({median['peer'] / median['recommended']:.2f} ×)",
        flush=True,
    )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in CASES:
            measure(case, rounds)


if __name__ == "__main__":
    main()
