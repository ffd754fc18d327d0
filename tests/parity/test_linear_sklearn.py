"""The linear solvers beside scikit-learn's and scipy's."""

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import torch
from hypothesis import given, settings
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.metrics import pairwise

from matrices import Drawn, draw, problems, relative
from sightline.linear.centring import centred
from sightline.linear.kernel_ridge import (
    kernel_ridge,
    kernel_ridge_predict,
    linear_kernel,
    polynomial_kernel,
    rbf_kernel,
)
from sightline.linear.least_squares import least_squares
from sightline.linear.ridge import ridge
from sightline.linear.ridge_path import ridge_path
from sightline.linear.weighted_least_squares import weighted_least_squares

SHAPES = [(30, 8), (8, 30), (12, 12)]
EPS = torch.finfo(torch.float64).eps


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float64)


@given(problems())
@settings(max_examples=60)
def test_least_squares_beside_lapack(drawn: Drawn) -> None:
    """scipy cuts singular values below ε·σ₁ unless told: it is told our rank rule."""
    X, y = drawn.X.numpy(), drawn.y.numpy()
    cut = max(X.shape) * EPS
    found = least_squares(drawn.X, drawn.y)
    w, _, rank, _ = scipy.linalg.lstsq(X, y, cond=cut, lapack_driver="gelsd")
    residual = float(found.residual.sum().sqrt())
    tolerance = 100 * EPS * (drawn.condition + drawn.condition**2 * residual / max(float(found.w.norm()), EPS))
    assert rank == found.rank
    assert relative(found.w, tensor(w)) < tolerance
    if drawn.condition < 1e6:  # the pseudo-inverse, formed, costs ε·κ·‖X⁺‖‖y‖
        product = tensor(scipy.linalg.pinv(X, rtol=cut) @ y)
        assert float((found.w - product).norm()) < 100 * EPS * drawn.condition**2 * float(drawn.y.norm())


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_least_squares_beside_an_optimiser_and_scikit_learn(n: int, d: int) -> None:
    drawn = draw(n, d, rank=min(n, d), condition=5, seed=n)
    X, y = drawn.X.numpy(), drawn.y.numpy()
    w = least_squares(drawn.X, drawn.y).w
    assert relative(w, tensor(LinearRegression(fit_intercept=False).fit(X, y).coef_)) < 1e-12
    if n >= d:
        assert relative(w, tensor(scipy.optimize.lsq_linear(X, y, method="bvls").x)) < 1e-12
    weights = torch.linspace(0.1, 3, n, dtype=torch.float64)
    theirs = LinearRegression(fit_intercept=False).fit(X, y, sample_weight=weights.numpy()).coef_
    assert relative(weighted_least_squares(drawn.X, drawn.y, weights).w, tensor(theirs)) < 1e-12


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("outputs", [0, 3])
@pytest.mark.parametrize("solver", ["svd", "cholesky"])
def test_ridge_beside_scikit_learn(n: int, d: int, outputs: int, solver: str) -> None:
    drawn = draw(n, d, rank=min(n, d), condition=20, seed=d, outputs=outputs)
    X, y = drawn.X + 0.5, drawn.y - 2
    ridges = torch.logspace(-2, 2, 5, dtype=torch.float64)
    for intercept in (False, True):
        path = ridge_path(X, y, ridges, intercept=intercept)
        for i, penalty in enumerate(ridges.tolist()):
            theirs = Ridge(alpha=penalty, fit_intercept=intercept, solver=solver).fit(X.numpy(), y.numpy())
            coefficients = tensor(theirs.coef_.T)
            centre = centred(X, y)
            ours = ridge(centre.X, centre.y, penalty).w if intercept else ridge(X, y, penalty).w
            assert relative(ours, coefficients) < 1e-10
            assert relative(path.w[i], coefficients) < 1e-10
            if intercept:
                b = tensor(np.asarray(theirs.intercept_)).reshape(y.shape[1:])
                assert relative(centre.intercept(ours), b) < 1e-10
                assert relative(path.intercept[i], b) < 1e-10


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("outputs", [0, 3])
@pytest.mark.parametrize("intercept", [False, True])
def test_leave_one_out_beside_scikit_learn(n: int, d: int, outputs: int, intercept: bool) -> None:
    drawn = draw(n, d, rank=min(n, d), condition=20, seed=n + d, outputs=outputs)
    X = drawn.X + 0.3
    y = X @ torch.ones(d, *drawn.y.shape[1:], dtype=torch.float64) + 0.3 * drawn.y
    ridges = torch.logspace(-3, 2, 21, dtype=torch.float64)
    path = ridge_path(X, y, ridges, intercept=intercept)
    cross = RidgeCV(alphas=ridges.numpy(), fit_intercept=intercept, store_cv_results=True).fit(X.numpy(), y.numpy())
    for i in range(len(ridges)):
        ours = path.left_out_residuals(i).square()
        theirs = tensor(cross.cv_results_[..., i]).reshape(ours.shape)
        assert relative(ours, theirs) < 1e-9
    best = path.best("leave_one_out")
    assert float(ridges[best]) == pytest.approx(cross.alpha_, rel=1e-15)
    assert relative(path.w[best], tensor(cross.coef_.T)) < 1e-10


@pytest.mark.parametrize("outputs", [0, 2])
def test_kernel_ridge_beside_scikit_learn(outputs: int) -> None:
    drawn = draw(20, 4, rank=4, condition=3, seed=5, outputs=outputs)
    new = torch.randn(7, 4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    X, penalty = drawn.X, 0.3
    kernels = {
        "linear": (linear_kernel(X, X), linear_kernel(new, X), {}),
        "poly": (
            polynomial_kernel(X, X, degree=3, offset=0.5),
            polynomial_kernel(new, X, degree=3, offset=0.5),
            {"degree": 3, "coef0": 0.5, "gamma": 1.0},
        ),
        "rbf": (
            rbf_kernel(X, X, length_scale=0.4),
            rbf_kernel(new, X, length_scale=0.4),
            {"gamma": 1 / (2 * 0.4**2)},
        ),
    }
    for name, (K, K_new, options) in kernels.items():
        theirs = KernelRidge(alpha=penalty, kernel=name, **options).fit(X.numpy(), drawn.y.numpy())
        alpha = kernel_ridge(K, drawn.y, penalty)
        assert relative(alpha, tensor(theirs.dual_coef_)) < 1e-12, name
        assert relative(kernel_ridge_predict(K_new, alpha), tensor(theirs.predict(new.numpy()))) < 1e-12, name
    assert relative(kernels["rbf"][0], tensor(pairwise.rbf_kernel(X.numpy(), gamma=1 / (2 * 0.4**2)))) < 1e-14
