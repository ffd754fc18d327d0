"""LeNet-5, the first convolutional network in wide use: as published, and as one would build it now.

Layers: C1 convolution, S2 sub-sampling, C3 convolution, S4 sub-sampling, C5 convolution over all that is left, F6
dense, and the output.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Literal

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError, InputError
from sightline.core.schema import Schema
from sightline.models.fitness import require_images
from sightline.models.registry import model
from sightline.models.staged import StagedPredictor
from sightline.models.width_factor import scaled
from sightline.nn.connection_table import TableConvolution
from sightline.nn.initialisation import initialise
from sightline.nn.output_size import convolution_size, pooling_size
from sightline.nn.sub_sampling import SubSampling

C1, C3, C5, F6 = 6, 16, 120, 84
"""Maps and units of the published network."""

C3_TABLE = [
    *([i, (i + 1) % 6, (i + 2) % 6] for i in range(6)),
    *([i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6] for i in range(6)),
    *([i, (i + 1) % 6, (i + 3) % 6, (i + 4) % 6] for i in range(3)),
    [0, 1, 2, 3, 4, 5],
]
"""Which of the six maps of S2 each of the 16 of C3 sees: three neighbours, four, two pairs, all. 60 links."""


class ScaledTanh(nn.Tanh):
    """1.7159 tanh(2x/3): ±1 go to ±1, and there it bends most.

    Shapes:
        x (...) → (...)

    Source: LeCun et al. 1998, equation (6) and appendix A

    Lecture: N1

    Example:
        >>> import torch
        >>> [round(y, 4) for y in ScaledTanh()(torch.tensor([0.0, 1.0, 100.0])).tolist()]
        [0.0, 1.0, 1.7159]
    """

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The squashed values."""
        return 1.7159 * super().forward(x * (2 / 3))


