"""Activations: what stands between two affine layers, so that the two are not one.

The modules are torch's own, listed in :data:`ACTIVATIONS`. Beside each, its derivative by hand: ``<name>_backward``
takes g = ∂L/∂y and gives ∂L/∂x = g f′(x). Where f′ is simplest in y = f(x), it takes y, which is all that need be kept.
A g of another shape than y's is refused with an ``InputError``.

Legend: Φ and φ the standard normal's distribution and density, σ the logistic function, p = softmax(x).
"""

from math import pi, sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import UnknownNameError, near
from sightline.nn.shapes import require_gradient_of

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,  # max(0, x)
    "leaky-relu": nn.LeakyReLU,  # max(x, 0.01 x)
    "sigmoid": nn.Sigmoid,  # σ(x) = 1/(1 + e⁻ˣ)
    "tanh": nn.Tanh,  # 2σ(2x) − 1
    "gelu": nn.GELU,  # x Φ(x)
    "silu": nn.SiLU,  # x σ(x)
}
"""torch's modules by name; each is made without arguments."""

Values = Float[Tensor, "..."]


def activation(name: str) -> nn.Module:
    """A new module of :data:`ACTIVATIONS`.

    Raises:
        UnknownNameError: for a name that is not there, with the nearest that are.

    Lecture: N1

    Example:
        >>> activation("gelu")
        GELU(approximate='none')
    """
    if name not in ACTIVATIONS:
        raise UnknownNameError(expected="the name of an activation", found=f"'{name}'", do=near(name, ACTIVATIONS))
    return ACTIVATIONS[name]()


def relu_backward(gradient: Values, x: Values) -> Values:
    """g where x > 0, else 0. y = max(0, x) is continuous; its derivative jumps from 0 to 1 at x = 0, where 0 is taken.

    x and y have the same sign, so either may be given.

    Source: Glorot et al. 2011, "Deep Sparse Rectifier Neural Networks"

    Lecture: N1

    Example:
        >>> relu_backward(torch.full((3,), 5.0), torch.tensor([-1.0, 0.0, 1.0]))
        tensor([0., 0., 5.])
    """
    require_gradient_of(gradient, x.shape)
    return torch.where(x > 0, gradient, 0)  # not a product: an infinite g times 0 is no number


def leaky_relu_backward(gradient: Values, x: Values, negative_slope: float = 0.01) -> Values:
    """g where x > 0, else a·g: a unit that is off still learns.

    Args:
        gradient: g.
        x: the input.
        negative_slope: a, the slope left of zero.

    Source: Maas et al. 2013, "Rectifier Nonlinearities Improve Neural Network Acoustic Models"

    Lecture: N1

    Example:
        >>> leaky_relu_backward(torch.ones(2), torch.tensor([-1.0, 1.0]), negative_slope=0.5)
        tensor([0.5000, 1.0000])
    """
    require_gradient_of(gradient, x.shape)
    return torch.where(x > 0, gradient, negative_slope * gradient)


def sigmoid_backward(gradient: Values, y: Values) -> Values:
    """g y (1 − y), from σ′ = e⁻ˣ/(1 + e⁻ˣ)² = σ(1 − σ): at most g/4, and next to nothing where y is near 0 or 1.

    Source: Rumelhart et al. 1986, "Learning representations by back-propagating errors", eq. (5)

    Lecture: N1

    Example:
        >>> sigmoid_backward(torch.ones(1), torch.sigmoid(torch.zeros(1)))
        tensor([0.2500])
    """
    require_gradient_of(gradient, y.shape)
    return gradient * y * (1 - y)


def tanh_backward(gradient: Values, y: Values) -> Values:
    """g (1 − y²), from tanh′ = 1/cosh² = 1 − tanh².

    Source: LeCun et al. 1998, "Efficient BackProp", §4.4

    Lecture: N1

    Example:
        >>> tanh_backward(torch.ones(1), torch.tanh(torch.zeros(1)))
        tensor([1.])
    """
    require_gradient_of(gradient, y.shape)
    return gradient * (1 - y.square())


def gelu_backward(gradient: Values, x: Values) -> Values:
    """g (Φ(x) + x φ(x)), by the product rule on y = x Φ(x): smooth everywhere, ½ at x = 0, below 0 for x < −0.752.

    The lecture notes call GELU discontinuous "like ReLU": neither is. Both are continuous; ReLU's derivative jumps at
    0 and GELU's does not. y = E[x·1(N < x)] is the mean of a ReLU whose threshold N is a standard normal draw.

    Source: Hendrycks & Gimpel 2016, "Gaussian Error Linear Units", §2

    Lecture: N1

    Example:
        >>> gelu_backward(torch.ones(1), torch.zeros(1))
        tensor([0.5000])
    """
    require_gradient_of(gradient, x.shape)
    return gradient * (_normal_distribution(x) + x * torch.exp(-0.5 * x.square()) / sqrt(2 * pi))


