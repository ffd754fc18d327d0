"""Encoders and decoders: from an image to a vector and back, fully connected or convolutional."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from torch import nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError

Latent = Annotated[int, Option("numbers in a latent vector", minimum=1)]
Hidden = Annotated[tuple[int, ...], Option("units of the encoder's dense layers; the decoder has them reversed")]
Widths = Annotated[
    tuple[int, ...] | None, Option("maps of a convolutional encoder instead, one for each halving of the sides")
]


class DenseEncoder(nn.Sequential):
    """h₀ = flatten(x), h_l = φ(W_l h_{l−1} + b_l), outputs W h_L + b.

    Shapes:
        x (batch, channels, height, width) → (batch, num_outputs)

    Args:
        input_shape: (channels, height, width).
        num_outputs: numbers at the end.
        hidden: units of each layer between.

    Lecture: A2

    Example:
        >>> import torch
        >>> DenseEncoder((1, 4, 4), 3, hidden=(8,))(torch.zeros(2, 1, 4, 4)).shape
        torch.Size([2, 3])
    """

    def __init__(self, input_shape: Sequence[int], num_outputs: int, *, hidden: Sequence[int] = (500, 500)) -> None:
        super().__init__(nn.Flatten(), *_layers([math.prod(input_shape), *hidden, num_outputs]))


class DenseDecoder(nn.Sequential):
    """The mirror image of :class:`DenseEncoder`.

    Shapes:
        z (batch, num_inputs) → (batch, channels, height, width)

    Args:
        num_inputs: numbers in a vector.
        output_shape: (channels, height, width).
        hidden: units of each layer between, from the vector on.

    Lecture: A2

    Example:
        >>> import torch
        >>> DenseDecoder(3, (1, 4, 4), hidden=(8,))(torch.zeros(2, 3)).shape
        torch.Size([2, 1, 4, 4])
    """

    def __init__(self, num_inputs: int, output_shape: Sequence[int], *, hidden: Sequence[int] = (500, 500)) -> None:
        super().__init__(*_layers([num_inputs, *hidden, math.prod(output_shape)]), nn.Unflatten(1, tuple(output_shape)))


class ConvolutionalEncoder(nn.Sequential):
    """Convolutions of 4 × 4 that halve each side, then a linear layer.

    Shapes:
        x (batch, channels, height, width) → (batch, num_outputs)

    Args:
        input_shape: (channels, height, width).
        num_outputs: numbers at the end.
        widths: maps after each halving.

    Raises:
        ConfigurationError: for sides that can't be halved so often.

    Lecture: A3

    Example:
        >>> import torch
        >>> ConvolutionalEncoder((1, 8, 8), 3, widths=(4, 8))(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 3])
    """

    def __init__(self, input_shape: Sequence[int], num_outputs: int, *, widths: Sequence[int] = (32, 64)) -> None:
        require_sizes(widths, "widths")
        height, width = halved(input_shape, len(widths))
        channels = [input_shape[0], *widths]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        super().__init__(*layers, nn.Flatten(), nn.Linear(channels[-1] * height * width, num_outputs))


class ConvolutionalDecoder(nn.Sequential):
    """A linear layer, then transposed convolutions of 4 × 4 that double each side.

    Shapes:
        z (batch, num_inputs) → (batch, channels, height, width)

    Args:
        num_inputs: numbers in a vector.
        output_shape: (channels, height, width).
        widths: maps before each doubling, the last first, as in the encoder.

    Raises:
        ConfigurationError: for sides that can't be halved so often.

    Lecture: A3

    Example:
        >>> import torch
        >>> ConvolutionalDecoder(3, (1, 8, 8), widths=(4, 8))(torch.zeros(2, 3)).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(self, num_inputs: int, output_shape: Sequence[int], *, widths: Sequence[int] = (32, 64)) -> None:
        require_sizes(widths, "widths")
        height, width = halved(output_shape, len(widths))
        channels = [output_shape[0], *widths][::-1]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.ReLU(), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        super().__init__(
            nn.Linear(num_inputs, channels[0] * height * width), nn.Unflatten(1, (channels[0], height, width)), *layers
        )


def halved(shape: Sequence[int], times: int) -> tuple[int, int]:
    """Height and width after so many halvings.

    Raises:
        ConfigurationError: for sides that don't divide.

    Example:
        >>> halved((1, 28, 28), 2)
        (7, 7)
    """
    height, width = shape[-2:]
    if times < 1 or height % 2**times or width % 2**times:
        raise ConfigurationError(
            expected="at least one width, and images whose sides can be halved once for each",
            found=f"{times} widths, images of {height} × {width}",
            do="choose other widths (--model.widths), or another size (--data.image-size)",
        )
    return height // 2**times, width // 2**times


def require_sizes(sizes: Sequence[int], name: str) -> None:
    """Refuse layers without units.

    Raises:
        ConfigurationError: for a size below 1.

    Example:
        >>> require_sizes((32, 64), "widths")
    """
    if any(size < 1 for size in sizes):
        raise ConfigurationError(
            expected=f"{name} of at least 1 each",
            found=", ".join(map(str, sizes)),
            do="use some hundred units, or tens of maps",
        )


def _layers(sizes: Sequence[int]) -> list[nn.Module]:
    """Linear layers with ReLU between them, He's start."""
    require_sizes(sizes, "hidden")
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(sizes)):
        linear = nn.Linear(before, after)
        last = number == len(sizes) - 2
        nn.init.normal_(linear.weight, std=math.sqrt((1 if last else 2) / before))
        nn.init.zeros_(linear.bias)
        layers += [linear] if last else [linear, nn.ReLU()]
    return layers
