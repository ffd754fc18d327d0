"""Ridge on random Gaussian examples, in expectation over them: what the spectrum of the features alone decides.

One number κ, the effective penalty, stands for the random matrix: Σᵢ λᵢ/(λᵢ + κ) + λ/κ = n. Direction i is learned
to the share Lᵢ = λᵢ/(λᵢ + κ). The formulas are limits, right to O(1/n) for Gaussian rows; for λᵢ all equal and no
ridge, :func:`isotropic_error` is exact at every n and d.

Legend: n examples, d features, λᵢ eigenvalues of Σ = E[xxᵀ], wᵢ the truth in Σ's eigenvectors, λ the ridge of
‖Xw − y‖² + λ‖w‖² (0: minimum norm).
"""

from dataclasses import dataclass
from math import inf, sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.survival import Survival


@dataclass(frozen=True)
class ExpectedErrors:
    """Errors of ridge in expectation over Gaussian examples, by the deterministic equivalent.

    Attributes:
        effective_ridge: κ ≥ 0.
        learned: Lᵢ, the share of each direction that is learned.
        bias: error from what is not learned, the noise apart.
        variance: error from noise that is learned.
        training: expected mean squared error at the training examples, (λ/nκ)² of the test error.
        survival: the same error as survival and contamination; the survival's own variance, O(1/n), is counted
            with the contamination.
    """

    effective_ridge: float
    learned: Float[Tensor, " d"]
    bias: float
    variance: float
    training: float
    survival: Survival

    @property
    def test(self) -> float:
        """Expected squared error on a new noisy example."""
        return self.survival.noise + self.bias + self.variance


def effective_ridge(eigenvalues: Float[Tensor, " d"], samples: int, ridge: float = 0.0) -> float:
    """κ ≥ 0 that solves Σᵢ λᵢ/(λᵢ + κ) + λ/κ = n, by bisection to the last digit; 0 where λ = 0 and d ≤ n.

    Args:
        eigenvalues: λᵢ ≥ 0 of the features' covariance, not all zero.
        samples: n ≥ 1.
        ridge: λ ≥ 0.

    Raises:
        DataError: when the eigenvalues are not finite, negative, or all zero.
        ConfigurationError: when n < 1 or λ < 0.

    Source: Simon, Dickens, Karkada & DeWeese 2021; Hastie, Montanari, Rosset & Tibshirani 2022.

    Lecture: F9

    Example:
        >>> round(effective_ridge(torch.ones(30), samples=10), 12)  # isotropic: d/n − 1
        2.0
    """
    spectrum = spectrum_of(eigenvalues)
    samples = inputs.count(samples, "samples", minimum=1)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    if ridge == 0 and int((spectrum > 0).sum()) <= samples:
        return 0.0

    def excess(kappa: float) -> float:
        return float((spectrum / (spectrum + kappa)).sum()) + ridge / kappa - samples

    high = (float(spectrum.sum()) + ridge) / samples  # as λᵢ/(λᵢ + κ) < λᵢ/κ, the excess is negative here
    low = high
    while excess(low) < 0:
        low /= 16
    for _ in range(200):
        middle = sqrt(low) * sqrt(high)
        if not low < middle < high:
            break
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