def gelu_tanh(x: Values) -> Values:
    """x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))): GELU without the error function.

    Within 4.74e-4 of x Φ(x) for every x; the gap is largest at |x| = 2.70. As ``nn.GELU(approximate="tanh")``.

    Source: Hendrycks & Gimpel 2016, §2

    Lecture: N1

    Example:
        >>> x = torch.linspace(-6, 6, 12001, dtype=torch.float64)
        >>> float((gelu_tanh(x) - nn.GELU()(x)).abs().max().round(decimals=6))
        0.000473
    """
    return 0.5 * x * (1 + torch.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))


def gelu_tanh_backward(gradient: Values, x: Values) -> Values:
    """g (½(1 + t) + ½ x (1 − t²) u′), with t = tanh u, u = √(2/π)(x + 0.044715 x³), u′ = √(2/π)(1 + 0.134145 x²).

    Source: Hendrycks & Gimpel 2016, §2

    Lecture: N1

    Example:
        >>> gelu_tanh_backward(torch.ones(1), torch.zeros(1))
        tensor([0.5000])
    """
    t = torch.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))
    require_gradient_of(gradient, x.shape)
    slope = sqrt(2 / pi) * (1 + 3 * 0.044715 * x.square())
    return gradient * (0.5 * (1 + t) + 0.5 * x * (1 - t.square()) * slope)


def silu_backward(gradient: Values, x: Values) -> Values:
    """g σ(x) (1 + x (1 − σ(x))), by the product rule on y = x σ(x).

    Source: Elfwing et al. 2018, "Sigmoid-Weighted Linear Units", eq. (5)

    Lecture: N1

    Example:
        >>> silu_backward(torch.ones(1), torch.zeros(1))
        tensor([0.5000])
    """
    require_gradient_of(gradient, x.shape)
    sigma = torch.sigmoid(x)
    return gradient * sigma * (1 + x * (1 - sigma))


def softmax(x: Float[Tensor, "*batch classes"]) -> Float[Tensor, "*batch classes"]:
    """pᵢ = e^{xᵢ − m}/Σⱼ e^{xⱼ − m} over the last axis, m = max x: any m gives the same p, this one cannot overflow.

    Shapes:
        x (*batch, classes) → (*batch, classes)

    Source: Goodfellow et al. 2016, "Deep Learning", eqs. (4.1) and (6.29)

    Lecture: N1

    Example:
        >>> softmax(torch.tensor([1000.0, 1000.0]))
        tensor([0.5000, 0.5000])
    """
    weights = torch.exp(x - x.amax(-1, keepdim=True))
    return weights / weights.sum(-1, keepdim=True)


def softmax_jacobian(p: Float[Tensor, "*batch classes"]) -> Float[Tensor, "*batch classes classes"]:
    """∂pᵢ/∂xⱼ = pᵢ(δᵢⱼ − pⱼ): diag(p) − ppᵀ, symmetric, its rows sum to 0.

    Shapes:
        p (*batch, classes) → (*batch, classes, classes)

    Args:
        p: the softmax's output.

    Source: Goodfellow et al. 2016, §6.2.2.3

    Lecture: N1

    Example:
        >>> softmax_jacobian(torch.tensor([0.5, 0.5]))
        tensor([[ 0.2500, -0.2500],
                [-0.2500,  0.2500]])
    """
    return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)


def softmax_backward(
    gradient: Float[Tensor, "*batch classes"], p: Float[Tensor, "*batch classes"]
) -> Float[Tensor, "*batch classes"]:
    """(diag(p) − ppᵀ)g = p (g − pᵀg), without the matrix.

    Shapes:
        gradient and p (*batch, classes) → (*batch, classes)

    Args:
        gradient: g = ∂L/∂p.
        p: the softmax's output.

    Source: as :func:`softmax_jacobian`

    Lecture: N1

    Example:
        >>> softmax_backward(torch.tensor([1.0, 0.0]), torch.tensor([0.5, 0.5]))
        tensor([ 0.2500, -0.2500])
    """
    require_gradient_of(gradient, p.shape)
    return p * (gradient - (gradient * p).sum(-1, keepdim=True))


def _normal_distribution(x: Tensor) -> Tensor:
    """Φ(x), by the complementary error function: exact to the last digits far to the left, too."""
    return 0.5 * torch.erfc(-x / sqrt(2))
