"""Inverse CDFs, the chain rule and transport against slow, obvious twins; the ends of the interval."""

import pytest
import torch
from torch import Tensor

from sightline.generate import Sample, draw
from sightline.generate.bisection import smallest_reaching
from sightline.generate.chain_rule import ChainRule
from sightline.generate.continuous_distribution import Continuous, Normal, Numerical
from sightline.generate.discrete_distribution import Discrete, inverse_categorical
from sightline.generate.inverse_cdf import uniforms
from sightline.generate.mixed_distribution import Mixed
from sightline.generate.piecewise_uniform import PiecewiseUniform, uniform_within
from sightline.generate.transport import distributional_transform, randomised_transport, transport

inf = float("inf")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wide(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def by_walking(probabilities: list[float], u: float) -> int:
    """The first category at which the sum reaches u."""
    total = 0.0
    for category, probability in enumerate(probabilities):
        total += probability
        if probability > 0 and total >= u:
            return category
    return max(category for category, probability in enumerate(probabilities) if probability > 0)


@pytest.mark.parametrize("outer", [(), (5,), (4, 3, 5), (1,), (2, 1, 1)])
@pytest.mark.parametrize("batch", [(), (5,), (3, 5), (3, 1)])
def test_batches_of_discrete_distributions_are_walks(outer: tuple[int, ...], batch: tuple[int, ...]) -> None:
    p = torch.rand(*batch, 7, generator=generator(), dtype=torch.float64)
    p = p * (torch.rand(*batch, 7, generator=generator(1)) > 0.3)
    p[..., 3] += 0.1
    p = p / p.sum(-1, keepdim=True)
    u = torch.rand(outer, generator=generator(2), dtype=torch.float64)
    found = inverse_categorical(p, u)
    shape = torch.broadcast_shapes(outer, batch)
    rows, levels = p.expand(*shape, 7).reshape(-1, 7).tolist(), u.expand(shape).flatten().tolist()
    wanted = [by_walking(row, level) for row, level in zip(rows, levels, strict=True)]
    assert found.shape == shape
    assert found.flatten().tolist() == wanted
    values = torch.arange(7.0).double() ** 2
    law = Discrete(p, values)
    assert law.inverse_cdf(u).flatten().tolist() == [float(category) ** 2 for category in wanted]
    x = 40 * u
    at = [
        sum(q for q, v in zip(r, values.tolist(), strict=True) if v <= 40 * w)
        for r, w in zip(rows, levels, strict=True)
    ]
    torch.testing.assert_close(law.cdf(x).flatten(), wide(*at))


def test_a_batch_with_nothing_to_draw() -> None:
    assert inverse_categorical(torch.full((0, 2), 0.5), torch.zeros(0)).shape == (0,)
    assert inverse_categorical(torch.full((3, 2), 0.5), torch.zeros(0, 3)).shape == (0, 3)
    assert Numerical(torch.special.ndtr).inverse_cdf(torch.zeros(0)).shape == (0,)


def test_discrete_agrees_with_the_draw_of_tokens() -> None:
    p = torch.rand(200, 50, generator=generator(), dtype=torch.float64)
    p = p / p.sum(1, keepdim=True)
    u = uniforms(200, generator=generator(1))
    assert torch.equal(inverse_categorical(p, u), draw(p, u))


def test_ends_of_the_interval() -> None:
    ends = wide(0, 1)
    assert Discrete(wide(0, 0.5, 0, 0.5, 0), wide(1, 2, 3, 4, 5)).inverse_cdf(ends).tolist() == [2, 4]
    assert inverse_categorical(torch.full((3,), 1 / 3), ends).tolist() == [0, 2]  # a sum of 1 less rounding
    assert Normal(1.0, 2.0).inverse_cdf(ends).tolist() == [-inf, inf]
    assert Numerical(lambda x: (x - 1).clamp(0, 1)).inverse_cdf(ends).tolist() == [1 + 2**-52, 2.0]
    assert Numerical(lambda x: x - 1, low=1.0, high=2.0).inverse_cdf(ends).tolist() == [1 + 2**-52, 2.0]
    assert Mixed(wide(0), wide(0.5), Normal()).inverse_cdf(ends).tolist() == [-inf, inf]
    unit = Continuous(lambda x: x.clamp(0, 1), lambda u: u)
    assert Mixed(wide(-1, 3), wide(0.25, 0.25), unit).inverse_cdf(ends).tolist() == [-1, 3]
    assert Mixed(wide(-1, 3), wide(0, 0), unit).inverse_cdf(ends).tolist() == [0, 1]
    assert PiecewiseUniform(wide(0, 1, 2, 3, 4), wide(0, 0.5, 0.5, 0)).inverse_cdf(ends).tolist() == [1, 3]


def test_uniform_numbers_lie_inside_and_are_symmetric() -> None:
    u = uniforms(10_000, generator=generator())
    assert u.min() > 0
    assert u.max() < 1
    assert bool((u * 2**53 % 2 == 1).all())  # midpoints of cells
    assert torch.equal(1 - (1 - u), u)  # every one of them has a mirror image
    assert torch.equal(u, uniforms(10_000, generator=generator()))


def test_bisection_is_exact_to_neighbours() -> None:
    """The answer reaches the level; the number under it does not."""
    u = torch.cat([uniforms(50, generator=generator()), wide(1e-300, 1e-18, 0.5)])
    x = smallest_reaching(torch.special.ndtr, u)
    assert bool((torch.special.ndtr(x) >= u).all())
    assert bool((torch.special.ndtr(x.nextafter(torch.full_like(x, -inf))) < u).all())
    small = uniforms(50, generator=generator(1)) * 1e-10
    found = smallest_reaching(lambda x: x.sqrt(), small, low=0.0, high=1.0)
    torch.testing.assert_close(found, small.square(), rtol=1e-15, atol=0)


def test_bisection_broadcasts_with_the_parameters_of_a_batch() -> None:
    rates = wide(0.5, 1, 4)
    u = uniforms(6, 1, generator=generator())
    found = Numerical(lambda x: -torch.expm1(-rates * x), low=0.0).inverse_cdf(u)
    torch.testing.assert_close(found, -torch.log1p(-u) / rates, rtol=1e-13, atol=0)


def test_a_clipped_gaussian_is_the_clipped_inverse_of_a_gaussian() -> None:
    """F⁻¹ goes through any map that never falls: two derivations of a mixed distribution, and the numerical one."""
    mean, spread, low, high = 0.3, 1.5, 0.0, 2.0
    plain = Normal(mean, spread)
    under, over = plain.cdf(wide(low)), 1 - plain.cdf(wide(high))
    rest = 1 - under - over
    between = Continuous(
        lambda x: ((plain.cdf(x) - under) / rest).clamp(0, 1), lambda u: plain.inverse_cdf(under + u * rest)
    )
    mixed = Mixed(wide(low, high), torch.cat([under, over]), between)
    u = torch.cat([uniforms(2000, generator=generator()), under, 1 - over, wide(1)])
    wanted = plain.inverse_cdf(u).clamp(low, high)
    torch.testing.assert_close(mixed.inverse_cdf(u), wanted, rtol=0, atol=1e-14)
    assert int((mixed.inverse_cdf(u) == low).sum()) == int((wanted == low).sum()) > 100
    assert int((mixed.inverse_cdf(u) == high).sum()) == int((wanted == high).sum()) > 100
    numerical = Numerical(lambda x: torch.where(x >= high, 1.0, torch.where(x < low, 0.0, plain.cdf(x))))
    torch.testing.assert_close(numerical.inverse_cdf(u), wanted, rtol=0, atol=1e-14)
    x = wide(-1, 0, 1, 2, 3)
    torch.testing.assert_close(mixed.cdf(x), numerical.cdf(x), rtol=0, atol=1e-15)
    torch.testing.assert_close(mixed.cdf_below(x), numerical.cdf_below(x), rtol=0, atol=1e-14)
    assert mixed.cdf_below(wide(0)).item() == 0


def test_a_mixed_distribution_keeps_order_to_the_last_bit() -> None:
    """At the ends of a jump, where the share of the continuous part is rounded, in 2,000 distributions."""
    means = torch.randn(2000, generator=generator(), dtype=torch.float64)
    weights = 0.9 * torch.rand(2000, 1, generator=generator(1), dtype=torch.float64) + 0.05
    law, atom = Mixed(wide(0.25), weights, Normal(means)), torch.full((2000,), 0.25, dtype=torch.float64)
    before, at = law.cdf_below(atom), law.cdf(atom)
    assert bool((law.inverse_cdf(before) <= atom).all())
    assert bool((law.inverse_cdf(before.nextafter(at)) == atom).all())
    assert bool((law.inverse_cdf(at) == atom).all())
    assert bool((law.inverse_cdf(at.nextafter(torch.ones(2000).double())) >= atom).all())


def test_nothing_lies_at_minus_infinity() -> None:
    """Even where F as computed never comes down to 0; an atom at the lower end is found."""
    rounded = Numerical(lambda x: torch.special.ndtr(x).clamp(min=1e-10))
    assert rounded.cdf(wide(-inf, -40)).tolist() == [0, 1e-10]
    step = Numerical(lambda x: (x + 1) / 2, low=0.0, high=1.0)
    assert step.inverse_cdf(wide(0, 0.3, 0.5, 0.75)).tolist() == pytest.approx([0, 0, 0, 0.5], rel=1e-15, abs=0)
    assert step.cdf_below(wide(0)).item() == 0


def test_mixed_distributions_come_in_batches() -> None:
    means, weights = wide(-1, 0, 1), torch.tensor([[0.1, 0.5], [0.3, 0.0], [0.0, 0.2]])
    u = uniforms(40, 3, generator=generator())
    together = Mixed(wide(-0.5, 0.5), weights, Normal(means))
    for i in range(3):
        alone = Mixed(wide(-0.5, 0.5), weights[i], Normal(float(means[i])))
        assert torch.equal(together.inverse_cdf(u)[:, i], alone.inverse_cdf(u[:, i]))
        assert torch.equal(together.cdf(u)[:, i], alone.cdf(u[:, i]))


def test_one_uniform_number_does_for_interval_and_point() -> None:
    edges, p = wide(-1, 0, 0.5, 4, 5), wide(0.1, 0.6, 0.0, 0.3)
    u = uniforms(500, generator=generator())
    k = inverse_categorical(p, u)
    v = (u - Discrete(p).cdf_below(k.double())) / p[k]
    bars = PiecewiseUniform(edges, p)
    torch.testing.assert_close(bars.inverse_cdf(u), uniform_within(k, edges, v), rtol=0, atol=1e-13)
    torch.testing.assert_close(bars.cdf(bars.inverse_cdf(u)), u, rtol=0, atol=1e-15)
    several = PiecewiseUniform(edges, torch.stack([p, p.flip(0)]))
    assert torch.equal(several.inverse_cdf(u[:, None])[:, 0], bars.inverse_cdf(u))
    assert torch.equal(several.cdf(u[:, None])[:, 0], bars.cdf(u))


def test_transport_of_gaussians_is_linear_and_goes_both_ways() -> None:
    x = 3 * torch.randn(200, generator=generator(), dtype=torch.float64) - 2
    y = transport(x, Normal(-2.0, 3.0), Normal(5.0, 0.5))
    torch.testing.assert_close(y, 5 + (x + 2) / 6, rtol=1e-12, atol=0)
    torch.testing.assert_close(transport(y, Normal(5.0, 0.5), Normal(-2.0, 3.0)), x, rtol=1e-11, atol=0)
    assert torch.equal(
        randomised_transport(x, torch.zeros(200), Normal(), Normal(1.0)), transport(x, Normal(), Normal(1.0))
    )


def test_transport_keeps_order() -> None:
    x = torch.linspace(-6, 6, 400).double()
    for target in (Discrete(wide(0.2, 0.3, 0.5)), Mixed(wide(0), wide(0.5), Normal()), Numerical(torch.special.ndtr)):
        assert bool((transport(x, Normal(), target).diff() >= 0).all())


def test_the_distributional_transform_splits_a_jump_evenly() -> None:
    law = Discrete(wide(0.25, 0.5, 0.25))
    x, v = wide(1, 1, 1, 0, 2), wide(0, 0.5, 1, 0.5, 0.5)
    assert distributional_transform(x, v, law).tolist() == [0.25, 0.5, 0.75, 0.125, 0.875]


def gaussian(covariance: Tensor) -> ChainRule:
    """N(0, Σ) by regression of each component on those before it."""

    def conditional(before: Tensor) -> Normal:
        i = before.shape[1]
        weights = torch.linalg.solve(covariance[:i, :i], covariance[:i, i])
        return Normal(before @ weights, (covariance[i, i] - covariance[i, :i] @ weights).sqrt())

    return ChainRule([conditional] * len(covariance))


def test_the_chain_rule_of_a_gaussian_is_its_cholesky_factor() -> None:
    """x = L Φ⁻¹(u), Σ = L Lᵀ: the lower triangle is the order of conditioning."""
    root = torch.randn(5, 5, generator=generator(), dtype=torch.float64)
    covariance = root @ root.T + 0.1 * torch.eye(5).double()
    u = uniforms(300, 5, generator=generator(1))
    x = gaussian(covariance).from_uniforms(u)
    torch.testing.assert_close(x, torch.special.ndtri(u) @ torch.linalg.cholesky(covariance).T, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gaussian(covariance).to_uniforms(x, torch.rand(300, 5)), u, rtol=0, atol=1e-9)
    assert torch.equal(gaussian(covariance).sample(4, generator(3)), gaussian(covariance).sample(4, generator(3)))


def test_text_is_drawn_by_the_chain_rule() -> None:
    """Tokens from a network of bigrams, decoded one after the other: the same from the same uniform numbers."""
    scores = 2 * torch.randn(6, 6, generator=generator(), dtype=torch.float64)
    u, method = uniforms(100, 8, generator=generator(1)), Sample(temperature=0.7, top_k=4)

    def conditional(before: Tensor) -> Discrete:
        last = before[:, -1].long() if before.shape[1] else torch.zeros(len(before), dtype=torch.long)
        return Discrete(method.distribution(scores[last]))

    text = torch.zeros(100, 1, dtype=torch.long)
    for i in range(8):
        text = torch.cat([text, method.choose(scores[text[:, -1]], u[:, i])[:, None]], 1)
    found = ChainRule([conditional] * 8).from_uniforms(u)
    assert torch.equal(found, text[:, 1:].double())
    v = uniforms(100, 8, generator=generator(2))
    back = ChainRule([conditional] * 8).to_uniforms(found, v)
    assert torch.equal(ChainRule([conditional] * 8).from_uniforms(back), found)