class LeNet5(StagedPredictor):
    """LeNet-5 as published: sub-sampling with a weight and a bias a map, scaled tanh, C3 by a table of 60 links.

    For digits of 28 × 28, padded to 32 × 32, the layers C1 to F6 have 156, 12, 1,516, 32, 48,120 and 10,164
    parameters: 60,000. The published output, distances to a drawn picture of each digit, is a linear head here.

    Weights start uniform within ±2.4/fan_in and biases at 0; the head normal with variance 1/fan_in.

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs)

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        image_size: height and width in pixels; C5 spans what is left of them after S4.
        padding: rows and columns of zeros round the image, 0 or more.

    Raises:
        ConfigurationError: for images that leave nothing for one of the layers; it names the layer.

    Source: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", §II.B and appendix A

    Lecture: V1

    Example:
        >>> import torch
        >>> LeNet5(in_channels=1, num_outputs=10)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, *, in_channels: int, num_outputs: int, image_size: Sequence[int] = (28, 28), padding: int = 2
    ) -> None:
        super().__init__()
        c5_kernel = _size_after_s4(image_size, padding)
        self.stages = nn.Sequential(
            OrderedDict(
                c1=nn.Sequential(nn.Conv2d(in_channels, C1, 5, padding=padding), ScaledTanh()),
                s2=nn.Sequential(SubSampling(num_channels=C1), ScaledTanh()),
                c3=nn.Sequential(TableConvolution(num_inputs=C1, table=C3_TABLE, kernel=5), ScaledTanh()),
                s4=nn.Sequential(SubSampling(num_channels=C3), ScaledTanh()),
                c5=nn.Sequential(nn.Conv2d(C3, C5, c5_kernel), ScaledTanh(), nn.Flatten()),
                f6=nn.Sequential(nn.Linear(C5, F6), ScaledTanh()),
            )
        )
        self.head = nn.Linear(F6, num_outputs)
        initialise(self, "he")
        initialise(self.head, "lecun")
        for layer in self.stages.modules():
            if isinstance(layer, TableConvolution):
                links = [len(row) for row in C3_TABLE for _ in row]
                for kernel, maps in zip(layer.weight, links, strict=True):
                    _start_uniform(kernel, fan_in=maps * 5 * 5)
            elif isinstance(layer, SubSampling):
                _start_uniform(layer.weight, fan_in=2 * 2)
            elif isinstance(layer, nn.Conv2d | nn.Linear):
                _start_uniform(layer.weight, fan_in=layer.weight[0].numel())


class ModernLeNet5(StagedPredictor):
    """LeNet-5 as one would build it now: ReLU, max pooling, every map of C3 sees all of S2.

    Convolutions and F6 start normal with variance 2/fan_in, the head 1/fan_in; biases at 0.

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs)

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        image_size: height and width in pixels; C5 spans what is left of them after S4.
        padding: rows and columns of zeros round the image, 0 or more.
        width_factor: above 0; the published 6, 16, 120 and 84 maps and units, times this.
        batch_norm: normalise the maps of C1 and C3 before their ReLU.

    Raises:
        ConfigurationError: for images that leave nothing for one of the layers; it names the layer.

    Source: after LeCun et al. 1998, §II.B; initial weights He et al. 2015, eq. (10)

    Lecture: V1

    Example:
        >>> import torch
        >>> ModernLeNet5(in_channels=3, num_outputs=10, image_size=(32, 32))(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_outputs: int,
        image_size: Sequence[int] = (28, 28),
        padding: int = 2,
        width_factor: float = 1.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        c5_kernel = _size_after_s4(image_size, padding)
        c1, c3, c5, f6 = (scaled(count, width_factor) for count in (C1, C3, C5, F6))

        def convolution(num_inputs: int, num_outputs: int, padding: int = 0) -> nn.Sequential:
            layers: list[nn.Module] = [nn.Conv2d(num_inputs, num_outputs, 5, padding=padding, bias=not batch_norm)]
            if batch_norm:
                layers.append(nn.BatchNorm2d(num_outputs))
            return nn.Sequential(*layers, nn.ReLU())

        self.stages = nn.Sequential(
            OrderedDict(
                c1=convolution(in_channels, c1, padding),
                s2=nn.MaxPool2d(2),
                c3=convolution(c1, c3),
                s4=nn.MaxPool2d(2),
                c5=nn.Sequential(nn.Conv2d(c3, c5, c5_kernel), nn.ReLU(), nn.Flatten()),
                f6=nn.Sequential(nn.Linear(c5, f6), nn.ReLU()),
            )
        )
        self.head = nn.Linear(f6, num_outputs)
        initialise(self, "he")
        initialise(self.head, "lecun")


def _size_after_s4(image_size: Sequence[int], padding: int) -> tuple[int, int]:
    """Height and width of the maps that C5 spans."""

    def after(pixels: int) -> int:
        size = convolution_size(pixels, 5, padding=padding, layer="c1")
        size = pooling_size(size, 2, layer="s2")
        size = convolution_size(size, 5, layer="c3")
        return pooling_size(size, 2, layer="s4")

    height, width = image_size
    try:
        return after(height), after(width)
    except InputError as error:
        raise ConfigurationError(
            expected=error.expected,
            found=f"{error.found}; images of {height} × {width} pixels with a padding of {padding}",
            do=f"use images of {16 - 2 * padding if padding < 8 else 1} pixels or more a side, or a larger padding",
        ) from error


def _start_uniform(weight: Tensor, fan_in: int) -> None:
    nn.init.uniform_(weight, -2.4 / fan_in, 2.4 / fan_in)


@model("lenet")
def lenet(
    schema: Schema,
    *,
    variant: Annotated[
        Literal["modern", "original"], Option("ReLU and max pooling, or tanh and sub-sampling as published")
    ] = "modern",
    width_factor: Annotated[
        float, Option("the published channels and units, times this; variant modern", above=0)
    ] = 1.0,
    batch_norm: Annotated[bool, Option("normalise the convolutions' maps; variant modern")] = False,
    padding: Annotated[
        int, Option("zeros round the image; 2 makes digits of 28 × 28 the published 32 × 32", "pixels", minimum=0)
    ] = 2,
) -> LeNet5 | ModernLeNet5:
    """LeNet-5, a small convolutional network for digits (LeCun et al. 1998)."""
    require_images(schema, "lenet")
    channels, height, width = schema.input_shape
    if variant == "modern":
        return ModernLeNet5(
            in_channels=channels,
            num_outputs=schema.num_outputs,
            image_size=(height, width),
            padding=padding,
            width_factor=width_factor,
            batch_norm=batch_norm,
        )
    if batch_norm or width_factor != 1:
        raise ConfigurationError(
            expected="no batch_norm and a width_factor of 1 with the original network",
            found=f"batch_norm = {batch_norm}, width_factor = {width_factor}",
            do="leave both, or take variant 'modern'",
        )
    return LeNet5(in_channels=channels, num_outputs=schema.num_outputs, image_size=(height, width), padding=padding)
