"""Mean-field variance propagation: the Gaussian integrals, the recursion, its fixed points, the gain."""

from collections.abc import Callable
from math import asin, erf, exp, isinf, pi, sqrt
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from sightline.core.errors import ConfigurationError, DataError, SightlineError
from sightline.linear import activation_moments as moments
from sightline.linear.activation_moments import ACTIVATIONS, Activation, gain, leaky_relu, second_moment, slope_moment
from sightline.linear.initialisation import weight_variance
from sightline.linear.variance_propagation import fixed_point, propagate

WIDE_Q = st.floats(-4, 4).map(lambda power: 10**power)


def by_scipy(function: Callable[[torch.Tensor], torch.Tensor], q: float) -> float:
    """E[f(√q z)] by scipy's adaptive quadrature, told where the function's own scale lies."""

    def integrand(z: float) -> float:
        value = float(function(torch.tensor([sqrt(q) * z], dtype=torch.float64)))
        return value * exp(-z * z / 2) / sqrt(2 * pi)

    places = [0.0] + [sign * x / sqrt(q) for x in (1, 4, 16, 40) for sign in (1, -1)]
    inside = sorted({x for x in places if abs(x) < 13})
    found: float = integrate.quad(integrand, -13, 13, points=inside, epsabs=1e-15, epsrel=1e-13, limit=400)[0]
    return found


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gelu", "silu"])
@pytest.mark.parametrize("q", [1e-3, 0.7, 40.0, 1e4])
def test_the_moments_are_scipys(name: str, q: float) -> None:
    """To 1e-12 relative: scipy itself promises no more than 1e-13 a panel."""
    chosen = ACTIVATIONS[name]
    expected = by_scipy(lambda x: chosen.function(x).square(), q)
    assert abs(second_moment(name, q) / expected - 1) < 1e-12
    slope = by_scipy(lambda x: moments._slopes(chosen, x).square(), q)
    assert abs(slope_moment(name, q) / slope - 1) < 1e-12


@given(WIDE_Q)
@settings(max_examples=40)
def test_the_moments_are_the_closed_forms_there_are(q: float) -> None:
    """erf: (2/π) arcsin(2q/(1+2q)); GELU: q/4 + (q/2π)(arcsin(q/(1+q)) + 2q/((1+q)√(1+2q))); x³: 15q³. To 1e-13."""
    of_erf = 2 / pi * asin(2 * q / (1 + 2 * q))
    assert abs(second_moment(torch.erf, q) / of_erf - 1) < 1e-13
    of_gelu = q / 4 + q / (2 * pi) * (asin(q / (1 + q)) + 2 * q / ((1 + q) * sqrt(1 + 2 * q)))
    assert abs(second_moment("gelu", q) / of_gelu - 1) < 1e-13
    assert abs(second_moment(lambda x: x**3, q) / (15 * q**3) - 1) < 1e-13
    assert abs(slope_moment(torch.erf, q) * pi * sqrt(1 + 4 * q) / 4 - 1) < 1e-13


@given(WIDE_Q, st.floats(-2, 2))
@settings(max_examples=40)
def test_quadrature_of_piecewise_linear_functions_is_their_closed_form(q: float, slope: float) -> None:
    closed = leaky_relu(slope)
    slow = Activation(closed.function)
    assert abs(second_moment(slow, q) / second_moment(closed, q) - 1) < 1e-13
    assert abs(slope_moment(slow, q) / slope_moment(closed, q) - 1) < 1e-13
    assert abs(moments.second_moment_slope(slow, q) / moments.second_moment_slope(closed, q) - 1) < 1e-13


def test_a_kink_away_from_zero_wants_declaring() -> None:
    """φ(x) = max(x − ⅓, 0): E[φ²] = (1 + a²)(1 − Φ(a)) − aφ(a) at a = ⅓; to 1e-13 only with the kink declared."""
    a = 1 / 3
    expected = (1 + a * a) * (1 - erf(a / sqrt(2))) / 2 - a * exp(-a * a / 2) / sqrt(2 * pi)
    shifted = lambda x: torch.relu(x - a)  # noqa: E731
    assert abs(second_moment(Activation(shifted, kinks=(a,)), 1.0) / expected - 1) < 1e-13
    assert abs(second_moment(Activation(shifted), 1.0) / expected - 1) > 1e-10


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
@pytest.mark.parametrize("q", [0.02, 1.0, 30.0])
def test_the_slope_of_the_moment_is_its_difference_quotient(name: str, q: float) -> None:
    """Central differences, relative step 1e-5: error about step² + ε/step, so 1e-9."""
    step = 1e-5 * q
    quotient = (second_moment(name, q + step) - second_moment(name, q - step)) / (2 * step)
    assert abs(moments.second_moment_slope(name, q) / quotient - 1) < 1e-8


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_declared_derivatives_are_autograds(name: str) -> None:
    chosen = ACTIVATIONS[name]
    x = torch.linspace(-9, 9, 50, dtype=torch.float64)
    expected = moments._slopes(Activation(chosen.function), x)
    assert torch.allclose(moments._slopes(chosen, x), expected, rtol=1e-13, atol=1e-16)


