"""The path of ridge regressions: every entry is the single fit, and leave-one-out is what leaving out gives."""

from math import sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matrices import Drawn, draw, problems, relative
from sightline.core.errors import ConfigurationError, DataError
from sightline.linear.centring import centred
from sightline.linear.least_squares import minimum_norm
from sightline.linear.ridge import effective_dimension, ridge
from sightline.linear.ridge_path import RidgePath, ridge_path
from sightline.linear.ridge_spectrum import LeftSpectrum, RightSpectrum, ridge_spectrum

EPS = torch.finfo(torch.float64).eps
RIDGES = torch.tensor([0.03, 30.0, 1.0, 0.3], dtype=torch.float64)  # in no order


def hat(X: torch.Tensor, penalty: float, intercept: bool) -> torch.Tensor:
    """H by the definition: the columns of ones beside X, if any, are not penalised."""
    n, d = X.shape
    columns = torch.cat([torch.ones(n, 1).double(), X], 1) if intercept else X
    penalties = torch.full((columns.shape[1],), penalty, dtype=torch.float64)
    penalties[: columns.shape[1] - d] = 0
    fitted: torch.Tensor = columns @ torch.linalg.solve(columns.mT @ columns + torch.diag(penalties), columns.mT)
    return fitted


@given(problems())
def test_every_entry_is_the_single_fit(drawn: Drawn) -> None:
    path = ridge_path(drawn.X, drawn.y, RIDGES)
    assert len(path.w) == len(path.gcv) == len(RIDGES)
    for i, penalty in enumerate(RIDGES.tolist()):
        one = ridge(drawn.X, drawn.y, penalty)
        assert relative(path.w[i], one.w) < 1e-11
        assert relative(path.training_error[i], one.residual) < 1e-11
        assert relative(path.squared_norm[i], one.w.square().sum(0)) < 1e-11
        freedom = effective_dimension(drawn.sigma, penalty)
        n = len(drawn.X)
        assert float(path.degrees_of_freedom[i]) == pytest.approx(freedom, rel=1e-11)
        assert float(path.gcv[i]) == pytest.approx(float(n * one.residual.sum() / (n - freedom) ** 2), rel=1e-10)
        assert not path.intercept.any()


@given(problems(largest=8), st.booleans())
@settings(max_examples=40)
def test_leave_one_out_is_what_leaving_one_out_gives(drawn: Drawn, intercept: bool) -> None:
    """λ ≥ 0.03 keeps 1 − hᵢᵢ above 0.029·(n − 1)/n and the refits well conditioned: 1e-10 holds."""
    n = len(drawn.X)
    if n < 3:
        return
    path = ridge_path(drawn.X, drawn.y, RIDGES, intercept=intercept)
    for i, penalty in enumerate(RIDGES.tolist()):
        errors = torch.empty_like(drawn.y)
        for row in range(n):
            kept = torch.arange(n) != row
            X, y = drawn.X[kept], drawn.y[kept]
            centre = centred(X, y) if intercept else None
            w = ridge(centre.X, centre.y, penalty).w if centre else ridge(X, y, penalty).w
            errors[row] = drawn.y[row] - drawn.X[row] @ w - (centre.intercept(w) if centre else 0)
        assert relative(path.left_out_residuals(i), errors) < 1e-10
        assert float(path.leave_one_out[i]) == pytest.approx(float(errors.square().sum() / n), rel=1e-10)
    assert path.best("leave_one_out") == int(path.leave_one_out.argmin())
    assert path.best() == path.best("gcv") == int(path.gcv.argmin())


@given(problems(), st.booleans())
def test_criteria_are_those_of_the_hat_matrix(drawn: Drawn, intercept: bool) -> None:
    n = len(drawn.X)
    if n < 2:
        return
    path = ridge_path(drawn.X, drawn.y, RIDGES, intercept=intercept)
    for i, penalty in enumerate(RIDGES.tolist()):
        H = hat(drawn.X, penalty, intercept)
        residual = drawn.y - H @ drawn.y
        trace = float(H.trace())
        assert float(path.degrees_of_freedom[i]) == pytest.approx(trace, rel=1e-11)
        assert relative(path.training_error[i], residual.square().sum(0)) < 1e-10
        assert float(path.gcv[i]) == pytest.approx(float(n * residual.square().sum()) / (n - trace) ** 2, rel=1e-10)
        fitted = drawn.X @ path.w[i] + path.intercept[i]
        assert float((fitted - H @ drawn.y).norm()) < 1e-11 * float(drawn.y.norm())
        left = path._spectrum.unfitted(RIDGES)[:, i]
        assert relative(left, 1 - H.diagonal()) < 1e-11


