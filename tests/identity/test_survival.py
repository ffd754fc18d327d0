"""Survival and contamination: Pythagoras, the closed form under aliasing, and the limits known by other routes."""

from collections.abc import Callable
from math import inf, isinf

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from matrices import Drawn, problems, relative
from sightline.core.errors import SightlineError
from sightline.linear.aliasing import alias_survival, aliased_coefficients, bilevel_weights, fourier_features
from sightline.linear.deterministic_equivalent import (
    effective_ridge,
    expected_errors,
    isotropic_error,
)
from sightline.linear.simulated_survival import simulate_survival
from sightline.linear.survival import survival, survival_of

seeds = st.integers(0, 10**6)


@given(problems(max_condition=1e3, outputs=False), seeds, st.sampled_from([0.0, 0.2]))
def test_survival_and_contamination_make_up_the_error(drawn: Drawn, seed: int, ridge: float) -> None:
    """error = E‖ŵ − w‖²_Σ + noise, by the estimator's own mean and covariance; and realised estimates likewise."""
    generator = torch.Generator().manual_seed(seed)
    X, d = drawn.X, drawn.X.shape[1]
    w, root = torch.randn(d, generator=generator).double(), torch.randn(d, d, generator=generator).double()
    C, noise = root @ root.mT + 0.1 * torch.eye(d, dtype=torch.float64), 0.6
    found = survival(X, w, noise=noise, ridge=ridge, covariance=C)
    if ridge:
        A = torch.linalg.solve(X.mT @ X + ridge * torch.eye(d, dtype=torch.float64), X.mT)
    else:
        A = torch.linalg.lstsq(X, torch.eye(len(X), dtype=torch.float64), driver="gelsd").solution
    away = A @ X @ w - w
    expected = away @ C @ away + noise * (A.mT @ C @ A).trace() + noise
    assert found.error == pytest.approx(float(expected), rel=1e-10)
    assert found.survival == pytest.approx(float(w @ C @ A @ X @ w) / found.energy, rel=1e-9, abs=1e-9)

    estimates = torch.randn(2, 3, d, generator=generator).double()
    at_hand = survival_of(estimates, w, C)
    gaps = estimates - w
    assert relative(at_hand.error(noise), ((gaps @ C) * gaps).sum(-1) + noise) < 1e-11
    rest = estimates - at_hand.survival[..., None] * w
    assert float((rest @ C @ w).abs().max()) < 1e-10 * found.energy * (1 + float(at_hand.survival.abs().max()))


def test_for_one_true_feature_it_is_the_papers() -> None:
    """SU = ŵₜ/wₜ and CN² = Σ_{j≠t} λⱼŵⱼ² for a sparse truth and a diagonal covariance."""
    spectrum, estimate = torch.tensor([[3.0, 2.0, 1.0], [0.4, 0.6, -0.5]], dtype=torch.float64)
    found = survival_of(estimate, torch.tensor([0.0, 2.0, 0.0]), torch.diag(spectrum))
    assert float(found.survival) == pytest.approx(0.3, rel=1e-14)
    assert float(found.contamination) == pytest.approx(3 * 0.16 + 0.25, rel=1e-14)


@given(st.integers(1, 12), st.integers(1, 4), st.data(), seeds, st.sampled_from([0.0, 0.7]))
def test_aliasing_in_closed_form_is_the_direct_solve(
    n: int, repeats: int, data: st.DataObject, seed: int, ridge: float
) -> None:
    """The weighted minimum norm through its n × n Gram matrix, noise through every unit error in turn: to 1e-10."""
    generator = torch.Generator().manual_seed(seed)
    d = n * repeats + data.draw(st.integers(0, n - 1))
    g, t, noise = 0.1 + torch.rand(d, generator=generator).double(), data.draw(st.integers(0, d - 1)), 0.4
    points = torch.arange(n).double() / n
    features = fourier_features(points, g)
    target = fourier_features(points, torch.ones(d))[:, t]
    K = features @ features.mH + ridge * torch.eye(n, dtype=torch.complex128)
    A = g.sqrt()[:, None] * torch.linalg.solve(K, features).mH  # from targets to coefficients of unweighted features
    c = A @ target
    assert relative(torch.view_as_real(c)[:, 0], aliased_coefficients(g, n, t, ridge)) < 1e-10
    assert float(c.imag.abs().max()) < 1e-10
    found = alias_survival(g, n, t, noise=noise, ridge=ridge)
    truth = torch.zeros(d, dtype=torch.complex128)
    truth[t] = 1
    assert found.error == pytest.approx(
        float((c - truth).abs().square().sum() + noise * A.abs().square().sum()) + noise
    )
    assert found.survival == pytest.approx(float(c[t].real), rel=1e-10)
    assert found.survival_variance == pytest.approx(noise * float(A[t].abs().square().sum()), rel=1e-9)
    if ridge == 0:
        aliases = torch.arange(d) % n == t % n
        assert found.survival == pytest.approx(float(g[t] / g[aliases].sum()), rel=1e-12)


def test_a_favoured_frequency_survives_as_the_exponents_say() -> None:
    """Bi-level weights, d = n², s = n^½: a share a = n^−q lets it survive for q < ½ and kills it for q > ½."""
    for q, alive in ((0.2, True), (0.8, False)):
        shares = []
        for n in (16, 64, 256):
            s = round(n**0.5)
            found = alias_survival(bilevel_weights(n * n, s, n**-q), n, 0, noise=0.0)
            assert found.survival == pytest.approx(1 / (1 + (1 - n**-q) * n ** (q - 0.5)), abs=0.02)
            shares.append(found.survival)
        assert (shares == sorted(shares)) is alive
        assert (shares[-1] > 0.8) is alive
    assert float(bilevel_weights(100, 7, 0.3).mean()) == pytest.approx(1, rel=1e-14)


