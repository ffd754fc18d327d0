"""The moments of stochastic gradient descent, exactly: every path a few steps can take is followed and averaged."""

from itertools import combinations, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matrices import Drawn, draw, problems, relative
from sightline.core.errors import SightlineError
from sightline.linear import gradient, svd_coordinates
from sightline.linear.descent_rates import stability_limit
from sightline.linear.gradient_descent import descent_limit, gradient_descent
from sightline.linear.stationary_noise import mean_square_limit, small_rate_covariance, stationary_covariance
from sightline.linear.stochastic_gradient import (
    gradient_noise,
    stochastic_gradient_iterates,
    stochastic_gradient_moments,
)

BATCHES = [(3, 1, True), (3, 2, True), (4, 2, False), (4, 3, False), (3, 3, False), (1, 1, False)]


def batches(n: int, batch: int, replacement: bool) -> list[list[int]]:
    """Every batch there is, each as likely as any other."""
    drawn = product(range(n), repeat=batch) if replacement else combinations(range(n), batch)
    return [list(rows) for rows in drawn]


def batch_gradient(X: torch.Tensor, y: torch.Tensor, w: torch.Tensor, rows: list[int]) -> torch.Tensor:
    """At each of the weights, in rows."""
    return len(X) / len(rows) * 2 * (w @ X[rows].mT - y[rows]) @ X[rows]


@pytest.mark.parametrize(("n", "batch", "replacement"), BATCHES)
def test_the_gradients_noise_is_its_covariance_over_all_batches(n: int, batch: int, replacement: bool) -> None:
    drawn = draw(n, 2, rank=min(n, 2), condition=3, seed=n)
    w = torch.tensor([0.3, -1.0], dtype=torch.float64)
    each = torch.stack([batch_gradient(drawn.X, drawn.y, w, rows) for rows in batches(n, batch, replacement)])
    whole = gradient(drawn.X, drawn.y, w)
    assert relative(each.mean(0), whole) < 1e-13, "the minibatch gradient is unbiased"
    expected = (each - whole).mT @ (each - whole) / len(each)
    found = gradient_noise(drawn.X, drawn.y, w, batch, replacement)
    assert float((found - expected).norm()) < 1e-13 * float(whole.square().sum())
    assert float((found - expected).norm()) < 1e-12 * float(expected.norm()) or batch == n


@pytest.mark.parametrize(("n", "batch", "replacement"), BATCHES)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_moments_are_averages_over_all_paths(n: int, batch: int, replacement: bool, d: int) -> None:
    """Up to 9³ paths of three steps, from a start that is not zero; wide problems (d = 5) keep what lies beside."""
    drawn = draw(n, d, rank=min(n, d), condition=3, seed=10 * n + d)
    start, rate = torch.linspace(-1, 2, d, dtype=torch.float64), 0.11
    problem = svd_coordinates(drawn.X, drawn.y)
    solution = descent_limit(problem, start)
    found = stochastic_gradient_moments(drawn.X, drawn.y, rate, batch, 3, start, replacement)
    ends = start[None]
    for step in range(4):
        w = ends
        size = float(w.square().sum(1).mean())
        second = (w - solution).mT @ (w - solution) / len(w)
        excess = ((w - solution) @ drawn.X.mT).square().sum(1).mean()
        assert float((found.mean[step] - w.mean(0)).norm()) < 1e-13 * size**0.5
        assert float((found.error[step] - second).norm()) < 1e-12 * size
        assert abs(float(found.excess[step] - excess)) < 1e-12 * size
        ends = torch.cat(
            [w - rate * batch_gradient(drawn.X, drawn.y, w, rows) for rows in batches(n, batch, replacement)]
        )
    assert relative(found.mean, gradient_descent(problem, rate, range(4), start)) < 1e-12


@settings(max_examples=40)
@given(problems(largest=6, max_condition=30, outputs=False), st.integers(1, 4), st.floats(0.05, 0.9))
def test_the_stationary_covariance_is_the_moments_fixed_point(drawn: Drawn, batch: int, part: float) -> None:
    """One more step of the recursion leaves it as it is, to 1e-10."""
    rate = part * mean_square_limit(drawn.X, batch)
    covariance = stationary_covariance(drawn.X, drawn.y, rate, batch)
    solution = descent_limit(svd_coordinates(drawn.X, drawn.y))
    G, A = drawn.X.mT @ drawn.X, torch.eye(drawn.X.shape[1]) - 2 * rate * drawn.X.mT @ drawn.X
    noise = torch.zeros_like(G)  # E Cov ĝ over w of mean w* and this covariance, from the noise at single points
    values, vectors = torch.linalg.eigh(covariance)
    for value, direction in zip(values.clamp(min=0), vectors.mT, strict=True):
        for sign in (-1, 1):
            point = solution + sign * (len(values) * value).sqrt() * direction
            noise += gradient_noise(drawn.X, drawn.y, point, batch) / (2 * len(values))
    after = A @ covariance @ A + rate**2 * noise
    assert float((after - covariance).norm()) <= 1e-10 * float(covariance.norm()) + 1e-24
    assert float(torch.linalg.eigvalsh(covariance)[0]) >= -1e-12 * float(covariance.norm())


