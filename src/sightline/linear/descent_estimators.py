"""How double descent fits its random features: minimum norm, ridge, the best ridge there is, or early stopping.

Legend: λ ridge, η rate, k steps, e eigenvalues of ΦΦᵀ.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.widths import Fit, minimum_norm_fits, ridge_fits, spectral_fits


@dataclass(frozen=True)
class MinimumNorm:
    """Least squares, and of its solutions the one of least norm: where descent from zero ends."""

    def fits(self, Z: Tensor, Z_test: Tensor, y: Tensor, widths: Sequence[int]) -> Iterator[Fit]:
        """One fit a width."""
        return minimum_norm_fits(Z, Z_test, y, widths)


@dataclass(frozen=True)
class Ridge:
    """‖Φw − y‖² + λ‖w‖², one λ > 0 for all widths."""

    ridge: float

    def __post_init__(self) -> None:
        inputs.number(self.ridge, "ridge λ", above=0)

    def fits(self, Z: Tensor, Z_test: Tensor, y: Tensor, widths: Sequence[int]) -> Iterator[Fit]:
        """One fit a width."""
        return ridge_fits(Z, Z_test, y, widths, self.ridge)


@dataclass(frozen=True)
class TunedRidge:
    """Ridge with, for each width, the λ of least mean test error over the repetitions: the best ridge can do.

    The choice looks at the test error it is judged by; over many repetitions and few λ that hardly matters.

    Attributes:
        ridges: the λ > 0 to choose from.
    """

    ridges: tuple[float, ...]

    def __post_init__(self) -> None:
        for ridge in self.ridges:
            inputs.number(ridge, "ridge λ", above=0)
        inputs.count(len(self.ridges), "number of ridges", minimum=1)

    def fits(self, Z: Tensor, Z_test: Tensor, y: Tensor, widths: Sequence[int]) -> Iterator[Fit]:
        """One fit a width, with the outputs of every λ side by side."""
        penalties = torch.tensor(self.ridges, dtype=torch.float64)[:, None]
        return spectral_fits(Z, Z_test, y, widths, lambda e: 1 / (e[:, None] + penalties))


@dataclass(frozen=True)
class EarlyStopping:
    """k steps w ← w + 2ηΦᵀ(y − Φw) from zero, in closed form, with η = share · ½/e₁ of the problem at hand.

    Attributes:
        steps: k ≥ 1.
        share: in (0, 1]; at 1 the first step alone fits the steepest direction.
    """

    steps: int
    share: float = 1.0

    def __post_init__(self) -> None:
        inputs.number(inputs.count(self.steps, "steps", minimum=1), "steps")
        inputs.number(self.share, "share", above=0, maximum=1)

    def fits(self, Z: Tensor, Z_test: Tensor, y: Tensor, widths: Sequence[int]) -> Iterator[Fit]:
        """One fit a width."""
        return spectral_fits(Z, Z_test, y, widths, self._gains)

    def _gains(self, e: Tensor) -> Tensor:
        """(1 − (1 − 2ηe)ᵏ)/e; NaN where e is zero, a direction that no row reaches."""
        e = e[:, None]
        largest = e.amax(2, keepdim=True).clamp(min=torch.finfo(e.dtype).tiny)
        moved = self.share * e / largest
        return -torch.expm1(self.steps * torch.log1p(-moved)) / e


Estimator = MinimumNorm | Ridge | TunedRidge | EarlyStopping