@given(
    st.lists(st.floats(0, 1e3), min_size=1, max_size=20).filter(lambda values: max(values) > 1e-3),
    st.integers(1, 25),
    st.sampled_from([0.0, 1e-6, 0.5, 1e4]),
    seeds,
)
def test_the_effective_ridge_solves_its_equation_and_the_parts_add_up(
    values: list[float], n: int, ridge: float, seed: int
) -> None:
    spectrum = torch.tensor([value if value > 1e-6 else 0.0 for value in values], dtype=torch.float64)
    kappa = effective_ridge(spectrum, n, ridge)
    if kappa == 0:
        assert ridge == 0
        assert int((spectrum > 0).sum()) <= n
    else:
        assert float((spectrum / (spectrum + kappa)).sum()) + ridge / kappa == pytest.approx(n, rel=1e-9)
    w = 1 + torch.rand(len(spectrum), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = expected_errors(spectrum, w, samples=n, noise=0.3, ridge=ridge)
    assert found.survival.error == pytest.approx(found.test, rel=1e-9)
    assert 0 <= found.survival.survival <= 1 + 1e-12
    if ridge:
        assert found.training <= found.test


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.1, 5))
def test_equal_eigenvalues_give_the_known_limits(n: int, d: int, norm: float) -> None:
    """Hastie et al. 2022: bias ‖w‖²(1 − 1/γ) and variance noise/(γ − 1) over, noise γ/(1 − γ) under; to 1e-10."""
    noise, gamma = 0.7, d / n
    w = torch.full((d,), norm / d**0.5, dtype=torch.float64)
    found = expected_errors(torch.ones(d), w, samples=n, noise=noise)
    if d == n:
        assert isinf(found.test)
        assert isinf(isotropic_error(n, d, norm=norm, noise=noise))
    elif d < n:
        assert found.bias == 0
        assert found.variance == pytest.approx(noise * gamma / (1 - gamma), rel=1e-10)
        assert found.training == pytest.approx(noise * (1 - gamma), rel=1e-10)  # exact at every n
    else:
        assert found.bias == pytest.approx(norm**2 * (1 - 1 / gamma), rel=1e-10)
        assert found.variance == pytest.approx(noise / (gamma - 1), rel=1e-10)
        assert found.survival.survival == pytest.approx(1 / gamma, rel=1e-10)
        assert found.training == 0
    # the exact values at finite n approach the limits as 1/n
    far = 1000
    if n != d:
        exact = isotropic_error(far * n, far * d, norm=norm, noise=noise)
        assert exact == pytest.approx(found.test, rel=2 / (far * abs(n - d)) + 1e-9)


def test_without_noise_there_is_no_peak_and_with_it_the_error_is_infinite() -> None:
    assert isotropic_error(10, 10, norm=2.0, noise=0.0) == 0
    assert isotropic_error(10, 5, norm=2.0, noise=0.0) == 0
    assert isotropic_error(10, 11, norm=1.0, noise=0.1) == inf
    assert expected_errors(torch.ones(10), torch.ones(10), samples=10, noise=0.0).test == 0


X, w = torch.ones(3, 2), torch.ones(2)
DRAW = torch.Generator().manual_seed(0)
NAN = torch.full((2,), float("nan"))
BAD: list[Callable[[], object]] = [
    lambda: survival(X, torch.ones(3), noise=0.1),
    lambda: survival(X, NAN, noise=0.1),
    lambda: survival(torch.ones(0, 2), w, noise=0.1),
    lambda: survival(X, w, noise=-0.1),
    lambda: survival(X, w, noise=0.1, ridge=-1.0),
    lambda: survival(X, torch.zeros(2), noise=0.1),
    lambda: survival(X, w, noise=0.1, covariance=torch.eye(3)),
    lambda: survival(X, w, noise=0.1, covariance=torch.tensor([[1.0, 1.0], [0.0, 1.0]])),
    lambda: survival(X, w, noise=0.1, covariance=-torch.eye(2)),
    lambda: survival_of(torch.ones(3), w),
    lambda: survival_of(NAN, w),
    lambda: effective_ridge(torch.zeros(2), 3),
    lambda: effective_ridge(-torch.ones(2), 3),
    lambda: effective_ridge(w, 0),
    lambda: effective_ridge(w, 3, -1.0),
    lambda: expected_errors(w, torch.ones(3), samples=3, noise=0.1),
    lambda: expected_errors(w, torch.zeros(2), samples=3, noise=0.1),
    lambda: expected_errors(w, w, samples=3, noise=-0.1),
    lambda: isotropic_error(0, 1, norm=1.0, noise=0.1),
    lambda: isotropic_error(1, 1, norm=-1.0, noise=0.1),
    lambda: simulate_survival(w, w, samples=3, noise=0.1, repetitions=1, generator=DRAW),
    lambda: simulate_survival(w, NAN, samples=3, noise=0.1, repetitions=5, generator=DRAW),
    lambda: fourier_features(NAN, w),
    lambda: fourier_features(w, torch.zeros(2)),
    lambda: aliased_coefficients(w, 2, 2),
    lambda: aliased_coefficients(w, 0, 1),
    lambda: aliased_coefficients(w, 2, 1, -0.1),
    lambda: alias_survival(-w, 2, 1, noise=0.1),
    lambda: alias_survival(w, 2, 1, noise=-0.1),
    lambda: bilevel_weights(4, 4, 0.5),
    lambda: bilevel_weights(4, 2, 1.0),
]


@pytest.mark.parametrize("call", BAD)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_refused_in_three_parts(call: Callable[[], object]) -> None:
    with pytest.raises(SightlineError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))


def test_every_refusal_is_here() -> None:
    assert len(BAD) == 31