@given(problems(max_condition=1e6), st.booleans())
def test_the_three_decompositions_say_the_same(drawn: Drawn, intercept: bool) -> None:
    """The Gram matrices against the SVD, which a smallest λ of nothing asks for unless X itself is well conditioned."""
    if len(drawn.X) < 2:
        return
    y = drawn.y.reshape(len(drawn.y), -1)
    fast, slow = (ridge_spectrum(drawn.X, y, smallest, intercept) for smallest in (0.03, 1e-300))
    assert isinstance(fast, RightSpectrum) == (len(fast.y) >= drawn.X.shape[1])
    for name in ("weights", "residuals", "squared_residuals", "degrees_left", "unfitted", "left_out_residuals"):
        found, expected = (getattr(spectrum, name)(RIDGES) for spectrum in (fast, slow))
        assert relative(found, expected) < 1e-10, name


def test_the_decomposition_goes_by_the_conditioning() -> None:
    for n, d in ((30, 10), (10, 30)):
        drawn = draw(n, d, rank=10, condition=1e5, seed=6)
        y = drawn.y[:, None]
        well, ill = ridge_spectrum(drawn.X, y, 1e-2, False), ridge_spectrum(drawn.X, y, 1e-9, False)
        assert isinstance(well, RightSpectrum if n > d else LeftSpectrum)
        assert isinstance(ill, LeftSpectrum)
        assert ill.V is not None
        assert isinstance(well, RightSpectrum) or (isinstance(well, LeftSpectrum) and well.V is None)
    huge = draw(6, 3, rank=3, condition=10, seed=7)
    path = ridge_path(huge.X * 2.0**600, huge.y, RIDGES * 1e300)  # its Gram matrix is beyond float64
    assert relative(path.w[0] * 2.0**600, minimum_norm(huge.X, huge.y).w) < 1e-12


@given(problems(), st.floats(-14, -2))
def test_small_ridges_come_out_as_their_conditioning_allows(drawn: Drawn, exponent: float) -> None:
    ridges = 10 ** torch.linspace(exponent, 0, 5, dtype=torch.float64)
    path = ridge_path(drawn.X, drawn.y, ridges)
    smallest = float(drawn.sigma[-1]) if drawn.rank == min(drawn.X.shape) else 0.0
    for i, penalty in enumerate(ridges.tolist()):
        one = ridge(drawn.X, drawn.y, penalty)
        condition = (1 + penalty) / (smallest**2 + penalty)
        tolerance = 100 * EPS * condition * (1 + float(drawn.y.norm()) / max(float(one.w.norm()), EPS))
        assert relative(path.w[i], one.w) < tolerance


def test_leave_one_out_of_an_interpolating_fit_keeps_its_digits() -> None:
    """Where λ → 0 and n < d, residuals and 1 − hᵢᵢ both vanish; their ratio is (K⁻¹y)ᵢ/(K⁻¹)ᵢᵢ with K = XXᵀ."""
    drawn = draw(6, 12, rank=6, condition=4, seed=8)
    K = drawn.X @ drawn.X.mT
    inverse = torch.linalg.solve(K, torch.eye(6, dtype=torch.float64))
    expected = inverse @ drawn.y / inverse.diagonal()
    ridges = torch.tensor([1e-14], dtype=torch.float64)
    path = ridge_path(drawn.X, drawn.y, ridges)
    assert relative(path.left_out_residuals(0), expected) < 1e-11
    spectrum = path._spectrum
    H = hat(drawn.X, 1e-14, intercept=False)
    assert relative((drawn.y - H @ drawn.y) / (1 - H.diagonal()), expected) > 1e-3  # what subtraction gives
    gcv = 6 * (inverse @ drawn.y).square().sum() / inverse.trace() ** 2
    assert float(path.gcv[0]) == pytest.approx(float(gcv), rel=1e-11)
    assert isinstance(spectrum, LeftSpectrum)


