"""Initial weights of whole networks: every linear and convolutional layer by one of the named schemes.

Legend: fan_in numbers that go into one output, fan_out outputs that one input goes to, g² gain.

The lecture notes call the variance 1/fan_in "Xavier". It is LeCun's; Xavier Glorot's is 2/(fan_in + fan_out),
and the two agree only where a layer has as many outputs as inputs.
"""

import math
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from sightline.core.errors import ConfigurationError
from sightline.core.words import one_of

Scheme = Literal["he", "lecun", "glorot", "orthogonal"]
Distribution = Literal["normal", "uniform"]
Bias = Literal["zero", "constant", "random", "counted"]
Activation = Literal["relu", "gelu", "tanh", "identity"]

GAIN_SQUARED: dict[Activation, float] = {"relu": 2.0, "gelu": 2.0, "tanh": 1.0, "identity": 1.0}
"""g²: what makes good for the activation before a layer; ReLU halves the second moment, GELU nearly does."""

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d


class Fans(NamedTuple):
    """How many numbers a layer's output is a sum of, and how many outputs a number goes into."""

    fan_in: float
    fan_out: float


def fans(layer: Layer) -> Fans:
    """Fans of a linear or convolutional layer.

    A convolution of kernel k₁ × k₂ with G groups: fan_in = k₁k₂ · in_channels/G, fan_out = k₁k₂ · out_channels/G.
    A transposed one spreads its kernel over s₁ × s₂ outputs an input: fan_in = k₁k₂/(s₁s₂) · in_channels/G, on
    average, which is not a whole number where the stride does not divide the kernel.

    Args:
        layer: ``nn.Linear``, ``nn.Conv1d`` to ``3d``, ``nn.ConvTranspose1d`` to ``3d``, with a weight for every tap
            of every kernel.

    Raises:
        ConfigurationError: for a layer that holds other weights, as ``TableConvolution`` and ``SubSampling`` do.

    Source: He et al. 2015, "Delving Deep into Rectifiers", §2.2: n = k²c

    Lecture: F13

    Example:
        >>> fans(nn.Conv2d(16, 32, 3))
        Fans(fan_in=144.0, fan_out=288.0)
    """
    if not _has_plain_weight(layer):
        raise ConfigurationError(
            expected=f"a weight of shape {_plain_shape(layer)}, as {type(layer).__name__}'s sizes say",
            found=f"shape {tuple(layer.weight.shape)}",
            do="count what goes into each of its outputs by hand",
        )
    if isinstance(layer, nn.Linear):
        return Fans(float(layer.in_features), float(layer.out_features))
    kernel = math.prod(layer.kernel_size)
    inputs, outputs = kernel * layer.in_channels / layer.groups, kernel * layer.out_channels / layer.groups
    if isinstance(layer, _TRANSPOSED):
        inputs /= math.prod(layer.stride)
    return Fans(inputs, outputs)


