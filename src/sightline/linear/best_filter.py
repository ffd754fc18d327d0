"""The filter factors of least error, the truth or its variance known: Wiener's, and ridge's as a special case."""

from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.bias_variance import fitting_factors


def best_factors(sigma: Float[Tensor, " r"], w_tilde: Float[Tensor, " r"], noise: float) -> Float[Tensor, " r"]:
    """φᵢ = σᵢ²w̃ᵢ²/(σᵢ²w̃ᵢ² + Var ε): the factors of least error, one direction at a time, were w̃ known.

    With every w̃ᵢ² equal to τ² they are those of ridge with λ = Var ε/τ²; no other λ is as good on average over
    weights drawn with variance τ².

    Raises:
        DataError: when σ and w̃ do not fit or are not finite.
        ConfigurationError: when noise ≤ 0.

    Source: Wiener's filter; Hoerl & Kennard 1970 for ridge.

    Lecture: F9

    Example:
        >>> import torch
        >>> best_factors(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 1.0]), noise=1.0)
        tensor([0.8000, 0.5000], dtype=torch.float64)
    """
    sigma = inputs.vector(sigma, name="sigma")
    truth = inputs.vector(w_tilde, len(sigma), name="w_tilde").to(sigma)
    power = (sigma * truth).square()
    return power / (power + inputs.number(noise, "noise", above=0))


def error_under_prior(
    sigma: Float[Tensor, " r"], factors: Float[Tensor, "*l r"], noise: float, prior_variance: float
) -> Float[Tensor, "*l"]:
    """E‖w̃̂ − w̃‖² = Σᵢ τ²(1 − φᵢ)² + Var ε φᵢ²/σᵢ², averaged over noise and over weights of variance τ² each.

    Among all ridges λ = Var ε/τ² has the least, whatever the singular values.

    Raises:
        DataError: when σ and the factors do not fit, or some σ is zero or negative.
        ConfigurationError: when noise or τ² is negative.

    Source: Hoerl & Kennard 1970; Dicker 2016.

    Lecture: F9

    Example:
        >>> import torch
        >>> error_under_prior(torch.tensor([1.0]), torch.tensor([0.5]), noise=1.0, prior_variance=1.0).item()
        0.5
    """
    sigma = inputs.vector(sigma, name="sigma")
    noise = inputs.number(noise, "noise", minimum=0)
    prior_variance = inputs.number(prior_variance, "prior_variance", minimum=0)
    if not (sigma > 0).all():
        raise DataError(
            expected="singular values above zero",
            found=f"a smallest of {float(sigma.min()):g}",
            do="leave out the directions that X does not reach",
        )
    factors = fitting_factors(factors, len(sigma)).to(sigma)
    return (prior_variance * (1 - factors).square() + noise * (factors / sigma).square()).sum(-1)
