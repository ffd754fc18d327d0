"""The neural-ODE network: stages that are flows, each as deep as its solver has steps."""

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
from sightline.nn.ode import Gradient, ODEBlock
from sightline.nn.ode_solver import Method


class ODENet(StagedPredictor):
    """A 3 × 3 convolution, stages h(1) of dh/dt = f(h, t), normalisation and relu, the mean, a linear head.

    Stages after the first begin with a 3 × 3 convolution of stride 2. A stage's field f has the layers of one
    pre-activation block, so the number of weights does not depend on ``steps``: Euler's method with n steps is a
    ResNet whose n blocks of a stage share their weights, each counting 1/n. Group normalisation, because a solver
    meets different statistics at each time, and the adjoint asks the field more than once for each example.

    Convolutions start normal with mean 0 and variance 2/fan_in, the head 1/fan_in; γ at 1, biases at 0.

    Shapes:
        x (batch, in_channels, height, width) → (batch, num_outputs); sides are halved, rounded up, by each stage
        but the first

    Args:
        in_channels: channels of an image.
        num_outputs: classes, or 1 for a number.
        widths: channels of each stage.
        steps: of each stage's solver.
        method: "euler", "midpoint" or "rk4": one, two or four evaluations of f a step.
        gradient: "steps", or "adjoint": memory that does not grow with the steps; see ``nn/adjoint.py``.

    Raises:
        ConfigurationError: for no stage or a width below 1, fewer than one step, an unknown method or gradient.

    Source: Chen et al. 2018, "Neural Ordinary Differential Equations", §3

    Lecture: V4

    Example:
        >>> ODENet(in_channels=1, num_outputs=10, widths=(4, 8))(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_outputs: int,
        widths: Sequence[int] = (16, 32, 64),
        steps: int = 2,
        method: Method = "midpoint",
        gradient: Gradient = "steps",
    ) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise ConfigurationError(
                expected="the channels of each stage, 1 or more",
                found=f"widths = {tuple(widths)}",
                do="give a number a stage, for example (16, 32, 64)",
            )
        stages = OrderedDict[str, nn.Module](stem=nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False))
        before = None
        for number, width in enumerate(widths, 1):
            layers = OrderedDict[str, nn.Module]()
            if before is not None:
                layers["down"] = nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False)
            layers["flow"] = ODEBlock(ConvolutionField(width), steps=steps, method=method, gradient=gradient)
            stages[f"stage{number}"] = nn.Sequential(layers)
            before = width
        stages["activation"] = nn.Sequential(OrderedDict(norm=group_norm(widths[-1]), relu=nn.ReLU()))
        self.stages = nn.Sequential(stages)
        self.head = nn.Linear(widths[-1], num_outputs)
        for layer in self.stages.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.head.weight, nonlinearity="linear")
        nn.init.zeros_(self.head.bias)

    def gather(self, maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels"]:
        """The mean over positions."""
        return maps.mean((2, 3))


class ConvolutionField(nn.Module):
    """f(h, t) = W₂ * [relu(GN(W₁ * [relu(GN(h)), t])), t], where [·, t] adds a map filled with the time.

    Shapes:
        h (batch, channels, height, width) → the same

    Args:
        channels: maps of the state.

    Source: Chen et al. 2018, §3, and the authors' code for the map of the time

    Lecture: V4

    Example:
        >>> ConvolutionField(4)(torch.zeros(1, 4, 3, 3), 0.5).shape
        torch.Size([1, 4, 3, 3])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = group_norm(channels), group_norm(channels)
        self.conv1 = nn.Conv2d(channels + 1, channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels + 1, channels, 3, padding=1, bias=False)

    def forward(
        self, h: Float[Tensor, "batch channels height width"], t: float
    ) -> Float[Tensor, "batch channels height width"]:
        """The slope dh/dt."""
        maps: Tensor = self.conv1(with_time(F.relu(self.norm1(h)), t))
        slope: Tensor = self.conv2(with_time(F.relu(self.norm2(maps)), t))
        return slope


def with_time(
    maps: Float[Tensor, "batch channels height width"], t: float
) -> Float[Tensor, "batch channels_and_time height width"]:
    """The maps, and one more in which every number is t.

    Example:
        >>> with_time(torch.zeros(1, 1, 1, 2), 0.5).tolist()
        [[[[0.0, 0.0]], [[0.5, 0.5]]]]
    """
    return torch.cat([maps, torch.full_like(maps[:, :1], t)], 1)


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalisation by groups of 4 channels, or all in one group where 4 does not divide them.

    A group of one channel would be all zero where a map has one position.

    Example:
        >>> group_norm(16).num_groups, group_norm(6).num_groups
        (4, 1)
    """
    return nn.GroupNorm(1 if channels % 4 else channels // 4, channels)


@model("ode-net")
def ode_net(
    schema: Schema,
    *,
    width: Annotated[
        int, Option("channels of the first stage; later ones have 2 and 4 times as many", "channels", minimum=1)
    ] = 16,
    steps: Annotated[int, Option("steps of each stage's solver", "steps", minimum=1)] = 2,
    method: Annotated[Method, Option("the solver: 1, 2 or 4 evaluations of the field a step")] = "midpoint",
    gradient: Annotated[Gradient, Option("through the steps, or by the adjoint equation in constant memory")] = "steps",
) -> ODENet:
    """A network of three flows for small images (Chen et al. 2018, §3)."""
    require_images(schema, "ode-net")
    return ODENet(
        in_channels=schema.input_shape[0],
        num_outputs=schema.num_outputs,
        widths=(width, 2 * width, 4 * width),
        steps=steps,
        method=method,
        gradient=gradient,
    )
