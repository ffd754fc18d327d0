"""Momentum's filter: its response against scipy, its impulse response and the steps of a run on sinusoids."""

from functools import partial
from math import pi, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import signal
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear.frequency_response import (
    alternating_gain,
    frequency_response,
    half_power_frequency,
    impulse_response,
    mean_age,
)
from sightline.linear.momentum_forms import AveragedMomentum, HeavyBall, MomentumForm, Velocity
from sightline.linear.momentum_stability import largest_stable_rate

OMEGA = torch.linspace(-pi, pi, 101, dtype=torch.float64)
FORMS = (AveragedMomentum, HeavyBall, Velocity)


@st.composite
def methods(pick: st.DrawFn, *, least_beta: float = 0.02) -> MomentumForm:
    """Any of the three forms, looking ahead or not."""
    beta, ahead = pick(st.floats(least_beta, 1)), pick(st.booleans())
    if pick(st.booleans()):
        return AveragedMomentum(0.3, beta, nesterov=ahead)
    return pick(st.sampled_from([HeavyBall, Velocity]))(0.3, 1 - beta, nesterov=ahead)


def _given(gradient: Tensor, point: Tensor) -> Tensor:
    """A gradient that does not depend on the point."""
    return gradient


def steps_under(method: MomentumForm, gradients: Tensor) -> Tensor:
    """The steps of the point where gradients are taken, when these are the gradients met on the way."""
    w = state = torch.zeros((), dtype=torch.float64)
    points = [w]
    for g in gradients:
        w, state = method.step(w, state, partial(_given, g))
        points.append(method.ahead(w, state) if method.nesterov else w)
    return torch.stack(points).diff()


@given(methods())
def test_the_response_is_scipys(method: MomentumForm) -> None:
    m = method.heavy_ball().momentum
    scale = method.beta if isinstance(method, AveragedMomentum) else 1.0
    numerator = [scale * (1 + m), -scale * m] if method.nesterov else [scale]
    _, expected = signal.freqz(numerator, [1.0, -m], worN=OMEGA.numpy())
    found = frequency_response(method, OMEGA)
    error = np.abs(found.response.numpy() - expected)
    assert error.max() < 1e-13 * np.abs(expected).max()
    torch.testing.assert_close(found.gain, found.response.abs(), rtol=1e-12, atol=0)
    torch.testing.assert_close(found.phase, found.response.angle(), rtol=0, atol=1e-12)


@given(methods())
def test_the_response_is_the_transform_of_the_impulse_response(method: MomentumForm) -> None:
    steps = 4096  # (1 − β)⁴⁰⁹⁶ is below 1e-35 for β ≥ 0.02
    impulse = impulse_response(method, steps)
    expected = torch.fft.fft(impulse)
    omega = 2 * pi * torch.arange(steps, dtype=torch.float64) / steps
    found = frequency_response(method, omega).response
    assert float((found - expected).abs().max()) < 1e-11 * float(impulse.sum())
    gradients = torch.zeros(50, dtype=torch.float64)
    gradients[0] = 1.0
    torch.testing.assert_close(
        steps_under(method, gradients), -method.rate * impulse[:50], rtol=0, atol=1e-14 * float(impulse.sum())
    )
    shares = impulse / impulse.sum()
    ages = torch.arange(steps, dtype=torch.float64)
    assert mean_age(method) == pytest.approx(float((shares * ages).sum()), rel=1e-11, abs=1e-14)


@settings(max_examples=40)
@given(methods(least_beta=0.1), st.floats(0.01, pi))
def test_a_sinusoid_of_gradients_gives_a_sinusoid_of_steps(method: MomentumForm, omega: float) -> None:
    t = torch.arange(500, dtype=torch.float64)
    found = frequency_response(method, torch.tensor([omega], dtype=torch.float64))
    steps = steps_under(method, (omega * t).cos())
    settled = slice(440, None)  # 0.9⁴⁴⁰ is 1e-20
    expected = -method.rate * found.gain * (omega * t[settled] + found.phase).cos()
    assert float((steps[settled] - expected).abs().max()) < 1e-12 * method.rate / method.heavy_ball().rate


@given(methods(least_beta=1e-6))
def test_half_the_power_is_where_it_is_said_to_be(method: MomentumForm) -> None:
    at = half_power_frequency(method)
    ends = frequency_response(method, torch.tensor([0.0, pi], dtype=torch.float64)).gain
    if at is None:
        assert float(ends[1] ** 2) > 0.5 * float(ends[0] ** 2)
        return
    assert 0 < at <= pi
    gain = frequency_response(method, torch.tensor([at], dtype=torch.float64)).gain
    assert float(gain**2) == pytest.approx(0.5 * float(ends[0] ** 2), rel=1e-12)


def test_half_power_exists_up_to_two_root_two_less_two() -> None:
    edge = 2 * sqrt(2) - 2
    assert half_power_frequency(AveragedMomentum(1.0, edge - 1e-9)) == pytest.approx(pi, abs=1e-3)
    assert half_power_frequency(AveragedMomentum(1.0, edge + 1e-9)) is None
    assert half_power_frequency(AveragedMomentum(1.0, 1.0)) is None
    slow = 1e-8  # for a small β the half-power frequency is β: nothing is lost to 1 − β
    assert half_power_frequency(AveragedMomentum(1.0, slow)) == pytest.approx(slow / sqrt(1 - slow), rel=1e-14)


@given(methods())
def test_the_ends_of_the_spectrum(method: MomentumForm) -> None:
    ends = frequency_response(method, torch.tensor([0.0, pi], dtype=torch.float64)).gain
    m = method.heavy_ball().momentum
    constant = 1.0 if isinstance(method, AveragedMomentum) else 1 / (1 - m)
    assert float(ends[0]) == pytest.approx(constant, rel=1e-13)
    assert float(ends[1]) == pytest.approx(alternating_gain(method), rel=1e-13)
    if isinstance(method, AveragedMomentum) and not method.nesterov:
        assert alternating_gain(method) == pytest.approx(method.beta / (2 - method.beta), rel=1e-13)
    if not method.nesterov:
        assert bool((frequency_response(method, OMEGA).gain <= constant * (1 + 1e-12)).all())


@given(methods(), st.floats(0.1, 10))
def test_the_largest_stable_rate_is_set_by_the_alternating_gain(method: MomentumForm, top: float) -> None:
    sigma = torch.tensor([top], dtype=torch.float64)
    assert largest_stable_rate(sigma, method) * 2 * top**2 * alternating_gain(method) == pytest.approx(2, rel=1e-12)


@given(methods())
def test_the_mean_age_is_the_delay_of_slow_changes(method: MomentumForm) -> None:
    assume(method.heavy_ball().momentum > 0.01)
    little = 1e-6 * (1 - method.heavy_ball().momentum)
    phase = float(frequency_response(method, torch.tensor([little], dtype=torch.float64)).phase)
    assert -phase / little == pytest.approx(mean_age(method), rel=1e-8)


@pytest.mark.usefixtures("as_a_user_calls")
def test_what_makes_no_sense_is_refused() -> None:
    method = HeavyBall(0.1, 0.5)
    wrong: tuple[Any, ...] = (torch.ones(0), torch.ones(2, 2), torch.tensor([float("nan")]), 1.0)
    for omega in wrong:
        with pytest.raises(DataError, match="omega"):
            frequency_response(method, omega)
    counts: tuple[Any, ...] = (-1, 1.5)
    for steps in counts:
        with pytest.raises(ConfigurationError, match="steps"):
            impulse_response(method, steps)
