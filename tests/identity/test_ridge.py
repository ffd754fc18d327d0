"""Ridge regression: all its forms are one, and each step of the algebra between them holds.

In every drawn matrix σ₁ = 1. The regularised normal equations have the condition κ² = (1 + λ)/(σᵣ² + λ), and the forms
agree to 100·ε·κ²·(1 + ‖y‖/((1 + λ)‖w‖)): where λ is not small that is below 1e-10.
"""

from collections.abc import Callable
from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from matrices import Drawn, draw, problems, relative
from sightline.core.errors import ConfigurationError, DataError, SightlineError
from sightline.linear import gradient, svd_coordinates
from sightline.linear.augmentation import augment_data, augment_features
from sightline.linear.centring import centred, reflect_mean
from sightline.linear.kernel_ridge import (
    kernel_ridge,
    kernel_ridge_predict,
    linear_kernel,
    polynomial_kernel,
    rbf_kernel,
)
from sightline.linear.least_squares import least_squares, minimum_norm
from sightline.linear.ridge import effective_dimension, filter_factors, ridge, ridge_gains, ridge_in_svd_coordinates
from sightline.linear.ridge_path import ridge_path

EPS = torch.finfo(torch.float64).eps


def squared_condition(drawn: Drawn, penalty: float) -> float:
    smallest = float(drawn.sigma[-1]) if drawn.rank == min(drawn.X.shape) else 0.0
    return (1 + penalty) / (smallest**2 + penalty)


def forms(drawn: Drawn, penalty: float) -> dict[str, torch.Tensor]:
    """w by every road to it."""
    X, y, d = drawn.X, drawn.y, drawn.X.shape[1]
    problem = svd_coordinates(X, y)
    return {
        "primal": ridge(X, y, penalty).w,
        "normal equations": torch.linalg.solve(X.mT @ X + penalty * torch.eye(d).double(), X.mT @ y),
        "added data": least_squares(*augment_data(X, y, penalty)).w,
        "added features": minimum_norm(augment_features(X, penalty), y).w[:d],
        "SVD coordinates": problem.weights(ridge_in_svd_coordinates(problem, penalty)),
        "path": ridge_path(X, y, torch.tensor([penalty, 10 * penalty], dtype=torch.float64)).w[0],
    }


@given(problems(), st.floats(-2, 2))
def test_all_forms_agree_to_ten_digits(drawn: Drawn, exponent: float) -> None:
    penalty = 10**exponent
    found = forms(drawn, penalty) | {
        "dual": drawn.X.mT @ kernel_ridge(linear_kernel(drawn.X, drawn.X), drawn.y, penalty)
    }
    assert len(found) == 7
    for name, w in found.items():
        assert relative(w, found["primal"]) < 1e-10, name
    w = found["primal"]
    scale = float(drawn.y.norm() + (1 + penalty) * w.norm())
    assert float(gradient(drawn.X, drawn.y, w, ridge=penalty).norm()) < 1e-13 * scale


@given(problems(), st.floats(-12, -2))
def test_all_forms_agree_as_far_as_the_conditioning_lets_them(drawn: Drawn, exponent: float) -> None:
    penalty = 10**exponent
    found = forms(drawn, penalty)
    smallest = max(float(found["SVD coordinates"].norm()), EPS)
    unit = 100 * EPS * (1 + float(drawn.y.norm()) / smallest)
    larger = ("normal equations", "added data", "added features")  # they hold max(n, d) directions, some with σ = 0
    for name, w in found.items():
        condition = (1 + penalty) / penalty if name in larger else squared_condition(drawn, penalty)
        assert relative(w, found["SVD coordinates"]) < unit * condition, name