def expected_errors(
    eigenvalues: Float[Tensor, " d"], w: Float[Tensor, " d"], *, samples: int, noise: float, ridge: float = 0.0
) -> ExpectedErrors:
    """Bias, variance, survival, contamination of ridge over random Gaussian examples, from the spectrum alone.

    Test error = n/(n − ΣLᵢ²) · (Var ε + Σ(1 − Lᵢ)²λᵢwᵢ²); survival = ΣLᵢλᵢwᵢ²/Σλᵢwᵢ², so a single direction survives
    to Lᵢ. Infinite at n = d without ridge.

    Args:
        eigenvalues: λᵢ ≥ 0.
        w: the truth in the eigenvectors of the covariance.
        samples: n ≥ 1.
        noise: Var ε ≥ 0.
        ridge: λ ≥ 0 of ‖Xw − y‖² + λ‖w‖², not divided by n.

    Raises:
        DataError: when shapes do not fit, something is not finite, or Σλᵢwᵢ² is zero.
        ConfigurationError: when n < 1, noise < 0 or λ < 0.

    Source: Simon et al. 2021; Hastie et al. 2022; Muthukumar et al. 2020 for survival and contamination.

    Lecture: F9, F10

    Example:
        >>> found = expected_errors(torch.ones(40), torch.eye(40)[0], samples=20, noise=0.5)
        >>> round(found.bias + found.variance, 10)  # 1 − n/d and noise/(d/n − 1), together
        1.0
    """
    spectrum = spectrum_of(eigenvalues)
    truth = inputs.vector(w, len(spectrum)).to(spectrum)
    noise = inputs.number(noise, "noise", minimum=0)
    kappa = effective_ridge(spectrum, samples, ridge)
    positive = spectrum > 0
    learned = torch.where(positive, spectrum / (spectrum + kappa).where(positive, torch.ones(())), 0.0)
    unlearned = kappa / (spectrum + kappa).where(positive, torch.ones(()))
    power = spectrum * truth.square()
    energy = float(power.sum())
    if energy <= 0:
        raise DataError(
            expected="a truth with Σλᵢwᵢ² > 0", found="zero", do="give w a part where the features have variance"
        )

    # n − ΣL² without its cancellation: n = ΣL + λ/κ
    left = float((learned * unlearned)[positive].sum()) + ridge / kappa if kappa else samples - int(positive.sum())
    taken = float(learned.square().sum())
    missed = float((unlearned.square() * power).sum())
    noise_error, signal_error = (_ratio(part * samples, left) for part in (noise, missed))

    share = float((learned * power).sum()) / energy
    spread = float(((learned - share).square() * power).sum())
    training = (ridge / (samples * kappa)) ** 2 * (noise_error + signal_error) if kappa else None
    return ExpectedErrors(
        effective_ridge=kappa,
        learned=learned,
        bias=signal_error,
        variance=_ratio(noise * taken, left),
        training=noise * left / samples if training is None else training,
        survival=Survival(
            survival=share,
            survival_variance=0.0,
            contamination_from_signal=spread + _ratio(missed * taken, left),
            contamination_from_noise=_ratio(noise * taken, left),
            energy=energy,
            noise=noise,
        ),
    )


def isotropic_error(samples: int, features: int, *, norm: float, noise: float) -> float:
    """Expected test error of minimum-norm least squares on n examples from N(0, I) in d dimensions, exact.

    d < n − 1: Var ε(1 + d/(n − d − 1)). d > n + 1: Var ε(1 + n/(d − n − 1)) + ‖w‖²(1 − n/d). Between, infinite where
    there is noise: the peak. As n and d grow with d/n = γ these are, above the noise, Var ε γ/(1 − γ), and
    Var ε/(γ − 1) + ‖w‖²(1 − 1/γ).

    Args:
        norm: ‖w‖ ≥ 0 of the truth.
        noise: Var ε ≥ 0.

    Raises:
        ConfigurationError: when a number is out of its range.

    Source: Breiman & Freedman 1983 for d < n; Belkin, Hsu & Xu 2020; Hastie et al. 2022.

    Lecture: F10

    Example:
        >>> [isotropic_error(10, d, norm=1.0, noise=1.0) for d in (4, 10, 20)]
        [1.8, inf, 2.611...]
    """
    n = inputs.count(samples, "samples", minimum=1)
    d = inputs.count(features, "features", minimum=1)
    norm = inputs.number(norm, "norm", minimum=0)
    noise = inputs.number(noise, "noise", minimum=0)
    bias = norm**2 * max(0.0, 1 - n / d)
    if noise == 0:
        return bias
    return noise * (1 + min(n, d) / (abs(n - d) - 1)) + bias if abs(n - d) > 1 else inf


def spectrum_of(eigenvalues: Tensor) -> Float[Tensor, " d"]:
    """Eigenvalues of a covariance as float64: none negative, not all zero.

    Raises:
        DataError: when they are not.
    """
    found = inputs.vector(eigenvalues, name="eigenvalues")
    if (found < 0).any() or not (found > 0).any():
        raise DataError(
            expected="eigenvalues ≥ 0, not all of them zero",
            found=f"between {float(found.min()):g} and {float(found.max()):g}",
            do="give the eigenvalues of a covariance",
        )
    return found


def _ratio(above: float, below: float) -> float:
    """above/below for numbers ≥ 0, with nothing over nothing being nothing."""
    if above == 0:
        return 0.0
    return above / below if below > 0 else inf
