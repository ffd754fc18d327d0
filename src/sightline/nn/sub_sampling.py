"""Sub-sampling: the pooling of LeNet-5, which learns how much of each map to let through."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class SubSampling(nn.Conv2d):
    """y_c = w_c · (sum over each k × k square of x_c) + b_c, without overlap: one weight and one bias a map.

    It is a depthwise convolution of stride k whose k² taps are one and the same weight. It starts as the mean:
    w = 1/k², b = 0. A last row or column that fills no square is left out.

    Shapes:
        x (batch, num_channels, height, width) → (batch, num_channels, ⌊height/k⌋, ⌊width/k⌋)

    Args:
        num_channels: maps.
        size: k, the side of a square.

    Raises:
        RuntimeError: for another number of maps, or maps smaller than a square; a model that holds the layer
            says so as an ``InputError`` with the layer's name.

    Source: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", §II.B, layers S2 and S4

    Lecture: N3, V1

    Example:
        >>> layer = SubSampling(num_channels=1)
        >>> layer(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])).item(), sum(p.numel() for p in layer.parameters())
        (3.0, 2)
    """

    bias: nn.Parameter

    def __init__(self, *, num_channels: int, size: int = 2) -> None:
        super().__init__(num_channels, num_channels, size, stride=size, groups=num_channels)
        self.weight = nn.Parameter(torch.full((num_channels, 1, 1, 1), 1 / size**2))
        nn.init.zeros_(self.bias)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels h w"]:
        """The sums of squares, scaled and shifted map by map."""
        kernel = self.weight.expand(-1, -1, *self.kernel_size)
        return F.conv2d(x, kernel, self.bias, stride=self.stride, groups=self.groups)
