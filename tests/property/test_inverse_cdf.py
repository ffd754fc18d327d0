"""F⁻¹ and F belong together: F(F⁻¹(u)) ≥ u, F⁻¹(F(x)) ≤ x, and u ≤ F(x) just where F⁻¹(u) ≤ x."""

import math

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sightline.core.errors import SightlineError
from sightline.generate.bisection import smallest_reaching
from sightline.generate.continuous_distribution import Normal, Numerical
from sightline.generate.discrete_distribution import Discrete, inverse_categorical
from sightline.generate.inverse_cdf import Distribution
from sightline.generate.mixed_distribution import Mixed
from sightline.generate.piecewise_uniform import PiecewiseUniform
from sightline.generate.transport import distributional_transform

UNIT = st.floats(0, 1)
WEIGHTS = st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1)), min_size=1, max_size=12).filter(lambda w: sum(w) > 0)
POINTS = st.floats(-20, 20)


def probabilities(weights: list[float]) -> torch.Tensor:
    wide = torch.tensor(weights, dtype=torch.float64)
    return wide / wide.sum()


def number(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def check(law: Distribution, u: float, x: float, rounding: float) -> None:
    """The three rules; ``rounding`` is what F may have lost, in u."""
    level, point = number(u), number(x)
    inverse, mass = law.inverse_cdf(level), law.cdf(point)
    assert law.cdf(inverse) >= level - rounding
    if mass > 0:
        assert law.cdf(law.inverse_cdf((mass - rounding).clamp(min=0))) <= mass
        assert law.inverse_cdf((mass - rounding).clamp(min=0)) <= point
    if abs(u - mass) > rounding and u > 0:
        assert bool(level <= mass) == bool(inverse <= point)
    assert law.cdf_below(point) <= mass
    if u > 0:
        assert law.cdf_below(inverse) <= level + rounding


@settings(max_examples=40)
@given(WEIGHTS, UNIT, POINTS)
def test_discrete_exactly(weights: list[float], u: float, x: float) -> None:
    law = Discrete(probabilities(weights), torch.arange(len(weights)).double() - 5)
    check(law, u, x, 0.0)
    for category in range(len(weights)):  # at the values themselves
        check(law, float(law.cumulated[category]), category - 5.0, 0.0)


@given(WEIGHTS, UNIT)
def test_a_category_without_probability_is_never_chosen(weights: list[float], u: float) -> None:
    p = probabilities(weights)
    chosen = int(inverse_categorical(p, number(u)))
    assert p[chosen] > 0
    assert p[:chosen].sum() <= u + 1e-15
    assert u <= p[: chosen + 1].sum() + 1e-15


@settings(max_examples=25)
@given(UNIT, POINTS, st.floats(-3, 3), st.floats(0.1, 5))
def test_numerical_exactly(u: float, x: float, mean: float, spread: float) -> None:
    check(Numerical(lambda points: torch.special.ndtr((points - mean) / spread)), u, x, 0.0)
    check(Numerical(lambda points: torch.floor(points.clamp(0, 7)) / 7, low=-2.0, high=9.0), u, x, 0.0)  # all jumps


@settings(max_examples=40)
@given(st.lists(st.floats(0, 0.3), min_size=3, max_size=3), UNIT, st.one_of(POINTS, st.sampled_from([-1.0, 0.0, 2.0])))
def test_mixed(weights: list[float], u: float, x: float) -> None:
    check(Mixed(number(0).new_tensor([-1.0, 0.0, 2.0]), number(0).new_tensor(weights), Normal()), u, x, 1e-14)


@settings(max_examples=40)
@given(WEIGHTS, UNIT, POINTS)
def test_piecewise_uniform(weights: list[float], u: float, x: float) -> None:
    check(PiecewiseUniform(torch.arange(len(weights) + 1).double() * 2 - 5, probabilities(weights)), u, x, 1e-14)


@settings(max_examples=40)
@given(WEIGHTS, st.floats(1e-3, 1), st.integers(0, 11))
def test_the_distributional_transform_loses_nothing(weights: list[float], v: float, category: int) -> None:
    law = Discrete(probabilities(weights))
    category %= len(weights)
    assume(law.cdf(number(category)) - law.cdf_below(number(category)) > 1e-12)
    u = distributional_transform(number(category), number(v), law)
    assert int(law.inverse_cdf(u)) == category


@settings(max_examples=30)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(1e-9, 1))
def test_bisection_finds_a_jump_at_any_number(place: float, u: float) -> None:
    found = float(smallest_reaching(lambda x: (x >= place).double(), number(u)))
    assert found == place
    assert math.copysign(1, found) == math.copysign(1, place) or place == 0


@given(st.lists(st.floats(), max_size=6), st.floats())
def test_any_numbers_give_a_category_or_our_error(weights: list[float], u: float) -> None:
    try:
        chosen = int(inverse_categorical(torch.tensor(weights, dtype=torch.float64), number(u)))
    except SightlineError:
        return
    assert 0 <= u <= 1
    assert weights[chosen] > 0
