"""Where the error of a linear estimator comes from: noise, approximation, bias, variance; exact, for a fixed design.

Any estimator that is linear in y and acts on each singular direction alone is given by its filter factors φ:
w̃̂ᵢ = φᵢ ỹᵢ/σᵢ. Least squares has φ = 1, ridge σ²/(σ² + λ), k descent steps from zero 1 − (1 − 2ησ²)ᵏ, a truncated
decomposition 1 or 0.

Legend: n rows (examples), d columns (features), r = min(n, d), f the signal E[y], σ singular values of X,
φ filter factors, ~ a quantity in SVD coordinates, ℓ an axis of estimators (a sweep), m test points.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs
from sightline.linear.svd_coordinates import SVDCoordinates, svd_coordinates

Filter = Callable[[Tensor], Tensor]
"""Filter factors from the nonzero singular values: [rank] to [rank] for one estimator, to [ℓ, rank] for a sweep."""


@dataclass(frozen=True)
class ErrorDecomposition:
    """The expected mean squared error of a prediction, in its four parts; one value an estimator in a sweep.

    Attributes:
        noise: Var ε, which no model removes.
        approximation: what the best weights still miss of the signal.
        bias: squared distance of the estimate's mean from the best weights' predictions.
        variance: spread of the estimate about its mean.
    """

    noise: float
    approximation: Float[Tensor, ""]
    bias: Float[Tensor, "*l"]
    variance: Float[Tensor, "*l"]

    @property
    def total(self) -> Float[Tensor, "*l"]:
        """noise + approximation + bias + variance: the expected squared error at a new noisy target."""
        return self.noise + self.approximation + self.bias + self.variance

    @property
    def best(self) -> int:
        """Which estimator of a sweep has the least total error."""
        return int(self.total.argmin())


@dataclass(frozen=True)
class DirectionErrors:
    """Bias and variance of each weight w̃ᵢ, and what they add to the error at the training points.

    Attributes:
        sigma: singular values above the numerical rank's threshold.
        bias: (1 − φᵢ)² w̃ᵢ², the squared bias of w̃̂ᵢ.
        variance: φᵢ² Var ε/σᵢ², the variance of w̃̂ᵢ.
        rows: n.
    """

    sigma: Float[Tensor, " rank"]
    bias: Float[Tensor, "*l rank"]
    variance: Float[Tensor, "*l rank"]
    rows: int

    @property
    def predicted_bias(self) -> Float[Tensor, "*l rank"]:
        """σᵢ²/n (1 − φᵢ)² w̃ᵢ²: the share in the mean squared error at the training points."""
        return self.bias * self.sigma.square() / self.rows

    @property
    def predicted_variance(self) -> Float[Tensor, "*l rank"]:
        """φᵢ² Var ε/n: the share in the mean squared error at the training points."""
        return self.variance * self.sigma.square() / self.rows


def errors_by_direction(
    X: Float[Tensor, "n d"], signal: Float[Tensor, " n"], estimator: Filter, noise: float
) -> DirectionErrors:
    """Bias (1 − φᵢ)² w̃ᵢ² and variance φᵢ² Var ε/σᵢ² of each singular direction, w̃ᵢ = f̃ᵢ/σᵢ.

    A direction with small σ has a large variance unless φ is small, and then it has bias: the trade is made
    direction by direction.

    Args:
        signal: f = E[y] at the rows of X.
        estimator: filter factors from singular values.
        noise: Var ε ≥ 0, the same for every row.

    Raises:
        DataError: when X or the signal is empty, not finite, or of unequal rows.
        ConfigurationError: when noise < 0, or the filter's factors do not fit.

    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 3.4.1 and 7.3.

    Lecture: F9

    Example:
        >>> X, signal = torch.diag(torch.tensor([2.0, 1.0])), torch.tensor([2.0, 1.0])
        >>> errors_by_direction(X, signal, lambda sigma: sigma**2 / (sigma**2 + 1.0), noise=0.5).bias
        tensor([0.0400, 0.2500], dtype=torch.float64)
    """
    noise = inputs.number(noise, "noise", minimum=0)
    coordinates, factors = filtered(X, signal, estimator)
    sigma = coordinates.nonzero
    truth = coordinates.y_tilde[: coordinates.rank] / sigma
    bias = ((1 - factors) * truth).square()
    return DirectionErrors(sigma, bias, noise * (factors / sigma).square(), coordinates.n)


def decompose_error(
    X: Float[Tensor, "n d"],
    signal: Float[Tensor, " n"],
    estimator: Filter,
    noise: float,
    *,
    X_test: Float[Tensor, "m d"] | None = None,
    signal_test: Float[Tensor, " m"] | None = None,
) -> ErrorDecomposition:
    """Expected squared error, averaged over the training points or over test points, in four parts; exact.

    E (x·ŵ − y')² = Var ε + (f − x·w°)² + (x·w° − x·E[ŵ])² + x·Cov[ŵ]·x, each averaged over the points, where w° is
    the weight that fits the signal best at those points. The parts add up exactly because the misfit f − Xw° is at
    right angles to every prediction. Targets are y = f + ε with independent errors of variance ``noise``.

    Shapes:
        X: [n, d]; signal: [n]; X_test: [m, d]; signal_test: [m]. A sweep of ℓ factors gives parts of shape [ℓ].

    Args:
        estimator: filter factors from singular values; [ℓ, r] sweeps over ℓ estimators with one decomposition.
        noise: Var ε ≥ 0.
        X_test, signal_test: other points, in place of the training points; both or neither.

    Raises:
        DataError: when a matrix or signal is empty, not finite, or does not fit.
        ConfigurationError: when noise < 0, or the filter's factors do not fit.

    Source: Geman, Bienenstock & Doursat 1992, with the approximation error taken out of the bias.

    Lecture: F9

    Example:
        >>> X, signal = torch.tensor([[1.0], [1.0]]), torch.tensor([1.0, 3.0])
        >>> found = decompose_error(X, signal, torch.ones_like, noise=0.5)  # the mean of two targets
        >>> found.noise, round(found.approximation.item(), 12), round(found.variance.item(), 12)
        (0.5, 1.0, 0.25)
    """
    noise = inputs.number(noise, "noise", minimum=0)
    coordinates, factors = filtered(X, signal, estimator)
    if X_test is None and signal_test is None:
        reached = coordinates.y_tilde[: coordinates.rank]
        beyond = coordinates.y_tilde[coordinates.rank :].square().sum()
        return ErrorDecomposition(
            noise=noise,
            approximation=(coordinates.unreachable + beyond) / coordinates.n,
            bias=((1 - factors) * reached).square().sum(-1) / coordinates.n,
            variance=noise * factors.square().sum(-1) / coordinates.n,
        )
    points, truth = checked_test_points(X_test, signal_test, coordinates.d)
    best, approximation = best_predictions(points, truth)
    responses = (points @ coordinates.V[:, : coordinates.rank]) / coordinates.nonzero
    mean = (factors * coordinates.y_tilde[: coordinates.rank]) @ responses.mT
    return ErrorDecomposition(
        noise=noise,
        approximation=approximation,
        bias=(best - mean).square().mean(-1),
        variance=noise * factors.square() @ responses.square().mean(0),
    )


def filtered(X: Tensor, signal: Tensor, estimator: Filter) -> tuple[SVDCoordinates, Float[Tensor, "*l rank"]]:
    """The decomposition, and the factors of the directions that the rank counts.

    Raises:
        DataError, ConfigurationError: see :func:`decompose_error`.
    """
    X = inputs.matrix(X)
    coordinates = svd_coordinates(X, inputs.vector(signal, len(X), name="signal"))
    factors = fitting_factors(estimator(coordinates.nonzero), coordinates.rank).to(coordinates.sigma)
    return coordinates, factors


def fitting_factors(factors: Tensor, directions: int) -> Float[Tensor, "*l rank"]:
    """Filter factors as float64: finite, one for each direction, for one estimator or several.

    Raises:
        ConfigurationError: when they are not.
    """
    if not isinstance(factors, Tensor) or factors.ndim not in (1, 2) or factors.shape[-1] != directions:
        raise ConfigurationError(
            expected=f"filter factors for {directions} directions, [{directions}] or [ℓ, {directions}]",
            found=f"shape {tuple(factors.shape)}" if isinstance(factors, Tensor) else type(factors).__name__,
            do="return one factor for each singular value",
        )
    if len(factors) < min(1, directions) or not torch.isfinite(factors).all():
        raise ConfigurationError(
            expected="finite filter factors, of one estimator or more",
            found="NaN, infinity, or no factors",
            do="look at what the filter does with small and with large singular values",
        )
    return factors.to(torch.float64)


def checked_test_points(X_test: Tensor | None, signal_test: Tensor | None, d: int) -> tuple[Tensor, Tensor]:
    """Test points and the signal there, checked together.

    Raises:
        DataError, ConfigurationError: see :func:`decompose_error`.
    """
    if X_test is None or signal_test is None:
        raise ConfigurationError(
            expected="X_test and signal_test together",
            found="only one of them",
            do="give both, or neither for the error at the training points",
        )
    points = inputs.matrix(X_test, name="X_test")
    if points.shape[1] != d:
        raise DataError(
            expected=f"X_test to have the {d} columns of X",
            found=f"{points.shape[1]} columns",
            do="give the test points in the same features",
        )
    return points, inputs.vector(signal_test, len(points), name="signal_test").to(points)


def best_predictions(points: Float[Tensor, "m d"], truth: Float[Tensor, " m"]) -> tuple[Tensor, Tensor]:
    """X_test w° for the weights that fit the signal best at the test points, and the mean square they leave."""
    at_test = svd_coordinates(points, truth)
    best = at_test.U[:, : at_test.rank] @ at_test.y_tilde[: at_test.rank]
    return best, (truth - best).square().mean()
