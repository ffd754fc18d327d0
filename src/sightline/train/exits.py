"""Measuring a network with early exits on a split: what it costs and gets right, threshold by threshold."""

import torch

from sightline.data import Split
from sightline.models.early_exits import EarlyExits
from sightline.train.evaluation import BATCH
from sightline.understand.early_exits import ExitCurve, exit_costs, exit_curve


def measure_exits(network: EarlyExits, split: Split) -> ExitCurve:
    """Accuracy against mean multiply-adds on every example of a split, in evaluation mode; one pass computes all.

    Args:
        network: for classes.
        split: examples, at least one.

    Lecture: V9
    """
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    outputs, targets = [], []
    costs: list[int] = []
    try:
        with torch.no_grad():
            for batch in split.batches(batch_size=BATCH, device=device):
                costs = costs or exit_costs(network.exits, network.heads, batch.inputs[:1])
                outputs.append(torch.stack(network.exits(batch.inputs)).float().cpu())
                targets.append(batch.target.cpu())
    finally:
        network.train(was_training)
    return exit_curve(torch.cat(outputs, 1), torch.cat(targets), costs)