def test_long_paths_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw(9, 4, rank=4, condition=10, seed=9, outputs=2)
    ridges = torch.logspace(-2, 2, 11, dtype=torch.float64)
    whole = ridge_path(drawn.X, drawn.y, ridges)
    expected = whole.leave_one_out
    monkeypatch.setattr("sightline.linear.ridge_spectrum.ENTRIES_AT_ONCE", 3 * drawn.y.numel())
    parts = ridge_path(drawn.X, drawn.y, ridges)
    assert relative(parts.training_error, whole.training_error) < 1e-14
    assert relative(parts.leave_one_out, expected) < 1e-14
    assert isinstance(parts, RidgePath)
    assert len(list(parts._spectrum.parts(ridges))) == 4


def test_the_chosen_ridge_predicts_better_than_the_ends() -> None:
    """With noise variance v and prior variance τ, λ = v/τ is the best on average; both criteria land near it."""
    generator = torch.Generator().manual_seed(10)
    X = torch.randn(200, 40, generator=generator, dtype=torch.float64)
    w = torch.randn(40, 200, generator=generator, dtype=torch.float64)
    y = X @ w + sqrt(30) * torch.randn(200, 200, generator=generator, dtype=torch.float64)
    ridges = torch.logspace(-1, 3, 41, dtype=torch.float64)  # λ = 30 lies at 24.8
    path = ridge_path(X, y, ridges)
    for criterion in ("gcv", "leave_one_out"):
        assert 15 < float(ridges[path.best(criterion)]) < 60, criterion


X, Y = torch.ones(3, 2), torch.ones(3)


@pytest.mark.parametrize(
    ("X", "y", "ridges"),
    [
        (X, Y, torch.tensor([1.0, 0.0])),
        (X, Y, torch.tensor([-1.0])),
        (X, Y, torch.tensor([float("nan")])),
        (X, Y, torch.ones(0)),
        (X, Y, torch.ones(1, 1)),
        (X, Y[:2], torch.ones(1)),
        (X[:0], Y[:0], torch.ones(1)),
        (X * float("nan"), Y, torch.ones(1)),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_paths_are_refused(X: torch.Tensor, y: torch.Tensor, ridges: torch.Tensor) -> None:
    with pytest.raises(DataError) as caught:
        ridge_path(X, y, ridges)
    assert all((caught.value.expected, caught.value.found, caught.value.do))


@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_questions_are_refused() -> None:
    path = ridge_path(X, Y, torch.ones(2))
    with pytest.raises(ConfigurationError, match="criterion"):
        path.best("aic")  # type: ignore[arg-type]
    for index in (-1, 2):
        with pytest.raises(ConfigurationError, match="index"):
            path.left_out_residuals(index)
    with pytest.raises(DataError, match="2 rows"):
        ridge_path(X[:1], Y[:1], torch.ones(1), intercept=True)


def test_what_is_asked_for_later_does_not_see_changed_data() -> None:
    drawn = draw(12, 4, rank=4, condition=5, seed=1)
    X, y, ridges = drawn.X.clone(), drawn.y.clone(), RIDGES.clone()
    expected = ridge_path(drawn.X, drawn.y, RIDGES).leave_one_out
    path = ridge_path(X, y, ridges)
    y.mul_(5)
    ridges.mul_(7)
    assert torch.equal(path.leave_one_out, expected)
    assert torch.equal(path.ridges, RIDGES)
    path = ridge_path(X, drawn.y, RIDGES)
    X.mul_(5)
    with pytest.raises(DataError, match="changed"):
        _ = path.leave_one_out


@pytest.mark.usefixtures("as_a_user_calls")
def test_a_ridge_too_small_to_be_told_from_none_is_refused() -> None:
    with pytest.raises(DataError, match="largest entry"):
        ridge_path(torch.randn(4, 9), torch.randn(4), torch.tensor([1e-180, 1.0], dtype=torch.float64))
