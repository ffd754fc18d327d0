"""Numerical inverses against the quantile functions of scipy."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from sightline.generate.bisection import smallest_reaching
from sightline.generate.continuous_distribution import Normal, Numerical
from sightline.generate.discrete_distribution import Discrete
from sightline.generate.mixed_distribution import Mixed

LEVELS = torch.cat([torch.logspace(-12, -1, 23, dtype=torch.float64), torch.linspace(0.1, 0.999999, 40).double()])
REFERENCES: dict[str, tuple[Any, float, float]] = {
    "normal": (stats.norm(3, 2), -torch.inf, torch.inf),
    "gamma": (stats.gamma(0.5), 0.0, torch.inf),
    "beta": (stats.beta(0.4, 2.5), 0.0, 1.0),
    "student": (stats.t(3), -torch.inf, torch.inf),
    "logistic": (stats.logistic(), -torch.inf, torch.inf),
    "log-normal": (stats.lognorm(1.5), 0.0, torch.inf),
    "uniform, ends not told": (stats.uniform(-1, 3), -torch.inf, torch.inf),
}


def through_numpy(function: Callable[[Any], Any]) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.as_tensor(function(x.numpy()))


@pytest.mark.parametrize("name", REFERENCES)
def test_bisection_is_the_quantile_function(name: str) -> None:
    """To 1e-9 of the value, or what 4 units in the last place of F are worth in x."""
    reference, low, high = REFERENCES[name]
    found = smallest_reaching(through_numpy(reference.cdf), LEVELS, low=low, high=high)
    wanted = torch.as_tensor(reference.ppf(LEVELS.numpy()))
    worth = 4 * torch.finfo(torch.float64).eps * LEVELS / torch.as_tensor(reference.pdf(wanted.numpy()))
    assert bool(((found - wanted).abs() <= 1e-9 * wanted.abs() + worth).all())


def test_normal_is_right_far_out_on_both_sides() -> None:
    levels = torch.tensor([0.0, 1e-300, 1e-20, 0.3, 1 - 2**-53, 1.0], dtype=torch.float64)
    wanted = torch.as_tensor(stats.norm(-1, 3).ppf(levels.numpy()))
    torch.testing.assert_close(Normal(-1.0, 3.0).inverse_cdf(levels), wanted, rtol=1e-12, atol=0)
    points = torch.tensor([-torch.inf, -90.0, -20.0, 0.5, 20.0, torch.inf], dtype=torch.float64)
    torch.testing.assert_close(
        Normal(-1.0, 3.0).cdf(points), torch.as_tensor(stats.norm(-1, 3).cdf(points.numpy())), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("name", ["poisson", "binomial", "geometric"])
def test_discrete_against_scipy(name: str) -> None:
    references = {"poisson": stats.poisson(3.5), "binomial": stats.binom(12, 0.3), "geometric": stats.geom(0.2, loc=-1)}
    reference = references[name]
    law = Discrete(torch.as_tensor(reference.pmf(range(200))))
    levels = torch.linspace(0.0013, 0.9987, 301).double()
    assert law.inverse_cdf(levels).tolist() == reference.ppf(levels.numpy()).tolist()
    points = torch.tensor([-1.0, 0.0, 0.5, 3.0, 11.9, 200.0])
    torch.testing.assert_close(law.cdf(points), torch.as_tensor(reference.cdf(points.numpy())), rtol=0, atol=1e-14)


def test_bisection_finds_the_jumps_of_a_discrete_distribution() -> None:
    poisson = Numerical(through_numpy(stats.poisson(3.5).cdf), low=-1.0, high=1000.0)
    levels = torch.linspace(0.05, 0.999, 200).double()
    assert poisson.inverse_cdf(levels).tolist() == stats.poisson(3.5).ppf(levels.numpy()).tolist()
    height = poisson.cdf(torch.tensor([4.0])) - poisson.cdf_below(torch.tensor([4.0]))
    torch.testing.assert_close(height, torch.as_tensor([stats.poisson(3.5).pmf(4)]), rtol=1e-12, atol=0)


def test_mixed_against_scipy() -> None:
    """An exponential time, cut off at 2 by the end of watching: an atom there."""
    cut = stats.truncexpon(2)
    watched = Numerical(through_numpy(cut.cdf), low=0.0, high=2.0)
    law = Mixed(torch.tensor([2.0]), torch.tensor([stats.expon.sf(2)], dtype=torch.float64), watched)
    levels = torch.linspace(0.001, 0.999, 97).double()
    wanted = torch.as_tensor(stats.expon.ppf(levels.numpy())).clamp(max=2)
    torch.testing.assert_close(law.inverse_cdf(levels), wanted, rtol=1e-12, atol=0)
