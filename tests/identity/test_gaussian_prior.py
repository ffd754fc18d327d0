"""Least squares and ridge as inference: densities with their constants, their maxima, Bayes' rule, the evidence."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal, Normal

from matrices import Drawn, draw, problems, relative
from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import squared_error
from sightline.linear.gaussian_prior import (
    maximum_a_posteriori,
    maximum_likelihood,
    negative_log_likelihood,
    negative_log_prior,
    posterior,
    ridge_from_variances,
)
from sightline.linear.least_squares import least_squares
from sightline.linear.ridge import ridge

variances = st.floats(-2, 2).map(lambda exponent: 10**exponent)


def some_weights(drawn: Drawn) -> torch.Tensor:
    generator = torch.Generator().manual_seed(drawn.X.numel())
    return torch.randn(drawn.X.shape[1], *drawn.y.shape[1:], generator=generator, dtype=torch.float64)


@given(problems(), variances, variances)
def test_the_densities_are_those_of_torch(drawn: Drawn, noise: float, prior: float) -> None:
    w = some_weights(drawn)
    expected = -Normal(drawn.X @ w, noise**0.5).log_prob(drawn.y).sum(0)
    assert relative(negative_log_likelihood(drawn.X, drawn.y, w, noise), expected) < 1e-12
    expected = -Normal(torch.zeros_like(w), prior**0.5).log_prob(w).sum(0)
    assert relative(negative_log_prior(w, prior), expected) < 1e-12


@given(problems(), variances, variances)
def test_their_sum_is_the_ridge_objective_up_to_scale_and_a_constant(drawn: Drawn, noise: float, prior: float) -> None:
    w, other = some_weights(drawn), torch.zeros_like(some_weights(drawn))
    penalty = ridge_from_variances(noise, prior)

    def surprise(weights: torch.Tensor) -> torch.Tensor:
        return negative_log_likelihood(drawn.X, drawn.y, weights, noise) + negative_log_prior(weights, prior)

    difference = surprise(w) - surprise(other)
    objective = squared_error(drawn.X, drawn.y, w, penalty) - squared_error(drawn.X, drawn.y, other, penalty)
    scale = float(surprise(w).abs().max() + surprise(other).abs().max()) + len(drawn.X) * 10
    assert float((difference - objective / (2 * noise)).abs().max()) < 1e-13 * scale


@given(problems(), variances, variances)
def test_the_maxima_are_least_squares_and_ridge(drawn: Drawn, noise: float, prior: float) -> None:
    assert torch.equal(maximum_likelihood(drawn.X, drawn.y).w, least_squares(drawn.X, drawn.y).w)
    found = maximum_a_posteriori(drawn.X, drawn.y, noise, prior)
    assert torch.equal(found.w, ridge(drawn.X, drawn.y, noise / prior).w)
    w = found.w.requires_grad_()
    total = negative_log_likelihood(drawn.X, drawn.y, w, noise) + negative_log_prior(w, prior)
    (gradient,) = torch.autograd.grad(total.sum(), w)
    scale = float(drawn.y.norm()) / noise + float(w.detach().norm()) * (1 / noise + 1 / prior)
    assert float(gradient.norm()) < 1e-13 * scale  # ‖X‖ = 1
    other = ridge(drawn.X, drawn.y, prior / noise).w.requires_grad_()  # with the ratio upside down it is another point
    total = negative_log_likelihood(drawn.X, drawn.y, other, noise) + negative_log_prior(other, prior)
    (gradient,) = torch.autograd.grad(total.sum(), other)
    left = (noise / prior - prior / noise) / noise * other.detach()
    scale = float(drawn.y.norm()) / noise + float(other.detach().norm()) * (1 / noise + 1 / prior)
    assert float((gradient - left).norm()) < 1e-12 * scale * (1 + prior / noise)


@given(problems(largest=8), variances, variances)
@settings(max_examples=60)
def test_bayes_rule_holds_at_every_w(drawn: Drawn, noise: float, prior: float) -> None:
    """log p(y | w) + log p(w) − log p(w | y) = log p(y), whatever w is; and the evidence is that of y's own normal."""
    X, (n, d) = drawn.X, drawn.X.shape
    found = posterior(X, drawn.y, noise, prior)
    precision = (X.mT @ X + noise / prior * torch.eye(d).double()) / noise
    condition = 1 + prior / noise
    identity = torch.eye(d, dtype=torch.float64)
    assert float((found.covariance @ precision - identity).norm()) < 1e-13 * condition * d
    assert relative(found.mean, maximum_a_posteriori(X, drawn.y, noise, prior).w) < 1e-10
    w = some_weights(drawn)
    columns = [(drawn.y, w, found.mean, found.log_evidence)]
    if drawn.y.ndim == 2:
        columns = list(zip(drawn.y.mT, w.mT, found.mean.mT, found.log_evidence, strict=True))
    marginal = MultivariateNormal(torch.zeros(n).double(), noise * torch.eye(n).double() + prior * X @ X.mT)
    for y, weights, mean, evidence in columns:
        joint = -negative_log_likelihood(X, y, weights, noise) - negative_log_prior(weights, prior)
        density = MultivariateNormal(mean, precision_matrix=(precision + precision.mT) / 2).log_prob(weights)
        scale = abs(float(joint)) + abs(float(density)) + n + d
        assert abs(float(joint - density - evidence)) < 1e-12 * condition * scale
        assert float(evidence) == pytest.approx(float(marginal.log_prob(y)), rel=1e-11, abs=1e-11 * condition * n)


