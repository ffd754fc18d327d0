"""AlexNet: the convolutional network that won ImageNet in 2012, and its authors' smaller one for small images."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated

from torch import nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError, InputError
from sightline.core.schema import Schema
from sightline.models.fitness import require_images
from sightline.models.image_form import Form, form_for
from sightline.models.registry import model
from sightline.models.staged import StagedPredictor
from sightline.models.width_factor import scaled
from sightline.nn.initialisation import initialise
from sightline.nn.local_response_norm import LocalResponseNorm
from sightline.nn.output_size import convolution_size, pooling_size


class AlexNet(StagedPredictor):
    """Five convolutions, two dense layers with dropout, a linear head; the form in two groups, for large images.

    conv1 96 @ 11 × 11 stride 4, conv2 256 @ 5 × 5, conv3 384, conv4 384, conv5 256 @ 3 × 3, dense 4096, 4096.
    conv2, conv4 and conv5 are in two groups, which the authors ran on two devices. The maps of conv1 and conv2 are
    divided by (2 + 10⁻⁴ Σ a²)^¾, the sum over five neighbouring maps. Pooling after conv1, conv2 and conv5 overlaps:
    3 × 3, stride 2. Dropout is ½.

    60,965,224 parameters for 224 × 224 pixels, 3 channels and 1000 classes. conv1 is padded by 2: with that the
    published 224 pixels (and 227) come to the published 55 maps wide (56), and 6 × 6 before the dense layers.

    First weights are normal with variance 2/fan_in, the head's 1/fan_in, biases 0. The paper's own draw (deviation
    0.01, biases 1 in conv2, conv4, conv5 and the dense layers) lets the signal shrink from layer to layer, and learns
    nothing for its first hundreds of updates.

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs); 63 × 63 pixels or more

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        image_size: height and width in pixels, which decide the inputs of the first dense layer.
        width_factor: above 0; the published channels and units, times this.

    Raises:
        ConfigurationError: for images so small that pooling leaves nothing; it names the layer.

    Source: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks", §3-§5;
        first weights He et al. 2015, eq. (10)

    Lecture: V1

    Example:
        >>> import torch
        >>> net = AlexNet(in_channels=3, num_outputs=10, image_size=(64, 64), width_factor=0.05)
        >>> net(torch.zeros(2, 3, 64, 64)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_outputs: int,
        image_size: Sequence[int] = (224, 224),
        width_factor: float = 1.0,
    ) -> None:
        super().__init__()
        height, width = _size_after_conv5(image_size)
        c1, c2, c3, c4, c5 = (scaled(count, width_factor, multiple_of=2) for count in (96, 256, 384, 384, 256))
        units = scaled(4096, width_factor)
        self.stages = nn.Sequential(
            OrderedDict(
                conv1=nn.Sequential(
                    nn.Conv2d(in_channels, c1, 11, stride=4, padding=2), nn.ReLU(), LocalResponseNorm(), _overlapping()
                ),
                conv2=nn.Sequential(
                    nn.Conv2d(c1, c2, 5, padding=2, groups=2), nn.ReLU(), LocalResponseNorm(), _overlapping()
                ),
                conv3=nn.Sequential(nn.Conv2d(c2, c3, 3, padding=1), nn.ReLU()),
                conv4=nn.Sequential(nn.Conv2d(c3, c4, 3, padding=1, groups=2), nn.ReLU()),
                conv5=nn.Sequential(nn.Conv2d(c4, c5, 3, padding=1, groups=2), nn.ReLU(), _overlapping()),
                dense6=nn.Sequential(nn.Flatten(), nn.Linear(c5 * height * width, units), nn.ReLU(), nn.Dropout(0.5)),
                dense7=nn.Sequential(nn.Linear(units, units), nn.ReLU(), nn.Dropout(0.5)),
            )
        )
        self.head = nn.Linear(units, num_outputs)
        initialise(self, "he")
        initialise(self.head, "lecun")


class SmallAlexNet(StagedPredictor):
    """Three 5 × 5 convolutions of 32, 32 and 64 maps, 3 × 3 pooling of stride 2 after each, dense 64, a linear head.

    After the layers that the authors' program cuda-convnet has for CIFAR-10: maxima after the first convolution, means
    after the others, then a small dense layer. Pooling is padded by 1, so that n pixels become ⌈n/2⌉ for every
    n; means are over the pixels inside. 145,578 parameters for 32 × 32 pixels, 3 channels and 10 classes.

    First weights are normal with variance 2/fan_in, the head's 1/fan_in (not the program's, which need slow first
    epochs); biases 0.

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs)

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        image_size: height and width in pixels, which decide the inputs of the dense layer.
        width_factor: above 0; these channels and units, times this.

    Source: after Krizhevsky et al. 2012, §3.3, which names the program; weights He et al. 2015, eq. (10)

    Lecture: V1

    Example:
        >>> import torch
        >>> SmallAlexNet(in_channels=3, num_outputs=10)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, *, in_channels: int, num_outputs: int, image_size: Sequence[int] = (32, 32), width_factor: float = 1.0
    ) -> None:
        super().__init__()
        height, width = (-(-pixels // 8) for pixels in image_size)
        c1, c2, c3, units = (scaled(count, width_factor) for count in (32, 32, 64, 64))
        self.stages = nn.Sequential(
            OrderedDict(
                conv1=nn.Sequential(
                    nn.Conv2d(in_channels, c1, 5, padding=2), nn.MaxPool2d(3, stride=2, padding=1), nn.ReLU()
                ),
                conv2=nn.Sequential(nn.Conv2d(c1, c2, 5, padding=2), nn.ReLU(), _mean()),
                conv3=nn.Sequential(nn.Conv2d(c2, c3, 5, padding=2), nn.ReLU(), _mean()),
                dense4=nn.Sequential(nn.Flatten(), nn.Linear(c3 * height * width, units), nn.ReLU()),
            )
        )
        self.head = nn.Linear(units, num_outputs)
        initialise(self, "he")
        initialise(self.head, "lecun")


def _overlapping() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2)


def _mean() -> nn.AvgPool2d:
    return nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)


def _size_after_conv5(image_size: Sequence[int]) -> tuple[int, int]:
    """Height and width of the maps that the first dense layer takes."""

    def after(pixels: int) -> int:
        size = convolution_size(pixels, 11, stride=4, padding=2, layer="conv1")
        for name in ("conv1", "conv2", "conv5"):
            size = pooling_size(size, 3, stride=2, layer=f"{name}'s pooling")
        return size

    height, width = image_size
    try:
        return after(height), after(width)
    except InputError as error:
        raise ConfigurationError(
            expected=error.expected,
            found=f"{error.found}; images of {height} × {width} pixels",
            do="use images of 63 pixels or more a side, or the small form",
        ) from error


@model("alexnet")
def alexnet(
    schema: Schema,
    *,
    form: Annotated[
        Form,
        Option(
            "large as published for 224 × 224 pixels, small for CIFAR-10; auto: small where the shorter side has 64 "
            "pixels or fewer"
        ),
    ] = "auto",
    width_factor: Annotated[float, Option("the published channels and units, times this", above=0)] = 1.0,
) -> AlexNet | SmallAlexNet:
    """AlexNet, five or three convolutions and dense layers (Krizhevsky et al. 2012)."""
    require_images(schema, "alexnet")
    channels, height, width = schema.input_shape
    build = AlexNet if form_for(form, height, width) == "large" else SmallAlexNet
    return build(
        in_channels=channels,
        num_outputs=schema.num_outputs,
        image_size=(height, width),
        width_factor=width_factor,
    )
