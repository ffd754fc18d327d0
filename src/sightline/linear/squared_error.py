"""The squared error L(w) = ‖Xw − y‖² + λ‖w‖² that the whole room speaks of: value, gradient, Hessian.

There is no ½ and no mean, as in the lectures: the gradient is 2Xᵀ(Xw − y) + 2λw and the curvature along
a right singular vector is 2(σ² + λ). A rate η for it is 2nη for the mean of halved squares.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs


def squared_error(
    X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], w: Float[Tensor, "d *k"], ridge: float = 0.0
) -> Float[Tensor, "*k"]:
    """L(w) = ‖Xw − y‖² + λ‖w‖², one value an output.

    Raises:
        DataError: when X, y, w do not fit each other or are not finite.
        ConfigurationError: when λ < 0.

    Lecture: F6

    Example:
        >>> squared_error(torch.eye(2), torch.tensor([1.0, 2.0]), torch.zeros(2)).item()
        5.0
    """
    X, y = inputs.problem(X, y)
    ridge, w = inputs.number(ridge, "ridge λ", minimum=0), _weights(w, X, y)
    return (X @ w - y).square().sum(0) + ridge * w.square().sum(0)


def gradient(
    X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], w: Float[Tensor, "d *k"], ridge: float = 0.0
) -> Float[Tensor, "d *k"]:
    """∇L(w) = 2Xᵀ(Xw − y) + 2λw = −2Xᵀ(y − Xw) + 2λw: descent **adds** 2ηXᵀ(y − Xw).

    Raises:
        DataError, ConfigurationError: see :func:`squared_error`.

    Lecture: F8

    Example:
        >>> gradient(torch.eye(2), torch.tensor([1.0, 2.0]), torch.zeros(2))
        tensor([-2., -4.], dtype=torch.float64)
    """
    X, y = inputs.problem(X, y)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    return gradient_at(X, y, _weights(w, X, y), ridge)


def gradient_at(
    X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], w: Float[Tensor, "d *k"], ridge: float
) -> Float[Tensor, "d *k"]:
    """The same for float64 tensors already checked, in an iteration that may run beyond float64's range."""
    return 2 * (X.mT @ (X @ w - y)) + 2 * ridge * w


def hessian(X: Float[Tensor, "n d"], ridge: float = 0.0) -> Float[Tensor, "d d"]:
    """∇²L = 2XᵀX + 2λI, the same everywhere.

    Raises:
        DataError, ConfigurationError: see :func:`squared_error`.

    Lecture: O4

    Example:
        >>> hessian(torch.eye(2), ridge=0.5)
        tensor([[3., 0.],
                [0., 3.]], dtype=torch.float64)
    """
    X = inputs.matrix(X)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    return 2 * (X.mT @ X + ridge * torch.eye(X.shape[1], dtype=X.dtype, device=X.device))


def _weights(w: Tensor, X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"]) -> Float[Tensor, "d *k"]:
    return inputs.start(w, X.new_zeros(X.shape[1], *y.shape[1:]), "w")