def test_the_variance_of_a_function_and_what_no_example_shows() -> None:
    drawn = draw(3, 7, rank=3, condition=10, seed=1)
    found = posterior(drawn.X, drawn.y, 0.5, 2.0)
    new = torch.randn(5, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert relative(found.variance_of_function(new), (new @ found.covariance @ new.mT).diagonal()) < 1e-13
    unseen = torch.linalg.qr(drawn.X.mT, mode="complete")[0][:, 3:]
    assert relative(found.variance_of_function(unseen.mT), torch.full((4,), 2.0).double()) < 1e-13
    seen = found.variance_of_function(drawn.X) / drawn.X.square().sum(1)
    assert bool((seen < 2.0).all())


X, Y, W = torch.ones(3, 2), torch.ones(3), torch.ones(2)


@pytest.mark.parametrize("variance", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "call",
    [
        lambda value: negative_log_likelihood(X, Y, W, value),
        lambda value: negative_log_prior(W, value),
        lambda value: ridge_from_variances(value, 1.0),
        lambda value: ridge_from_variances(1.0, value),
        lambda value: maximum_a_posteriori(X, Y, value, 1.0),
        lambda value: posterior(X, Y, 1.0, value),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_a_bad_variance_is_refused(call: Callable[[float], object], variance: float) -> None:
    with pytest.raises(ConfigurationError, match="variance"):
        call(variance)


@pytest.mark.parametrize(
    "call",
    [
        lambda: negative_log_likelihood(X, Y, torch.ones(3), 1.0),
        lambda: negative_log_likelihood(X, Y, torch.ones(2, 1), 1.0),
        lambda: negative_log_likelihood(X, Y, W * float("nan"), 1.0),
        lambda: negative_log_likelihood(X, Y[:2], W, 1.0),
        lambda: negative_log_prior(torch.ones(0), 1.0),
        lambda: negative_log_prior(W * float("nan"), 1.0),
        lambda: negative_log_prior(torch.tensor(1.0), 1.0),
        lambda: maximum_likelihood(X, Y[:2]),
        lambda: maximum_a_posteriori(X * float("nan"), Y, 1.0, 1.0),
        lambda: posterior(X[:0], Y[:0], 1.0, 1.0),
        lambda: posterior(X, Y, 1.0, 1.0).variance_of_function(torch.ones(1, 3)),
    ],
)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_problems_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(DataError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))


def test_a_ratio_beyond_float64_is_refused() -> None:
    for noise, prior in ((1e-300, 1e300), (1e300, 1e-300)):
        with pytest.raises(ConfigurationError, match="ridge"):
            ridge_from_variances(noise, prior)
