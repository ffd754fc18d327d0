"""Standard errors, the bias of the Fréchet distance, and what the check of copies gives by chance, by Monte Carlo."""

import math

import torch

from sightline.generate.frechet_distance import frechet_distance
from sightline.generate.judgement import with_bootstrap
from sightline.generate.nearest_neighbour import chance_of_as_many, share_below


def test_the_frechet_distance_of_two_draws_of_one_gaussian() -> None:
    """d(d + 5)/(2n) in the mean: 400 pairs of 200 rows of 4 features; 4.5 standard errors (about 2 %)."""
    generator = torch.Generator().manual_seed(0)
    features, rows = 4, 200
    draws = torch.randn(400, 2, rows, features, generator=generator, dtype=torch.float64) * 3 + 1
    distances = torch.tensor([frechet_distance(a, b) for a, b in draws])
    error = float(distances.std()) / 20
    assert abs(float(distances.mean()) - 9 * features * (features + 5) / (2 * rows)) < 4.5 * error


def test_the_bootstrap_error_is_that_of_repeated_draws() -> None:
    """Gaussians apart, 100 and 150 rows of 3 features: 300 pairs against the bootstrap of 12; within a quarter."""
    generator = torch.Generator().manual_seed(0)
    pairs = [
        (torch.randn(100, 3, generator=generator), 1.5 * torch.randn(150, 3, generator=generator) + 1)
        for _ in range(300)
    ]
    spread = float(torch.tensor([frechet_distance(a, b) for a, b in pairs]).std())
    errors = [with_bootstrap(frechet_distance, a, b, generator).standard_error for a, b in pairs[:12]]
    assert 0.75 < sum(errors) / 12 / spread < 1.25


def test_so_many_are_near_by_chance() -> None:
    """2,000 times 300 made and 150 real ones of one distribution: 2/151 are below, and 12 or more as often as told.

    Mean and frequency within 4.5 standard errors.
    """
    generator = torch.Generator().manual_seed(0)
    values = torch.empty(2000, 450).exponential_(generator=generator)
    found = [share_below(row[:300], row[300:]) for row in values]
    shares = torch.tensor([one.share.value for one in found], dtype=torch.float64)
    assert found[0].expected == 2 / 151
    assert abs(float(shares.mean()) - 2 / 151) < 4.5 * float(shares.std()) / math.sqrt(2000)
    chance = chance_of_as_many(12, 300, 2, 150)
    assert 0.02 < chance < 0.2
    often = float((shares * 300 > 11.5).double().mean())
    assert abs(often - chance) < 4.5 * math.sqrt(chance * (1 - chance) / 2000)
