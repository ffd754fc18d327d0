"""Elbows of freshly drawn networks spread as a Cauchy variable."""

import torch
from scipy import stats
from torch import nn

from sightline.linear.elbows import CauchyElbows
from sightline.understand.elbows import elbows


def test_initial_elbows_are_cauchy() -> None:
    """2,000 units, weights N(0, 2²), biases N(0, 1): Kolmogorov-Smirnov on [−5, 5] at level 0.001, and the dead."""
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(1, 2000)
    with torch.no_grad():
        layer.weight.normal_(0, 2, generator=generator)
        layer.bias.normal_(0, 1, generator=generator)
    found = elbows(nn.Sequential(layer, nn.ReLU()), -5.0, 5.0)
    theory = CauchyElbows(weight_deviation=2.0, bias_deviation=1.0)
    low, high = theory.cumulative(torch.tensor([-5.0, 5.0]).double()).tolist()
    places = torch.tensor([one.place for one in found.elbows]).double()
    outside = theory.share_outside(-5, 5)
    error = (outside * (1 - outside) / 2000) ** 0.5
    assert abs(1 - len(places) / 2000 - outside) < 4 * error
    dead = theory.share_dead(-5, 5)
    assert abs(len(found.dead["1"]) / 2000 - dead) < 4 * (dead * (1 - dead) / 2000) ** 0.5
    given = (theory.cumulative(places) - low) / (high - low)
    assert stats.kstest(given.numpy(), "uniform").pvalue > 0.001
    wrong = CauchyElbows(weight_deviation=2.0, bias_deviation=1.3)
    low, high = wrong.cumulative(torch.tensor([-5.0, 5.0]).double()).tolist()
    assert stats.kstest(((wrong.cumulative(places) - low) / (high - low)).numpy(), "uniform").pvalue < 0.001
