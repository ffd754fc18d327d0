"""Adaptive methods: what holds for the right formulas, and breaks for the misprinted ones."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from matrices import draw, relative
from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import gradient
from sightline.linear.adaptive import Adagrad, Adam, AdaptiveMethod, Moments, RMSProp, adaptive_iterates
from sightline.linear.exponential_average import average_weights, bias_correction, exponential_average
from sightline.linear.momentum import momentum_iterates
from sightline.linear.momentum_forms import HeavyBall
from sightline.linear.weight_decay import decay_factor, decay_of_ridge, decayed_step

BETAS = st.one_of(st.floats(1e-6, 1), st.sampled_from([1.0, 0.5, 1e-12]))
EPSILON = torch.finfo(torch.float64).eps


def gradients(count: int, seed: int = 0, size: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, size, generator=generator, dtype=torch.float64)


def run(method: AdaptiveMethod, seen: Tensor, start: Tensor | None = None) -> tuple[Tensor, Moments]:
    """The weights after each of these gradients, whatever the weights are, and the last memory."""
    w = torch.zeros_like(seen[0]) if start is None else start
    state, weights = method.start(w), [w]
    for g in seen:
        w, state = method.step(w, g, state)
        weights.append(w)
    return torch.stack(weights), state


@settings(max_examples=50)
@given(BETAS, st.integers(1, 80), st.integers(0, 1000))
def test_the_explicit_weights_are_the_recursion(beta: float, count: int, seed: int) -> None:
    values, a = gradients(count, seed), torch.zeros(3, dtype=torch.float64)
    averages = []
    for g in values:
        a = (1 - beta) * a + beta * g
        averages.append(a)
    expected = torch.stack(averages)
    close = 4 * count * EPSILON * beta * float(values.abs().sum())
    torch.testing.assert_close(exponential_average(values, beta), expected, rtol=0, atol=close)
    weights = average_weights(beta, count)
    torch.testing.assert_close(weights @ values, expected[-1], rtol=0, atol=close)
    torch.testing.assert_close(
        exponential_average(values, beta, corrected=True)[-1],
        average_weights(beta, count, corrected=True) @ values,
        rtol=1e-13,
        atol=1e-13,
    )


@settings(max_examples=50)
@given(BETAS, st.integers(1, 2000))
def test_corrected_weights_sum_to_one_and_return_a_constant(beta: float, count: int) -> None:
    total = bias_correction(beta, count)
    assert float(average_weights(beta, count).sum()) == pytest.approx(total, rel=1e-13)
    assert float(average_weights(beta, count, corrected=True).sum()) == pytest.approx(1, rel=1e-13)
    constant = torch.full((min(count, 50), 1), 3.0, dtype=torch.float64)
    assert relative(exponential_average(constant, beta, corrected=True), constant) < 1e-13


def test_the_notes_correction_does_not_recover_a_constant() -> None:
    """Erratum 2: divided by 1 − βᵏ, as in L7 (10), it is not 1 again. β = 1/4, three gradients of 1."""
    a = float(exponential_average(torch.ones(3), 0.25)[-1])
    assert a == 1 - 0.75**3
    assert a / bias_correction(0.25, 3) == 1
    assert a / (1 - 0.25**3) < 0.6
    kingma_and_ba = 1 - (1 - 0.25) ** 3  # 1 − β₁ᵏ with β₁ = 1 − β
    assert bias_correction(0.25, 3) == kingma_and_ba


def test_small_weights_keep_their_digits() -> None:
    assert bias_correction(1e-18, 7) == pytest.approx(7e-18, rel=1e-15)
    assert bias_correction(1.0, 1) == 1.0
    assert torch.equal(average_weights(1.0, 3), torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))


def test_squares_are_added() -> None:
    """Erratum 3: with v ← (1−β′)v − β′g², week 3 as printed, the second moment is negative and has no root."""
    seen, beta_prime = gradients(20), 0.1
    _, state = run(Adam(0.1, 0.2, beta_prime), seen)
    assert bool((state.square > 0).all())
    assert relative(state.square, exponential_average(seen.square(), beta_prime)[-1]) < 1e-14
    notes = torch.zeros(3, dtype=torch.float64)
    for g in seen:
        notes = (1 - beta_prime) * notes - beta_prime * g.square()
    assert bool((notes < 0).all())
    assert bool(notes.sqrt().isnan().all())


@settings(max_examples=30)
@given(st.floats(0.01, 100), st.floats(1e-3, 1e3))
def test_adagrad_sums_the_squares(rate: float, size: float) -> None:
    """Erratum 5: under a constant gradient the kth step is η/√k; with β before g², D2 (5), it is 1/√β times that."""
    method, g = Adagrad(rate, epsilon=1e-300), torch.tensor([size, -size], dtype=torch.float64)
    weights, state = run(method, g.expand(100, 2))
    k = torch.arange(1, 101, dtype=torch.float64)[:, None]
    torch.testing.assert_close(weights.diff(dim=0), -rate * g.sign() / k.sqrt(), rtol=1e-11, atol=0)
    assert relative(state.square, 100 * g.square()) < 1e-13
    s, beta = torch.zeros(2, dtype=torch.float64), 0.1
    for _ in range(100):
        s = s + beta * g.square()
    assert relative(rate * g / s.sqrt(), rate * g.sign() / 10) > 2


@given(st.floats(1e-3, 10), BETAS, BETAS, st.floats(1e-12, 1), st.integers(0, 1000))
def test_adams_first_step_is_the_rate(rate: float, beta: float, beta_prime: float, epsilon: float, seed: int) -> None:
    """Erratum 7: uncorrected, A3 (19)-(21), the first step is β/√β′ times as large (ε aside)."""
    g = gradients(1, seed)[0]
    weights, _ = run(Adam(rate, beta, beta_prime, epsilon), g[None])
    assert relative(weights[1], -rate * g / (g.abs() + epsilon)) < 1e-12
    tiny, _ = run(Adam(rate, beta, beta_prime, 1e-300), g[None])
    assert relative(tiny[1], -rate * g.sign()) < 1e-12
    uncorrected = -rate * beta * g / (beta_prime * g.square()).sqrt()
    assert relative(uncorrected, beta / beta_prime**0.5 * tiny[1]) < 1e-12


def test_without_correction_the_first_steps_are_of_another_size() -> None:
    """Erratum 7 with the usual β = 0.1, β′ = 0.001: three times the rate, and still twice after ten steps."""
    g, k = torch.ones(1, dtype=torch.float64), torch.arange(1, 11, dtype=torch.float64)
    weights, _ = run(Adam(0.01, epsilon=1e-300), g.expand(10, 1))
    torch.testing.assert_close(weights.diff(dim=0)[:, 0], torch.full((10,), -0.01).double(), rtol=1e-6, atol=0)
    a, v = exponential_average(torch.ones(10), 0.1), exponential_average(torch.ones(10), 0.001)
    notes = 0.01 * a / v.sqrt()
    assert bool((notes > 0.02).all())
    torch.testing.assert_close(notes, 0.01 * (1 - 0.9**k) / (1 - 0.999**k).sqrt(), rtol=1e-10, atol=0)


def test_epsilon_inside_the_root_is_another_method() -> None:
    """Erratum 28: with a gradient of 1e-6 and ε = 1e-8, √s + ε moves by η, √(s + ε) by a hundredth of it."""
    g = torch.tensor([1e-6], dtype=torch.float64)
    for method in (Adagrad(1.0, 1e-8), RMSProp(1.0, 1.0, 1e-8), Adam(1.0, epsilon=1e-8)):
        weights, _ = run(method, g[None])
        assert float(weights[1]) == pytest.approx(-1 / 1.01, rel=1e-12)
    assert float(g / (g.square() + 1e-8).sqrt()) == pytest.approx(0.01, rel=1e-3)


@given(
    st.sampled_from([Adagrad(0.1, 1e-300), RMSProp(0.1, 0.2, 1e-300), Adam(0.1, 0.3, 0.05, 1e-300)]), st.integers(0, 99)
)
def test_the_size_of_the_gradients_does_not_matter(method: AdaptiveMethod, seed: int) -> None:
    """A power of two times the gradients gives the very same steps, one for each weight too."""
    seen = gradients(15, seed)
    scale = torch.tensor([2.0**-40, 1.0, 2.0**30], dtype=torch.float64)
    assert torch.equal(run(method, seen)[0], run(method, seen * scale)[0])


def test_adaptive_methods_know_the_axes_and_descent_does_not() -> None:
    drawn = draw(8, 3, rank=3, condition=20, seed=3)
    Q = torch.linalg.qr(gradients(3, 5))[0]
    start = gradients(1, 6)[0]
    for method in (Adagrad(0.1), RMSProp(0.01), Adam(0.05)):
        turned = adaptive_iterates(drawn.X @ Q.mT, drawn.y, method, 30, Q @ start)
        assert relative(turned @ Q, adaptive_iterates(drawn.X, drawn.y, method, 30, start)) > 1e-3
    for ball in (HeavyBall(0.3, 0.0), HeavyBall(0.3, 0.8)):
        turned = momentum_iterates(drawn.X @ Q.mT, drawn.y, ball, 30, Q @ start).weights
        assert relative(turned @ Q, momentum_iterates(drawn.X, drawn.y, ball, 30, start).weights) < 1e-13


def test_rmsprop_is_adam_without_average_and_correction() -> None:
    seen = gradients(40, 8)
    rms, state = run(RMSProp(0.1, 0.3, 1e-6), seen)
    square = exponential_average(seen.square(), 0.3)
    assert relative(rms.diff(dim=0), -0.1 * seen / (square.sqrt() + 1e-6)) < 1e-13
    assert state.steps == 40
    assert torch.equal(state.average, seen[-1])
    adam, _ = run(Adam(0.1, 1.0, 0.3, 1e-6), seen)
    correct = exponential_average(seen.square(), 0.3, corrected=True)
    assert relative(adam.diff(dim=0), -0.1 * seen / (correct.sqrt() + 1e-6)) < 1e-13


def test_weights_without_gradient_shrink_by_one_minus_rate_times_decay() -> None:
    """Erratum 8: in A3 (26) the roles of α and λ are exchanged; its weights shrink by 1 − α at every step."""
    rate, decay, k = 0.01, 0.3, 25
    start, none = gradients(1)[0], torch.zeros(3, dtype=torch.float64)
    w = notes = start
    for _ in range(k):
        w = decayed_step(w, none, rate, decay)
        notes = notes - decay * none - rate * notes
    assert relative(w, decay_factor(rate, decay, k) * start) < 1e-14
    assert relative(notes, w) > 0.1
    moved, _ = run(Adam(rate, weight_decay=decay), none.expand(k, 3), start)
    assert relative(moved[-1], w) < 1e-14
    g = gradients(1, 9)[0]  # and its step down goes by the decay's strength, not by the rate
    assert relative(decayed_step(none, g, rate, decay), -rate * g) < 1e-15


@given(st.floats(1e-6, 1), st.floats(0, 2.5), st.integers(0, 500))
def test_the_decay_factor_is_the_product(rate: float, decay: float, steps: int) -> None:
    expected = 1.0
    for _ in range(steps):
        expected *= 1 - rate * decay
    assert decay_factor(rate, decay, steps) == pytest.approx(expected, rel=1e-12, abs=1e-300)
    assert decay_factor(1e-12, 1e-8, 10**15) == pytest.approx(1 - 1e-5 + 5e-11, rel=1e-14)


def test_decay_and_penalty_are_one_for_descent_and_two_for_adam() -> None:
    drawn, ridge, rate = draw(8, 3, rank=3, condition=5, seed=4), 0.2, 0.05
    start = gradients(1, 2)[0]
    w = start
    for _ in range(30):
        w = decayed_step(w, gradient(drawn.X, drawn.y, w), rate, decay_of_ridge(ridge))
    penalised = momentum_iterates(drawn.X, drawn.y, HeavyBall(rate, 0.0), 30, start, ridge=ridge).weights[-1]
    assert relative(w, penalised) < 1e-14
    coupled = adaptive_iterates(drawn.X, drawn.y, Adam(rate), 30, start, ridge)
    decoupled = adaptive_iterates(drawn.X, drawn.y, Adam(rate, weight_decay=decay_of_ridge(ridge)), 30, start)
    assert relative(coupled, decoupled) > 0.01


def test_adaptive_methods_reach_the_solution() -> None:
    drawn = draw(8, 3, rank=3, condition=5, seed=4)
    best = torch.linalg.lstsq(drawn.X, drawn.y[:, None]).solution[:, 0]
    for method in (Adagrad(1.0), Adam(0.1, 0.1, 0.01)):
        assert relative(adaptive_iterates(drawn.X, drawn.y, method, 500)[-1], best) < 0.05


@pytest.mark.usefixtures("as_a_user_calls")
def test_numbers_outside_their_range_are_refused() -> None:
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        for kind in (Adagrad, RMSProp, Adam):
            with pytest.raises(ConfigurationError, match="rate"):
                kind(wrong)
            with pytest.raises(ConfigurationError, match="epsilon"):
                kind(0.1, epsilon=wrong)
        of_beta: tuple[Callable[[float], object], ...] = (
            lambda b: RMSProp(0.1, beta_prime=b),
            lambda b: Adam(0.1, beta=b),
            lambda b: Adam(0.1, beta_prime=b),
            lambda b: bias_correction(b, 1),
            lambda b: average_weights(b, 1),
            lambda b: exponential_average(torch.ones(3), b),
        )
        for call in of_beta:
            with pytest.raises(ConfigurationError, match="beta"):
                call(wrong)
    calls: tuple[Callable[[], object], ...] = (
        lambda: Adam(0.1, weight_decay=-1.0),
        lambda: bias_correction(0.1, 0),
        lambda: average_weights(0.1, 0),
        lambda: decay_factor(0.0, 1.0, 1),
        lambda: decay_factor(0.1, -1.0, 1),
        lambda: decay_factor(0.1, 1.0, -1),
        lambda: decay_of_ridge(-1.0),
        lambda: decayed_step(torch.ones(1), torch.ones(1), 0.0, 0.1),
        lambda: decayed_step(torch.ones(1), torch.ones(1), 0.1, -0.1),
        lambda: adaptive_iterates(torch.eye(2), torch.ones(2), Adam(0.1), -1),
        lambda: adaptive_iterates(torch.eye(2), torch.ones(2), Adam(0.1), 1, ridge=-1.0),
    )
    for refused in calls:
        with pytest.raises(ConfigurationError):
            refused()


@pytest.mark.usefixtures("as_a_user_calls")
def test_tensors_that_do_not_fit_are_refused() -> None:
    X, y, nan, w = torch.eye(2), torch.ones(2), torch.tensor([1.0, float("nan")]), torch.zeros(2)
    numbers: Any = [1.0, 1.0]
    calls: tuple[Callable[[], object], ...] = (
        lambda: adaptive_iterates(X, torch.ones(3), Adam(0.1), 1),
        lambda: adaptive_iterates(X, nan, Adam(0.1), 1),
        lambda: adaptive_iterates(X, y, Adam(0.1), 1, start=torch.ones(3)),
        lambda: adaptive_iterates(X, y, Adam(0.1), 1, start=nan),
        lambda: Adam(0.1).step(w, nan, Adam(0.1).start(w)),
        lambda: Adagrad(0.1).step(w, torch.ones(3), Adagrad(0.1).start(w)),
        lambda: RMSProp(0.1).step(w, numbers, RMSProp(0.1).start(w)),
        lambda: exponential_average(torch.ones(0), 0.1),
        lambda: exponential_average(nan, 0.1),
        lambda: exponential_average(torch.tensor(1.0), 0.1),
        lambda: exponential_average(numbers, 0.1),
        lambda: decayed_step(w, nan, 0.1, 0.1),
        lambda: decayed_step(w, torch.ones(3), 0.1, 0.1),
        lambda: decayed_step(numbers, w, 0.1, 0.1),
    )
    for call in calls:
        with pytest.raises(DataError):
            call()
