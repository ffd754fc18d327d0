"""Least squares and ridge as inference: Gaussian noise, Gaussian prior, and λ as the ratio of their variances.

The model is y | w ~ N(Xw, σ²_noise I), w ~ N(0, σ²_prior I). Then, up to constants,

    −log p(y | w) = ‖Xw − y‖²/(2σ²_noise),    −log p(w) = ‖w‖²/(2σ²_prior),

and their sum is (‖Xw − y‖² + λ‖w‖²)/(2σ²_noise) with λ = σ²_noise/σ²_prior. Maximum likelihood is least squares;
maximum a posteriori is ridge. All densities are in nats. The outputs of y are independent of each other.
"""

from dataclasses import dataclass
from functools import cached_property
from math import log, pi

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.least_squares import Solution, least_squares
from sightline.linear.ridge import ridge, ridge_in_svd_coordinates
from sightline.linear.svd_coordinates import along, svd_coordinates


def negative_log_likelihood(
    X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], w: Float[Tensor, "d *k"], noise_variance: float
) -> Float[Tensor, "*k"]:
    """−log p(y | w) = ‖Xw − y‖²/(2σ²_noise) + ½ n log(2π σ²_noise), in nats, one value an output.

    Args:
        X: one row an example.
        y: targets.
        w: weights; the result is differentiable in them.
        noise_variance: σ²_noise > 0, in squared units of y.

    Raises:
        DataError: when X, y, w do not fit each other or are not finite.
        ConfigurationError: when the variance is not above 0.

    Source: Bishop, Pattern Recognition and Machine Learning, eq. 3.11.

    Lecture: F5

    Example:
        >>> X, y, w = torch.ones(1, 1), torch.ones(1), torch.zeros(1)
        >>> round(float(negative_log_likelihood(X, y, w, noise_variance=1.0)), 4)
        1.4189
    """
    X, y = inputs.problem(X, y)
    variance = inputs.number(noise_variance, "noise_variance", above=0)
    w = _weights(w, X, y)
    return (X @ w - y).square().sum(0) / (2 * variance) + len(X) * (log(2 * pi) + log(variance)) / 2


def negative_log_prior(w: Float[Tensor, "d *k"], prior_variance: float) -> Float[Tensor, "*k"]:
    """−log p(w) = ‖w‖²/(2σ²_prior) + ½ d log(2π σ²_prior), in nats, one value an output.

    Args:
        w: weights; the result is differentiable in them.
        prior_variance: σ²_prior > 0 of each weight, in squared units of w.

    Raises:
        DataError: when w is empty, not finite, or has more than two dimensions.
        ConfigurationError: when the variance is not above 0.

    Source: Bishop, Pattern Recognition and Machine Learning, eq. 3.52.

    Lecture: F5

    Example:
        >>> round(float(negative_log_prior(torch.ones(1), prior_variance=1.0)), 4)
        1.4189
    """
    d = len(w) if isinstance(w, Tensor) and w.ndim else 1
    inputs.targets(w, d, "w")
    variance = inputs.number(prior_variance, "prior_variance", above=0)
    return w.to(torch.float64).square().sum(0) / (2 * variance) + d * (log(2 * pi) + log(variance)) / 2


def ridge_from_variances(noise_variance: float, prior_variance: float) -> float:
    """λ = σ²_noise/σ²_prior: the ridge that a Gaussian prior amounts to.

    Args:
        noise_variance: σ²_noise > 0.
        prior_variance: σ²_prior > 0; towards infinity λ goes to 0 and the prior says nothing.

    Raises:
        ConfigurationError: when a variance is not above 0, or their ratio is beyond float64.

    Source: Bishop, Pattern Recognition and Machine Learning, eq. 3.55.

    Lecture: F5

    Example:
        >>> ridge_from_variances(noise_variance=0.5, prior_variance=2.0)
        0.25
    """
    noise = inputs.number(noise_variance, "noise_variance", above=0)
    prior = inputs.number(prior_variance, "prior_variance", above=0)
    return inputs.number(noise / prior, "ridge λ = noise_variance / prior_variance", above=0)


def maximum_likelihood(X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"]) -> Solution:
    """argmax p(y | w): least squares, whatever the noise variance; the shortest where there are many.

    The noise variance that is most likely with it is the solution's residual over n.

    Raises:
        DataError: see :func:`~sightline.linear.least_squares.least_squares`.

    Source: Bishop, Pattern Recognition and Machine Learning, eq. 3.15 and 3.21.

    Lecture: F5

    Example:
        >>> maximum_likelihood(torch.ones(2, 1), torch.tensor([1.0, 3.0])).w.round(decimals=6)
        tensor([2.], dtype=torch.float64)
    """
    return least_squares(X, y)


def maximum_a_posteriori(
    X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], noise_variance: float, prior_variance: float
) -> Solution:
    """argmax p(w | y): ridge with λ = σ²_noise/σ²_prior.

    Args:
        X: one row an example.
        y: targets.
        noise_variance: σ²_noise > 0.
        prior_variance: σ²_prior > 0.

    Raises:
        DataError: when X or y is empty or not finite, or their rows differ in number.
        ConfigurationError: when a variance is not above 0.

    Source: Bishop, Pattern Recognition and Machine Learning, eq. 3.55.

    Lecture: F5

    Example:
        >>> X, y = torch.ones(2, 1), torch.tensor([1.0, 3.0])
        >>> maximum_a_posteriori(X, y, noise_variance=2.0, prior_variance=1.0).w.round(decimals=6)
        tensor([1.], dtype=torch.float64)
    """
    return ridge(X, y, ridge_from_variances(noise_variance, prior_variance))


