"""The fastest rate and momentum for given extreme singular values, and what they save over gradient descent.

Legend: h = 2(σ² + λ) the curvature, from hᵣ to h₁; κ = √(h₁/hᵣ), which is σ₁/σᵣ without ridge; α, m the heavy
ball's rate and momentum; ρ what the worst direction shrinks by in a step, in the long run.

    gradient descent  α = 2/(h₁ + hᵣ)                                                   ρ = (κ² − 1)/(κ² + 1)
    Nesterov          α = 4/(3h₁ + hᵣ)     m = (√(3κ² + 1) − 2)/(√(3κ² + 1) + 2)        ρ = 1 − 2/√(3κ² + 1)
    heavy ball        α = 4/(√h₁ + √hᵣ)²   m = ((κ − 1)/(κ + 1))²                       ρ = (κ − 1)/(κ + 1)

As an average the fastest heavy ball is η = 1/√(h₁hᵣ) = 1/(2σ₁σᵣ) and β = 4κ/(κ + 1)².
"""

from dataclasses import dataclass
from math import inf, log, log1p, sqrt

from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.companion_matrix import curvatures
from sightline.linear.momentum_forms import HeavyBall


@dataclass(frozen=True)
class Tuned:
    """A method at its fastest.

    Attributes:
        method: in the heavy ball's letters; ``AveragedMomentum.from_heavy_ball`` gives the average's.
        gap: 1 − ρ, kept as itself: for large κ it is what matters, and ρ has lost its digits.
    """

    method: HeavyBall
    gap: float

    @property
    def radius(self) -> float:
        """ρ, the worst direction's factor a step in the long run."""
        return 1 - self.gap

    def steps_to_shrink(self, factor: float) -> float:
        """ln(1/factor) / ln(1/ρ): steps in which ρᵏ falls to the factor; not whole, and without the transient.

        The fastest heavy ball has a double eigenvalue at both ends, so its error is about kρᵏ: some steps more.

        Raises:
            ConfigurationError: when the factor is not in (0, 1).

        Example:
            >>> import torch
            >>> round(optimal_momentum(torch.tensor([3.0, 1.0])).heavy_ball.steps_to_shrink(0.125), 12)
            3.0
        """
        shrink = inputs.number(factor, "factor", above=0, below=1)
        return log(1 / shrink) / (-log1p(-self.gap) if self.gap < 1 else inf)


@dataclass(frozen=True)
class OptimalMomentum:
    """Three methods at their fastest on one problem.

    Attributes:
        condition: κ = √(h₁/hᵣ).
        gradient_descent: no momentum.
        nesterov: with the look-ahead.
        heavy_ball: the fastest of the three; no method that steps along the gradients it has seen has a better
            long-run factor for every spectrum between the same extremes.
    """

    condition: float
    gradient_descent: Tuned
    nesterov: Tuned
    heavy_ball: Tuned


def optimal_momentum(sigma: Float[Tensor, " r"], ridge: float = 0.0) -> OptimalMomentum:
    """The rate and momentum that make the slowest direction as fast as it can be, for each method.

    Only the extreme singular values count: those between converge at least as fast.

    Args:
        sigma: [r], the singular values, none zero unless there is a ridge (``problem.nonzero``).
        ridge: λ ≥ 0.

    Raises:
        DataError: for σ that is empty, negative, not finite, or zero without ridge.
        ConfigurationError: for λ < 0.

    Source: Polyak 1964 (heavy ball); Lessard, Recht & Packard 2016, proposition 1 (Nesterov)

    Lecture: O3

    Example:
        >>> import torch
        >>> found = optimal_momentum(torch.tensor([3.0, 1.0]))
        >>> found.gradient_descent.radius, found.heavy_ball.radius
        (0.8, 0.5)
        >>> found.heavy_ball.method
        HeavyBall(rate=0.125, momentum=0.25, nesterov=False)
    """
    h = curvatures(sigma, ridge)
    largest, smallest = float(h.max()), float(h.min())
    if smallest == 0:
        raise DataError(
            expected="singular values above zero, or a ridge",
            found="a direction without curvature, which no rate moves",
            do="give the nonzero ones (problem.nonzero), or a ridge λ > 0",
        )
    squared = largest / smallest
    condition, bend = sqrt(squared), sqrt(3 * squared + 1)
    root = (condition - 1) / (condition + 1)
    ahead = (bend - 2) / (bend + 2)
    return OptimalMomentum(
        condition=condition,
        gradient_descent=Tuned(HeavyBall(2 / (largest + smallest), 0.0), 2 / (squared + 1)),
        nesterov=Tuned(HeavyBall(4 / (3 * largest + smallest), ahead, nesterov=True), 2 / bend),
        heavy_ball=Tuned(
            HeavyBall(4 / (largest + smallest + 2 * sqrt(largest) * sqrt(smallest)), root**2), 2 / (condition + 1)
        ),
    )
