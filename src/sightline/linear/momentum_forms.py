"""Momentum as it is written three ways, with the exact maps between them.

Legend: w weights, g the gradient at the point where it is taken, u = wₜ₊₁ − wₜ the velocity (in units of w),
a the average and β its weight of the **new** gradient, v the heavy ball's sum and m the share of it that is kept.
The first gradient is taken at w₀, the state before it is zero unless a velocity is given.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from sightline.linear import inputs

Gradient = Callable[[Tensor], Tensor]


class MomentumForm(ABC):
    """One way to write momentum: its own letters, its own step, and the way to the heavy ball and back.

    With ``nesterov`` the gradient is taken where the kept part of the state alone would lead, not at w.
    """

    rate: float
    nesterov: bool

    @classmethod
    @abstractmethod
    def from_heavy_ball(cls, method: "HeavyBall") -> "MomentumForm":
        """The form that makes the same steps as a heavy ball."""

    @abstractmethod
    def heavy_ball(self) -> "HeavyBall":
        """The same method in the heavy ball's letters."""

    @abstractmethod
    def ahead(self, w: Tensor, state: Tensor) -> Tensor:
        """The point looked ahead to, w + mu: where the weights go before a new gradient is seen."""

    @abstractmethod
    def step(self, w: Tensor, state: Tensor, gradient: Gradient) -> tuple[Tensor, Tensor]:
        """The next weights and the next state (a or v, in this form's letters)."""

    @property
    @abstractmethod
    def velocity_scale(self) -> float:
        """c in u = c · state: the velocity for one unit of this form's state."""


@dataclass(frozen=True)
class HeavyBall(MomentumForm):
    """v ← mv + ∇L(w), w ← w − αv: the form the others are translated to; plain gradient descent where m = 0.

    Nesterov's gradient is ∇L(w − αmv).

    Args:
        rate: α > 0.
        momentum: m, the share of v that is kept, in [0, 1).
        nesterov: look ahead.

    Raises:
        ConfigurationError: for numbers outside their range.

    Source: Polyak 1964; D2 (4)

    Lecture: O2

    Example:
        >>> HeavyBall(rate=0.1, momentum=0.75).velocity_scale
        -0.1
    """

    rate: float
    momentum: float
    nesterov: bool = False

    def __post_init__(self) -> None:
        inputs.number(self.rate, "rate α", above=0)
        inputs.number(self.momentum, "momentum m", minimum=0, below=1)

    @classmethod
    def from_heavy_ball(cls, method: "HeavyBall") -> "HeavyBall":
        """Itself."""
        return method

    def heavy_ball(self) -> "HeavyBall":
        """Itself."""
        return self

    @property
    def velocity_scale(self) -> float:
        """u = −αv."""
        return -self.rate

    def ahead(self, w: Tensor, state: Tensor) -> Tensor:
        """w − αmv."""
        return w - self.rate * self.momentum * state

    def step(self, w: Tensor, state: Tensor, gradient: Gradient) -> tuple[Tensor, Tensor]:
        """v ← mv + ∇L, then w ← w − αv."""
        v = self.momentum * state + gradient(self.ahead(w, state) if self.nesterov else w)
        return w - self.rate * v, v


@dataclass(frozen=True)
class AveragedMomentum(MomentumForm):
    """a ← (1−β)a + β∇L(w), w ← w − ηa: an exponential average of gradients takes the gradient's place.

    The heavy ball with m = 1 − β, α = ηβ and a = βv. Nesterov's gradient is ∇L(w − η(1−β)a).

    Args:
        rate: η > 0.
        beta: β, the weight of the new gradient, in (0, 1]; 1 is gradient descent.
        nesterov: look ahead.

    Raises:
        ConfigurationError: for numbers outside their range.

    Source: L6 (9), L7 (6)-(8)

    Lecture: O2

    Example:
        >>> AveragedMomentum(rate=0.4, beta=0.25).heavy_ball()
        HeavyBall(rate=0.1, momentum=0.75, nesterov=False)
    """

    rate: float
    beta: float
    nesterov: bool = False

    def __post_init__(self) -> None:
        inputs.number(self.rate, "rate η", above=0)
        inputs.number(self.beta, "beta β (the weight of the new gradient)", above=0, maximum=1)

    @classmethod
    def from_heavy_ball(cls, method: HeavyBall) -> "AveragedMomentum":
        """β = 1 − m, η = α / (1 − m)."""
        beta = 1 - method.momentum
        return cls(rate=method.rate / beta, beta=beta, nesterov=method.nesterov)

    def heavy_ball(self) -> HeavyBall:
        """m = 1 − β, α = ηβ."""
        return HeavyBall(rate=self.rate * self.beta, momentum=1 - self.beta, nesterov=self.nesterov)

    @property
    def velocity_scale(self) -> float:
        """u = −ηa."""
        return -self.rate

    def ahead(self, w: Tensor, state: Tensor) -> Tensor:
        """w − η(1−β)a."""
        return w - self.rate * (1 - self.beta) * state

    def step(self, w: Tensor, state: Tensor, gradient: Gradient) -> tuple[Tensor, Tensor]:
        """a ← (1−β)a + β∇L, then w ← w − ηa."""
        a = (1 - self.beta) * state + self.beta * gradient(self.ahead(w, state) if self.nesterov else w)
        return w - self.rate * a, a


@dataclass(frozen=True)
class Velocity(MomentumForm):
    """v ← mv − α∇L(w), w ← w + v, with the **new** v: every weight has a velocity of its own.

    The heavy ball with the same α and m; this v is −α times the heavy ball's. Nesterov's gradient is ∇L(w + mv).

    Args:
        rate: α > 0.
        momentum: m (β in A3), the share of the velocity that is kept, in [0, 1).
        nesterov: look ahead.

    Raises:
        ConfigurationError: for numbers outside their range.

    Source: Sutskever et al. 2013 (1)-(4); A3 (17)-(18), with vᵗ for the misprinted vᵗ⁻¹

    Lecture: O2

    Example:
        >>> Velocity(rate=0.1, momentum=0.75).heavy_ball()
        HeavyBall(rate=0.1, momentum=0.75, nesterov=False)
    """

    rate: float
    momentum: float
    nesterov: bool = False

    def __post_init__(self) -> None:
        inputs.number(self.rate, "rate α", above=0)
        inputs.number(self.momentum, "momentum m", minimum=0, below=1)

    @classmethod
    def from_heavy_ball(cls, method: HeavyBall) -> "Velocity":
        """The same α and m."""
        return cls(rate=method.rate, momentum=method.momentum, nesterov=method.nesterov)

    def heavy_ball(self) -> HeavyBall:
        """The same α and m."""
        return HeavyBall(rate=self.rate, momentum=self.momentum, nesterov=self.nesterov)

    @property
    def velocity_scale(self) -> float:
        """u = v."""
        return 1.0

    def ahead(self, w: Tensor, state: Tensor) -> Tensor:
        """w + mv."""
        return w + self.momentum * state

    def step(self, w: Tensor, state: Tensor, gradient: Gradient) -> tuple[Tensor, Tensor]:
        """v ← mv − α∇L, then w ← w + v."""
        v = self.momentum * state - self.rate * gradient(self.ahead(w, state) if self.nesterov else w)
        return w + v, v
