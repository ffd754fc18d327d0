"""Zeros at missing entries, with 1/p: the best linear map in closed form, averaged over all masks.

Legend: x an example, m its mask, p the share seen, S = XᵀX/n, D = (1 − p)/p · diag(S), M the map from m ∘ x/p to x̂.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs


def masking_map(X: Float[Tensor, "n d"], *, missing: float, rank: int | None = None) -> Float[Tensor, "d d"]:
    """argmin over M of E‖x − M(m ∘ x)/p‖² = S(S + D)⁻¹; of rank k, projected on the top k eigenvectors of MS.

    m ∘ x/p is x with noise of covariance D: masking is denoising with more noise where an entry is large. Where
    diag(S) is a multiple of I the subspace is PCA's. Otherwise it is another one, however many examples there are.

    Shapes:
        X: [n, d]; returns: [d, d].

    Args:
        X: one row an example, nothing missing; no mean is taken away.
        missing: 1 − p within [0, 1).
        rank: the most directions that M may pass; none: all.

    Raises:
        DataError: when X is empty or not finite.
        ConfigurationError: when a number is out of its range.

    Source: Wager, Wang & Liang, Dropout training as adaptive regularization, 2013, for least squares.

    Lecture: A2

    Example:
        >>> masking_map(torch.tensor([[1.0, 2.0]]), missing=0.5)  # two entries that tell each other
        tensor([[0.3333, 0.1667],
                [0.6667, 0.3333]], dtype=torch.float64)
    """
    X = inputs.matrix(X)
    S = X.mT @ X / len(X)
    noise = _noise_of(X, missing)
    M: Tensor = S @ torch.linalg.pinv(S + torch.diag(noise), hermitian=True)
    if rank is None:
        return M
    rank = inputs.count(rank, "rank", minimum=1)
    if rank > len(S):
        raise ConfigurationError(
            expected=f"a rank up to {len(S)}, the columns of X", found=f"rank = {rank}", do="leave it out for all"
        )
    fitted = M @ S
    V = torch.linalg.eigh((fitted + fitted.mT) / 2)[1][:, -rank:]
    projected: Tensor = V @ (V.mT @ M)
    return projected


def masking_error(X: Float[Tensor, "n d"], M: Float[Tensor, "d d"], *, missing: float) -> float:
    """E‖x − M(m ∘ x)/p‖² = ‖X − XMᵀ‖²/n + Σ_j D_jj ‖M_j‖², M_j the columns of M: averaged over all masks.

    Raises:
        DataError: when a matrix is not finite, or M is not d by d.
        ConfigurationError: when ``missing`` is outside [0, 1).

    Lecture: A2

    Example:
        >>> masking_error(torch.ones(1, 1), torch.ones(1, 1), missing=0.5)  # 0 or 2 for 1
        1.0
    """
    X, M = inputs.matrix(X), inputs.matrix(M, "M")
    if M.shape != (X.shape[1], X.shape[1]):
        raise DataError(
            expected=f"a map M of shape {(X.shape[1], X.shape[1])}, as the columns of X ask",
            found=f"{tuple(M.shape)}",
            do="give BA, decoder times encoder",
        )
    return float((X - X @ M.mT).square().sum() / len(X) + (_noise_of(X, missing) * M.square()).sum())


def _noise_of(X: Float[Tensor, "n d"], missing: float) -> Float[Tensor, " d"]:
    """The diagonal of D."""
    missing = inputs.number(missing, "missing", minimum=0, below=1)
    return missing / (1 - missing) * X.square().mean(0)