@given(problems(max_condition=1e4), st.floats(-6, 2))
def test_the_dual_coefficients_are_the_scaled_residuals(drawn: Drawn, exponent: float) -> None:
    """λα = y − Xw and w = Xᵀα; α grows as 1/λ where no w reaches y, so its error does too."""
    penalty = 10**exponent
    alpha = kernel_ridge(linear_kernel(drawn.X, drawn.X), drawn.y, penalty)
    w = ridge(drawn.X, drawn.y, penalty).w
    tolerance = 100 * EPS * (1 + penalty) / penalty * float(alpha.norm())
    assert float((drawn.X.mT @ alpha - w).norm()) < tolerance
    assert float((penalty * alpha - (drawn.y - drawn.X @ w)).norm()) < (1 + penalty) * tolerance
    assert relative(kernel_ridge_predict(drawn.X @ drawn.X.mT, alpha), drawn.X @ drawn.X.mT @ alpha) < 1e-14


@given(problems(), st.floats(-12, 2))
def test_the_condition_is_that_of_the_regularised_problem(drawn: Drawn, exponent: float) -> None:
    penalty = 10**exponent
    found, truth = ridge(drawn.X, drawn.y, penalty), sqrt(squared_condition(drawn, penalty))
    assert found.rank == min(drawn.X.shape)
    assert truth / 2 < found.condition < truth * (1 + 1e-6 + 10 * EPS * truth)
    if found.method == "cholesky":
        assert EPS * truth**2 < 4e-12
    else:
        assert found.method == "svd"
        assert EPS * truth**2 > 0.99e-12


def test_the_estimated_condition_of_a_larger_problem() -> None:
    for n, d, seed in ((300, 200, 0), (200, 300, 1)):
        drawn = draw(n, d, rank=200, condition=1e4, seed=seed)
        found = ridge(drawn.X, drawn.y, 1e-3)
        assert found.method == "cholesky"
        assert 0.8 < found.condition / sqrt(squared_condition(drawn, 1e-3)) < 1 + 1e-6


def test_the_method_goes_by_the_conditioning_not_by_the_shape() -> None:
    for n, d in ((60, 20), (20, 60)):
        drawn = draw(n, d, rank=20, condition=1e6, seed=3)
        well, ill = ridge(drawn.X, drawn.y, 1e-2), ridge(drawn.X, drawn.y, 1e-11)
        assert (well.method, ill.method) == ("cholesky", "svd")
        normal = torch.linalg.solve(drawn.X.mT @ drawn.X + 1e-11 * torch.eye(d).double(), drawn.X.mT @ drawn.y)
        problem = svd_coordinates(drawn.X, drawn.y)
        exact = problem.weights(ridge_in_svd_coordinates(problem, 1e-11))
        if n < d:  # an exact fit, where QR costs ε·κ and normal equations ε·κ²
            assert relative(ill.w, exact) < 1e-10 < relative(normal, exact)


@given(problems(max_condition=1e6))
def test_no_ridge_is_the_minimum_norm_solution(drawn: Drawn) -> None:
    problem = svd_coordinates(drawn.X, drawn.y)
    expected = minimum_norm(drawn.X, drawn.y).w
    assert relative(problem.weights(ridge_in_svd_coordinates(problem, 0.0)), expected) < 1e-12
    assert torch.equal(ridge(drawn.X, drawn.y, 0.0).w, least_squares(drawn.X, drawn.y).w)


@given(problems(max_condition=1e6), st.floats(-8, 4))
def test_filter_factors_and_degrees_of_freedom(drawn: Drawn, exponent: float) -> None:
    penalty, sigma = 10**exponent, drawn.sigma
    factors, gain = filter_factors(sigma, penalty), ridge_gains(sigma, penalty)
    assert relative(factors, sigma**2 / (sigma**2 + penalty)) < 1e-14
    assert relative(gain, sigma / (sigma**2 + penalty)) < 1e-14
    assert bool(((factors > 0) & (factors < 1 + EPS)).all())
    assert float(gain.max()) <= (1 + 2 * EPS) / (2 * sqrt(penalty))
    d = drawn.X.shape[1]
    hat = drawn.X @ torch.linalg.solve(drawn.X.mT @ drawn.X + penalty * torch.eye(d).double(), drawn.X.mT)
    condition = (1 + penalty) / penalty
    assert effective_dimension(sigma, penalty) == pytest.approx(float(hat.trace()), rel=1e-12 + 100 * EPS * condition)


