"""The classical U: expected training and test error of least squares as features are added one by one; exact.

The models are nested, so one QR decomposition of the widest gives all of them: with X = QR and T = X_test R⁻¹ the
model of the first p features predicts Σ_{j≤p} Tⱼ qⱼᵀy.

Legend: n training points, m test points, P features of the widest model, p of the model at hand, f signal,
R repetitions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs


@dataclass(frozen=True)
class ComplexityCurve:
    """Expected mean squared errors of the models with the first p features, p = 1 … P.

    Attributes:
        complexity: p.
        noise: Var ε.
        approximation: what the best p weights miss at the test points.
        bias: squared distance of the mean prediction from the best.
        variance: spread of the predictions, mean over the test points.
        training: expected mean squared residual at the training points.
    """

    complexity: tuple[int, ...]
    noise: float
    approximation: Float[Tensor, " p"]
    bias: Float[Tensor, " p"]
    variance: Float[Tensor, " p"]
    training: Float[Tensor, " p"]

    @property
    def test(self) -> Float[Tensor, " p"]:
        """noise + approximation + bias + variance, the expected squared error at new noisy test points."""
        return self.noise + self.approximation + self.bias + self.variance

    @property
    def best(self) -> int:
        """The number of features of least expected test error: the bottom of the U."""
        return self.complexity[int(self.test.argmin())]


@dataclass(frozen=True)
class SimulatedComplexity:
    """The same errors in each of R repetitions of the noise.

    Attributes:
        complexity: p.
        training: mean squared residual of each repetition and model.
        test: mean squared error against the signal of each repetition and model, plus the noise.
    """

    complexity: tuple[int, ...]
    training: Float[Tensor, "R p"]
    test: Float[Tensor, "R p"]

    @property
    def training_standard_error(self) -> Float[Tensor, " p"]:
        """Of the mean training error over the repetitions."""
        return self.training.std(0) / sqrt(len(self.training))

    @property
    def test_standard_error(self) -> Float[Tensor, " p"]:
        """Of the mean test error over the repetitions."""
        return self.test.std(0) / sqrt(len(self.test))


def polynomial_features(
    points: Float[Tensor, " n"], degree: int, lower: float = -1.0, upper: float = 1.0
) -> Float[Tensor, "n p"]:
    """Legendre polynomials P₀ … P_degree on [lower, upper], by their three-term recurrence, in p = degree + 1 columns.

    They span what 1, x, …, x^degree span, and keep the conditioning that powers lose.

    Raises:
        DataError: when the points are not a finite vector inside the interval.
        ConfigurationError: when the degree is negative or the interval empty.

    Lecture: F10

    Example:
        >>> polynomial_features(torch.tensor([-1.0, 0.0, 1.0]), degree=2)[:, 2]
        tensor([ 1.0000, -0.5000,  1.0000], dtype=torch.float64)
    """
    x = inputs.vector(points, name="points")
    degree = inputs.count(degree, "degree")
    lower = inputs.number(lower, "lower")
    upper = inputs.number(upper, "upper", above=lower)
    t = (2 * x - (lower + upper)) / (upper - lower)
    if float(t.abs().max()) > 1 + 1e-12:
        raise DataError(
            expected=f"points between {lower:g} and {upper:g}",
            found=f"{float(x.min()):g} to {float(x.max()):g}",
            do="widen the interval: Legendre polynomials grow without bound outside",
        )
    columns = [torch.ones_like(t), t]
    for k in range(1, degree):
        columns.append(((2 * k + 1) * t * columns[k] - k * columns[k - 1]) / (k + 1))
    return torch.stack(columns[: degree + 1], 1)


def complexity_curve(
    X: Float[Tensor, "n p"],
    X_test: Float[Tensor, "m p"],
    signal: Float[Tensor, " n"],
    signal_test: Float[Tensor, " m"],
    noise: float,
) -> ComplexityCurve:
    """Expected errors of least squares on the first p columns, for every p at once; exact for the points given.

    Approximation falls with p, variance rises, at the training points by Var ε/n a feature; training error falls all
    the way, to zero at p = n. Nothing here is simulated.

    Args:
        X, X_test: the same features at the training and at the test points, the first ones first; P ≤ n.
        signal, signal_test: E[y] at those points.
        noise: Var ε ≥ 0.

    Raises:
        DataError: when shapes do not fit, something is not finite, or the columns are dependent at the training
            points.
        ConfigurationError: when noise < 0.

    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 7.3.

    Lecture: F10

    Example:
        >>> curve = complexity_curve(
        ...     torch.eye(2), torch.eye(2), torch.tensor([1.0, 0.5]), torch.tensor([1.0, 0.5]), 1.0
        ... )
        >>> curve.training, curve.test
        (tensor([0.6250, 0.0000], dtype=torch.float64), tensor([1.6250, 2.0000], dtype=torch.float64))
    """
    X, X_test, f, f_test = _checked(X, X_test, signal, signal_test)
    noise = inputs.number(noise, "noise", minimum=0)
    Q, T = _nested(X, X_test)
    n, P = X.shape
    q = Q.mT @ f
    residual = f[:, None] - (Q * q).cumsum(1)
    mean = (T * q).cumsum(1)
    Q_test, R_test = torch.linalg.qr(X_test)
    size = R_test.diagonal().abs()
    counted = size > max(X_test.shape) * torch.finfo(torch.float64).eps * size.max()
    Q_test = Q_test * counted  # a column that those before it make up adds no direction
    best = (Q_test * (Q_test.mT @ f_test)).cumsum(1)
    best = torch.cat([best, best[:, -1:].expand(-1, P - best.shape[1])], 1)  # P > m: every signal is reached
    p = torch.arange(1, P + 1, dtype=torch.float64)
    return ComplexityCurve(
        complexity=tuple(range(1, P + 1)),
        noise=noise,
        approximation=(f_test[:, None] - best).square().mean(0),
        bias=(best - mean).square().mean(0),
        variance=noise * T.square().cumsum(1).mean(0),
        training=residual.square().mean(0) + noise * (n - p) / n,
    )


def simulate_complexity(
    X: Float[Tensor, "n p"],
    X_test: Float[Tensor, "m p"],
    signal: Float[Tensor, " n"],
    signal_test: Float[Tensor, " m"],
    noise: float,
    *,
    repetitions: int,
    generator: torch.Generator,
) -> SimulatedComplexity:
    """The Monte Carlo twin of :func:`complexity_curve`: every model on R noisy copies of the targets, as one solve.

    Raises:
        DataError, ConfigurationError: see :func:`complexity_curve`; also when R < 2.

    Lecture: F10

    Example:
        >>> one, draw = torch.ones(2, 1), torch.Generator().manual_seed(0)
        >>> found = simulate_complexity(one, one, one[:, 0], one[:, 0], 0.5, repetitions=3, generator=draw)
        >>> found.test.shape
        torch.Size([3, 1])
    """
    X, X_test, f, f_test = _checked(X, X_test, signal, signal_test)
    noise = inputs.number(noise, "noise", minimum=0)
    R = inputs.count(repetitions, "repetitions", minimum=2)
    Q, T = _nested(X, X_test)
    y = f + sqrt(noise) * torch.randn(R, len(f), generator=generator, dtype=torch.float64)
    q = y @ Q
    fitted, predicted = torch.zeros_like(y), torch.zeros(R, len(f_test), dtype=torch.float64)
    training, test = [], []
    for p in range(X.shape[1]):
        fitted += q[:, p, None] * Q[:, p]
        predicted += q[:, p, None] * T[:, p]
        training.append((y - fitted).square().mean(1))
        test.append((predicted - f_test).square().mean(1) + noise)
    return SimulatedComplexity(tuple(range(1, X.shape[1] + 1)), torch.stack(training, 1), torch.stack(test, 1))


def polynomial_complexity(
    signal: Callable[[Tensor], Tensor],
    points: Float[Tensor, " n"],
    test_points: Float[Tensor, " m"],
    *,
    degree: int,
    noise: float,
) -> ComplexityCurve:
    """The curve for polynomials of degree 0 … ``degree`` that are fitted to a function at given points.

    Args:
        signal: the true function, on tensors; the lectures' example is ``torch.cos``.
        degree: the highest, less than the number of points.

    Raises:
        DataError, ConfigurationError: see :func:`complexity_curve`.

    Lecture: F10

    Example:
        >>> x = torch.linspace(-3, 3, 12)
        >>> polynomial_complexity(torch.cos, x, torch.linspace(-3, 3, 50), degree=9, noise=0.1).best - 1
        4
    """
    x, x_test = inputs.vector(points, name="points"), inputs.vector(test_points, name="test_points")
    both = torch.cat([x, x_test])
    lower, upper = float(both.min()), float(both.max())
    if lower == upper:
        raise ConfigurationError(
            expected="points that differ", found=f"all of them at {lower:g}", do="spread the points over an interval"
        )
    X, X_test = (polynomial_features(at, degree, lower, upper) for at in (x, x_test))
    return complexity_curve(X, X_test, signal(x.clone()), signal(x_test.clone()), noise)


def _nested(X: Tensor, X_test: Tensor) -> tuple[Float[Tensor, "n p"], Float[Tensor, "m p"]]:
    """Q, and T = X_test R⁻¹ whose column j depends on the first j features only."""
    Q, R = torch.linalg.qr(X)
    diagonal = R.diagonal().abs()
    if float(diagonal.min()) <= max(X.shape) * torch.finfo(torch.float64).eps * float(diagonal.max()):
        raise DataError(
            expected="features that are linearly independent at the training points",
            found=f"feature {int(diagonal.argmin()) + 1} of {X.shape[1]} is a combination of those before it",
            do="leave it out, or give more training points",
        )
    return Q, torch.linalg.solve_triangular(R, X_test, upper=True, left=False)


def _checked(X: Tensor, X_test: Tensor, signal: Tensor, signal_test: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    X, X_test = inputs.matrix(X), inputs.matrix(X_test, name="X_test")
    if X_test.shape[1] != X.shape[1] or X.shape[1] > len(X):
        raise DataError(
            expected="the same features at training and test points, no more of them than training points",
            found=f"X of shape {tuple(X.shape)}, X_test of shape {tuple(X_test.shape)}",
            do="give fewer features; beyond the training points, see double_descent",
        )
    f = inputs.vector(signal, len(X), name="signal")
    return X, X_test, f, inputs.vector(signal_test, len(X_test), name="signal_test")
