"""Where double descent is looked for: a linear truth under noise, or rows drawn from data at hand.

Legend: n rows to train on, m rows to test on, d inputs, k outputs.
"""

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs


class Draw(NamedTuple):
    """One repetition's problem.

    Attributes:
        X, y: what is fitted.
        X_test, y_test: what it is judged by.
    """

    X: Float[Tensor, "n d"]
    y: Float[Tensor, "n k"]
    X_test: Float[Tensor, "m d"]
    y_test: Float[Tensor, "m k"]


@runtime_checkable
class ProblemSource(Protocol):
    """What :func:`~sightline.linear.double_descent.double_descent` asks of a source of problems."""

    @property
    def noise(self) -> float:
        """Variance of what is left out of y_test and has to be added to the test error."""

    def draw(self, samples: int, generator: torch.Generator) -> Draw:
        """A problem of n training rows."""


@dataclass(frozen=True)
class LinearTruth:
    """y = xᵀβ + ε: x ~ N(0, I), a new unit vector β in each repetition, Gaussian ε.

    Attributes:
        dimensions: d ≥ 1.
        noise: Var ε ≥ 0, beside a signal of variance 1. Test targets come without it; it is added to the error.
        test_rows: m ≥ 1 new examples in each repetition.

    Lecture: F10

    Example:
        >>> LinearTruth(dimensions=3).draw(5, torch.Generator().manual_seed(0)).X.shape
        torch.Size([5, 3])
    """

    dimensions: int = 20
    noise: float = 0.1
    test_rows: int = 100

    def __post_init__(self) -> None:
        inputs.count(self.dimensions, "dimensions", minimum=1)
        inputs.number(self.noise, "noise", minimum=0)
        inputs.count(self.test_rows, "test_rows", minimum=1)

    def draw(self, samples: int, generator: torch.Generator) -> Draw:
        """n noisy examples to train on, m noiseless ones to test on."""
        rows = samples + self.test_rows
        X = torch.randn(rows, self.dimensions, generator=generator, dtype=torch.float64)
        direction = torch.randn(self.dimensions, 1, generator=generator, dtype=torch.float64)
        y = X @ (direction / direction.norm())
        noisy = y[:samples] + sqrt(self.noise) * torch.randn(samples, 1, generator=generator, dtype=torch.float64)
        return Draw(X[:samples], noisy, X[samples:], y[samples:])


@dataclass(frozen=True)
class GivenData:
    """Rows drawn without replacement from data at hand; the test rows are the same in every repetition.

    Attributes:
        X, y: the pool to train from, y [n] or [n, k] (classes as one column each).
        X_test, y_test: what is tested on.

    Raises:
        DataError: when shapes do not fit or something is not finite.

    Lecture: F10

    Example:
        >>> pool = GivenData(torch.eye(3), torch.ones(3), torch.eye(3), torch.ones(3))
        >>> pool.draw(2, torch.Generator().manual_seed(0)).X.shape
        torch.Size([2, 3])
    """

    X: Float[Tensor, "pool d"]
    y: Float[Tensor, "pool *k"]
    X_test: Float[Tensor, "m d"]
    y_test: Float[Tensor, "m *k"]

    def __post_init__(self) -> None:
        X, y = inputs.problem(self.X, self.y)
        X_test = inputs.matrix(self.X_test, name="X_test")
        y_test = inputs.targets(self.y_test, len(X_test), name="y_test")
        if X_test.shape[1] != X.shape[1] or y_test.shape[1:] != y.shape[1:]:
            raise DataError(
                expected="training and test rows of the same inputs and outputs",
                found=f"X {tuple(X.shape)}, y {tuple(y.shape)}, X_test {tuple(X_test.shape)}, "
                f"y_test {tuple(y_test.shape)}",
                do="prepare both in the same way",
            )
        for name, value in (("X", X), ("y", y), ("X_test", X_test), ("y_test", y_test)):
            object.__setattr__(self, name, value.clone())

    @property
    def noise(self) -> float:
        """Zero: real test targets carry their own noise."""
        return 0.0

    def draw(self, samples: int, generator: torch.Generator) -> Draw:
        """n different rows of the pool.

        Raises:
            ConfigurationError: when the pool is smaller.
        """
        if samples > len(self.X):
            raise ConfigurationError(
                expected=f"at most the {len(self.X)} rows of the pool",
                found=f"samples = {samples}",
                do="ask for fewer, or give more data",
            )
        rows = torch.randperm(len(self.X), generator=generator)[:samples]
        y, y_test = (at.reshape(len(at), -1) for at in (self.y[rows], self.y_test))
        return Draw(self.X[rows], y, self.X_test, y_test)
