"""Residual blocks: y = x + F(x), so that a layer has only to learn what to change."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


def shortcut(
    x: Float[Tensor, "batch channels height width"], *, num_outputs: int, stride: int
) -> Float[Tensor, "batch num_outputs h w"]:
    """The identity across a change of shape, without parameters (option A).

    Every ``stride``-th row and column is kept; the channels that are new are zero.

    Shapes:
        x (batch, channels, height, width) → (batch, num_outputs, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        x: what goes round the block.
        num_outputs: channels wanted, at least as many as there are.
        stride: step between the rows and columns kept.

    Source: He et al. 2016, "Deep Residual Learning", §3.3 option (A) and §4.2

    Example:
        >>> import torch
        >>> shortcut(torch.arange(4.0).view(1, 1, 2, 2), num_outputs=2, stride=2).flatten().tolist()
        [0.0, 0.0]
    """
    if stride > 1:
        x = x[:, :, ::stride, ::stride]
    new = num_outputs - x.shape[1]
    return F.pad(x, (0, 0, 0, 0, 0, new)) if new else x


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions and the identity: y = relu(BN(W₂ * relu(BN(W₁ * x))) + x).

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        num_inputs: channels coming in.
        num_outputs: channels going out, at least ``num_inputs``.
        stride: step of the first convolution.

    Source: He et al. 2016, figure 2 and §4.2

    Example:
        >>> import torch
        >>> BasicBlock(num_inputs=4, num_outputs=8, stride=2)(torch.ones(1, 4, 8, 8)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, *, num_inputs: int, num_outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.num_outputs, self.stride = num_outputs, stride
        # a convolution's bias would be taken away by the mean that follows it
        self.conv1 = nn.Conv2d(num_inputs, num_outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(num_outputs)
        self.conv2 = nn.Conv2d(num_outputs, num_outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(num_outputs)

    def forward(self, x: Float[Tensor, "batch num_inputs height width"]) -> Float[Tensor, "batch num_outputs h w"]:
        """The changed input."""
        residual = F.relu(self.norm1(self.conv1(x)))
        residual = self.norm2(self.conv2(residual))
        return F.relu(residual + shortcut(x, num_outputs=self.num_outputs, stride=self.stride))
