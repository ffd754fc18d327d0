"""Soft k-means and its relatives: gradients, limits and fixed points in closed form."""

from collections.abc import Callable
from math import inf, log, pi, sqrt, tanh

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import squared_distances as module
from sightline.linear.centre_descent import CentreObjective, centre_descent
from sightline.linear.expected_centre import ExpectedCentre, expected_centre
from sightline.linear.k_means import k_means, lloyd, lloyd_step
from sightline.linear.soft_assignment import critical_gamma, soft_assignment
from sightline.linear.soft_k_means import FreeEnergy, SoftDistance, soft_k_means, weighted_sums

OBJECTIVES = (SoftDistance, FreeEnergy, ExpectedCentre)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def naive(X: Tensor, R: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """D and α as they are written."""
    D = (X[:, None] - R).square().sum(2)
    exponentials = torch.exp(-gamma * D)
    return D, exponentials / exponentials.sum(1, keepdim=True)


def naive_loss(kind: type, X: Tensor, R: Tensor, gamma: float) -> Tensor:
    D, alpha = naive(X, R, gamma)
    if kind is SoftDistance:
        return (alpha * D).sum()
    if kind is FreeEnergy:
        return -torch.exp(-gamma * D).sum(1).log().sum() / gamma
    return (X - alpha @ R).square().sum()


def log_density(X: Tensor, R: Tensor, deviation: float) -> Tensor:
    """Of every point under a round Gaussian at every centre."""
    each = -0.5 * ((X[:, None] - R) / deviation) ** 2 - log(deviation * sqrt(2 * pi))
    return each.sum(2)


def clusters() -> Tensor:
    """Three clusters of 30 points, 12 apart, deviation 1."""
    means = torch.tensor([[0.0, 0.0], [12.0, 0.0], [0.0, 12.0]], dtype=torch.float64)
    return means.repeat_interleave(30, 0) + normal(90, 2)


@pytest.mark.parametrize("gamma", [1e-3, 0.3, 5.0])
def test_shares_are_the_softmax_and_the_posterior_of_a_mixture(gamma: float) -> None:
    X, R = normal(20, 3) + 4, normal(5, 3, seed=1) + 4
    alpha = soft_assignment(X, R, gamma)
    torch.testing.assert_close(alpha, naive(X, R, gamma)[1], rtol=1e-11, atol=1e-300)
    posterior = log_density(X, R, sqrt(1 / (2 * gamma))).softmax(1)
    torch.testing.assert_close(alpha, posterior, rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("gamma", [1e-2, 0.4, 3.0])
def test_the_gradient_is_autograds(kind: type, gamma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 1)
    X, R = normal(150, 3) + 2, (normal(4, 3, seed=1) + 2).requires_grad_()
    objective: CentreObjective = kind(gamma)
    expected = naive_loss(kind, X, R, gamma)
    torch.testing.assert_close(objective.loss(X, R), expected, rtol=1e-11, atol=1e-11)
    (slope,) = torch.autograd.grad(expected, R)
    torch.testing.assert_close(objective.gradient(X, R), slope, rtol=1e-9, atol=1e-9)
    (own,) = torch.autograd.grad(objective.loss(X, R), R)
    torch.testing.assert_close(own, slope, rtol=1e-9, atol=1e-9)


def test_the_free_energys_gradient_holds_the_shares_fixed() -> None:
    X, R = normal(30, 2), normal(3, 2, seed=1).requires_grad_()
    D, alpha = naive(X, R, 0.7)
    (held,) = torch.autograd.grad((alpha.detach() * D).sum(), R, retain_graph=True)
    torch.testing.assert_close(FreeEnergy(0.7).gradient(X, R), held, rtol=1e-11, atol=1e-11)
    (through,) = torch.autograd.grad((alpha * D).sum(), R)
    assert float((through - held).norm() / held.norm()) > 0.1


def test_a_far_centre_is_pushed_away() -> None:
    """x = 0, centres at 1 and 2, γ = 1: D − L > 1/γ for the second, and the way down is away from x."""
    x, R = torch.zeros(1, 1), torch.tensor([[1.0], [2.0]])
    assert SoftDistance(1.0).gradient(x, R)[1] < 0
    assert FreeEnergy(1.0).gradient(x, R)[1] > 0


def test_soft_distance_is_error_plus_spread_and_above_the_free_energy() -> None:
    X, R, gamma = normal(40, 3), normal(5, 3, seed=1), 0.3
    alpha = naive(X, R, gamma)[1]
    m = expected_centre(X, R, gamma)
    spread = (alpha * (R - m[:, None]).square().sum(2)).sum()
    soft = SoftDistance(gamma).loss(X, R)
    torch.testing.assert_close(soft, ExpectedCentre(gamma).loss(X, R) + spread, rtol=1e-12, atol=0)
    entropy = -(alpha * alpha.log()).sum()
    torch.testing.assert_close(FreeEnergy(gamma).loss(X, R), soft - entropy / gamma, rtol=1e-12, atol=0)


def test_the_free_energy_is_a_mixtures_likelihood() -> None:
    X, R, gamma = normal(40, 3), normal(5, 3, seed=1), 0.3
    mixture = (log_density(X, R, sqrt(1 / (2 * gamma))).exp() / 5).sum(1).log().sum()
    constant = 40 * (log(5) + 1.5 * log(pi / gamma))
    torch.testing.assert_close(mixture, -gamma * FreeEnergy(gamma).loss(X, R) - constant, rtol=1e-12, atol=0)


@pytest.mark.parametrize("gamma", [30.0, 1e4, 1e300])
def test_firm_assignments_are_lloyds(gamma: float) -> None:
    X = clusters()
    start = X[[3, 40, 80]]
    torch.testing.assert_close(
        soft_k_means(X, start, gamma, max_iterations=1).centres, lloyd_step(X, start), rtol=1e-10, atol=1e-10
    )
    rest = lloyd(X, start)
    found = soft_k_means(X, start, gamma)
    assert found.iterations == rest.iterations
    torch.testing.assert_close(found.centres, rest.centres, rtol=1e-10, atol=1e-10)
    assert torch.equal(found.predict(X), rest.labels)
    torch.testing.assert_close(found.assign(X).sum(0).round().long(), rest.counts)
    for kind in OBJECTIVES:
        assert float(kind(gamma).loss(X, rest.centres)) == pytest.approx(rest.inertia, rel=1e-10)
        assert float(kind(gamma).gradient(X, rest.centres).abs().max()) < 1e-8
    single = soft_k_means(X.float(), start, gamma)
    assert single.centres.dtype == torch.float32
    assert float((single.centres - rest.centres).abs().max()) < 1e-5


@pytest.mark.parametrize("gamma", [1e-4, 0.3, 50.0])
def test_the_fast_sums_are_the_slow_ones(gamma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small γ leaves the largest score where it is, a large one takes it off; ten blocks or one."""
    X, R = 3 * normal(600, 4), 3 * normal(7, 4, seed=1)
    alpha = torch.softmax(-gamma * (X[:, None] - R).square().sum(2), 1)
    for block in (1, 2**17):
        monkeypatch.setattr(module, "BLOCK", block)
        sums, mass = weighted_sums(X, R, gamma)
        torch.testing.assert_close(sums, alpha.mT @ X, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(mass, alpha.sum(0), rtol=1e-10, atol=1e-12)


def test_scores_near_the_limit_do_not_overflow() -> None:
    X = torch.tensor([[-20.0], [20.0]], dtype=torch.float64)
    for gamma in (0.2, 0.29, 0.3, 0.31, 0.6, 0.9, 5.0):
        sums, mass = weighted_sums(X, X, gamma)
        torch.testing.assert_close(mass, torch.ones(2, dtype=torch.float64))
        torch.testing.assert_close(sums, X)


def test_two_centres_rest_where_tanh_says() -> None:
    """Points ±1, centres ±c: α = σ(±4γc), the weighted mean is tanh(2γc)."""
    X = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    c = float(soft_k_means(X, 0.5 * X, 0.8, tolerance=0, max_iterations=300).centres[1])
    assert c == pytest.approx(tanh(2 * 0.8 * c), rel=1e-12)
    assert c > 0.8


@pytest.mark.parametrize(("share", "parts"), [(0.97, False), (1.03, True)])
def test_centres_part_at_the_critical_gamma(share: float, parts: bool) -> None:
    X = normal(200, 3) * torch.tensor([1.0, 3.0, 0.5], dtype=torch.float64) + 5
    covariance = torch.cov(X.mT, correction=0)
    critical = critical_gamma(X)
    assert critical == pytest.approx(1 / (2 * float(torch.linalg.eigvalsh(covariance)[-1])), rel=1e-12)
    start = X.mean(0) + 1e-3 * normal(2, 3, seed=1)
    found = soft_k_means(X, start, share * critical, tolerance=0, max_iterations=700)
    apart = found.centres[0] - found.centres[1]
    assert (float(apart.norm()) > 0.1) is parts
    if parts:
        axis = torch.linalg.eigh(covariance).eigenvectors[:, -1]
        assert float((apart @ axis).abs() / apart.norm()) > 0.99
    else:
        torch.testing.assert_close(found.centres[0], X.mean(0), rtol=1e-4, atol=1e-4)


def test_the_gradient_through_the_shares_parts_centres_at_half_of_it() -> None:
    """At ±c, L = x² + c² − 2cx tanh(2γcx) = x² + c²(1 − 4γx²) + …: it curves down from γ = 1/(4 E x²) on."""
    X = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    assert critical_gamma(X) == pytest.approx(0.5, rel=1e-14)
    for gamma, parts in ((0.24, False), (0.26, True)):
        found = centre_descent(SoftDistance(gamma), X, 1e-3 * X, rate=1.0, steps=250)
        assert (float(found.centres[1]) > 0.05) is parts
        assert bool((found.losses.diff() < 1e-14).all())


def test_the_expected_centre_is_attention() -> None:
    """Query x, keys and values r, scores times 2γ, a bias −γ‖r‖²; none is needed for keys of equal length."""
    X, R, gamma = normal(10, 4), normal(6, 4, seed=1), 0.4
    attention = torch.nn.functional.scaled_dot_product_attention
    bias = (-gamma * R.square().sum(1)).expand(10, 6)
    expected = attention(X[None], R[None], R[None], attn_mask=bias[None], scale=2 * gamma)[0]
    torch.testing.assert_close(expected_centre(X, R, gamma), expected, rtol=1e-12, atol=1e-13)
    unit = R / R.norm(dim=1, keepdim=True)
    plain = attention(X[None], unit[None], unit[None], scale=2 * gamma)[0]
    torch.testing.assert_close(expected_centre(X, unit, gamma), plain, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("gamma", [0.05, 0.2, 1.0])
def test_near_clusters_are_rebuilt_by_centres_outside_them(gamma: float) -> None:
    """Points ±1 are c tanh(2γc) exactly, with c > 1; as γ → 0 c is 1/√(2γ). k-means has them at ±1."""
    X = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    low, high = 0.0, 100.0
    for _ in range(200):
        c = (low + high) / 2
        low, high = (low, c) if c * tanh(2 * gamma * c) > 1 else (c, high)
    assert c > 1
    found = centre_descent(ExpectedCentre(gamma), X, X, rate=0.5, steps=200)
    assert float(found.losses[-1]) < 1e-18
    assert float(found.centres[1]) == pytest.approx(c, rel=1e-8)
    if gamma == 0.05:
        assert c == pytest.approx(1 / sqrt(2 * gamma), rel=0.06)
    soft = centre_descent(SoftDistance(gamma), X, X, rate=0.5, steps=100)
    assert float(soft.centres[1]) < 1.25


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_all_three_are_k_means_where_clusters_are_far_apart(kind: type) -> None:
    X = clusters()
    best = k_means(X, 3, tolerance=0)
    found = centre_descent(kind(2.0), X, X[[3, 40, 80]], rate=1.0, steps=60)
    gaps = (found.centres[:, None] - best.centres).norm(dim=2).amin(1)
    assert float(gaps.max()) < 1e-8
    assert float(found.losses[-1]) == pytest.approx(best.inertia, rel=1e-8)


def test_a_centre_without_a_share_stays() -> None:
    X = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    found = soft_k_means(X, torch.tensor([[1.0], [1e5]]), 1.0)
    assert found.centres.flatten().tolist() == [1, 1e5]
    assert critical_gamma(torch.ones(3, 2)) == inf


X = normal(5, 2)


@pytest.mark.usefixtures("as_a_user_calls")
@pytest.mark.parametrize(
    ("kind", "call"),
    [
        *((ConfigurationError, lambda one=one: one(0.0)) for one in OBJECTIVES),
        *((ConfigurationError, lambda one=one: one(torch.nan)) for one in OBJECTIVES),
        (ConfigurationError, lambda: soft_assignment(X, X, -1.0)),
        (ConfigurationError, lambda: expected_centre(X, X, inf)),
        (ConfigurationError, lambda: soft_k_means(X, X[:2], 0.0)),
        (ConfigurationError, lambda: soft_k_means(X, X.repeat(2, 1), 1.0)),
        (ConfigurationError, lambda: soft_k_means(X, X[:2], 1.0, max_iterations=0)),
        (ConfigurationError, lambda: centre_descent(SoftDistance(1.0), X, X[:2], rate=1e9, steps=500)),
        (ConfigurationError, lambda: centre_descent(SoftDistance(1.0), X, X[:2], rate=0.0, steps=5)),
        *((DataError, lambda one=one: one(1.0).loss(torch.full((2, 2), torch.nan), X)) for one in OBJECTIVES),
        *((DataError, lambda one=one: one(1.0).gradient(X, X[:, :1])) for one in OBJECTIVES),
        (DataError, lambda: soft_k_means(torch.full((2, 2), torch.inf), X[:2], 1.0)),
        (DataError, lambda: soft_assignment(X, torch.full((2, 2), torch.nan), 1.0)),
        (DataError, lambda: critical_gamma(torch.full((2, 2), torch.nan))),
    ],
)
def test_what_can_not_be_is_refused(kind: type[Exception], call: Callable[[], object]) -> None:
    with pytest.raises(kind):
        call()
