"""Paths of diffusion have the covariances of one process; standard errors of diversity and active units are right."""

import math

import torch

from sightline.generate.diffusion_chain import forward_chain
from sightline.objectives.active_units import latent_use_of
from sightline.objectives.diversity import pairwise_distance
from sightline.objectives.noise_schedule import linear_schedule


def test_moments_of_a_path_belong_together() -> None:
    """Cov(x_s, x_t | x_0) = √(ᾱ_t/ᾱ_s)(1 − ᾱ_s): 40,000 paths, five standard errors of a covariance of normals."""
    schedule, count = linear_schedule(20, first=0.02, last=0.3), 40_000
    start = torch.full((count, 1), 1.5)
    early, late = forward_chain(schedule, start, [4, 12], generator=torch.Generator().manual_seed(0)).double()[..., 0]
    bar = schedule.alpha_bar.double()
    for t, x in ((4, early), (12, late)):
        assert abs(float(x.mean()) - 1.5 * float(bar[t].sqrt())) < 5 * math.sqrt(float(1 - bar[t]) / count)
        assert abs(float(x.var()) - float(1 - bar[t])) < 5 * float(1 - bar[t]) * math.sqrt(2 / count)
    expected = float((bar[12] / bar[4]).sqrt() * (1 - bar[4]))
    found = float(torch.cov(torch.stack([early, late]))[0, 1])
    error = math.sqrt((float(early.var() * late.var()) + expected**2) / count)
    assert abs(found - expected) < 5 * error


def test_the_error_of_a_mean_distance_is_that_of_repetition() -> None:
    """300 sets of 60 points: their deviation is known to 1/√600 = 4 %; the claimed error is right within 20 %."""
    generator = torch.Generator().manual_seed(0)
    found = [pairwise_distance(torch.randn(60, 3, generator=generator)) for _ in range(300)]
    spread = float(torch.tensor([one.value for one in found]).std())
    claimed = sum(one.standard_error for one in found) / len(found)
    assert 0.8 < claimed / spread < 1.2
    # of two standard normal points in three dimensions, E‖x − y‖ = √2 · 2√(2/π)
    mean = sum(one.value for one in found) / len(found)
    assert abs(mean - math.sqrt(2) * 2 * math.sqrt(2 / math.pi)) < 4 * spread / math.sqrt(300)


def test_units_at_the_threshold_make_the_count_uncertain() -> None:
    """Three clear units and four at the threshold: the count's deviation over 400 sets is √(4/4) = 1.

    The claimed error takes each unit's own distance for the true one, E p(1 − p) = 1/6 instead of 1/4: 0.82.
    """
    generator = torch.Generator().manual_seed(0)
    deviations = torch.tensor([1.0, 0.0, 3.0, 0.1, 0.1, 0.1, 0.1])
    found = [
        latent_use_of(torch.randn(200, 7, generator=generator) * deviations, torch.zeros(200, 7)).count
        for _ in range(400)
    ]
    spread = float(torch.tensor([one.value for one in found]).std())
    assert 0.85 < spread < 1.15
    assert 0.7 < sum(one.standard_error for one in found) / len(found) < 0.95