def test_filter_factors_at_the_ends() -> None:
    sigma = torch.tensor([1e200, 1.0, 1e-200, 0.0], dtype=torch.float64)
    assert torch.equal(filter_factors(sigma, 0.0), torch.tensor([1.0, 1, 1, 0]).double())
    assert torch.equal(ridge_gains(sigma, 0.0), torch.tensor([1e-200, 1, 1e200, 0], dtype=torch.float64))
    assert torch.equal(filter_factors(sigma, 1.0), torch.tensor([1.0, 0.5, 0, 0]).double())


@given(problems(), st.floats(-6, 2))
def test_added_data_have_the_singular_values_of_the_sum(drawn: Drawn, exponent: float) -> None:
    penalty = 10**exponent
    X, y = augment_data(drawn.X, drawn.y, penalty)
    n, d = drawn.X.shape
    squares = torch.zeros(d, dtype=torch.float64)
    squares[: drawn.rank] = drawn.sigma.square()
    assert relative(torch.linalg.svdvals(X), (squares + penalty).sqrt()) < 1e-13
    assert not y[n:].any()
    wide = augment_features(drawn.X, penalty)
    assert relative(wide @ wide.mT, drawn.X @ drawn.X.mT + penalty * torch.eye(n).double()) < 1e-13
    v = minimum_norm(wide, drawn.y).w
    assert relative(wide @ v, drawn.y) < 1e-11  # the added features take up all that X does not


@given(problems(max_condition=1e3), st.floats(-2, 2))
def test_centring_leaves_the_intercept_free(drawn: Drawn, exponent: float) -> None:
    """The twin: a column of ones, and a penalty on the other columns only."""
    n, d, penalty = *drawn.X.shape, 10**exponent
    centre = centred(drawn.X, drawn.y)
    w = ridge(centre.X, centre.y, penalty).w
    ones = torch.cat([torch.ones(n, 1).double(), drawn.X], 1)
    free = torch.eye(d + 1, dtype=torch.float64) * penalty
    free[0, 0] = 0
    twin = torch.linalg.solve(ones.mT @ ones + free, ones.mT @ drawn.y)
    scale = float(twin.norm())
    assert float((w - twin[1:]).norm()) < 1e-10 * scale
    assert float((centre.intercept(w) - twin[0]).norm()) < 1e-10 * scale


@given(problems())
def test_the_reflection_splits_off_the_mean(drawn: Drawn) -> None:
    n = len(drawn.X)
    if n == 1:
        return
    rows = reflect_mean(drawn.X)
    assert relative(reflect_mean(rows), drawn.X) < 1e-14
    assert float((rows[0] + sqrt(n) * drawn.X.mean(0)).norm()) < 1e-14
    shifted = reflect_mean(drawn.X + 3)[1:]
    assert float((shifted - rows[1:]).norm()) < 1e-13
    centre = drawn.X - drawn.X.mean(0)
    assert float((rows[1:].mT @ rows[1:] - centre.mT @ centre).norm()) < 1e-14


def test_a_singular_kernel_matrix_gives_the_shortest_dual() -> None:
    drawn = draw(8, 3, rank=3, condition=10, seed=4)
    K = linear_kernel(drawn.X, drawn.X)
    w = drawn.X.mT @ kernel_ridge(K, drawn.y, 0.0)
    assert relative(w, minimum_norm(drawn.X, drawn.y).w) < 1e-10
    assert relative(drawn.X.mT @ kernel_ridge(K, drawn.y, 1e-18), w) < 1e-10


def test_a_direction_that_float64_cannot_tell_from_nothing_is_left_out() -> None:
    """3·ε = 6.7e-16 is the rank's limit: λ alone is below it, 4e-15 + λ above."""
    K, y, penalty = torch.diag(torch.tensor([1.0, 4e-15, 0.0]).double()), torch.ones(3).double(), 5e-16
    expected = torch.tensor([1 / (1 + penalty), 1 / (float(K[1, 1]) + penalty), 0.0], dtype=torch.float64)
    assert relative(kernel_ridge(K, y, penalty), expected) < 1e-14


