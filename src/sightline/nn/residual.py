"""Residual blocks: y = relu(x + F(x)), so that a layer has only to learn what to change."""

from typing import Literal, get_args

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.core.words import one_of
from sightline.nn.shortcut import Shortcut, make_shortcut
from sightline.nn.stochastic_depth import StochasticDepth

Maps = Float[Tensor, "batch num_inputs height width"]
Changed = Float[Tensor, "batch num_outputs h w"]
StrideIn = Literal["3x3", "1x1"]


class ResidualBlock(nn.Module):
    """What post-activation blocks share: y = relu(b · F(x) + shortcut(x)); without a shortcut y = relu(F(x)).

    Subclasses define the layers of F in ``branch``. The factor b is 1, but for stochastic depth in training.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        num_inputs: channels coming in.
        num_outputs: channels going out.
        stride: step between the positions that are kept, 1 or more.
        shortcut: "pad", "projection" or "none" (a plain net): see ``nn/shortcut.py``.
        drop_probability: of dropping F for an example in training, in [0, 1).

    Raises:
        ConfigurationError: for padding to fewer channels, for a drop probability outside [0, 1), and for one
            above 0 without a shortcut: nothing would be left of the example.

    Source: He et al. 2016, "Deep Residual Learning", eq. (1)-(2)

    Lecture: V2
    """

    def __init__(
        self,
        *,
        num_inputs: int,
        num_outputs: int,
        stride: int = 1,
        shortcut: Shortcut = "pad",
        drop_probability: float = 0.0,
    ) -> None:
        super().__init__()
        self.shortcut = make_shortcut(shortcut, num_inputs=num_inputs, num_outputs=num_outputs, stride=stride)
        self.drop = make_drop(drop_probability, shortcut)

    def branch(self, x: Maps) -> Changed:
        """F(x), what the block adds."""
        raise NotImplementedError

    def last_norm(self) -> nn.BatchNorm2d:
        """The normalisation that ends F."""
        raise NotImplementedError

    def forward(self, x: Maps) -> Changed:
        """The changed input."""
        residual = self.drop(self.branch(x))
        return F.relu(residual if self.shortcut is None else residual + self.shortcut(x))


class BasicBlock(ResidualBlock):
    """Two 3 × 3 convolutions: F(x) = BN(W₂ * relu(BN(W₁ * x))); the first one has the stride.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        num_inputs: channels coming in.
        num_outputs: channels going out.
        stride: step of the first convolution, 1 or more.
        shortcut: "pad", "projection" or "none" (a plain net): see ``nn/shortcut.py``.
        drop_probability: of dropping F for an example in training, in [0, 1).

    Raises:
        ConfigurationError: as :class:`ResidualBlock`.

    Source: He et al. 2016, figure 5 left and §4.2

    Lecture: V2

    Example:
        >>> import torch
        >>> BasicBlock(num_inputs=4, num_outputs=8, stride=2)(torch.ones(1, 4, 8, 8)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        *,
        num_inputs: int,
        num_outputs: int,
        stride: int = 1,
        shortcut: Shortcut = "pad",
        drop_probability: float = 0.0,
    ) -> None:
        super().__init__(
            num_inputs=num_inputs,
            num_outputs=num_outputs,
            stride=stride,
            shortcut=shortcut,
            drop_probability=drop_probability,
        )
        # a convolution's bias would be taken away by the mean that follows it
        self.conv1 = nn.Conv2d(num_inputs, num_outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(num_outputs)
        self.conv2 = nn.Conv2d(num_outputs, num_outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(num_outputs)

    def branch(self, x: Maps) -> Changed:
        """F(x), what the block adds."""
        maps: Tensor = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return maps

    def last_norm(self) -> nn.BatchNorm2d:
        """The normalisation that ends F."""
        return self.norm2


class BottleneckBlock(ResidualBlock):
    """1 × 1 down to a quarter of the channels, 3 × 3 there, 1 × 1 up again, each with BN, relu between.

    F(x) = BN(W₃ * relu(BN(W₂ * relu(BN(W₁ * x))))). The paper's first 1 × 1 has the stride and so never sees
    three quarters of the positions; most implementations since give it to the 3 × 3, which costs little more.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        num_inputs: channels coming in.
        num_outputs: channels going out, 4 or more; inside there are num_outputs/4, rounded down.
        stride: step between the positions that are kept, 1 or more.
        shortcut: "pad", "projection" or "none" (a plain net): see ``nn/shortcut.py``.
        drop_probability: of dropping F for an example in training, in [0, 1).
        stride_in: the convolution that has the stride, "3x3" or the paper's "1x1".

    Raises:
        ConfigurationError: for fewer than 4 channels going out, another convolution for the stride, and as
            :class:`ResidualBlock`.

    Source: He et al. 2016, figure 5 right; Goyal et al. 2017, "Accurate, Large Minibatch SGD", §5.1, for the stride

    Lecture: V2

    Example:
        >>> import torch
        >>> BottleneckBlock(num_inputs=4, num_outputs=8, stride=2)(torch.ones(1, 4, 8, 8)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        *,
        num_inputs: int,
        num_outputs: int,
        stride: int = 1,
        shortcut: Shortcut = "pad",
        drop_probability: float = 0.0,
        stride_in: StrideIn = "3x3",
    ) -> None:
        super().__init__(
            num_inputs=num_inputs,
            num_outputs=num_outputs,
            stride=stride,
            shortcut=shortcut,
            drop_probability=drop_probability,
        )
        inside = bottleneck_channels(num_outputs)
        first, second = (stride, 1) if one_of(stride_in, get_args(StrideIn), "stride_in") == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(num_inputs, inside, 1, stride=first, bias=False)
        self.norm1 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride=second, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, num_outputs, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(num_outputs)

    def branch(self, x: Maps) -> Changed:
        """F(x), what the block adds."""
        maps: Tensor = F.relu(self.norm1(self.conv1(x)))
        maps = F.relu(self.norm2(self.conv2(maps)))
        changed: Tensor = self.norm3(self.conv3(maps))
        return changed

    def last_norm(self) -> nn.BatchNorm2d:
        """The normalisation that ends F."""
        return self.norm3


