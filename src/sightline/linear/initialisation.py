"""Initial weights by the name of their authors: the variance each scheme asks for, and draws of it.

Legend: W weights [fan_out, fan_in], fan_in inputs of a unit, fan_out outputs of a layer, g gain.

The lecture notes call the variance 1/fan_in "Xavier". It is LeCun's; Xavier Glorot's is 2/(fan_in + fan_out),
and the two agree only for square layers.
"""

from math import sqrt
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.words import one_of
from sightline.linear import inputs

Scheme = Literal["lecun", "glorot", "he", "orthogonal"]
BiasChoice = Literal["zero", "constant", "counted"]

OWN_GAIN: dict[Scheme, float] = {"lecun": 1.0, "glorot": 1.0, "he": sqrt(2), "orthogonal": 1.0}
"""The gain a scheme has where none is given; He's is the one that suits a ReLU."""


def weight_variance(scheme: Scheme, fan_in: int, fan_out: int, gain: float | None = None) -> float:
    """Variance of one weight: LeCun g²/fan_in, Glorot 2g²/(fan_in + fan_out), He g²/fan_in with g² = 2.

    An orthogonal matrix has entries of variance g²/max(fan_in, fan_out).

    Args:
        scheme: "lecun", "glorot", "he" or "orthogonal".
        fan_in: inputs of the layer, ≥ 1.
        fan_out: outputs of the layer, ≥ 1.
        gain: g > 0; where none is given 1, and √2 for He.

    Returns:
        The variance, in units of (output / input)².

    Raises:
        ConfigurationError: for another scheme, a fan below 1 or a gain that is not positive.

    Source: LeCun et al. 1998, Efficient BackProp, (16); Glorot & Bengio 2010, (12); He et al. 2015, (10);
        Saxe, McClelland & Ganguli 2014.

    Lecture: F13

    Example:
        >>> weight_variance("lecun", 100, 300), weight_variance("glorot", 100, 300), weight_variance("he", 100, 300)
        (0.01, 0.005, 0.02)
    """
    one_of(scheme, get_args(Scheme), "scheme")
    fan_in, fan_out = inputs.count(fan_in, "fan_in", minimum=1), inputs.count(fan_out, "fan_out", minimum=1)
    squared = _gain_squared(scheme, gain)
    if scheme == "glorot":
        return 2 * squared / (fan_in + fan_out)
    return squared / (max(fan_in, fan_out) if scheme == "orthogonal" else fan_in)


def draw_weights(
    scheme: Scheme,
    fan_out: int,
    fan_in: int,
    gain: float | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "fan_out fan_in"]:
    """One layer's weights: independent normals of the scheme's variance, or g times a random orthogonal matrix.

    Orthogonal means WᵀW = g²I where fan_out ≥ fan_in and WWᵀ = g²I where fan_out ≤ fan_in, every such matrix
    equally likely: the Q of a normal matrix, its columns turned so that R has a positive diagonal.

    Shapes:
        returns [fan_out, fan_in], as torch.nn.Linear keeps its weight.

    Args:
        scheme, fan_in, fan_out, gain: see :func:`weight_variance`.
        generator: source of chance; torch's own where none is given.

    Raises:
        ConfigurationError: see :func:`weight_variance`.

    Source: Mezzadri 2007, How to generate random matrices from the classical compact groups, 5.

    Lecture: F13

    Example:
        >>> W = draw_weights("orthogonal", 3, 5, generator=torch.Generator().manual_seed(0))
        >>> torch.allclose(W @ W.mT, torch.eye(3, dtype=torch.float64))
        True
    """
    variance = weight_variance(scheme, fan_in, fan_out, gain)
    if scheme != "orthogonal":
        return sqrt(variance) * torch.randn(fan_out, fan_in, generator=generator, dtype=torch.float64)
    tall, short = max(fan_out, fan_in), min(fan_out, fan_in)
    Q, R = torch.linalg.qr(torch.randn(tall, short, generator=generator, dtype=torch.float64))
    turned: Tensor = sqrt(_gain_squared(scheme, gain)) * Q * torch.where(R.diagonal() < 0, -1.0, 1.0)
    return turned if fan_out >= fan_in else turned.mT.contiguous()


def draw_layer(
    scheme: Scheme,
    fan_out: int,
    fan_in: int,
    bias: BiasChoice = "zero",
    gain: float | None = None,
    constant: float = 0.01,
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "fan_out fan_in"], Float[Tensor, " fan_out"]]:
    """Weights and biases of one layer: biases zero, a small constant, or counted as one more weight.

    A counted bias is the weight of an input that is always 1: weights and bias are drawn together, for
    fan_in + 1 inputs. A layer whose inputs have second moment 1 then keeps what it would keep without it.

    Shapes:
        returns W [fan_out, fan_in] and b [fan_out].

    Args:
        scheme, fan_in, fan_out, gain: see :func:`weight_variance`.
        bias: "zero", "constant" or "counted".
        constant: the value of every constant bias, in units of the output; above 0 it keeps ReLUs alive near 0.
        generator: source of chance.

    Raises:
        ConfigurationError: see :func:`weight_variance`; for another choice of bias or a constant that is not finite.

    Lecture: F13

    Example:
        >>> W, b = draw_layer("he", 2, 3, bias="constant")
        >>> W.shape, b
        (torch.Size([2, 3]), tensor([0.0100, 0.0100], dtype=torch.float64))
    """
    one_of(bias, get_args(BiasChoice), "bias")
    constant = inputs.number(constant, "constant bias")
    fan_in = inputs.count(fan_in, "fan_in", minimum=1)
    if bias == "counted":
        drawn = draw_weights(scheme, fan_out, fan_in + 1, gain, generator)
        return drawn[:, :-1], drawn[:, -1]
    W = draw_weights(scheme, fan_out, fan_in, gain, generator)
    return W, torch.full((fan_out,), constant if bias == "constant" else 0.0, dtype=torch.float64)


def _gain_squared(scheme: Scheme, gain: float | None) -> float:
    if gain is None:
        return 2.0 if scheme == "he" else 1.0
    return inputs.number(gain, "gain", above=0, maximum=1e150) ** 2