def initialise(
    module: nn.Module,
    scheme: Scheme,
    *,
    distribution: Distribution = "normal",
    bias: Bias = "zero",
    bias_size: float = 0.01,
    activation: Activation = "relu",
    generator: torch.Generator | None = None,
) -> list[str]:
    """Draw the weights of every linear and convolutional layer of a module afresh, in place.

    Weights have mean 0 and variance
        he          g²/fan_in: 2/fan_in for ReLU
        lecun       1/fan_in
        glorot      2/(fan_in + fan_out)
        orthogonal  g times an orthogonal matrix, every one equally likely: a group's weights, all axes after the
                    first taken together

    Biases:
        zero        all 0
        constant    all ``bias_size``
        random      normal of mean 0 and standard deviation ``bias_size``
        counted     one weight more, of an input that is always 1: drawn as the weights are, these with
                    fan_in + 1 for fan_in

    A layer whose weight has not the shape that its sizes say is left as it is: its fans differ from output to output
    (``TableConvolution``, which starts He-normal row by row), or its taps share one weight (``SubSampling``, which
    starts as the mean).

    Args:
        module: any; normalisation layers, embeddings and parameters of its own are left as they are.
        scheme: by its authors' name.
        distribution: of weights and counted biases; orthogonal ones have their own.
        bias: how biases begin.
        bias_size: in units of the output, ≥ 0.
        activation: what stands before the layers, for the gain of "he" and "orthogonal".
        generator: source of chance, on the parameters' device; torch's own where none is given.

    Returns:
        Names of the layers drawn, in the module's order; a layer used twice is drawn once.

    Raises:
        ConfigurationError: for a name that is none of these, a module without such layers, weights that are
            computed from others or have no shape yet.

    Source: He et al. 2015, eq. (10); LeCun et al. 1998, "Efficient BackProp", (16); Glorot & Bengio 2010, (12);
        Saxe, McClelland & Ganguli 2014; Mezzadri 2007 for the draw

    Lecture: F13

    Example:
        >>> network = nn.Sequential(nn.Linear(1000, 1000), nn.ReLU(), nn.Linear(1000, 10))
        >>> initialise(network, "he", bias="constant")
        ['0', '2']
        >>> round(network[0].weight.var().item() * 1000, 1), round(network[2].bias[0].item(), 4)
        (2.0, 0.01)
    """
    one_of(scheme, get_args(Scheme), "scheme")
    one_of(distribution, get_args(Distribution), "distribution")
    one_of(bias, get_args(Bias), "bias")
    one_of(activation, get_args(Activation), "activation")
    if not (math.isfinite(bias_size) and bias_size >= 0):
        raise ConfigurationError(expected="bias_size ≥ 0", found=f"bias_size = {bias_size}", do="0.01 is usual")
    if scheme == "orthogonal" and (distribution != "normal" or bias == "counted"):
        raise ConfigurationError(
            expected="an orthogonal draw, which has a distribution and no fan_in of its own",
            found=f"distribution = {distribution!r}, bias = {bias!r}",
            do="leave the distribution out, and choose another bias",
        )
    found = {name: layer for name, layer in module.named_modules() if isinstance(layer, _LAYERS)}
    layers = {name: layer for name, layer in found.items() if is_lazy(layer.weight) or _has_plain_weight(layer)}
    if not layers:
        raise ConfigurationError(
            expected="a module with linear or convolutional layers",
            found=f"{type(module).__name__} without any",
            do="give the network",
        )
    for name, layer in layers.items():
        _refuse_computed(name, layer)
    gain = GAIN_SQUARED[activation] if scheme in ("he", "orthogonal") else 1.0
    with torch.no_grad():
        for layer in layers.values():
            extra = 1 if bias == "counted" and layer.bias is not None else 0
            deviation = math.sqrt(gain / _divisor(scheme, fans(layer), extra))
            if scheme == "orthogonal":
                _draw_orthogonal(layer, math.sqrt(gain), generator)
            else:
                _draw(layer.weight, deviation, distribution, generator)
            if layer.bias is None:
                continue
            if bias == "counted":
                _draw(layer.bias, deviation, distribution, generator)
            elif bias == "random":
                layer.bias.normal_(0, bias_size, generator=generator)
            else:
                layer.bias.fill_(bias_size if bias == "constant" else 0.0)
    return list(layers)


def _divisor(scheme: Scheme, of: Fans, extra: int) -> float:
    """What the gain is divided by for the variance."""
    fan_in = of.fan_in + extra
    return (fan_in + of.fan_out) / 2 if scheme == "glorot" else fan_in


def _draw(values: Tensor, deviation: float, distribution: Distribution, generator: torch.Generator | None) -> None:
    if distribution == "normal":
        values.normal_(0, deviation, generator=generator)
    else:
        bound = math.sqrt(3) * deviation  # a uniform variable on [−b, b] has variance b²/3
        values.uniform_(-bound, bound, generator=generator)


def _draw_orthogonal(layer: Layer, gain: float, generator: torch.Generator | None) -> None:
    """Group by group, the Q of a normal matrix, its columns turned so that R has a positive diagonal."""
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    for weight in layer.weight.chunk(groups):
        rows, columns = len(weight), weight[0].numel()
        draw = torch.empty(max(rows, columns), min(rows, columns), dtype=torch.float64, device=weight.device)
        Q, R = torch.linalg.qr(draw.normal_(generator=generator))
        Q = gain * Q * torch.where(R.diagonal() < 0, -1.0, 1.0)
        weight.copy_((Q if rows >= columns else Q.mT).reshape(weight.shape))


def _plain_shape(layer: Layer) -> tuple[int, ...]:
    """Shape of the weight that holds every tap of every kernel once."""
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features
    inputs, outputs = layer.in_channels, layer.out_channels
    if isinstance(layer, _TRANSPOSED):
        return inputs, outputs // layer.groups, *layer.kernel_size
    return outputs, inputs // layer.groups, *layer.kernel_size


def _has_plain_weight(layer: Layer) -> bool:
    return tuple(layer.weight.shape) == _plain_shape(layer)


def _refuse_computed(name: str, layer: Layer) -> None:
    for which in ("weight", "bias"):
        if parametrize.is_parametrized(layer, which):
            raise ConfigurationError(
                expected="weights that can be drawn",
                found=f"{name}.{which}, which is computed by a parametrisation",
                do="initialise first, and parametrise then",
            )
    if is_lazy(layer.weight):
        raise ConfigurationError(
            expected="layers whose shapes are known",
            found=f"{name}, a lazy layer",
            do="call the network on a batch first",
        )
