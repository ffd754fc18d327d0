"""Residual networks of the published sizes, their numbers visible, and the entries of those for large images."""

from collections.abc import Callable
from typing import Annotated

from sightline.core.config import Option
from sightline.core.schema import Schema
from sightline.models.fitness import require_images
from sightline.models.registry import Builder, model
from sightline.models.resnet import ResNet

# Small images (He et al. 2016, "Deep Residual Learning", §4.2): 6n + 2 layers, shortcuts without parameters.


def resnet20(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """6·3 + 2 layers, 269,722 parameters (He et al. 2016, table 6)."""
    return ResNet(in_channels=in_channels, num_outputs=num_outputs, depths=(3, 3, 3), widths=(16, 32, 64))


def resnet32(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """6·5 + 2 layers, 464,154 parameters (He et al. 2016, table 6)."""
    return ResNet(in_channels=in_channels, num_outputs=num_outputs, depths=(5, 5, 5), widths=(16, 32, 64))


def resnet44(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """6·7 + 2 layers, 658,586 parameters (He et al. 2016, table 6)."""
    return ResNet(in_channels=in_channels, num_outputs=num_outputs, depths=(7, 7, 7), widths=(16, 32, 64))


def resnet56(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """6·9 + 2 layers, 853,018 parameters (He et al. 2016, table 6)."""
    return ResNet(in_channels=in_channels, num_outputs=num_outputs, depths=(9, 9, 9), widths=(16, 32, 64))


def resnet110(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """6·18 + 2 layers, 1,727,962 parameters (He et al. 2016, table 6)."""
    return ResNet(in_channels=in_channels, num_outputs=num_outputs, depths=(18, 18, 18), widths=(16, 32, 64))


def plain20(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """``resnet20`` without skips: the same layers and parameters (He et al. 2016, figure 6 left)."""
    return ResNet(
        in_channels=in_channels, num_outputs=num_outputs, depths=(3, 3, 3), widths=(16, 32, 64), shortcut="none"
    )


def plain32(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """``resnet32`` without skips: the same layers and parameters (He et al. 2016, figure 6 left)."""
    return ResNet(
        in_channels=in_channels, num_outputs=num_outputs, depths=(5, 5, 5), widths=(16, 32, 64), shortcut="none"
    )


def plain44(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """``resnet44`` without skips: the same layers and parameters (He et al. 2016, figure 6 left)."""
    return ResNet(
        in_channels=in_channels, num_outputs=num_outputs, depths=(7, 7, 7), widths=(16, 32, 64), shortcut="none"
    )


def plain56(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """``resnet56`` without skips: the same layers and parameters (He et al. 2016, figure 6 left)."""
    return ResNet(
        in_channels=in_channels, num_outputs=num_outputs, depths=(9, 9, 9), widths=(16, 32, 64), shortcut="none"
    )


def pre_activation_resnet110(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """6·18 + 2 layers, pre-activation blocks (He et al. 2016, "Identity Mappings", table 2)."""
    return ResNet(
        in_channels=in_channels,
        num_outputs=num_outputs,
        depths=(18, 18, 18),
        widths=(16, 32, 64),
        block="pre-activation",
    )


def pre_activation_resnet164(*, in_channels: int = 3, num_outputs: int = 10) -> ResNet:
    """9·18 + 2 layers, pre-activation bottlenecks, projections (He et al. 2016, "Identity Mappings", table 2)."""
    return ResNet(
        in_channels=in_channels,
        num_outputs=num_outputs,
        depths=(18, 18, 18),
        widths=(64, 128, 256),
        block="pre-activation-bottleneck",
        stem_width=16,
        shortcut="projection",
    )


# Large images (table 1 there): stem and pooling by 4, four stages, projections where the shape changes.


def resnet18(*, in_channels: int = 3, num_outputs: int = 1000, width: int = 64) -> ResNet:
    """ResNet-18 for large images, 11,689,512 parameters (He et al. 2016, table 1)."""
    return ResNet(
        in_channels=in_channels,
        num_outputs=num_outputs,
        depths=(2, 2, 2, 2),
        widths=(width, 2 * width, 4 * width, 8 * width),
        block="basic",
        stem="large",
        stem_width=width,
        shortcut="projection",
    )


def resnet34(*, in_channels: int = 3, num_outputs: int = 1000, width: int = 64) -> ResNet:
    """ResNet-34 for large images, 21,797,672 parameters (He et al. 2016, table 1)."""
    return ResNet(
        in_channels=in_channels,
        num_outputs=num_outputs,
        depths=(3, 4, 6, 3),
        widths=(width, 2 * width, 4 * width, 8 * width),
        block="basic",
        stem="large",
        stem_width=width,
        shortcut="projection",
    )


def resnet50(*, in_channels: int = 3, num_outputs: int = 1000, width: int = 64) -> ResNet:
    """ResNet-50 for large images, 25,557,032 parameters (He et al. 2016, table 1)."""
    return ResNet(
        in_channels=in_channels,
        num_outputs=num_outputs,
        depths=(3, 4, 6, 3),
        widths=(4 * width, 8 * width, 16 * width, 32 * width),
        block="bottleneck",
        stem="large",
        stem_width=width,
        shortcut="projection",
    )


def resnet101(*, in_channels: int = 3, num_outputs: int = 1000, width: int = 64) -> ResNet:
    """ResNet-101 for large images, 44,549,160 parameters (He et al. 2016, table 1)."""
    return ResNet(
        in_channels=in_channels,
        num_outputs=num_outputs,
        depths=(3, 4, 23, 3),
        widths=(4 * width, 8 * width, 16 * width, 32 * width),
        block="bottleneck",
        stem="large",
        stem_width=width,
        shortcut="projection",
    )


def resnet152(*, in_channels: int = 3, num_outputs: int = 1000, width: int = 64) -> ResNet:
    """ResNet-152 for large images, 60,192,808 parameters (He et al. 2016, table 1)."""
    return ResNet(
        in_channels=in_channels,
        num_outputs=num_outputs,
        depths=(3, 8, 36, 3),
        widths=(4 * width, 8 * width, 16 * width, 32 * width),
        block="bottleneck",
        stem="large",
        stem_width=width,
        shortcut="projection",
    )


def _entry(size: Callable[..., ResNet]) -> Builder:
    """Register a size for large images under its own name."""

    def build(
        schema: Schema,
        *,
        width: Annotated[
            int, Option("channels of the stem; the stages have multiples of it", "channels", minimum=1)
        ] = 64,
    ) -> ResNet:
        require_images(schema, size.__name__)
        return size(in_channels=schema.input_shape[0], num_outputs=schema.num_outputs, width=width)

    build.__name__ = build.__qualname__ = size.__name__
    build.__doc__ = size.__doc__
    return model(size.__name__)(build)


for _size in (resnet18, resnet34, resnet50, resnet101, resnet152):
    _entry(_size)
