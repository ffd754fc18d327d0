"""VGG: depth from 3 × 3 convolutions alone, 11 to 19 layers with weights."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Literal

from torch import nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.models.fitness import require_images
from sightline.models.image_form import Form, form_for
from sightline.models.registry import model
from sightline.models.staged import StagedPredictor
from sightline.models.width_factor import scaled
from sightline.nn.inception import rectified_convolution
from sightline.nn.initialisation import initialise

CHANNELS = (64, 128, 256, 512, 512)
"""Channels of the convolutions in each of the five blocks."""

CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),  # A
    13: (2, 2, 2, 2, 2),  # B
    16: (2, 2, 3, 3, 3),  # D
    19: (2, 2, 4, 4, 4),  # E
}
"""Convolutions in each block, by depth: configurations A, B, D and E. Three dense layers make up the rest."""

DENSE = (4096, 4096)
"""Units of the hidden dense layers."""

Depth = Literal[11, 13, 16, 19]


class VGG(StagedPredictor):
    """Five blocks of rectified 3 × 3 convolutions, each halved by 2 × 2 max pooling; dense layers; a linear head.

    Without hidden dense layers the head sees the mean over what positions are left: one, for images of 32 × 32.

    Convolutions and hidden dense layers start normal with variance 2/fan_in, the head 1/fan_in, biases at 0. The
    paper began its deep nets from the trained layers of the shallow one; these weights make that needless.

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs); 32 × 32 pixels or more

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        image_size: height and width in pixels, which decide the inputs of the first dense layer.
        depth: layers with weights in the published network: 11, 13, 16 or 19.
        width_factor: above 0; the published channels, times this.
        dense: units of the hidden dense layers, each followed by dropout ½.
        batch_norm: normalise every convolution's maps; the paper, older than that, does not.

    Raises:
        ConfigurationError: for another depth, or images so small that pooling leaves nothing; it names the layer.

    Source: Simonyan & Zisserman 2015, "Very Deep Convolutional Networks for Large-Scale Image Recognition", table 1

    Lecture: V1

    Example:
        >>> import torch
        >>> net = VGG(in_channels=3, num_outputs=10, image_size=(32, 32), depth=11, width_factor=0.125, dense=())
        >>> net(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_outputs: int,
        image_size: Sequence[int] = (224, 224),
        depth: int = 16,
        width_factor: float = 1.0,
        dense: Sequence[int] = DENSE,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        if depth not in CONVOLUTIONS:
            raise ConfigurationError(
                expected=f"a depth of {', '.join(map(str, CONVOLUTIONS))}", found=f"depth = {depth}", do="choose one"
            )
        positions = _positions_after_pooling(image_size)
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        features = in_channels
        for number, (channels, count) in enumerate(zip(CHANNELS, CONVOLUTIONS[depth], strict=True), start=1):
            layers: list[nn.Module] = []
            for _ in range(count):
                width = scaled(channels, width_factor)
                layers.append(rectified_convolution(features, width, 3, batch_norm=batch_norm))
                features = width
            stages[f"block{number}"] = nn.Sequential(*layers, nn.MaxPool2d(2))
        if dense:
            features *= positions
        for number, units in enumerate(dense, start=1):
            flatten = [nn.Flatten()] if number == 1 else []
            stages[f"dense{number}"] = nn.Sequential(*flatten, nn.Linear(features, units), nn.ReLU(), nn.Dropout(0.5))
            features = units
        self.stages = nn.Sequential(stages)
        self.head = nn.Linear(features, num_outputs)
        initialise(self, "he")
        initialise(self.head, "lecun")


def _positions_after_pooling(image_size: Sequence[int]) -> int:
    """Rows × columns that five halvings leave."""
    height, width = image_size
    for number in range(1, len(CHANNELS) + 1):
        if min(height, width) >> number == 0:
            raise ConfigurationError(
                expected="images of 32 × 32 pixels or more for VGG",
                found=f"{height} × {width}, of which the pooling of block{number} leaves nothing",
                do="use larger images, or the model 'resnet' or 'lenet'",
            )
    return (height >> len(CHANNELS)) * (width >> len(CHANNELS))


def vgg11(*, in_channels: int = 3, num_outputs: int = 1000, batch_norm: bool = True) -> VGG:
    """Configuration A, for 224 × 224 pixels: 132,863,336 parameters without batch norm."""
    return VGG(in_channels=in_channels, num_outputs=num_outputs, depth=11, batch_norm=batch_norm)


def vgg13(*, in_channels: int = 3, num_outputs: int = 1000, batch_norm: bool = True) -> VGG:
    """Configuration B, for 224 × 224 pixels: 133,047,848 parameters without batch norm."""
    return VGG(in_channels=in_channels, num_outputs=num_outputs, depth=13, batch_norm=batch_norm)


def vgg16(*, in_channels: int = 3, num_outputs: int = 1000, batch_norm: bool = True) -> VGG:
    """Configuration D, for 224 × 224 pixels: 138,357,544 parameters without batch norm."""
    return VGG(in_channels=in_channels, num_outputs=num_outputs, depth=16, batch_norm=batch_norm)


def vgg19(*, in_channels: int = 3, num_outputs: int = 1000, batch_norm: bool = True) -> VGG:
    """Configuration E, for 224 × 224 pixels: 143,667,240 parameters without batch norm."""
    return VGG(in_channels=in_channels, num_outputs=num_outputs, depth=19, batch_norm=batch_norm)


@model("vgg")
def vgg(
    schema: Schema,
    *,
    depth: Annotated[Depth, Option("layers with weights: the paper's A, B, D and E", "layers")] = 16,
    form: Annotated[
        Form,
        Option(
            "large with dense layers of 4096 and 4096 as published, small with the head alone after the last pooling; "
            "auto: small where the shorter side has 64 pixels or fewer"
        ),
    ] = "auto",
    width_factor: Annotated[float, Option("the published channels and units, times this", above=0)] = 1.0,
    batch_norm: Annotated[bool, Option("normalise every convolution's maps")] = True,
) -> VGG:
    """VGG, 3 × 3 convolutions and pooling, for images from 32 × 32 on (Simonyan & Zisserman 2015)."""
    require_images(schema, "vgg")
    channels, height, width = schema.input_shape
    large = form_for(form, height, width) == "large"
    return VGG(
        in_channels=channels,
        num_outputs=schema.num_outputs,
        image_size=(height, width),
        depth=depth,
        width_factor=width_factor,
        dense=[scaled(units, width_factor) for units in DENSE] if large else [],
        batch_norm=batch_norm,
    )