@dataclass(frozen=True)
class Posterior:
    """p(w | y) = N(mean, S Sᵀ), the same covariance for every output.

    Attributes:
        mean: the MAP weights.
        factor: S = V diag(s) with s² = σ²_noise/(σ² + λ), which is σ²_prior where no example has looked (σ = 0).
        noise_variance: σ²_noise.
        log_evidence: log p(y) = log ∫ p(y | w) p(w) dw, in nats, one value an output.
    """

    mean: Float[Tensor, "d *k"]
    factor: Float[Tensor, "d d"]
    noise_variance: float
    log_evidence: Float[Tensor, "*k"]

    @cached_property
    def covariance(self) -> Float[Tensor, "d d"]:
        """S Sᵀ = σ²_noise (XᵀX + λI)⁻¹."""
        return self.factor @ self.factor.mT

    def variance_of_function(self, X_new: Float[Tensor, "m d"]) -> Float[Tensor, " m"]:
        """xᵀ S Sᵀ x = ‖Sᵀx‖²: how uncertain f(x) = wᵀx is. A new target varies by σ²_noise more.

        Raises:
            DataError: when X_new is not a finite matrix with d columns.
        """
        X_new = inputs.matrix(X_new, "X_new")
        if X_new.shape[1] != len(self.mean):
            raise DataError(
                expected=f"X_new to have the {len(self.mean)} columns of X",
                found=f"{X_new.shape[1]} columns",
                do="give the features the weights were fitted to",
            )
        return (X_new.to(self.factor) @ self.factor).square().sum(1)


def posterior(
    X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], noise_variance: float, prior_variance: float
) -> Posterior:
    """All of p(w | y), from the SVD of X; no matrix is inverted.

    Args:
        X: one row an example.
        y: targets.
        noise_variance: σ²_noise > 0.
        prior_variance: σ²_prior > 0.

    Returns:
        The :class:`Posterior`; its mean is :func:`maximum_a_posteriori`.

    Raises:
        DataError: when X or y is empty or not finite, or their rows differ in number.
        ConfigurationError: when a variance is not above 0.

    Source: Bishop, Pattern Recognition and Machine Learning, eq. 3.53, 3.54 and 3.77.

    Lecture: F5

    Example:
        >>> found = posterior(torch.ones(2, 1), torch.tensor([1.0, 3.0]), noise_variance=2.0, prior_variance=1.0)
        >>> found.mean.round(decimals=6), found.covariance.round(decimals=6)
        (tensor([1.], dtype=torch.float64), tensor([[0.5000]], dtype=torch.float64))
    """
    X, y = inputs.problem(X, y)
    weight_of_prior = ridge_from_variances(noise_variance, prior_variance)
    problem = svd_coordinates(X, y)
    (n, d), r = X.shape, len(problem.sigma)
    squares = problem.sigma.square()
    V = torch.linalg.qr(problem.V, mode="complete")[0] if d > r else problem.V
    V = torch.cat([problem.V, V[:, r:]], dim=1)
    deviations = (noise_variance / (torch.cat([squares, squares.new_zeros(d - r)]) + weight_of_prior)).sqrt()
    # y ~ N(0, σ²_noise I + σ²_prior XXᵀ), whose eigenvalues are σ²_noise (1 + σ²/λ) along U, σ²_noise beyond
    signal = squares / weight_of_prior
    reached = (problem.y_tilde.square() / along(1 + signal, problem.y_tilde)).sum(0)
    surprise = (reached + problem.unreachable) / noise_variance
    log_determinant = n * log(noise_variance) + float(signal.log1p().sum())
    return Posterior(
        mean=problem.weights(ridge_in_svd_coordinates(problem, weight_of_prior)),
        factor=V * deviations,
        noise_variance=float(noise_variance),
        log_evidence=-(n * log(2 * pi) + log_determinant + surprise) / 2,
    )


def _weights(w: Tensor, X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"]) -> Float[Tensor, "d *k"]:
    """The weights in float64, still differentiable, once they are known to fit."""
    inputs.targets(w, X.shape[1], "w")
    if w.shape[1:] != y.shape[1:]:
        raise DataError(
            expected=f"w to have the outputs of y, shape {(X.shape[1], *y.shape[1:])}",
            found=f"a tensor of shape {tuple(w.shape)}",
            do="give one column of w for each column of y",
        )
    return w.to(X)
