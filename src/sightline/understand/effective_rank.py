"""How many directions values really use: the effective rank, from singular values."""

import torch
from jaxtyping import Float
from torch import Tensor


def effective_rank(sigma: Float[Tensor, " r"]) -> float:
    """exp(−Σ p_i ln p_i), p_i = σ_i/Σσ: r where all singular values are equal, 1 where one is alone.

    Of values that are all 0 it is 0; of values that are no numbers NaN.

    Args:
        sigma: singular values, in any order.

    Source: Roy & Vetterli 2007, "The Effective Rank: A Measure of Effective Dimensionality"

    Lecture: U2

    Example:
        >>> round(effective_rank(torch.tensor([2.0, 2.0, 0.0])), 6)
        2.0
    """
    total = sigma.double().sum()
    if float(total) == 0:
        return 0.0
    shares = sigma.double() / total
    return float((-torch.special.xlogy(shares, shares).sum()).exp())


def singular_values_of_rows(rows: Float[Tensor, "N D"], *, centred: bool = True) -> Float[Tensor, " r"]:
    """Of a matrix of samples, less their mean; the largest first. NaN where the matrix has one.

    Shapes:
        (N, D) → (min(N, D),), float64

    Example:
        >>> singular_values_of_rows(torch.tensor([[1.0, 5.0], [-1.0, 5.0]])).square().round(decimals=6).tolist()
        [2.0, 0.0]
    """
    X = rows.detach().double()
    if not bool(X.isfinite().all()):
        return X.new_full((min(X.shape),), torch.nan)
    if centred:
        X = X - X.mean(0)
    sigma: Tensor = torch.linalg.svdvals(X)
    return sigma
