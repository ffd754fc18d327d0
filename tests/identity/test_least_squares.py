"""Least squares by QR, by SVD and weighted: the same minimiser, as exactly as the conditioning lets it be known.

What holds whatever the condition number is that the solver is backward stable: the gradient Xᵀ(Xw − y) vanishes beside
‖X‖(‖y − Xw‖ + ‖X‖‖w‖). The weights themselves are only known to ε·(κ + κ²‖y − Xw‖/(σ₁‖w‖)) relative (Wedin's bound).
"""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given

from matrices import Drawn, draw, problems, relative
from sightline.core.errors import DataError
from sightline.linear.least_squares import least_squares, minimum_norm
from sightline.linear.svd_coordinates import along, svd_coordinates
from sightline.linear.weighted_least_squares import weighted_least_squares, weights_from_variances

EPS = torch.finfo(torch.float64).eps


def tolerance(drawn: Drawn, w: torch.Tensor) -> float:
    """50 times Wedin's bound, in ‖Δw‖/‖w‖; σ₁ = 1 in every drawn matrix."""
    residual = float((drawn.X @ w - drawn.y).norm())
    return 50 * EPS * (drawn.condition + drawn.condition**2 * residual / max(float(w.norm()), EPS))


@given(problems())
def test_the_fast_way_finds_the_minimum_norm_solution(drawn: Drawn) -> None:
    fast, slow = least_squares(drawn.X, drawn.y), minimum_norm(drawn.X, drawn.y)
    assert fast.rank == slow.rank == drawn.rank
    assert fast.method == ("qr" if drawn.rank == min(drawn.X.shape) else "svd")
    assert relative(fast.w, slow.w) < tolerance(drawn, slow.w)
    for found in (fast, slow):
        built = float(drawn.sigma[0] / drawn.sigma[-1])
        assert found.condition == pytest.approx(built, rel=50 * EPS * built)
        assert torch.equal(found.residual, (drawn.X @ found.w - drawn.y).square().sum(0))


@given(problems())
def test_the_gradient_vanishes_whatever_the_condition(drawn: Drawn) -> None:
    for solve in (least_squares, minimum_norm):
        w = solve(drawn.X, drawn.y).w
        residual = drawn.X @ w - drawn.y
        assert float((drawn.X.mT @ residual).norm()) < 1e-13 * float(residual.norm() + w.norm())  # ‖X‖ = 1


@given(problems(max_condition=1e5))
def test_the_solution_has_no_part_that_the_rows_do_not_see(drawn: Drawn) -> None:
    w = least_squares(drawn.X, drawn.y).w
    V = svd_coordinates(drawn.X, drawn.y).V[:, : drawn.rank]
    assert relative(V @ (V.mT @ w), w) < 50 * EPS * drawn.condition


@given(problems(full_rank=True))
def test_an_exact_fit_is_found_to_the_condition_alone(drawn: Drawn) -> None:
    """Without residual there is no κ²: normal equations would lose twice the digits."""
    truth = drawn.X.mT @ torch.ones(len(drawn.X), dtype=torch.float64)
    assert relative(least_squares(drawn.X, drawn.X @ truth).w, truth) < 100 * EPS * drawn.condition


def test_normal_equations_would_lose_twice_the_digits() -> None:
    drawn = draw(12, 6, rank=6, condition=1e7, seed=0)
    truth = torch.ones(6, dtype=torch.float64)
    y = drawn.X @ truth
    normal = torch.linalg.solve(drawn.X.mT @ drawn.X, drawn.X.mT @ y)
    assert relative(least_squares(drawn.X, y).w, truth) < 1e-8 < 1e-6 < relative(normal, truth)


def test_a_matrix_of_zeros_and_huge_or_tiny_numbers() -> None:
    nothing = least_squares(torch.zeros(3, 2), torch.ones(3))
    assert (nothing.rank, nothing.condition, float(nothing.residual)) == (0, 1.0, 3.0)
    assert not nothing.w.any()
    drawn = draw(6, 4, rank=4, condition=10, seed=1)
    for scale in (2.0**-300, 2.0**300):  # powers of two change no digit
        assert relative(least_squares(drawn.X * scale, drawn.y).w * scale, least_squares(drawn.X, drawn.y).w) < 1e-13


