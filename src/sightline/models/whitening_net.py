"""The convolutional network that reaches 94 % on CIFAR-10 in the fewest operations."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.core.schema import Schema
from sightline.models.fitness import require_images
from sightline.models.registry import model
from sightline.models.staged import StagedPredictor
from sightline.nn.whitening import PatchWhitening

SHIFT_SCALE = 8.0
"""Shifts of the normalised maps are stored divided by this: gradient descent moves them 64 times as fast."""
SMALLEST_SIDE = 9
"""Images must be as large, in pixels: patches of 2 × 2, then three halvings."""
OUTPUT_SCALE = 1 / 9
"""What the outputs are multiplied by, so that they start small."""


class WhiteningNet(StagedPredictor):
    """Whitened 2 × 2 patches, three groups of two convolutions with pooling between, max over positions, a head.

    Every 3 × 3 convolution but the first of the network starts as the identity on the channels it has; batch
    normalisation has a shift, which moves 64 times as fast as the weights, and no scale; GELU; no skips.

    In evaluation the features are a mean over views of the image: with ``mirror`` the image and its mirror image; with
    ``shift`` half of it is the image where it is, a quarter each the image moved one pixel up and to the left, and
    down and to the right, what comes in reflected at the edge.

    The first layer's filters come from the data: :meth:`initialise_from_data`, which a run calls by itself.

    Shapes:
        x (batch, in_channels, height, width), 9 × 9 or larger → (batch, num_outputs)

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        widths: channels of the three groups.
        mirror: in evaluation, average over the mirror image.
        shift: in evaluation, average over the image moved by one pixel.

    Source: Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU", §3 and appendix

    Lecture: V1

    Example:
        >>> net = WhiteningNet(in_channels=3, num_outputs=10, widths=(4, 8, 8)).eval()
        >>> x = torch.rand(2, 3, 32, 32)
        >>> torch.allclose(net(x), net(x.flip(3)), atol=1e-6)
        True
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_outputs: int,
        widths: Sequence[int] = (64, 256, 256),
        mirror: bool = True,
        shift: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) != 3 or min(widths) < 1:
            raise ConfigurationError(
                expected="the channels of three groups", found=f"widths = {tuple(widths)}", do="give three numbers"
            )
        self.mirror, self.shift = mirror, shift
        whitening = PatchWhitening(in_channels=in_channels)
        first, second, third = widths
        self.stages = nn.Sequential(
            OrderedDict(
                whitening=nn.Sequential(whitening, nn.GELU()),
                group1=Group(num_inputs=len(whitening.weight), num_outputs=first),
                group2=Group(num_inputs=first, num_outputs=second),
                group3=Group(num_inputs=second, num_outputs=third),
            )
        )
        self.head = nn.Linear(third, num_outputs, bias=False)

    def gather(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """The maximum over positions."""
        return maps.amax((2, 3)) * OUTPUT_SCALE

    def features(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch num_features"]:
        """What the last stage gives, gathered; in evaluation the mean over the image's views.

        The head is linear: from the mean of features it makes the mean of outputs.
        """
        if self.training or not (self.mirror or self.shift):
            return super().features(x)
        total: Tensor | float = 0.0
        for view, weight in self._views(x):
            total = total + weight * super().features(view)
        assert isinstance(total, Tensor)
        return total

    def _views(self, x: Float[Tensor, "batch channels height width"]) -> list[tuple[Tensor, float]]:
        """The image as evaluation sees it, with weights whose sum is 1."""
        views = [(x, 1.0)]
        if self.shift:
            padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
            views = [(x, 0.5), (padded[:, :, 2:, 2:], 0.25), (padded[:, :, :-2, :-2], 0.25)]
        if self.mirror:
            views = [(image, weight / 2) for view, weight in views for image in (view, view.flip(3))]
        return views

    def initialise_from_data(self, x: Float[Tensor, "batch channels height width"]) -> None:
        """Choose the first layer's filters: the whitening of these images' patches, unless it has been done."""
        if not self.whitening.fitted:
            self.whitening.fit(x)

    @property
    def whitening(self) -> PatchWhitening:
        """The first layer."""
        layer = self.stages.get_submodule("whitening.0")
        assert isinstance(layer, PatchWhitening)
        return layer


class Group(nn.Module):
    """Convolution, 2 × 2 max pooling, normalisation, GELU; convolution, normalisation, GELU.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, ⌊height/2⌋, ⌊width/2⌋)

    Args:
        num_inputs: channels coming in.
        num_outputs: channels going out.

    Example:
        >>> Group(num_inputs=4, num_outputs=8)(torch.rand(2, 4, 6, 6)).shape
        torch.Size([2, 8, 3, 3])
    """

    def __init__(self, *, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = _convolution(num_inputs, num_outputs), FastShiftNorm(num_outputs)
        self.conv2, self.norm2 = _convolution(num_outputs, num_outputs), FastShiftNorm(num_outputs)

    def forward(self, x: Float[Tensor, "batch num_inputs height width"]) -> Float[Tensor, "batch num_outputs h w"]:
        """The group's maps."""
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class FastShiftNorm(nn.Module):
    """Batch normalisation without scale whose shift is s·c: a step on c moves it s² times as far.

    y = (x − mean)/√(variance + ε) + s·c with s = ``SHIFT_SCALE``; running statistics take 40 % of each batch. Moving
    so fast, c must be held by weight decay, as weights are and other biases are not.

    Shapes:
        x (batch, channels, height, width) → the same

    Args:
        channels: maps.
    """

    regularised = frozenset({"shift"})
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """The normalised maps."""
        shift = (SHIFT_SCALE * self.shift).flatten()
        mean, variance = self.running_mean, self.running_var
        return F.batch_norm(x, mean, variance, torch.ones_like(shift), shift, self.training, momentum=0.4, eps=1e-12)


def _convolution(num_inputs: int, num_outputs: int) -> nn.Conv2d:
    """A 3 × 3 convolution that starts as the identity on its first ``num_inputs`` outputs."""
    layer = nn.Conv2d(num_inputs, num_outputs, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight[: min(num_inputs, num_outputs)].detach())
    return layer


@model("whitening-net")
def whitening_net(
    schema: Schema,
    *,
    width: Annotated[int, Option("channels of the first group; the others have 4 times as many", "channels", 1)] = 64,
    mirror: Annotated[bool, Option("in evaluation, average over each image and its mirror image")] = True,
    shift: Annotated[bool, Option("in evaluation, average also over the image moved by one pixel")] = False,
) -> WhiteningNet:
    """The fewest operations to 94 % on CIFAR-10: whitened patches, three groups of convolutions (Jordan 2024)."""
    require_images(schema, "whitening-net")
    if min(schema.input_shape[1:]) < SMALLEST_SIDE:
        raise ConfigurationError(
            expected=f"images of {SMALLEST_SIDE} × {SMALLEST_SIDE} pixels or larger for the model 'whitening-net'",
            found=f"images of {schema.input_shape[1]} × {schema.input_shape[2]}",
            do="use the model 'resnet' or 'lenet', or give larger images (--data.image-size)",
        )
    return WhiteningNet(
        in_channels=schema.input_shape[0],
        num_outputs=schema.num_outputs,
        widths=(width, 4 * width, 4 * width),
        mirror=mirror,
        shift=shift,
    )
