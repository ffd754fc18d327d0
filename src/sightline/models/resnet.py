"""Residual networks, and the plain ones they are compared with: stages of blocks, with skips or without."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Literal

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.models.fitness import require_images
from sightline.models.registry import model
from sightline.models.staged import StagedPredictor
from sightline.nn.pre_activation import PreActivationBlock, PreActivationBottleneck
from sightline.nn.residual import BasicBlock, BottleneckBlock, zero_branches
from sightline.nn.shortcut import Shortcut
from sightline.nn.stochastic_depth import linear_decay

Block = Literal["basic", "bottleneck", "bottleneck-1x1-stride", "pre-activation", "pre-activation-bottleneck"]
Stem = Literal["small", "large"]

_BLOCKS: dict[Block, tuple[Callable[..., nn.Module], Callable[..., nn.Module]]] = {
    "basic": (BasicBlock, BasicBlock),
    "bottleneck": (BottleneckBlock, BottleneckBlock),
    "bottleneck-1x1-stride": (partial(BottleneckBlock, stride_in="1x1"), BottleneckBlock),
    "pre-activation": (partial(PreActivationBlock, activate_skip=True), PreActivationBlock),
    "pre-activation-bottleneck": (partial(PreActivationBottleneck, activate_skip=True), PreActivationBottleneck),
}
"""A stage's first block, and the further ones."""


class ResNet(StagedPredictor):
    """A convolution (the stem), stages of residual blocks, the mean over positions, a linear head.

    The stages are named ``stem``, ``stage1``, ``stage2``, … and, for pre-activation blocks, ``activation``: the
    normalisation and relu that these leave out at their end (and so does their stem). Sizes that have a name,
    ``resnet20()``, ``plain56()``, ``resnet50()``, are in ``models/resnet_sizes.py``.

    Convolutions start normal with mean 0 and variance 2/fan_in, the head 1/fan_in; γ at 1, biases at 0, with skips
    or without. Blocks that start as their shortcut are ``zero_branches(network)``, an option of the builder.

    Either memory format works and gives the same outputs; on a CPU training is quickest with weights and
    inputs in ``torch.channels_last`` (5-10 % at 128 images of 28 × 28).

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs). A map's sides are halved, rounded up, at each
        stride of 2, so any image gives an output; the small form makes sense from 4 × 4 pixels on, the large
        one from 32 × 32

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        depths: blocks of each stage.
        widths: channels of each stage, as they leave it.
        block: "basic" (two 3 × 3), "bottleneck" (1 × 1, 3 × 3 with the stride, 1 × 1), "bottleneck-1x1-stride" (the
            paper's place for the stride), "pre-activation" (basic) or "pre-activation-bottleneck".
        stem: "small" is a 3 × 3 convolution, "large" a 7 × 7 one of stride 2 and 3 × 3 max pooling of stride 2.
        stem_width: channels of the stem; None for those of the first stage.
        strides: step of each stage's first block; None for 1, 2, 2, …
        shortcut: across a change of shape: "pad" (option A, no parameters) or "projection" (option B); or "none"
            everywhere: the plain net, the same layers without skips.
        stochastic_depth: probability, in [0, 1), of dropping the last block's F for an example in training; it
            rises linearly from the first block on.

    Raises:
        ConfigurationError: for depths, widths and strides of different lengths or below 1, an unknown block or
            stem, padding to fewer channels, a bottleneck of fewer than 4, stochastic depth in a plain net.

    Source: He et al. 2016, "Deep Residual Learning", §3.3, §4.2, table 1; He et al. 2016, "Identity Mappings in Deep
        Residual Networks", for pre-activation; initial weights He et al. 2015, eq. (10)

    Lecture: V2

    Example:
        >>> import torch
        >>> ResNet(in_channels=1, num_outputs=10, depths=(1, 1), widths=(4, 8))(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_outputs: int,
        depths: Sequence[int] = (1, 1, 1),
        widths: Sequence[int] = (16, 32, 64),
        block: Block = "basic",
        stem: Stem = "small",
        stem_width: int | None = None,
        strides: Sequence[int] | None = None,
        shortcut: Shortcut = "pad",
        stochastic_depth: float = 0.0,
    ) -> None:
        super().__init__()
        strides = (1, *[2] * (len(depths) - 1)) if strides is None else strides
        _check(depths, widths, strides, block)
        pre_activated = block.startswith("pre-activation")
        width = widths[0] if stem_width is None else stem_width
        stages = OrderedDict[str, nn.Module](stem=_stem(stem, in_channels, width, activate=not pre_activated))
        drops = iter(linear_decay(sum(depths), stochastic_depth))
        for number, (depth, outputs, stride) in enumerate(zip(depths, widths, strides, strict=True), 1):
            first, further = _BLOCKS[block]
            blocks = []
            for make, step in [(first, stride), *[(further, 1)] * (depth - 1)]:
                blocks.append(
                    make(
                        num_inputs=width,
                        num_outputs=outputs,
                        stride=step,
                        shortcut=shortcut,
                        drop_probability=next(drops),
                    )
                )
                width = outputs
            stages[f"stage{number}"] = nn.Sequential(*blocks)
        if pre_activated:
            stages["activation"] = nn.Sequential(OrderedDict(norm=nn.BatchNorm2d(width), relu=nn.ReLU()))
        self.stages = nn.Sequential(stages)
        self.head = nn.Linear(width, num_outputs)
        self._initialise()

    def gather(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """The mean over positions."""
        return maps.mean((2, 3))

    def _initialise(self) -> None:
        for layer in self.stages.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        assert isinstance(self.head, nn.Linear)
        nn.init.kaiming_normal_(self.head.weight, nonlinearity="linear")
        nn.init.zeros_(self.head.bias)


def _stem(kind: Stem, in_channels: int, width: int, *, activate: bool) -> nn.Sequential:
    """The first convolution, its normalisation and relu unless the first block brings them, pooling if large."""
    if kind not in ("small", "large"):
        raise ConfigurationError(expected="a stem: small or large", found=f"stem = {kind!r}", do="name one of these")
    size, stride = (7, 2) if kind == "large" else (3, 1)
    convolution = nn.Conv2d(in_channels, width, size, stride=stride, padding=size // 2, bias=False)
    layers = OrderedDict[str, nn.Module](conv=convolution)
    if activate:
        layers.update(norm=nn.BatchNorm2d(width), relu=nn.ReLU())
    if kind == "large":
        layers["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(layers)


def _check(depths: Sequence[int], widths: Sequence[int], strides: Sequence[int], block: str) -> None:
    if not depths or not len(depths) == len(widths) == len(strides) or min(*depths, *widths, *strides) < 1:
        raise ConfigurationError(
            expected="depths, widths and strides of 1 or more, one of each a stage",
            found=f"depths = {tuple(depths)}, widths = {tuple(widths)}, strides = {tuple(strides)}",
            do="give each the same number of entries, for example depths = (3, 3, 3), widths = (16, 32, 64)",
        )
    if block not in _BLOCKS:
        raise ConfigurationError(
            expected=f"a block: {', '.join(_BLOCKS)}", found=f"block = {block!r}", do="name one of these"
        )


def blocks_per_stage(depth: int) -> int:
    """The n of depth = 6n + 2: three stages of n basic blocks, two layers each, a first convolution and a head.

    Args:
        depth: layers with weights.

    Raises:
        ConfigurationError: for another depth.

    Source: He et al. 2016, §4.2

    Lecture: V2

    Example:
        >>> blocks_per_stage(110)
        18
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        below = 6 * blocks + 2
        nearest = f"{below} or {below + 6}" if blocks >= 1 else "8"
        raise ConfigurationError(
            expected="a depth of 6n + 2 layers: 8, 14, 20, …", found=f"depth = {depth}", do=f"nearest: {nearest}"
        )
    return blocks