def test_a_long_run_ends_at_the_stationary_covariance() -> None:
    drawn = draw(7, 3, rank=3, condition=3, seed=4)
    for batch, replacement in ((1, True), (3, True), (3, False)):
        rate = 0.5 * mean_square_limit(drawn.X, batch, replacement)
        run = stochastic_gradient_moments(drawn.X, drawn.y, rate, batch, 3000, torch.ones(3), replacement)
        expected = stationary_covariance(drawn.X, drawn.y, rate, batch, replacement)
        assert relative(run.error[-1], expected) < 1e-11
        assert float(run.excess[-1]) == pytest.approx(float((drawn.X @ expected * drawn.X).sum()), rel=1e-11)


@settings(max_examples=40)
@given(problems(largest=5, max_condition=30, outputs=False), st.integers(1, 4), st.booleans())
def test_the_mean_square_limit_is_where_the_second_moment_starts_to_grow(
    drawn: Drawn, batch: int, replacement: bool
) -> None:
    """The spectral radius of the recursion itself, built entry by entry, is 1 at the limit; and below it is smaller."""
    X, n = drawn.X, len(drawn.X)
    if not replacement and batch > n:
        return
    limit = mean_square_limit(X, batch, replacement)
    assert limit <= stability_limit(drawn.sigma) * (1 + 1e-12)
    problem = svd_coordinates(X, torch.zeros(n))
    rows = problem.U[:, : problem.rank] * problem.nonzero
    r = problem.rank

    def radius(rate: float) -> float:
        columns = []
        for i in range(r):
            for j in range(r):
                e_i, e_j = torch.eye(r, dtype=torch.float64)[i], torch.eye(r, dtype=torch.float64)[j]
                out = torch.zeros(r, r, dtype=torch.float64)
                A = torch.eye(r, dtype=torch.float64) - 2 * rate * rows.mT @ rows
                each = torch.stack([torch.outer(x, x) for x in rows])  # per-row Hessians, halved
                share = 1 / batch if replacement else ((n - batch) / (batch * (n - 1)) if n > 1 else 0.0)
                M = torch.outer(e_i, e_j)
                out += A @ M @ A
                centred = 2 * n * each - 2 * rows.mT @ rows
                out += rate**2 * share * (centred @ M @ centred).mean(0)
                columns.append(out.flatten())
        return float(torch.linalg.eigvals(torch.stack(columns)).abs().max())

    assert radius(limit) == pytest.approx(1, abs=1e-10)
    assert radius(0.9 * limit) < 1 < radius(1.1 * limit)


def test_the_moments_stay_below_the_limit_and_grow_above_it() -> None:
    drawn = draw(6, 3, rank=3, condition=2, seed=5)
    limit = mean_square_limit(drawn.X, batch=1)
    assert limit < 0.8 * stability_limit(drawn.sigma)
    below = stochastic_gradient_moments(drawn.X, drawn.y, 0.95 * limit, 1, 2000).excess
    above = stochastic_gradient_moments(drawn.X, drawn.y, 1.05 * limit, 1, 2000)
    assert float(below[-1]) < 1.001 * float(below[1000])
    assert float(above.excess[-1]) > 1e6 * float(above.excess[0])
    assert float((above.mean[-1] - descent_limit(svd_coordinates(drawn.X, drawn.y))).norm()) < 1e-6, (
        "the mean converges"
    )


@pytest.mark.parametrize("scale", [1e-90, 1e-20, 1e20, 1e80])
def test_the_noise_scales_with_the_problem(scale: float) -> None:
    drawn = draw(8, 3, rank=3, condition=3, seed=6)
    X, y = drawn.X * scale, drawn.y * scale
    limit = mean_square_limit(drawn.X, 2)
    assert mean_square_limit(X, 2) * scale * scale == pytest.approx(limit, rel=1e-10)
    expected = stationary_covariance(drawn.X, drawn.y, limit / 3, 2)
    assert relative(stationary_covariance(X, y, limit / 3 / scale / scale, 2), expected) < 1e-10


def test_noise_grows_as_rate_over_batch() -> None:
    """The exact spread over the first-order one is 1 + O(η): the error falls tenfold with the rate."""
    drawn = draw(8, 3, rank=3, condition=3, seed=6)
    errors = []
    for rate in (1e-3, 1e-4, 1e-5):
        exact = stationary_covariance(drawn.X, drawn.y, rate, 2)
        errors.append(relative(small_rate_covariance(drawn.X, drawn.y, rate, 2), exact))
        twice = stationary_covariance(drawn.X, drawn.y, 2 * rate, 4)
        assert relative(twice, exact) < 30 * rate, "twice the rate with twice the batch is the same noise"
        for batch in (1, 3):  # without replacement the noise is less by (n − b)/(n − 1)
            drawn_once = small_rate_covariance(drawn.X, drawn.y, rate, batch, replacement=False)
            again = small_rate_covariance(drawn.X, drawn.y, rate, batch)
            assert relative(drawn_once, (8 - batch) / 7 * again) < 1e-12
    assert errors[1] / errors[0] == pytest.approx(0.1, rel=0.05)
    assert errors[2] / errors[1] == pytest.approx(0.1, rel=0.05)


