"""Small training loops under a watch, and data for them."""

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from sightline.diagnose import Findings, Watch

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


def causes(found: Findings) -> set[str]:
    """Those with evidence of harm."""
    return {finding.cause for finding in found.alarms}


def titled(found: Findings, words: str) -> bool:
    """Whether an alarm's title or evidence says so."""
    return any(words in f"{finding.title} {' '.join(finding.evidence)}" for finding in found.alarms)


def fit(
    network: nn.Module,
    batch: Callable[[], Batch],
    loss: Loss = F.cross_entropy,
    *,
    steps: int = 40,
    rate: float = 0.01,
    optimizer: Optimizer | None = None,
    others: Sequence[Batch] = (),
    every: int = 10,
) -> Findings:
    """A loop: a batch, a loss, a step; now and then the others are evaluated."""
    optimizer = optimizer or Adam(network.parameters(), lr=rate)
    with Watch(network, optimizer) as w:
        for step in range(steps):
            x, y = batch()
            optimizer.zero_grad()
            loss(network(x), y).backward()
            optimizer.step()
            if step % every == every - 1 and others:
                network.eval()
                with torch.no_grad():
                    for x, y in others:
                        loss(network(x), y)
                network.train()
    return w.findings()


def rows_of(x: Tensor, y: Tensor, size: int = 32) -> Callable[[], Batch]:
    """Batches drawn at random."""

    def batch() -> Batch:
        rows = torch.randperm(len(x))[:size]
        return x[rows], y[rows]

    return batch


def circle(count: int, classes: int = 3) -> Batch:
    """Classes around places on a circle."""
    y = torch.randint(classes, (count,))
    angle = y * (2 * torch.pi / classes)
    return 2 * torch.stack([angle.cos(), angle.sin()], 1) + 0.3 * torch.randn(count, 2), y


def layers(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between."""
    found: list[nn.Module] = []
    for given, made in itertools.pairwise(widths):
        found += [nn.Linear(given, made), nn.ReLU()]
    return nn.Sequential(*found[:-1])
