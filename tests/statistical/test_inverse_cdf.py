"""Draws by inverse CDF, chain rule and transport follow the distribution they should.

Each test is made at the level 1e-4: of right code and new seeds, one test in 10,000 would fail. Seeds are fixed.
Kolmogorov-Smirnov for continuous draws, χ² for counts, each from 20,000 draws where nothing else is said. At this level
draws are rejected whose empirical distribution function is more than 0.0157 from F, and, with two categories, a count
that is more than 3.9 standard errors from its own.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from sightline.generate.chain_rule import ChainRule
from sightline.generate.continuous_distribution import Continuous, Normal, Numerical
from sightline.generate.discrete_distribution import Discrete
from sightline.generate.inverse_cdf import Distribution, sample_from, uniforms
from sightline.generate.mixed_distribution import Mixed
from sightline.generate.piecewise_uniform import PiecewiseUniform, uniform_within
from sightline.generate.transport import (
    distributional_transform,
    probability_integral_transform,
    randomised_transport,
    transport,
)

DRAWS, LEVEL = 20_000, 1e-4
Function = Callable[[Any], Any]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wide(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def as_continuous(draws: Tensor, cdf: Function) -> float:
    """The p-value of a Kolmogorov-Smirnov test."""
    return float(stats.kstest(draws.numpy(), cdf).pvalue)


def as_counts(categories: Tensor, probabilities: Tensor) -> float:
    """The p-value of a χ² test; nothing may have fallen where the probability is 0."""
    found = categories.long().bincount(minlength=len(probabilities))
    assert len(found) == len(probabilities)
    possible = probabilities > 0
    assert int(found[~possible].sum()) == 0
    wanted = probabilities[possible].double() * len(categories)
    return float(stats.chisquare(found[possible].numpy(), (wanted / wanted.sum() * len(categories)).numpy()).pvalue)


def on_the_square(u: Tensor) -> float:
    """The p-value of a χ² test for pairs that are uniform and independent, over 8 by 8 cells."""
    return as_counts((u[:, 0] * 8).floor() * 8 + (u[:, 1] * 8).floor(), torch.full((64,), 1 / 64))


EXPONENTIAL = Continuous(lambda x: -torch.expm1(-x.clamp(min=0)), lambda u: -torch.log1p(-u))
BARS = PiecewiseUniform(wide(0, 1, 3, 4), wide(0.5, 0.2, 0.3))
CONTINUOUS: dict[str, tuple[Distribution, Function]] = {
    "formula": (EXPONENTIAL, stats.expon.cdf),
    "normal": (Normal(-1.0, 2.0), stats.norm(-1, 2).cdf),
    "numerical": (Numerical(lambda x: x.square(), low=0.0, high=1.0), stats.powerlaw(2).cdf),
    "piecewise": (BARS, lambda x: stats.rv_histogram(([5, 2, 3], [0, 1, 3, 4]), density=False).cdf(x)),
}


def test_uniform_numbers_are_uniform() -> None:
    u = uniforms(DRAWS, 2, generator=generator(0))
    assert as_continuous(u.flatten(), stats.uniform.cdf) > LEVEL
    assert on_the_square(u) > LEVEL


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_draws(name: str) -> None:
    law, cdf = CONTINUOUS[name]
    assert as_continuous(sample_from(law, [DRAWS], generator(1)), cdf) > LEVEL
    assert as_continuous(sample_from(law, [DRAWS], generator(1)) + 0.1, cdf) < LEVEL  # the test has power


def test_discrete_draws() -> None:
    p = wide(0.0, 0.3, 0.05, 0.0, 0.25, 0.4, 0.0)
    draws = sample_from(Discrete(p), [DRAWS], generator(2))
    assert as_counts(draws, p) > LEVEL
    assert as_counts(draws, (p + 0.1 * (p > 0)) / 1.4) < LEVEL  # the test has power


def test_batches_of_discrete_draws_are_right_and_independent() -> None:
    p = torch.tensor([[0.2, 0.8, 0.0], [0.5, 0.25, 0.25]])
    draws = sample_from(Discrete(p), [DRAWS, 2], generator(3)).long()
    assert as_counts(3 * draws[:, 0] + draws[:, 1], torch.outer(p[0], p[1]).flatten()) > LEVEL


def test_mixed_draws() -> None:
    """χ² for the atoms and for all that is none; Kolmogorov-Smirnov for the rest, 10,000 draws or so."""
    law = Mixed(wide(-1, 0.5), wide(0.2, 0.3), Normal())
    draws = sample_from(law, [DRAWS], generator(4))
    kind = torch.where(draws == -1, 0, torch.where(draws == 0.5, 1, 2))
    assert as_counts(kind, wide(0.2, 0.3, 0.5)) > LEVEL
    assert as_continuous(draws[kind == 2], stats.norm.cdf) > LEVEL


def test_a_gaussian_vector() -> None:
    """Its projections are Gaussian (Kolmogorov-Smirnov), its covariance is Σ.

    The standard error of an entry is √((Σᵢᵢ Σⱼⱼ + Σᵢⱼ²)/20,000); 4.5 of them are allowed.
    """
    covariance = torch.tensor([[1.0, 0.8, -0.3], [0.8, 2.0, 0.4], [-0.3, 0.4, 0.5]], dtype=torch.float64)

    def conditional(before: Tensor) -> Normal:
        i = before.shape[1]
        weights = torch.linalg.solve(covariance[:i, :i], covariance[:i, i])
        return Normal(before @ weights, (covariance[i, i] - covariance[i, :i] @ weights).sqrt())

    x = ChainRule([conditional] * 3).sample(DRAWS, generator(5))
    for direction in (wide(1, 0, 0), wide(0, 1, 0), wide(0, 0, 1), wide(1, -1, 2)):
        spread = float((direction @ covariance @ direction).sqrt())
        assert as_continuous(x @ direction, stats.norm(0, spread).cdf) > LEVEL
    error = ((covariance.diagonal()[:, None] * covariance.diagonal() + covariance**2) / DRAWS).sqrt()
    assert bool(((x.T @ x / DRAWS - covariance).abs() < 4.5 * error).all())


def test_a_table_of_two_components() -> None:
    table = wide(0.1, 0.0, 0.25, 0.2, 0.15, 0.3).reshape(2, 3)
    rows = table / table.sum(1, keepdim=True)
    pair = ChainRule([lambda before: Discrete(table.sum(1)), lambda before: Discrete(rows[before[:, 0].long()])])
    draws = pair.sample(DRAWS, generator(6))
    assert as_counts(3 * draws[:, 0] + draws[:, 1], table.flatten()) > LEVEL
    back = pair.to_uniforms(draws, uniforms(DRAWS, 2, generator=generator(18)))
    assert on_the_square(back) > LEVEL


WEIGHTS, MEANS = wide(0.3, 0.7), torch.tensor([[-2.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
"""A mixture of two Gaussians in the plane, each with covariance I."""


def labelled(before: Tensor) -> Distribution:
    """The label first, then each coordinate given the label."""
    return Discrete(WEIGHTS) if before.shape[1] == 0 else Normal(MEANS[before[:, 0].long(), before.shape[1] - 1])


def unlabelled(before: Tensor) -> Distribution:
    """Each coordinate given those before it: a mixture again, weighted by how well each part explains them."""
    i = before.shape[1]
    scores = WEIGHTS.log() - (before[:, None] - MEANS[:, :i]).square().sum(-1) / 2
    weights = scores.softmax(-1)
    return Numerical(lambda x: (weights * torch.special.ndtr(x[..., None] - MEANS[:, i])).sum(-1))


@pytest.mark.parametrize("way", ["label first", "coordinates alone"])
def test_a_mixture_by_two_orders_of_conditioning(way: str) -> None:
    chain = ChainRule([labelled] * 3) if way == "label first" else ChainRule([unlabelled] * 2)
    x = chain.sample(DRAWS, generator(7))[:, -2:]
    for direction in (wide(1, 0), wide(0, 1), wide(0.6, 0.8), wide(0.6, -0.8)):
        first, second = (stats.norm(place).cdf for place in (MEANS @ direction).tolist())
        assert as_continuous(x @ direction, partial(mixture, first, second)) > LEVEL


def mixture(first: Function, second: Function, t: Any) -> Any:
    return 0.3 * first(t) + 0.7 * second(t)


def test_the_way_back_gives_independent_uniform_numbers() -> None:
    """From a mixture that is drawn by picking a part and adding Gaussian noise."""
    part = (torch.rand(DRAWS, generator=generator(8)) > 0.3).long()
    x = MEANS[part] + torch.randn(DRAWS, 2, generator=generator(9), dtype=torch.float64)
    u = ChainRule([unlabelled] * 2).to_uniforms(x, uniforms(DRAWS, 2, generator=generator(10)))
    assert on_the_square(u) > LEVEL


def test_from_a_gaussian_to_anything() -> None:
    x = torch.randn(DRAWS, generator=generator(11), dtype=torch.float64)
    assert as_continuous(probability_integral_transform(x, Normal()), stats.uniform.cdf) > LEVEL
    for target, cdf in CONTINUOUS.values():
        assert as_continuous(transport(x, Normal(), target), cdf) > LEVEL
    p = wide(0.1, 0.0, 0.6, 0.3)
    assert as_counts(transport(x, Normal(), Discrete(p)), p) > LEVEL
    mixed = transport(x, Normal(), Mixed(wide(0), wide(0.4), EXPONENTIAL))
    assert as_counts((mixed == 0).long(), wide(0.6, 0.4)) > LEVEL
    assert as_continuous(mixed[mixed != 0], stats.expon.cdf) > LEVEL


def test_what_a_discrete_source_cannot_do_and_how_chance_mends_it() -> None:
    """Three values stay three; the distance to the target is at least half the largest jump. With v it is right."""
    p = wide(0.2, 0.5, 0.3)
    source = Discrete(p)
    x = sample_from(source, [DRAWS], generator(12))
    u = probability_integral_transform(x, source)
    y = transport(x, source, Normal())
    assert len(y.unique()) == 3
    assert float(stats.kstest(y.numpy(), stats.norm.cdf).statistic) > float(p.max()) / 2 - 0.02
    for level in (0.1, 0.2, 0.6, 0.7, 0.9):  # P(F(X) ≤ u) ≤ u
        assert float((u <= level + 1e-12).double().mean()) < level + 4.5 * (level * (1 - level) / DRAWS) ** 0.5
    v = uniforms(DRAWS, generator=generator(13))
    assert as_continuous(distributional_transform(x, v, source), stats.uniform.cdf) > LEVEL
    mended = randomised_transport(x, v, source, Normal())
    assert as_continuous(mended, stats.norm.cdf) > LEVEL
    assert float(torch.corrcoef(torch.stack([x, mended]))[0, 1]) > 0.8  # it still is made of x
    q = wide(0.3, 0.3, 0.4)
    assert as_counts(transport(x, source, Discrete(q)), q) < LEVEL
    assert as_counts(randomised_transport(x, v, source, Discrete(q)), q) > LEVEL


def test_jumps_of_a_mixed_source_are_filled() -> None:
    source = Mixed(wide(0.0), wide(0.4), EXPONENTIAL)
    x = sample_from(source, [DRAWS], generator(14))
    assert as_continuous(probability_integral_transform(x, source), stats.uniform.cdf) < LEVEL
    u = distributional_transform(x, uniforms(DRAWS, generator=generator(15)), source)
    assert as_continuous(u, stats.uniform.cdf) > LEVEL


def test_an_interval_by_a_discrete_draw_then_a_point_inside() -> None:
    intervals = sample_from(Discrete(wide(0.5, 0.2, 0.3)), [DRAWS], generator(16)).long()
    x = uniform_within(intervals, BARS.edges, uniforms(DRAWS, generator=generator(17)))
    assert as_continuous(x, CONTINUOUS["piecewise"][1]) > LEVEL