def test_he_keeps_a_relu_for_fifty_layers_and_lecun_halves_it() -> None:
    """Exactly: 1 and 2^−50. The notes' 'Xavier' 1/d for a ReLU is the halving one."""
    fan = 300
    he = propagate("relu", fan * weight_variance("he", fan, fan))
    lecun = propagate("relu", fan * weight_variance("lecun", fan, fan))
    assert len(he.variances) == 51
    assert torch.equal(he.variances, torch.ones(51, dtype=torch.float64))
    assert torch.equal(he.gradient_factors, torch.ones(50, dtype=torch.float64))
    assert torch.equal(lecun.variances, 0.5 ** torch.arange(51, dtype=torch.float64))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_the_gain_makes_one_a_fixed_point(name: str) -> None:
    found = propagate(name, gain(name) ** 2, depth=10).variances
    assert float((found - 1).abs().max()) < 1e-13


def test_the_gains_that_are_known() -> None:
    """ReLU √2; leaky √(2/(1+a²)) as torch has it; tanh 1.5925, from scipy too, which is not torch's 5/3."""
    assert abs(gain("relu") - torch.nn.init.calculate_gain("relu")) < 1e-15
    assert abs(gain(leaky_relu(0.2)) - torch.nn.init.calculate_gain("leaky_relu", 0.2)) < 1e-15
    assert abs(gain("tanh") - by_scipy(lambda x: torch.tanh(x).square(), 1.0) ** -0.5) < 1e-12
    assert round(gain("tanh"), 4) == 1.5925
    torchs = torch.nn.init.calculate_gain("tanh")
    settled = fixed_point("tanh", torchs**2).variance
    assert settled > 1.1
    assert abs(propagate("tanh", torchs**2, depth=400).variances[-1] / settled - 1) < 1e-12


@given(st.floats(0.05, 1.95), st.floats(0.01, 5), st.floats(-3, 3))
@settings(max_examples=50)
def test_the_fixed_point_of_a_relu_is_its_closed_form(weight_scale: float, bias_variance: float, power: float) -> None:
    """q* = σ_b²/(1 − σ_w²/2), to rounding over the distance of the slope from 1."""
    expected = bias_variance / (1 - weight_scale / 2)
    found = fixed_point("relu", weight_scale, bias_variance, start=10**power)
    assert abs(found.variance / expected - 1) < 1e-15 * 8 / (1 - weight_scale / 2)
    assert found.slope == weight_scale / 2
    assert found.stable


@pytest.mark.parametrize(
    ("name", "weight_scale", "bias_variance"),
    [("tanh", 0.5, 0.3), ("tanh", 1.7, 0.0), ("tanh", 3.0, 0.1), ("sigmoid", 4.0, 0.0), ("gelu", 1.5, 0.2)],
)
@pytest.mark.parametrize("start", [0.01, 1.0, 20.0])
def test_the_fixed_point_is_where_iteration_ends(
    name: str, weight_scale: float, bias_variance: float, start: float
) -> None:
    found = fixed_point(name, weight_scale, bias_variance, start)
    steps = propagate(name, weight_scale, bias_variance, depth=600, start=start)
    assert abs(float(steps.variances[-1]) / found.variance - 1) < 1e-12
    assert abs(float(steps.gradient_factors[-1]) / found.gradient_factor - 1) < 1e-12
    distance = propagate(name, weight_scale, bias_variance, depth=1, start=found.variance * (1 + 1e-6)).variances
    shrunk = (float(distance[1]) - found.variance) / (float(distance[0]) - found.variance)
    assert abs(shrunk - found.slope) < 1e-5


def test_signals_that_die_grow_or_stay() -> None:
    assert fixed_point("tanh", 0.8).variance == 0.0
    assert abs(fixed_point("tanh", 0.8).slope - 0.8) < 1e-12
    assert fixed_point("tanh", 1.0).variance == 0.0
    assert isinf(fixed_point("relu", 2.5).variance)
    assert not fixed_point("relu", 2.5).stable
    assert fixed_point("relu", 2.0, start=0.37).variance == 0.37
    assert fixed_point("relu", gain("relu") ** 2).variance == 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: second_moment("rleu", 1.0),
        lambda: second_moment(3, 1.0),  # type: ignore[arg-type]
        lambda: second_moment("relu", -1.0),
        lambda: slope_moment("relu", float("nan")),
        lambda: moments.second_moment_slope("sigmoid", 0.0),
        lambda: gain(lambda x: 0 * x),
        lambda: leaky_relu(float("inf")),
        lambda: propagate("relu", 0.0),
        lambda: propagate("relu", 1.0, -1.0),
        lambda: propagate("relu", 1.0, depth=0),
        lambda: propagate("relu", 1.0, start=-1),
        lambda: fixed_point("relu", float("nan")),
        lambda: fixed_point("relu", 1.0, start=0),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_what_is_out_of_range_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))


@pytest.mark.usefixtures("as_a_user_calls")
def test_functions_that_are_no_activations_are_refused() -> None:
    wrongs: list[Any] = [lambda x: x[:3], lambda x: x / 0, lambda x: 1.0]
    for wrong in wrongs:
        with pytest.raises(DataError):
            second_moment(wrong, 1.0)
    with pytest.raises(SightlineError, match="layer"):
        propagate("identity", 1e30, depth=50)


def test_steps_and_constants_have_no_slope_and_work_in_place_is_no_harm() -> None:
    def step(x: torch.Tensor) -> torch.Tensor:
        return (x > 0).double()

    assert second_moment(step, 1.0) == pytest.approx(0.5, rel=1e-12)
    assert slope_moment(step, 1.0) == 0.0
    assert slope_moment(torch.nn.ReLU(inplace=True), 2.0) == pytest.approx(0.5, rel=1e-12)
    assert propagate(step, weight_scale=2.0, depth=3).variances.tolist() == pytest.approx([1.0, 1.0, 1.0, 1.0])
