"""Random features φ(x) = a(Wx/√d + b)/√N: a hidden layer that is drawn once and never trained.

Least squares on them is a network of width N whose last layer alone is trained, and is linear in what it trains.

Legend: N features, d inputs, n examples, a activation.
"""

from collections.abc import Callable
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.linear import inputs

Elementwise = Callable[[Tensor], Tensor]
"""Elementwise, on tensors."""


def draw_random_features(
    dimensions: int, features: int, *, generator: torch.Generator, bias_scale: float = 0.5
) -> tuple[Float[Tensor, "N d"], Float[Tensor, " N"]]:
    """W and b of N features of d inputs: standard normal, b times ``bias_scale``.

    Args:
        dimensions: d ≥ 1.
        features: N ≥ 1.
        bias_scale: standard deviation of b, ≥ 0.

    Raises:
        ConfigurationError: when a number is out of its range.

    Source: Rahimi & Recht 2007.

    Lecture: F10

    Example:
        >>> W, b = draw_random_features(2, 5, generator=torch.Generator().manual_seed(0))
        >>> W.shape, b.shape
        (torch.Size([5, 2]), torch.Size([5]))
    """
    d = inputs.count(dimensions, "dimensions", minimum=1)
    N = inputs.count(features, "features", minimum=1)
    scale = inputs.number(bias_scale, "bias_scale", minimum=0)
    W = torch.randn(N, d, generator=generator, dtype=torch.float64)
    return W, scale * torch.randn(N, generator=generator, dtype=torch.float64)


def random_features(
    X: Float[Tensor, "n d"], W: Float[Tensor, "N d"], b: Float[Tensor, " N"], activation: Elementwise = torch.relu
) -> Float[Tensor, "n N"]:
    """φ(x) = a(Wx/√d + b)/√N of every row of X.

    With the two roots a feature's input has a variance that does not grow with d, and ‖φ(x)‖² one that does not grow
    with N.

    Raises:
        DataError: when X, W or b is empty, not finite, or does not fit.
        ConfigurationError: when the activation is not elementwise or not finite.

    Source: Rahimi & Recht 2007.

    Lecture: F10

    Example:
        >>> random_features(torch.ones(1, 4), torch.ones(1, 4), torch.zeros(1))
        tensor([[2.]], dtype=torch.float64)
    """
    X, W = inputs.matrix(X), inputs.matrix(W, name="W")
    inputs.vector(W[0], X.shape[1], name="a row of W")
    return activate(X, W, inputs.vector(b, len(W), name="b"), activation) / sqrt(len(W))


def activate(
    X: Float[Tensor, "*batch n d"],
    W: Float[Tensor, "*batch N d"],
    b: Float[Tensor, "*batch N"],
    activation: Elementwise,
) -> Float[Tensor, "*batch n N"]:
    """a(Wx/√d + b), without the 1/√N, of any batch of problems.

    Raises:
        ConfigurationError: when the activation is not elementwise or not finite.

    Lecture: F10

    Example:
        >>> activate(torch.ones(3, 1, 4), torch.ones(3, 2, 4), torch.zeros(3, 2), torch.tanh).shape
        torch.Size([3, 1, 2])
    """
    before = (X @ W.mT).div_(sqrt(W.shape[-1])).add_(b[..., None, :])
    after = activation(before)
    if after.shape != before.shape or not torch.isfinite(after.sum()):
        raise ConfigurationError(
            expected="an activation that gives one finite number for each number",
            found=f"shape {tuple(after.shape)} from {tuple(before.shape)}, largest {float(after.abs().max()):g}",
            do="give an elementwise function, such as torch.relu, and inputs near 1",
        )
    return after