def test_kernels_are_inner_products_of_features() -> None:
    generator = torch.Generator().manual_seed(5)
    X, Z = (torch.randn(count, 2, generator=generator, dtype=torch.float64) for count in (6, 4))

    def monomials(A: torch.Tensor) -> torch.Tensor:
        a, b = A.unbind(1)
        return torch.stack([a**2, b**2, sqrt(2) * a * b, sqrt(6) * a, sqrt(6) * b, 3 + 0 * a], 1)

    assert relative(polynomial_kernel(X, Z, degree=2, offset=3.0), monomials(X) @ monomials(Z).mT) < 1e-14
    spread = ((X[:, None] - Z) ** 2).sum(-1)
    assert relative(rbf_kernel(X, Z, length_scale=0.7), torch.exp(-spread / (2 * 0.7**2))) < 1e-14
    near = rbf_kernel(X + 1e6, X + 1e6 + 1e-3, length_scale=1e-3).diagonal()  # ‖x‖² + ‖z‖² − 2xᵀz would be all rounding
    assert float((near - torch.exp(torch.tensor(-1.0))).abs().max()) < 1e-5


X, Y = torch.ones(3, 2), torch.ones(3)
NAN = torch.tensor([[1.0, float("nan")]] * 3)


@pytest.mark.parametrize("penalty", [-1e-9, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "call",
    [
        lambda value: ridge(X, Y, value),
        lambda value: augment_data(X, Y, value),
        lambda value: augment_features(X, value),
        lambda value: kernel_ridge(torch.eye(3), Y, value),
        lambda value: filter_factors(Y, value),
        lambda value: ridge_gains(Y, value),
        lambda value: effective_dimension(Y, value),
        lambda value: ridge_in_svd_coordinates(svd_coordinates(X, Y), value),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_a_bad_penalty_is_refused(call: Callable[[float], object], penalty: float) -> None:
    with pytest.raises(ConfigurationError, match="ridge"):
        call(penalty)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ridge(NAN, Y, 1.0),
        lambda: ridge(X, Y[:2], 1.0),
        lambda: ridge(X[:0], Y[:0], 1.0),
        lambda: augment_data(NAN, Y, 1.0),
        lambda: augment_features(NAN, 1.0),
        lambda: centred(NAN, Y),
        lambda: reflect_mean(Y[:1]),
        lambda: filter_factors(-Y, 1.0),
        lambda: ridge_gains(torch.ones(0), 1.0),
        lambda: effective_dimension(NAN[0], 1.0),
        lambda: kernel_ridge(X, Y, 1.0),
        lambda: kernel_ridge(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), Y[:2], 1.0),
        lambda: kernel_ridge(-torch.eye(3), Y, 0.5),
        lambda: kernel_ridge(torch.eye(3), Y[:2], 1.0),
        lambda: kernel_ridge_predict(X, Y),
        lambda: linear_kernel(X, X[:, :1]),
        lambda: polynomial_kernel(NAN, X, degree=2),
        lambda: rbf_kernel(X, NAN, length_scale=1.0),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_problems_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(DataError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))


def test_bad_kernels_are_refused() -> None:
    for bad in (0, -1):
        with pytest.raises(SightlineError, match="degree"):
            polynomial_kernel(X.double(), X.double(), degree=bad)
    with pytest.raises(SightlineError, match="offset"):
        polynomial_kernel(X.double(), X.double(), degree=2, offset=-1.0)
    with pytest.raises(SightlineError, match="length_scale"):
        rbf_kernel(X.double(), X.double(), length_scale=0.0)


@pytest.mark.parametrize("exponent", [-6, -10, -14, -18])
def test_columns_twice_over_are_no_harm_however_small_the_ridge(exponent: int) -> None:
    """[A, A] with λ is A with λ/2, each half of the weights; the factored sum would divide rounding by λ."""
    A = torch.randn(20, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.randn(20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    penalty = 10.0**exponent
    once = ridge(A, y, penalty / 2).w / 2
    assert relative(ridge(torch.cat([A, A], 1), y, penalty).w, torch.cat([once, once])) < 1e-12
