"""The linear denoising autoencoder in closed form: noise on the input does what ridge does.

Legend: x an example with E[xxᵀ] = S = XᵀX/n = V diag(λᵢ) Vᵀ, ε ~ N(0, σ²I) the noise, M = BA the map from x + ε to x̂.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs
from sightline.linear.pca import principal_components
from sightline.linear.ridge import filter_factors


def denoising_map(X: Float[Tensor, "n d"], *, noise: float, rank: int | None = None) -> Float[Tensor, "d d"]:
    """argmin over M of E‖x − M(x + ε)‖² = S(S + σ²I)⁻¹ = V diag(λᵢ/(λᵢ + σ²)) Vᵀ; of rank k, its first k directions.

    Each direction is shrunk by the filter factor of ridge with λ = nσ². With σ = 0 and rank k this is the projection
    on PCA's subspace; noise turns no direction, it only shortens.

    Shapes:
        X: [n, d]; returns: [d, d], for columns x: M x.

    Args:
        X: one row an example, without the noise; no mean is taken away.
        noise: σ ≥ 0, standard deviation in the units of X.
        rank: the most directions that M may pass; none: all.

    Raises:
        DataError: when X is empty or not finite.
        ConfigurationError: when a number is out of its range, or there are fewer directions than ``rank``.

    Source: Bishop, Training with noise is equivalent to Tikhonov regularization, 1995; the rank by Eckart & Young
        applied to S(S + σ²I)^{−1/2}, whose singular values λ/√(λ + σ²) keep the order of the λ.

    Lecture: A2

    Example:
        >>> denoising_map(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), noise=1.0)
        tensor([[0.6667, 0.0000],
                [0.0000, 0.6667]], dtype=torch.float64)
    """
    found = principal_components(X)
    noise = inputs.number(noise, "noise σ", minimum=0)
    V = found.components if rank is None else found.subspace(rank)
    sigma = found.sigma[: V.shape[1]]
    passed = (torch.arange(len(sigma), device=sigma.device) < found.rank).to(sigma)  # no direction of bare rounding
    return (V * (passed * filter_factors(sigma, found.n * noise**2))) @ V.mT


def denoising_error(X: Float[Tensor, "n d"], M: Float[Tensor, "d d"], *, noise: float) -> float:
    """E‖x − M(x + ε)‖² = ‖X − XMᵀ‖²/n + σ²‖M‖²: what the map loses of the signal, and what it lets pass of the noise.

    A projection on k directions lets kσ² of the noise pass, the identity dσ².

    Raises:
        DataError: when a matrix is not finite, or M is not d by d.
        ConfigurationError: when σ is negative or not finite.

    Lecture: A2

    Example:
        >>> denoising_error(torch.eye(2), torch.eye(2), noise=0.5)
        0.5
    """
    X, M = inputs.matrix(X), inputs.matrix(M, "M")
    if M.shape != (X.shape[1], X.shape[1]):
        raise DataError(
            expected=f"a map M of shape {(X.shape[1], X.shape[1])}, as the columns of X ask",
            found=f"{tuple(M.shape)}",
            do="give BA, decoder times encoder",
        )
    noise = inputs.number(noise, "noise σ", minimum=0)
    return float((X - X @ M.mT).square().sum() / len(X) + noise**2 * M.square().sum())
