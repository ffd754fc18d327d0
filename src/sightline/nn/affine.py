"""The affine layer y = Wx + b and its backward pass. The module is ``torch.nn.Linear``."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from sightline.nn.normalisation import require_one_each
from sightline.nn.shapes import require_gradient_of


def affine(
    x: Float[Tensor, "*batch inputs"], weight: Float[Tensor, "outputs inputs"], bias: Float[Tensor, " outputs"]
) -> Float[Tensor, "*batch outputs"]:
    """y = Wx + b for each row x: yᵢ = Σⱼ Wᵢⱼ xⱼ + bᵢ.

    Shapes:
        x (*batch, inputs), weight (outputs, inputs), bias (outputs) → (*batch, outputs)

    Args:
        x: one row an example.
        weight: W.
        bias: b.

    Raises:
        InputError: where there is not one bias for each output.

    Source: Goodfellow et al. 2016, "Deep Learning", §6.1

    Lecture: N1

    Example:
        >>> import torch
        >>> affine(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([5.0]))
        tensor([[16.]])
    """
    require_one_each(bias, len(weight), "output")
    return F.linear(x, weight, bias)


def affine_backward(
    gradient: Float[Tensor, "*batch outputs"],
    x: Float[Tensor, "*batch inputs"],
    weight: Float[Tensor, "outputs inputs"],
) -> tuple[Float[Tensor, "*batch inputs"], Float[Tensor, "outputs inputs"], Float[Tensor, " outputs"]]:
    """∂L/∂x = Wᵀg, ∂L/∂W = Σ g xᵀ, ∂L/∂b = Σ g, the sums over the examples.

    From yᵢ = Σⱼ Wᵢⱼ xⱼ + bᵢ: ∂yᵢ/∂xⱼ = Wᵢⱼ, so ∂L/∂xⱼ = Σᵢ gᵢ Wᵢⱼ; ∂yᵢ/∂Wᵢⱼ = xⱼ and ∂yᵢ/∂bᵢ = 1, and every example
    shares W and b, so theirs add up. The largeness of x is thus the largeness of W's gradient.

    Shapes:
        gradient (*batch, outputs), x (*batch, inputs), weight (outputs, inputs) → the shapes of x, weight and bias

    Args:
        gradient: g = ∂L/∂y.
        x: the layer's input.
        weight: W.

    Returns:
        (∂L/∂x, ∂L/∂W, ∂L/∂b)

    Raises:
        InputError: where g has not the shape of the output.

    Source: Goodfellow et al. 2016, §6.5.7

    Lecture: N1

    Example:
        >>> import torch
        >>> affine_backward(torch.tensor([[1.0]]), torch.tensor([[2.0, 3.0]]), torch.tensor([[4.0, 5.0]]))
        (tensor([[4., 5.]]), tensor([[2., 3.]]), tensor([1.]))
    """
    require_gradient_of(gradient, (*x.shape[:-1], len(weight)))
    rows, inputs = gradient.reshape(-1, gradient.shape[-1]), x.reshape(-1, x.shape[-1])
    return gradient @ weight, rows.T @ inputs, rows.sum(0)