@given(problems(max_condition=1e3))
def test_weights_are_the_weighted_normal_equations(drawn: Drawn) -> None:
    weights = torch.linspace(0.5, 2, len(drawn.X), dtype=torch.float64)
    found = weighted_least_squares(drawn.X, drawn.y, weights)
    residual = drawn.X @ found.w - drawn.y
    scale = float(residual.norm() + found.w.norm())
    assert float((drawn.X.mT @ torch.diag(weights) @ residual).norm()) < 1e-13 * scale
    assert float((found.residual - (along(weights, residual) * residual.square()).sum(0)).norm()) < 1e-14 * scale**2


@given(problems(max_condition=1e2, outputs=False))
def test_counts_are_copies_and_zero_is_absence(drawn: Drawn) -> None:
    counts = torch.arange(len(drawn.X)) % 3
    if not counts.any():
        return
    copied = least_squares(drawn.X.repeat_interleave(counts, 0), drawn.y.repeat_interleave(counts, 0))
    found = weighted_least_squares(drawn.X, drawn.y, counts.double())
    # what the rows left may be conditioned like is theirs; an entry-by-entry comparison goes as Wedin's bound for them
    scale = found.condition + found.condition**2 * float(found.residual.sqrt()) / max(float(found.w.norm()), EPS)
    assert found.rank == copied.rank
    assert relative(found.w, copied.w) < 200 * EPS * scale


def test_a_row_times_ten_is_a_hundred_copies_of_it() -> None:
    """Erratum 12: with the notes' ten copies the fit is another; a variance of 0.01 is a standard deviation of 0.1."""
    drawn = draw(7, 3, rank=3, condition=5, seed=2)
    X, y = drawn.X, drawn.y
    scale = torch.ones(7, dtype=torch.float64)
    scale[1] = 10
    scaled = least_squares(scale[:, None] * X, scale * y).w

    def copies(count: int) -> torch.Tensor:
        times = torch.ones(7, dtype=torch.int64)
        times[1] = count
        return least_squares(X.repeat_interleave(times, 0), y.repeat_interleave(times, 0)).w

    assert relative(copies(100), scaled) < 1e-10
    assert relative(copies(10), scaled) > 1e-2
    assert relative(weighted_least_squares(X, y, scale**2).w, scaled) < 1e-10
    assert relative(weighted_least_squares(X, y, scale).w, scaled) > 1e-2
    standard_deviations = 1 / scale
    variances = standard_deviations**2
    assert float(variances[1]) == pytest.approx(0.01)
    assert float(standard_deviations[1]) == pytest.approx(0.1)
    assert relative(weighted_least_squares(X, y, weights_from_variances(variances)).w, scaled) < 1e-10


BAD = [
    (torch.ones(3), torch.ones(3)),
    (torch.ones(0, 2), torch.ones(0)),
    (torch.ones(3, 2), torch.ones(2)),
    (torch.tensor([[1.0], [float("nan")]]), torch.ones(2)),
    (torch.ones(2, 1), torch.tensor([1.0, float("inf")])),
]


@pytest.mark.parametrize(("X", "y"), BAD)
@pytest.mark.parametrize(
    "solve", [least_squares, minimum_norm, lambda X, y: weighted_least_squares(X, y, torch.ones(len(X)))]
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_problems_are_refused(solve: Callable[..., object], X: torch.Tensor, y: torch.Tensor) -> None:
    with pytest.raises(DataError) as caught:
        solve(X, y)
    assert all((caught.value.expected, caught.value.found, caught.value.do))


@pytest.mark.parametrize(
    "weights", [torch.zeros(3), torch.tensor([1.0, -1, 1]), torch.ones(2), torch.tensor([1.0, 1, float("nan")])]
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_weights_are_refused(weights: torch.Tensor) -> None:
    with pytest.raises(DataError, match="weights"):
        weighted_least_squares(torch.ones(3, 1), torch.ones(3), weights)


@pytest.mark.parametrize("variance", [0.0, -1.0, float("nan"), 5e-324])
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_variances_are_refused(variance: float) -> None:
    with pytest.raises(DataError, match="variance"):
        weights_from_variances(torch.tensor([1.0, variance], dtype=torch.float64))
