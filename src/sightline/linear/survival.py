"""Survival and contamination: how much of the true pattern is in an estimate, and how much else got in.

An estimate ŵ is split into a multiple of the truth and the rest, at right angles in the features' covariance Σ:
ŵ = SU·w + rest, with SU = wᵀΣŵ/wᵀΣw the survival and CN² = ‖rest‖²_Σ the contamination. By Pythagoras its error on
new examples is (1 − SU)²‖w‖²_Σ + CN² + Var ε, with nothing left over.

Legend: n rows, d features, w the truth, ŵ an estimate, ε the noise of the targets, Σ = E[xxᵀ], ‖v‖²_Σ = vᵀΣv.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.ridge import filter_factors
from sightline.linear.svd_coordinates import decompose, numerical_rank


@dataclass(frozen=True)
class Survival:
    """What an estimator keeps of the truth and what it adds, in expectation over the noise.

    Attributes:
        survival: E[SU]; 1 when the whole pattern comes through.
        survival_variance: Var SU, from the noise that falls along the pattern.
        contamination_from_signal: the part of E[CN²] there is without noise: the pattern seen as other patterns.
        contamination_from_noise: the part of E[CN²] that the noise brings.
        energy: ‖w‖²_Σ, the error of predicting zero where there is no noise.
        noise: Var ε.
    """

    survival: float
    survival_variance: float
    contamination_from_signal: float
    contamination_from_noise: float
    energy: float
    noise: float

    @property
    def contamination(self) -> float:
        """E[CN²]."""
        return self.contamination_from_signal + self.contamination_from_noise

    @property
    def error(self) -> float:
        """E[(1 − SU)²]‖w‖²_Σ + E[CN²] + Var ε: the expected squared error on a new noisy example."""
        missing = (1 - self.survival) ** 2 + self.survival_variance
        return missing * self.energy + self.contamination + self.noise


@dataclass(frozen=True)
class Estimated:
    """Survival and contamination of estimates at hand, one value each.

    Attributes:
        survival: SU.
        contamination: CN².
        energy: ‖w‖²_Σ.
    """

    survival: Float[Tensor, "*batch"]
    contamination: Float[Tensor, "*batch"]
    energy: float

    def error(self, noise: float) -> Float[Tensor, "*batch"]:
        """(1 − SU)²‖w‖²_Σ + CN² + Var ε, which is ‖ŵ − w‖²_Σ + Var ε."""
        return (1 - self.survival).square() * self.energy + self.contamination + noise


def survival_of(
    estimate: Float[Tensor, "*batch d"], w: Float[Tensor, " d"], covariance: Float[Tensor, "d d"] | None = None
) -> Estimated:
    """SU = wᵀΣŵ/wᵀΣw and CN² = ‖ŵ − SU·w‖²_Σ of estimates that are there already.

    For a w with one nonzero entry t and a diagonal Σ they are ŵₜ/wₜ and Σ_{j≠t} Σⱼⱼ ŵⱼ².

    Args:
        estimate: ŵ, any leading dimensions.
        covariance: Σ = E[xxᵀ] of new examples; the identity where none is given.

    Raises:
        DataError: when shapes do not fit, something is not finite, or wᵀΣw is not positive.

    Source: Muthukumar, Vodrahalli, Subramanian & Sahai 2020; Muthukumar et al. 2021.

    Lecture: F9

    Example:
        >>> found = survival_of(torch.tensor([0.5, 0.2]), torch.tensor([1.0, 0.0]))
        >>> round(found.survival.item(), 6), round(found.contamination.item(), 6)
        (0.5, 0.04)
    """
    truth = inputs.vector(w)
    if not isinstance(estimate, Tensor) or estimate.ndim < 1 or estimate.shape[-1] != len(truth):
        raise DataError(
            expected=f"estimates of {len(truth)} weights, in the last dimension",
            found=f"shape {tuple(estimate.shape)}" if isinstance(estimate, Tensor) else type(estimate).__name__,
            do="give ŵ in the same features as w",
        )
    estimates = inputs.matrix(estimate.reshape(-1, len(truth)), name="estimate").to(truth)
    C = _covariance(covariance, len(truth))
    pattern = C @ truth
    energy = _energy(truth @ pattern)
    share = estimates @ pattern / energy
    rest = estimates - share[:, None] * truth
    contamination = ((rest @ C) * rest).sum(-1)
    shape = estimate.shape[:-1]
    return Estimated(share.reshape(shape), contamination.reshape(shape), energy)


def survival(
    X: Float[Tensor, "n d"],
    w: Float[Tensor, " d"],
    *,
    noise: float,
    ridge: float = 0.0,
    covariance: Float[Tensor, "d d"] | None = None,
) -> Survival:
    """Survival and contamination of ridge on y = Xw + ε, exact in expectation over ε for the X given.

    ŵ = A(Xw + ε) with A = (XᵀX + λI)⁻¹Xᵀ, or A = X⁺, the minimum norm, for λ = 0. Then E[SU] = wᵀΣAXw/‖w‖²_Σ,
    Var SU = Var ε‖AᵀΣw‖²/‖w‖⁴_Σ, and E‖ŵ‖²_Σ = ‖AXw‖²_Σ + Var ε tr(AᵀΣA) leaves E[CN²].

    Args:
        noise: Var ε ≥ 0.
        ridge: λ ≥ 0.
        covariance: Σ of new examples; the identity where none is given.

    Raises:
        DataError: when shapes do not fit, something is not finite, or wᵀΣw is not positive.
        ConfigurationError: when noise < 0 or λ < 0.

    Source: Muthukumar, Vodrahalli, Subramanian & Sahai 2020, the split written out for any w and Σ.

    Lecture: F9

    Example:
        >>> found = survival(torch.tensor([[1.0, 1.0]]), torch.tensor([1.0, 0.0]), noise=0.0)  # one row, two features
        >>> round(found.survival, 6), round(found.contamination, 6)  # half the pattern passes for the other feature
        (0.5, 0.25)
    """
    X = inputs.matrix(X)
    truth = inputs.vector(w, X.shape[1]).to(X)
    noise = inputs.number(noise, "noise", minimum=0)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    C = _covariance(covariance, len(truth)).to(X)

    _, sigma, Vh = decompose(X)
    rank = numerical_rank(sigma, max(X.shape))
    sigma, Vh = sigma[:rank], Vh[:rank]
    factors = filter_factors(sigma, ridge) if rank else sigma
    mean = (factors * (Vh @ truth)) @ Vh
    responses = (factors / sigma)[:, None] * Vh  # the weights' answer to noise along each left singular vector

    pattern = C @ truth
    energy = _energy(truth @ pattern)
    share = mean @ pattern / energy
    rest = mean - share * truth
    shares = responses @ pattern / energy
    rests = responses - shares[:, None] * truth
    return Survival(
        survival=float(share),
        survival_variance=noise * float(shares.square().sum()),
        contamination_from_signal=float(rest @ C @ rest),
        contamination_from_noise=noise * float(((rests @ C) * rests).sum()),
        energy=energy,
        noise=noise,
    )


def _covariance(covariance: Tensor | None, d: int) -> Tensor:
    if covariance is None:
        return torch.eye(d, dtype=torch.float64)
    found = inputs.matrix(covariance, name="covariance")
    if found.shape != (d, d) or not torch.allclose(found, found.mT, rtol=1e-8, atol=1e-12 * float(found.abs().max())):
        raise DataError(
            expected=f"a symmetric covariance of {d} by {d}",
            found=f"shape {tuple(found.shape)}" + (", not symmetric" if found.shape == (d, d) else ""),
            do="give E[xxᵀ] of the features of w",
        )
    return found


def _energy(value: Tensor) -> float:
    if not float(value) > 0:
        raise DataError(
            expected="a true pattern with wᵀΣw > 0, some of which can survive",
            found=f"wᵀΣw = {float(value):g}",
            do="give a w that is not zero where the covariance is not, and a covariance without negative eigenvalues",
        )
    return float(value)
