"""The residual network for small images, of depth 6n + 2."""

from typing import Annotated

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import Schema
from sightline.models.fitness import require_predictable
from sightline.models.predictor import Predictor
from sightline.models.registry import model
from sightline.nn.residual import BasicBlock


class ResNet(Predictor):
    """A 3 × 3 convolution, three stages of n residual blocks, the mean over positions, a linear head.

    The stages have w, 2w and 4w channels; the second and third begin with stride 2. Skips are the
    identity, zero-padded where channels are added (option A), so they have no parameters.

    Convolutions start normal with mean 0 and variance 2/fan_in, the head 1/fan_in; biases at 0.

    Either memory format works and gives the same outputs; on a CPU training is quickest with weights and
    inputs in ``torch.channels_last`` (5-10 % at 128 images of 28 × 28).

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs); 4 × 4 pixels or more make sense

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        depth: layers with weights, 6n + 2: 8, 14, 20, 32, 44, 56, 110, …
        width: channels of the first stage.

    Raises:
        ConfigurationError: for a depth that is not 6n + 2.

    Source: He et al. 2016, "Deep Residual Learning", §4.2; initial weights He et al. 2015, eq. (10)

    Example:
        >>> import torch
        >>> ResNet(in_channels=1, num_outputs=10, depth=8, width=4)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(self, *, in_channels: int, num_outputs: int, depth: int = 8, width: int = 16) -> None:
        super().__init__()
        blocks_per_stage = _blocks_per_stage(depth)
        self.conv = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.stages = nn.Sequential(
            _stage(width, width, blocks_per_stage, stride=1),
            _stage(width, 2 * width, blocks_per_stage, stride=2),
            _stage(2 * width, 4 * width, blocks_per_stage, stride=2),
        )
        self.head = nn.Linear(4 * width, num_outputs)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.head.weight, nonlinearity="linear")
        nn.init.zeros_(self.head.bias)

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch num_features"]:
        """The last stage's mean over positions: 4w numbers."""
        maps: Tensor = self.stages(F.relu(self.norm(self.conv(x))))
        return maps.mean((2, 3))


def _stage(num_inputs: int, num_outputs: int, num_blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(num_inputs=num_inputs, num_outputs=num_outputs, stride=stride)
    rest = [BasicBlock(num_inputs=num_outputs, num_outputs=num_outputs) for _ in range(num_blocks - 1)]
    return nn.Sequential(first, *rest)


def _blocks_per_stage(depth: int) -> int:
    """The n of depth = 6n + 2."""
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        below = 6 * blocks + 2
        nearest = f"{below} or {below + 6}" if blocks >= 1 else "8"
        raise ConfigurationError(
            expected="a depth of 6n + 2 layers: 8, 14, 20, …", found=f"depth = {depth}", do=f"nearest: {nearest}"
        )
    return blocks


@model("resnet")
def resnet(
    schema: Schema,
    *,
    depth: Annotated[int, Option("layers with weights, 6n + 2: 8, 14, 20, …", "layers", minimum=8)] = 8,
    width: Annotated[
        int, Option("channels of the first stage; later ones have 2 and 4 times as many", "channels", minimum=1)
    ] = 16,
) -> ResNet:
    """A residual network for small images (He et al. 2016, §4.2)."""
    require_predictable(schema, "resnet")
    if schema.kind != "image":
        raise DataError(
            expected="images for the model 'resnet'",
            found=f"a {schema.kind} with inputs of shape {schema.input_shape}",
            do="use the model 'mlp'",
        )
    return ResNet(in_channels=schema.input_shape[0], num_outputs=schema.num_outputs, depth=depth, width=width)
