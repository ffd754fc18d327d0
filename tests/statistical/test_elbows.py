"""Initial elbows of a 1-D ReLU layer: their distribution in closed form against drawn units.

Seeds are fixed. Kolmogorov-Smirnov tests are at level 1e-4; shares within 4 binomial standard errors.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sightline.core.errors import DataError, SightlineError
from sightline.linear.elbows import CauchyElbows, ReciprocalNormalElbows, dead_on, elbow

COUNT = 40_000
LAWS: list[CauchyElbows | ReciprocalNormalElbows] = [
    CauchyElbows(1.5, 0.6),
    CauchyElbows(0.2, 3.0),
    ReciprocalNormalElbows(1.5, 0.1),
    ReciprocalNormalElbows(0.7, -2.0),
]
INTERVALS = [(-1.0, 1.0), (0.5, 3.0), (-4.0, -0.25), (0.0, 2.0), (-2.0, 0.0), (-0.1, 5.0)]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def units(law: CauchyElbows | ReciprocalNormalElbows, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = seeded(seed)
    w = law.weight_deviation * torch.randn(COUNT, generator=generator, dtype=torch.float64)
    if isinstance(law, CauchyElbows):
        return w, law.bias_deviation * torch.randn(COUNT, generator=generator, dtype=torch.float64)
    return w, torch.full_like(w, law.bias)


def test_an_elbow_is_where_the_unit_bends() -> None:
    w, b = units(LAWS[0], 0)
    x = elbow(w, b)
    assert float((w * x + b).abs().max() / b.abs().max()) < 1e-15
    after, before = torch.relu(w * (x + 1) + b), torch.relu(w * (x - 1) + b)
    assert torch.allclose(torch.maximum(after, before), w.abs(), rtol=1e-9)
    assert float(torch.minimum(after, before).max()) == 0


def test_with_zero_biases_every_elbow_is_at_zero() -> None:
    w, b = units(LAWS[0], 1)
    assert float(elbow(w, 0 * b).abs().max()) == 0.0


@pytest.mark.parametrize("law", LAWS)
def test_drawn_elbows_follow_the_law(law: CauchyElbows | ReciprocalNormalElbows) -> None:
    """40,000 elbows, Kolmogorov-Smirnov at level 1e-4; a scale wrong by 5 % is refused by the same test."""
    drawn = elbow(*units(law, 2)).numpy()

    def cumulative(x: Any) -> Any:
        return law.cumulative(torch.from_numpy(x)).numpy()

    assert stats.kstest(drawn, cumulative).pvalue > 1e-4
    assert stats.kstest(1.05 * drawn, cumulative).pvalue < 1e-4
    assert stats.kstest(law.draw(COUNT, seeded(3)).numpy(), cumulative).pvalue > 1e-4


def test_the_cauchy_law_is_scipys() -> None:
    law = CauchyElbows(0.2, 3.0)
    x = torch.linspace(-300, 300, 101, dtype=torch.float64)
    theirs = stats.cauchy(scale=law.scale)
    assert torch.allclose(law.density(x), torch.from_numpy(theirs.pdf(x.numpy())), rtol=1e-13)
    assert torch.allclose(law.cumulative(x), torch.from_numpy(theirs.cdf(x.numpy())), rtol=1e-12)


def test_the_far_tail_keeps_its_digits() -> None:
    """F(x) → s/(π|x|) far to the left, where ½ + arctan(x/s)/π has lost them all."""
    far = torch.tensor([-1e20], dtype=torch.float64)
    law = CauchyElbows(1.0, 1.0)
    assert abs(float(law.cumulative(far)) * torch.pi * 1e20 - 1) < 1e-14
    assert float(0.5 + far.arctan() / torch.pi) == 0.0


@pytest.mark.parametrize("law", LAWS)
def test_the_density_is_the_slope_of_the_cumulative(law: CauchyElbows | ReciprocalNormalElbows) -> None:
    """Central differences, relative step 1e-6: error about ε F/step beside 1e-6 relative."""
    right = torch.logspace(-2, 2, 60, dtype=torch.float64)
    at = torch.cat([-right, right])
    step = 1e-6 * at.abs()
    quotient = (law.cumulative(at + step) - law.cumulative(at - step)) / (2 * step)
    assert bool(((law.density(at) - quotient).abs() <= 1e-6 * quotient + 4 * 2.3e-16 / step).all())
    assert float(law.density(torch.zeros(1))) == (
        0.0 if isinstance(law, ReciprocalNormalElbows) else pytest.approx(1 / (torch.pi * law.scale), rel=1e-15)
    )


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_shares_outside_and_dead(law: CauchyElbows | ReciprocalNormalElbows, low: float, high: float) -> None:
    """Closed forms against 40,000 drawn units, within 4 binomial standard errors (plus one unit)."""
    w, b = units(law, 4)
    x = elbow(w, b)
    outside = float(((x < low) | (x > high)).double().mean())
    dead = float(dead_on(w, b, low, high).double().mean())
    for found, expected in ((outside, law.share_outside(low, high)), (dead, law.share_dead(low, high))):
        error = sqrt(expected * (1 - expected) / COUNT)
        assert abs(found - expected) <= 4 * error + 1 / COUNT, (found, expected)
    tail = law.cumulative(torch.tensor([low, high], dtype=torch.float64))
    assert abs(float(tail[0] + 1 - tail[1]) - law.share_outside(low, high)) < 1e-15
    assert not (dead_on(w, b, low, high) & (x > low) & (x < high)).any()


@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_dead_on_an_interval_is_zero_at_every_point_of_it(low: float, high: float) -> None:
    w, b = units(LAWS[0], 5)
    x = torch.linspace(low, high, 33, dtype=torch.float64)
    everywhere = (torch.relu(w[:500, None] * x + b[:500, None]) == 0).all(1)
    assert torch.equal(everywhere, dead_on(w[:500], b[:500], low, high))


@given(st.floats(-50, 50), st.floats(0, 60), st.floats(0.05, 20), st.floats(-5, 5).filter(lambda c: abs(c) > 1e-3))
@settings(max_examples=80)
def test_what_is_dead_has_its_elbow_outside(low: float, length: float, deviation: float, bias: float) -> None:
    """Dead is at most outside; both signs of the bias together are every unit with an elbow outside; Cauchy is half."""
    high = low + length
    plus, minus = ReciprocalNormalElbows(deviation, bias), ReciprocalNormalElbows(deviation, -bias)
    assert plus.share_dead(low, high) <= plus.share_outside(low, high) + 1e-15
    together = plus.share_dead(low, high) + minus.share_dead(low, high)
    assert abs(together - plus.share_outside(low, high)) < 1e-14
    law = CauchyElbows(deviation, abs(bias))
    assert law.share_dead(low, high) == law.share_outside(low, high) / 2


def test_a_positive_constant_bias_leaves_no_unit_dead_around_zero() -> None:
    assert ReciprocalNormalElbows(1.0, 0.01).share_dead(-1, 1) == 0.0
    assert ReciprocalNormalElbows(1.0, -0.01).share_dead(-1, 1) > 0


@pytest.mark.parametrize("law", LAWS)
def test_half_the_elbows_are_nearer_than_the_median_distance(law: CauchyElbows | ReciprocalNormalElbows) -> None:
    middle = law.median_distance
    assert abs(law.share_outside(-middle, middle) - 0.5) < 1e-14
    near = float((elbow(*units(law, 6)).abs() < middle).double().mean())
    assert abs(near - 0.5) < 4 * 0.5 / sqrt(COUNT)


def test_the_mean_of_the_elbows_does_not_settle() -> None:
    """The average of n Cauchy variables is Cauchy again: 400 averages of 10,000 spread as 400 single elbows do.

    Kolmogorov-Smirnov at level 1e-4 against the law of one elbow; an average of normals would be 100 times narrower.
    """
    law = CauchyElbows(1.0, 1.0)
    averages = law.draw(4_000_000, seeded(7)).reshape(400, 10_000).mean(1)
    assert stats.kstest(averages.numpy(), lambda x: law.cumulative(torch.from_numpy(x)).numpy()).pvalue > 1e-4
    assert float(averages.abs().median()) > 0.7


@pytest.mark.parametrize(
    "call",
    [
        lambda: CauchyElbows(0.0, 1.0),
        lambda: CauchyElbows(1.0, 0.0),
        lambda: CauchyElbows(1.0, float("nan")),
        lambda: ReciprocalNormalElbows(1.0, 0.0),
        lambda: ReciprocalNormalElbows(-1.0, 1.0),
        lambda: CauchyElbows(1.0, 1.0).share_outside(1, -1),
        lambda: CauchyElbows(1.0, 1.0).share_dead(float("nan"), 1),
        lambda: ReciprocalNormalElbows(1.0, 1.0).share_dead(0, float("inf")),
        lambda: CauchyElbows(1.0, 1.0).draw(0),
        lambda: CauchyElbows(1.0, 1.0).density(torch.tensor([float("nan")])),
        lambda: CauchyElbows(1.0, 1.0).cumulative(torch.ones(0)),
        lambda: CauchyElbows(1.0, 1.0).cumulative(0.5),  # type: ignore[arg-type]
        lambda: dead_on(torch.ones(2), torch.ones(3), -1, 1),
        lambda: dead_on(torch.ones(2), torch.ones(2), 1, -1),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_what_is_out_of_range_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(SightlineError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))


@pytest.mark.usefixtures("as_a_user_calls")
def test_units_without_an_elbow_are_refused() -> None:
    with pytest.raises(DataError, match="no elbow"):
        elbow(torch.tensor([1.0, 0.0]), torch.ones(2))


def test_the_share_of_dead_units_keeps_its_digits_in_the_tail() -> None:
    """max(0, wx + c) with c > 0 is 0 on all of [½, 1] where w ≤ −2c: Φ(−2c)."""
    for bias in (1.0, 4.0, 5.0, 12.0):
        expected = float(stats.norm.cdf(-2 * bias))
        assert ReciprocalNormalElbows(1.0, bias).share_dead(0.5, 1.0) == pytest.approx(expected, rel=1e-10)
    assert float(ReciprocalNormalElbows(1.0, 4.0).density(torch.tensor([1e-160], dtype=torch.float64))) == 0