def make_drop(drop_probability: float, shortcut: Shortcut) -> StochasticDepth:
    """Stochastic depth for a block's branch.

    Raises:
        ConfigurationError: for a probability outside [0, 1), or above 0 without a shortcut.

    Example:
        >>> make_drop(0.1, "pad")
        StochasticDepth(drop_probability=0.1)
    """
    if drop_probability and shortcut == "none":
        raise ConfigurationError(
            expected="a shortcut for stochastic depth: without one, a dropped block leaves zeros",
            found=f"stochastic depth {drop_probability} in a plain network",
            do="set stochastic_depth to 0, or use shortcut = pad or projection",
        )
    return StochasticDepth(drop_probability=drop_probability)


def bottleneck_channels(num_outputs: int) -> int:
    """Channels inside a bottleneck: a quarter of those outside, rounded down.

    Raises:
        ConfigurationError: for fewer than 4 outside.

    Example:
        >>> bottleneck_channels(256)
        64
    """
    if num_outputs < 4:
        raise ConfigurationError(
            expected="widths of 4 channels or more for bottleneck blocks: inside there is a quarter",
            found=f"{num_outputs}",
            do="take wider stages, or basic blocks",
        )
    return num_outputs // 4


def zero_branches(network: nn.Module) -> None:
    """Set γ of the normalisation that ends each F to 0: every block starts as relu(shortcut(x)).

    Not the default of any network here: a plain net could not start so, and the two are compared with the same
    first weights. In the first step the other weights of F get no gradient. Call it before training.

    Args:
        network: one with post-activation residual blocks; changed in place.

    Raises:
        ConfigurationError: where there is no such block, or one without a shortcut (it would give zeros).

    Source: Goyal et al. 2017, "Accurate, Large Minibatch SGD", §5.1

    Lecture: V2

    Example:
        >>> import torch
        >>> block = BasicBlock(num_inputs=2, num_outputs=2)
        >>> zero_branches(block)
        >>> x = torch.randn(4, 2, 3, 3)
        >>> torch.equal(block(x), x.relu())
        True
    """
    blocks = [module for module in network.modules() if isinstance(module, ResidualBlock)]
    if not blocks or any(block.shortcut is None for block in blocks):
        raise ConfigurationError(
            expected="post-activation residual blocks, each with a shortcut",
            found="one without a shortcut" if blocks else f"none in {type(network).__name__}",
            do="leave the first weights of this network as they are",
        )
    for block in blocks:
        nn.init.zeros_(block.last_norm().weight)
