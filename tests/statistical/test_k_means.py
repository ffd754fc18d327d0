"""Starts of k-means come as often as they should, and a constant rate leaves the variance it should.

Frequencies p of N draws have standard error √(p(1−p)/N); 4.5 of them are allowed.
"""

from math import sqrt

import torch

from sightline.linear.k_means_start import drawn_points, k_means_plus_plus
from sightline.linear.online_k_means import ConstantRate, OnlineKMeans

DRAWS = 3000
X = torch.tensor([[0.0], [1.0], [1.0], [4.0]], dtype=torch.float64)


def test_plus_plus_draws_by_squared_distance() -> None:
    """Pairs of values: the first evenly over rows, the second by D²; 3,000 draws, standard errors up to 0.009."""
    generator = torch.Generator().manual_seed(0)
    pairs = [tuple(k_means_plus_plus(X, 2, generator).flatten().tolist()) for _ in range(DRAWS)]
    first = {0.0: 1 / 4, 1.0: 2 / 4, 4.0: 1 / 4}
    wanted = {
        (a, b): p * float((X[:, 0] == b).sum()) * (a - b) ** 2 / float((X - a).square().sum())
        for a, p in first.items()
        for b in first
    }
    assert abs(sum(wanted.values()) - 1) < 1e-12
    assert set(pairs) <= {pair for pair, p in wanted.items() if p}
    for pair, p in wanted.items():
        assert abs(pairs.count(pair) / DRAWS - p) <= 4.5 * sqrt(p * (1 - p) / DRAWS)


def test_drawn_points_are_any_of_the_sets_equally_often() -> None:
    """Six pairs of four rows, 3,000 draws, standard error 0.0068."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.arange(4.0)[:, None]
    pairs = [tuple(sorted(drawn_points(rows, 2, generator).flatten().tolist())) for _ in range(DRAWS)]
    assert len(set(pairs)) == 6
    for pair in set(pairs):
        assert abs(pairs.count(pair) / DRAWS - 1 / 6) <= 4.5 * sqrt(5 / 36 / DRAWS)


def test_a_constant_rate_leaves_a_variance() -> None:
    """σ² η/(1 − η): 4,000 centres that had 60 normal points each; a variance's standard error is √(2/4,000) of it."""
    eta, count = 0.1, 4000
    points = torch.randn(60, count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = OnlineKMeans.start(torch.zeros(1, count, dtype=torch.float64))
    for x in points.split(1):
        start = start.update(x, ConstantRate(eta))
    wanted = eta / (1 - eta)
    assert abs(float(start.centres.var()) - wanted) < 4.5 * wanted * sqrt(2 / count)
