"""ConvNeXt: a convolutional network brought up to date step by step, until it equals a transformer of its size."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Literal

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.models.fitness import require_images
from sightline.models.registry import model
from sightline.models.staged import StagedPredictor
from sightline.models.truncated_normal import start_truncated_normal
from sightline.nn.convnext_block import ConvNeXtBlock
from sightline.nn.normalisation import ChannelLayerNorm
from sightline.nn.stochastic_depth import checked_probability, linear_decay

Size = Literal["atto", "femto", "pico", "nano", "tiny", "small", "base", "large"]

SIZES: dict[Size, tuple[tuple[int, ...], tuple[int, ...]]] = {
    # blocks a stage, channels a stage
    "atto": ((2, 2, 6, 2), (40, 80, 160, 320)),
    "femto": ((2, 2, 6, 2), (48, 96, 192, 384)),
    "pico": ((2, 2, 6, 2), (64, 128, 256, 512)),
    "nano": ((2, 2, 8, 2), (80, 160, 320, 640)),
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
    "large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
}
"""Tiny to large: Liu et al. 2022, §3; atto to nano: Woo et al. 2023, "ConvNeXt V2", appendix."""


class ConvNeXt(StagedPredictor):
    """A convolution over patches, stages of blocks, the mean over positions, a norm, a linear head.

    Between two stages a norm and a 2 × 2 convolution of stride 2 halve the maps. ``stages`` are "stem", "stage1",
    "stage2", … and "pool". Block l of L, counted from 0, is dropped with probability drop_path · l/(L − 1), as the
    paper's authors do it: the first never.

    Weights of convolutions and linear layers start normal with deviation 0.02, biases at 0. The maps inside stand in
    ``torch.channels_last`` whatever the images' memory format.

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs); each side at least
        patch_size · 2^(stages − 1) pixels

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        depths: blocks of each stage.
        widths: channels of each stage.
        patch_size: side and stride of the first convolution, in pixels: 4 for photographs, 1 or 2 for small images.
        drop_path: probability that the last block's branch is dropped in training, in [0, 1).
        layer_scale: first value of the factor on each branch's channels, not 0.
        norm_eps: ε of the norm before the head, of which some published weights have one of their own; that of all
            others is 1e-6.

    Raises:
        ConfigurationError: for depths and widths of different lengths or below 1, or an option out of its range.

    Source: Liu et al. 2022, "A ConvNet for the 2020s", §2, §3 and appendix A (initial weights)

    Lecture: V3

    Example:
        >>> import torch
        >>> small = ConvNeXt(in_channels=3, num_outputs=10, depths=[1, 1], widths=[8, 16], patch_size=2)
        >>> small(torch.zeros(2, 3, 9, 12)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_outputs: int,
        depths: Sequence[int] = SIZES["tiny"][0],
        widths: Sequence[int] = SIZES["tiny"][1],
        patch_size: int = 4,
        drop_path: float = 0.0,
        layer_scale: float = 1e-6,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        if len(depths) != len(widths) or not depths or min(*depths, *widths, patch_size) < 1:
            raise ConfigurationError(
                expected="blocks and channels of as many stages, and a patch_size, each at least 1",
                found=f"depths {list(depths)}, widths {list(widths)}, patch_size {patch_size}",
                do="give one number a stage in both, as in depths=[3, 3, 9, 3], widths=[96, 192, 384, 768]",
            )
        probabilities = iter(_drop_probabilities(sum(depths), drop_path))
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        stages["stem"] = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(in_channels, widths[0], patch_size, stride=patch_size),
                norm=ChannelLayerNorm(num_channels=widths[0]),
            )
        )
        for number, (depth, width) in enumerate(zip(depths, widths, strict=True), 1):
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            if number > 1:
                before = widths[number - 2]
                layers["norm"] = ChannelLayerNorm(num_channels=before)
                layers["conv"] = nn.Conv2d(before, width, 2, stride=2)
            for block in range(1, depth + 1):
                layers[f"block{block}"] = ConvNeXtBlock(
                    num_channels=width, layer_scale=layer_scale, drop_probability=next(probabilities)
                )
            stages[f"stage{number}"] = nn.Sequential(layers)
        stages["pool"] = nn.Sequential(
            OrderedDict(mean=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), norm=nn.LayerNorm(widths[-1], eps=norm_eps))
        )
        self.stages = nn.Sequential(stages)
        self.head = nn.Linear(widths[-1], num_outputs)
        start_truncated_normal(self)

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch num_features"]:
        """The last stage's mean over positions, normalised: the stage "pool" gives it flat."""
        features: Tensor = self.stages(x)
        return features


