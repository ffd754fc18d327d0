"""Ridge regression as plain least squares on more data, or on more features.

More data: below X stand d examples √λ·eⱼ with target 0, each pulling one weight to zero.
More features: beside X stand n features √λ·eᵢ, one for each example, that can take up its error; the shortest
solution then shares each target between the true features and the added ones as ridge does.
In both, √λ·I may be any Γ: rows Γ give the penalty ‖Γw‖² (Tikhonov), columns Γ the noise covariance ΓΓᵀ.
"""

from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs


def augment_data(
    X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], ridge: float
) -> tuple[Float[Tensor, "n_plus_d d"], Float[Tensor, "n_plus_d *k"]]:
    """[X; √λ I], [y; 0]: ‖[X; √λ I]w − [y; 0]‖² = ‖Xw − y‖² + λ‖w‖², so its least squares is ridge.

    Its singular values are √(σᵢ² + λ): ridge is a better-conditioned least squares.

    Shapes:
        X: [n, d]; y: [n] or [n, k]; returned: [n + d, d] and [n + d] or [n + d, k].

    Args:
        X: one row an example.
        y: its targets.
        ridge: λ ≥ 0.

    Raises:
        DataError: when X or y is empty or not finite, or their rows differ in number.
        ConfigurationError: when λ < 0 or not finite.

    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, exercise 3.12.

    Lecture: F6

    Example:
        >>> X, y = augment_data(torch.tensor([[2.0]]), torch.tensor([5.0]), ridge=1.0)
        >>> X.flatten(), y
        (tensor([2., 1.], dtype=torch.float64), tensor([5., 0.], dtype=torch.float64))
    """
    X, y = inputs.problem(X, y)
    root = sqrt(inputs.number(ridge, "ridge λ", minimum=0))
    d = X.shape[1]
    below = root * torch.eye(d, dtype=X.dtype, device=X.device)
    return torch.cat([X, below]), torch.cat([y, y.new_zeros(d, *y.shape[1:])])


def augment_features(X: Float[Tensor, "n d"], ridge: float) -> Float[Tensor, "n d_plus_n"]:
    """[X, √λ I]: the first d entries of the shortest v with [X, √λ I] v = y are ridge's w.

    With v = [w; e], the shortest such v minimises ‖w‖² + ‖e‖² where √λ e = y − Xw.

    Shapes:
        X: [n, d]; returned: [n, d + n].

    Args:
        X: one row an example.
        ridge: λ ≥ 0; with 0 the added features are zeros, and the first d entries are the minimum-norm solution.

    Raises:
        DataError: when X is empty or not finite.
        ConfigurationError: when λ < 0 or not finite.

    Source: the matrix identity Xᵀ(XXᵀ + λI)⁻¹ = (XᵀX + λI)⁻¹Xᵀ.

    Lecture: F6

    Example:
        >>> augment_features(torch.tensor([[2.0], [3.0]]), ridge=1.0)
        tensor([[2., 1., 0.],
                [3., 0., 1.]], dtype=torch.float64)
    """
    X = inputs.matrix(X)
    root = sqrt(inputs.number(ridge, "ridge λ", minimum=0))
    return torch.cat([X, root * torch.eye(len(X), dtype=X.dtype, device=X.device)], dim=1)
