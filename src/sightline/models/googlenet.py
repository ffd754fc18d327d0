"""GoogLeNet: inception blocks one after the other, with two heads inside to train the early ones."""

from collections import OrderedDict
from math import inf
from typing import Annotated, Literal, get_args

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.core.words import one_of
from sightline.models.auxiliary import AuxiliaryOutputs
from sightline.models.fitness import require_images
from sightline.models.image_form import Form, form_for
from sightline.models.registry import model
from sightline.models.staged import StagedPredictor
from sightline.models.width_factor import scaled
from sightline.nn.inception import Inception, rectified_convolution
from sightline.nn.initialisation import initialise
from sightline.nn.local_response_norm import LocalResponseNorm

BLOCKS = {
    # 1 × 1; reduce, 3 × 3; reduce, 5 × 5; pool projection
    "3a": (64, (96, 128), (16, 32), 32),
    "3b": (128, (128, 192), (32, 96), 64),
    "4a": (192, (96, 208), (16, 48), 64),
    "4b": (160, (112, 224), (24, 64), 64),
    "4c": (128, (128, 256), (24, 64), 64),
    "4d": (112, (144, 288), (32, 64), 64),
    "4e": (256, (160, 320), (32, 128), 128),
    "5a": (256, (160, 320), (32, 128), 128),
    "5b": (384, (192, 384), (48, 128), 128),
}
"""Channels of the inception blocks, table 1 of the paper."""

POOLED_AFTER = ("3b", "4e")
"""Blocks whose maps are halved, by 3 × 3 max pooling of stride 2."""

AUXILIARY_AFTER = ("4a", "4d")
"""Blocks that have a head of their own in training."""

Stem = Literal["large", "small"]


class GridMeans(nn.Module):
    """Means on a grid of 4 × 4: the paper's 5 × 5 windows of stride 3 where they make one, else an even partition.

    The windows overlap; they fit maps whose sides are from 14, the paper's, to 16. A partition into 4 × 4 cells,
    whose edges reach to the next whole pixel, fits maps of any size.

    Shapes:
        maps (batch, channels, height, width) → (batch, channels, 4, 4)

    Source: Szegedy et al. 2015, "Going Deeper with Convolutions", §5

    Lecture: N3

    Example:
        >>> import torch
        >>> maps = torch.arange(14.0).expand(1, 1, 14, 14)
        >>> GridMeans()(maps)[0, 0, 0].tolist()
        [2.0, 5.0, 8.0, 11.0]
    """

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels 4 4"]:
        """The means."""
        if all(14 <= side <= 16 for side in maps.shape[2:]):
            return F.avg_pool2d(maps, 5, stride=3)
        return F.adaptive_avg_pool2d(maps, 4)


class AuxiliaryHead(nn.Module):
    """Means on a 4 × 4 grid, a 1 × 1 convolution of 128, a dense layer of 1024, dropout 0.7, a linear head.

    The means are the paper's, of 5 × 5 windows of stride 3, where the maps are 14 × 14 as in the paper; see
    :class:`GridMeans` for other sizes.

    Shapes:
        maps (batch, num_inputs, height, width) → (batch, num_outputs)

    Args:
        num_inputs: channels of the maps.
        num_outputs: classes, or 1 for a number.
        width_factor: above 0; 128 channels and 1024 units, times this.
        batch_norm: normalise the convolution's maps.

    Source: Szegedy et al. 2015, "Going Deeper with Convolutions", §5

    Lecture: V1, V9

    Example:
        >>> import torch
        >>> AuxiliaryHead(num_inputs=8, num_outputs=3, width_factor=0.1)(torch.zeros(2, 8, 2, 2)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self, *, num_inputs: int, num_outputs: int, width_factor: float = 1.0, batch_norm: bool = False
    ) -> None:
        super().__init__()
        channels, units = scaled(128, width_factor), scaled(1024, width_factor)
        self.hidden = nn.Sequential(
            GridMeans(),
            rectified_convolution(num_inputs, channels, 1, batch_norm=batch_norm),
            nn.Flatten(),
            nn.Linear(channels * 4 * 4, units),
            nn.ReLU(),
            nn.Dropout(0.7),
        )
        self.head = nn.Linear(units, num_outputs)

    def forward(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch num_outputs"]:
        """This head's outputs."""
        outputs: Tensor = self.head(self.hidden(maps))
        return outputs


