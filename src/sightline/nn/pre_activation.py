"""Pre-activation residual blocks: y = x + F(x) with nothing after the sum, so that the skips add up from end to end."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.nn.residual import bottleneck_channels, make_drop
from sightline.nn.shortcut import Shortcut, make_shortcut

Maps = Float[Tensor, "batch num_inputs height width"]
Changed = Float[Tensor, "batch num_outputs h w"]


class PreActivationBlock(nn.Module):
    """Normalise, relu, convolve, twice: F(x) = W₂ * relu(BN(W₁ * a)) with a = relu(BN(x)), and y = x + F(x).

    x_L = x_l + Σ F(x_i): the gradient at the end reaches every block with weight 1. Without a shortcut y = F(x).

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        num_inputs: channels coming in.
        num_outputs: channels going out.
        stride: step of the first convolution, 1 or more.
        shortcut: "pad", "projection" (here without normalisation) or "none" (a plain net).
        drop_probability: of dropping F for an example in training, in [0, 1).
        activate_skip: the shortcut, too, takes a and not x: y = shortcut(a) + F(x). A stage's first block does so.

    Raises:
        ConfigurationError: as ``ResidualBlock``.

    Source: He et al. 2016, "Identity Mappings in Deep Residual Networks", eq. (4), figure 4(e) and the appendix

    Lecture: V2

    Example:
        >>> import torch
        >>> block, x = PreActivationBlock(num_inputs=4, num_outputs=4), torch.randn(2, 4, 3, 3)
        >>> torch.equal(block(x), x + block.branch(x))
        True
    """

    def __init__(
        self,
        *,
        num_inputs: int,
        num_outputs: int,
        stride: int = 1,
        shortcut: Shortcut = "pad",
        drop_probability: float = 0.0,
        activate_skip: bool = False,
    ) -> None:
        super().__init__()
        self.activate_skip = activate_skip
        self.shortcut = make_shortcut(
            shortcut, num_inputs=num_inputs, num_outputs=num_outputs, stride=stride, normalise=False
        )
        self.drop = make_drop(drop_probability, shortcut)
        self.norm1 = nn.BatchNorm2d(num_inputs)
        self._make_layers(num_inputs, num_outputs, stride)

    def _make_layers(self, num_inputs: int, num_outputs: int, stride: int) -> None:
        self.conv1 = nn.Conv2d(num_inputs, num_outputs, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(num_outputs)
        self.conv2 = nn.Conv2d(num_outputs, num_outputs, 3, padding=1, bias=False)

    def _transform(self, activated: Maps) -> Changed:
        maps: Tensor = self.conv2(F.relu(self.norm2(self.conv1(activated))))
        return maps

    def branch(self, x: Maps) -> Changed:
        """F(x), what the block adds."""
        return self._transform(F.relu(self.norm1(x)))

    def forward(self, x: Maps) -> Changed:
        """The changed input."""
        activated = F.relu(self.norm1(x))
        residual: Tensor = self.drop(self._transform(activated))
        if self.shortcut is None:
            return residual
        skip: Tensor = self.shortcut(activated if self.activate_skip else x)
        return residual + skip


class PreActivationBottleneck(PreActivationBlock):
    """The bottleneck, pre-activated: F(x) = W₃ * relu(BN(W₂ * relu(BN(W₁ * a)))) with a = relu(BN(x)).

    1 × 1 down to a quarter of the channels, 3 × 3 (which has the stride), 1 × 1 up again.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        num_inputs: channels coming in.
        num_outputs: channels going out, 4 or more.
        stride: step of the 3 × 3 convolution, 1 or more.
        shortcut: "pad", "projection" (here without normalisation) or "none" (a plain net).
        drop_probability: of dropping F for an example in training, in [0, 1).
        activate_skip: the shortcut, too, takes a and not x, as a stage's first block does.

    Raises:
        ConfigurationError: as ``BottleneckBlock``.

    Source: He et al. 2016, "Identity Mappings in Deep Residual Networks", §4.1 and the appendix

    Lecture: V2

    Example:
        >>> import torch
        >>> PreActivationBottleneck(num_inputs=4, num_outputs=8, stride=2)(torch.ones(1, 4, 8, 8)).shape
        torch.Size([1, 8, 4, 4])
    """

    def _make_layers(self, num_inputs: int, num_outputs: int, stride: int) -> None:
        inside = bottleneck_channels(num_outputs)
        self.conv1 = nn.Conv2d(num_inputs, inside, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride=stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, num_outputs, 1, bias=False)

    def _transform(self, activated: Maps) -> Changed:
        maps: Tensor = F.relu(self.norm2(self.conv1(activated)))
        maps = F.relu(self.norm3(self.conv2(maps)))
        changed: Tensor = self.conv3(maps)
        return changed