def _drop_probabilities(num_blocks: int, last: float) -> list[float]:
    """0, …, last in equal steps."""
    return [0.0, *linear_decay(num_blocks - 1, last)] if num_blocks > 1 else [0.0 * checked_probability(last, "last")]


def convnext_tiny(*, in_channels: int = 3, num_outputs: int = 1000, drop_path: float = 0.1) -> ConvNeXt:
    """ConvNeXt-T: blocks (3, 3, 9, 3), channels (96, 192, 384, 768); 28.6 million parameters (Liu et al. 2022)."""
    return _sized("tiny", in_channels, num_outputs, drop_path)


def convnext_small(*, in_channels: int = 3, num_outputs: int = 1000, drop_path: float = 0.4) -> ConvNeXt:
    """ConvNeXt-S: blocks (3, 3, 27, 3), channels (96, 192, 384, 768); 50.2 million parameters (Liu et al. 2022)."""
    return _sized("small", in_channels, num_outputs, drop_path)


def convnext_base(*, in_channels: int = 3, num_outputs: int = 1000, drop_path: float = 0.5) -> ConvNeXt:
    """ConvNeXt-B: blocks (3, 3, 27, 3), channels (128, 256, 512, 1024); 88.6 million parameters (Liu et al. 2022)."""
    return _sized("base", in_channels, num_outputs, drop_path)


def convnext_large(*, in_channels: int = 3, num_outputs: int = 1000, drop_path: float = 0.5) -> ConvNeXt:
    """ConvNeXt-L: blocks (3, 3, 27, 3), channels (192, 384, 768, 1536); 197.8 million (Liu et al. 2022)."""
    return _sized("large", in_channels, num_outputs, drop_path)


def _sized(size: Size, in_channels: int, num_outputs: int, drop_path: float) -> ConvNeXt:
    depths, widths = SIZES[size]
    return ConvNeXt(in_channels=in_channels, num_outputs=num_outputs, depths=depths, widths=widths, drop_path=drop_path)


@model("convnext")
def convnext(
    schema: Schema,
    *,
    size: Annotated[Size, Option("blocks and channels of each stage")] = "atto",
    width: Annotated[
        int | None,
        Option(
            "channels of the first stage instead of the size's; later ones have 2, 4 and 8 times as many",
            "channels",
            minimum=1,
        ),
    ] = None,
    patch: Annotated[
        int | None,
        Option(
            "side and stride of the first convolution; none: 4 for images of 112 pixels or more on the shorter side, "
            "2 from 28, else 1",
            "pixels",
            minimum=1,
        ),
    ] = None,
    drop_path: Annotated[
        float, Option("probability that the last block is dropped in training", minimum=0, below=1)
    ] = 0.0,
) -> ConvNeXt:
    """ConvNeXt for images of any size (Liu et al. 2022); very small ones get only the stages they can be halved for."""
    require_images(schema, "convnext")
    side = min(schema.input_shape[1:])
    if patch is None:
        patch = 4 if side >= 112 else 2 if side >= 28 else 1
    if patch > side:
        raise ConfigurationError(
            expected="a patch no larger than the image",
            found=f"patch {patch}, images of {schema.input_shape[1]} × {schema.input_shape[2]} pixels",
            do="choose a smaller patch, or leave it out",
        )
    depths, widths = SIZES[size]
    if width is not None:
        widths = tuple(width * 2**stage for stage in range(len(depths)))
    stages = min(len(depths), (side // patch).bit_length())  # each stage after the first halves the maps
    return ConvNeXt(
        in_channels=schema.input_shape[0],
        num_outputs=schema.num_outputs,
        depths=depths[:stages],
        widths=widths[:stages],
        patch_size=patch,
        drop_path=drop_path,
    )