def test_residuals_of_equal_size_spread_alike_in_every_direction() -> None:
    X = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 0.1], [0.0, 0.1]])
    y = torch.tensor([1.0, -1.0, 1.0, -1.0])  # w* = 0, so the residuals are y: all of size 1
    found = small_rate_covariance(X, y, rate=0.01, batch=2)
    assert relative(found, 0.01 / 2 * 4 * torch.eye(2, dtype=torch.float64)) < 1e-14


def test_an_interpolating_problem_has_no_noise_in_the_end() -> None:
    """At constant rate and batch 1 the run reaches a solution of every row: from zero, the one of least norm."""
    drawn = draw(4, 7, rank=4, condition=2, seed=7)
    rate = 0.5 * mean_square_limit(drawn.X, batch=1)
    assert float(stationary_covariance(drawn.X, drawn.y, rate, 1).norm()) < 1e-28
    moments = stochastic_gradient_moments(drawn.X, drawn.y, rate, 1, 2000)
    assert float(moments.excess[-1]) < 1e-25 * float(moments.excess[0])
    run = stochastic_gradient_iterates(drawn.X, drawn.y, rate, 1, 3000, torch.Generator().manual_seed(0), chains=5)
    least_norm = torch.linalg.pinv(drawn.X) @ drawn.y
    assert float((run[-1] - least_norm).norm(dim=1).max()) < 1e-10 * float(least_norm.norm())
    V = svd_coordinates(drawn.X, drawn.y).V
    assert float((run - run @ V @ V.mT).norm()) < 1e-13 * float(run.norm()), "no step leaves the row space"


def test_all_rows_at_once_is_gradient_descent() -> None:
    drawn = draw(5, 3, rank=3, condition=3, seed=8)
    run = stochastic_gradient_iterates(
        drawn.X, drawn.y, 0.2, 5, 20, torch.Generator().manual_seed(0), chains=3, replacement=False
    )
    expected = gradient_descent(svd_coordinates(drawn.X, drawn.y), 0.2, range(21))
    assert relative(run, expected[:, None].expand_as(run)) < 1e-13
    found = stochastic_gradient_moments(drawn.X, drawn.y, 0.2, 5, 20, replacement=False)
    assert relative(found.error[-1], torch.outer(*[found.mean[-1] - torch.linalg.pinv(drawn.X) @ drawn.y] * 2)) < 1e-10
    assert float(stationary_covariance(drawn.X, drawn.y, 0.2, 5, replacement=False).norm()) == 0


def test_a_run_is_its_seeds() -> None:
    drawn = draw(5, 2, rank=2, condition=3, seed=9)
    runs = [
        stochastic_gradient_iterates(drawn.X, drawn.y, 0.1, 2, 10, torch.Generator().manual_seed(seed), chains=2)
        for seed in (1, 1, 2)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert not torch.equal(runs[0][:, 0], runs[0][:, 1])


X, Y, NAN = torch.ones(3, 2), torch.ones(3), float("nan")
SEED = torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: gradient_noise(X, torch.ones(3, 1), torch.zeros(2), 1),
        lambda: gradient_noise(X, Y, torch.zeros(3), 1),
        lambda: gradient_noise(X, Y, torch.zeros(2), 0),
        lambda: gradient_noise(X, Y, torch.zeros(2), 4, replacement=False),
        lambda: stochastic_gradient_moments(X, torch.ones(2), 0.1, 1, 1),
        lambda: stochastic_gradient_moments(X * NAN, Y, 0.1, 1, 1),
        lambda: stochastic_gradient_moments(X, Y, 0.0, 1, 1),
        lambda: stochastic_gradient_moments(X, Y, 0.1, 0, 1),
        lambda: stochastic_gradient_moments(X, Y, 0.1, 1, -1),
        lambda: stochastic_gradient_moments(X, Y, 0.1, 1, 1, torch.zeros(3)),
        lambda: stochastic_gradient_moments(torch.eye(2), torch.ones(2), 1e9, 1, 100),
        lambda: stochastic_gradient_iterates(X, Y, -0.1, 1, 1, SEED),
        lambda: stochastic_gradient_iterates(X, Y, 0.1, 1, 1, SEED, chains=0),
        lambda: stochastic_gradient_iterates(X, Y, 0.1, 4, 1, SEED, replacement=False),
        lambda: stochastic_gradient_iterates(torch.ones(0, 2), torch.ones(0), 0.1, 1, 1, SEED),
        lambda: mean_square_limit(torch.zeros(2, 2), 1),
        lambda: mean_square_limit(torch.eye(65), 1),
        lambda: mean_square_limit(X, 0),
        lambda: stationary_covariance(X, Y, 10.0, 1),
        lambda: stationary_covariance(X, Y, NAN, 1),
        lambda: small_rate_covariance(X, Y, 0.0, 1),
        lambda: small_rate_covariance(X, torch.ones(4), 0.1, 1),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_refused_in_three_parts(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SightlineError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))