class GoogLeNet(StagedPredictor):
    """A stem, nine inception blocks, the mean over positions, dropout 0.4, a linear head; 22 layers deep.

    In training it gives ``AuxiliaryOutputs`` with those of two heads after blocks 4a and 4d; in evaluation the
    last head's alone. The large stem brings 224 × 224 pixels to maps of 28 × 28; the small one, a single 3 × 3
    convolution, leaves the size. 6,998,552 parameters with the large stem, 3 channels, 1000 classes, without batch
    norm and the heads inside.

    With batch norm every convolution's maps are normalised, and the large stem has no local response
    normalisation. All layers start normal with variance 2/fan_in, heads 1/fan_in, biases at 0.

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs)

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        stem: "large" as published, or "small".
        width_factor: above 0; the published channels, times this.
        batch_norm: normalise every convolution's maps; the paper, older than that, does not.
        auxiliary_weight: what the loss of each head inside counts, 0 or more; 0 builds none.

    Raises:
        ConfigurationError: for a negative weight, or an unknown stem.

    Source: Szegedy et al. 2015, "Going Deeper with Convolutions", table 1 and §5; in place of its local response
        normalisation Ioffe & Szegedy 2015, "Batch Normalization", §4.2

    Lecture: V1

    Example:
        >>> import torch
        >>> net = GoogLeNet(in_channels=3, num_outputs=10, stem="small", width_factor=0.05)
        >>> outputs, auxiliary, weights = net(torch.zeros(2, 3, 16, 16))
        >>> outputs.shape, len(auxiliary), weights
        (torch.Size([2, 10]), 2, (0.3, 0.3))
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_outputs: int,
        stem: Stem = "large",
        width_factor: float = 1.0,
        batch_norm: bool = True,
        auxiliary_weight: float = 0.3,
    ) -> None:
        super().__init__()
        if not 0 <= auxiliary_weight < inf:
            raise ConfigurationError(
                expected="an auxiliary_weight of 0 or more",
                found=f"auxiliary_weight = {auxiliary_weight}",
                do="give 0.3 as published, or 0 for no heads inside",
            )
        self.auxiliary_weight = auxiliary_weight
        build_stem = _large_stem if one_of(stem, get_args(Stem), "stem") == "large" else _small_stem
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        stages["stem"], channels = build_stem(in_channels, width_factor, batch_norm)
        self.auxiliary = nn.ModuleDict()
        for name, published in BLOCKS.items():
            block = _block(channels, published, width_factor, batch_norm)
            stages[f"inception{name}"], channels = block, block.num_outputs
            if name in POOLED_AFTER:
                stages[f"pool{name}"] = _halving()
            if name in AUXILIARY_AFTER and auxiliary_weight > 0:
                self.auxiliary[f"inception{name}"] = AuxiliaryHead(
                    num_inputs=channels, num_outputs=num_outputs, width_factor=width_factor, batch_norm=batch_norm
                )
        stages["mean"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4))
        self.stages = nn.Sequential(stages)
        self.head = nn.Linear(channels, num_outputs)
        initialise(self, "he")
        for inside in self.auxiliary.values():
            initialise(inside.get_submodule("head"), "lecun")
        initialise(self.head, "lecun")

    def forward(  # type: ignore[override]
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch num_outputs"] | AuxiliaryOutputs:
        """The outputs; in training with those of the heads inside."""
        if not (self.training and self.auxiliary):
            return super().forward(x)
        inside: list[Tensor] = []
        for name, stage in self.stages.named_children():
            x = stage(x)
            if name in self.auxiliary:
                inside.append(self.auxiliary[name](x))
        outputs = self.head(self.gather(x))
        return AuxiliaryOutputs(outputs, tuple(inside), (self.auxiliary_weight,) * len(inside))


def _large_stem(in_channels: int, width_factor: float, batch_norm: bool) -> tuple[nn.Sequential, int]:
    """7 × 7 of stride 2 and two further convolutions, with two poolings: an eighth of the size."""
    c1, c2, c3 = (scaled(count, width_factor) for count in (64, 64, 192))
    layers = [
        rectified_convolution(in_channels, c1, 7, stride=2, batch_norm=batch_norm),
        _halving(),
        *([] if batch_norm else [_neighbours()]),
        rectified_convolution(c1, c2, 1, batch_norm=batch_norm),
        rectified_convolution(c2, c3, 3, batch_norm=batch_norm),
        *([] if batch_norm else [_neighbours()]),
        _halving(),
    ]
    return nn.Sequential(*layers), c3


def _neighbours() -> LocalResponseNorm:
    """The paper names the layer and not its constants: α = 10⁻⁴ is for the mean over five maps, k is 1."""
    return LocalResponseNorm(neighbours=5, alpha=1e-4 / 5, beta=0.75, k=1.0)


def _small_stem(in_channels: int, width_factor: float, batch_norm: bool) -> tuple[nn.Sequential, int]:
    """A 3 × 3 convolution: the size as it is."""
    channels = scaled(192, width_factor)
    return nn.Sequential(rectified_convolution(in_channels, channels, 3, batch_norm=batch_norm)), channels


def _block(
    num_inputs: int,
    published: tuple[int, tuple[int, int], tuple[int, int], int],
    width_factor: float,
    batch_norm: bool,
) -> Inception:
    one, three, five, pooled = published
    return Inception(
        num_inputs=num_inputs,
        one=scaled(one, width_factor),
        three=(scaled(three[0], width_factor), scaled(three[1], width_factor)),
        five=(scaled(five[0], width_factor), scaled(five[1], width_factor)),
        pooled=scaled(pooled, width_factor),
        batch_norm=batch_norm,
    )


def _halving() -> nn.MaxPool2d:
    """3 × 3 maxima of stride 2, padded so that n positions become ⌈n/2⌉, as in the paper's table."""
    return nn.MaxPool2d(3, stride=2, padding=1)


@model("googlenet")
def googlenet(
    schema: Schema,
    *,
    form: Annotated[
        Form,
        Option(
            "large with the published stem, whose maps are an eighth of the size; small with one 3 × 3 convolution, "
            "which leaves it; auto: small where the shorter side has 64 pixels or fewer"
        ),
    ] = "auto",
    width_factor: Annotated[float, Option("the published channels and units, times this", above=0)] = 1.0,
    batch_norm: Annotated[bool, Option("normalise every convolution's maps")] = True,
    auxiliary_weight: Annotated[
        float, Option("what the loss of each of the two heads inside counts; 0: no such heads", minimum=0)
    ] = 0.3,
) -> GoogLeNet:
    """GoogLeNet, inception blocks with heads inside (Szegedy et al. 2015)."""
    require_images(schema, "googlenet")
    channels, height, width = schema.input_shape
    return GoogLeNet(
        in_channels=channels,
        num_outputs=schema.num_outputs,
        stem=form_for(form, height, width),
        width_factor=width_factor,
        batch_norm=batch_norm,
        auxiliary_weight=auxiliary_weight,
    )