Depth = Annotated[int, Option("layers with weights, 6n + 2: 8, 14, 20, …", "layers", minimum=8)]
Width = Annotated[
    int, Option("channels of the first stage; later ones have 2 and 4 times as many", "channels", minimum=1)
]


@model("resnet")
def resnet(
    schema: Schema,
    *,
    depth: Depth = 8,
    width: Width = 16,
    activation: Annotated[
        Literal["post", "pre"], Option("whether blocks normalise and activate after their convolutions or before")
    ] = "post",
    stochastic_depth: Annotated[
        float, Option("probability of dropping the last block in training; rises linearly", minimum=0, below=1)
    ] = 0.0,
    zero_start: Annotated[
        bool, Option("start every block as its shortcut (Goyal et al. 2017): deep networks learn sooner")
    ] = False,
) -> ResNet:
    """A residual network for small images (He et al. 2016, §4.2).

    Raises:
        ConfigurationError: for a zero start of blocks that normalise before their convolutions.
    """
    require_images(schema, "resnet")
    network = ResNet(
        in_channels=schema.input_shape[0],
        num_outputs=schema.num_outputs,
        depths=[blocks_per_stage(depth)] * 3,
        widths=(width, 2 * width, 4 * width),
        block="basic" if activation == "post" else "pre-activation",
        stochastic_depth=stochastic_depth,
    )
    if zero_start:
        zero_branches(network)
    return network


@model("plain")
def plain(schema: Schema, *, depth: Depth = 8, width: Width = 16) -> ResNet:
    """The layers of 'resnet' without its skips: what depth does to it (He et al. 2016, §4.2)."""
    require_images(schema, "plain")
    return ResNet(
        in_channels=schema.input_shape[0],
        num_outputs=schema.num_outputs,
        depths=[blocks_per_stage(depth)] * 3,
        widths=(width, 2 * width, 4 * width),
        shortcut="none",
    )
