"""Inception: convolutions of several sizes side by side, their maps put next to one another."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.nn.output_size import same_padding


def rectified_convolution(
    num_inputs: int, num_outputs: int, kernel: int, *, stride: int = 1, batch_norm: bool = False
) -> nn.Sequential:
    """relu(W * x + b), or relu(BN(W * x)), padded so that stride 1 keeps the size.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        num_inputs: channels coming in.
        num_outputs: channels going out.
        kernel: side of the window, odd.
        stride: step between windows.
        batch_norm: normalise in place of the bias, which the mean would take away.

    Raises:
        ConfigurationError: for an even kernel.

    Lecture: N2

    Example:
        >>> rectified_convolution(3, 8, 7, stride=2)(torch.zeros(1, 3, 9, 9)).shape
        torch.Size([1, 8, 5, 5])
    """
    padding = same_padding(kernel)
    layers: list[nn.Module] = [
        nn.Conv2d(num_inputs, num_outputs, kernel, stride=stride, padding=padding, bias=not batch_norm)
    ]
    if batch_norm:
        layers.append(nn.BatchNorm2d(num_outputs))
    return nn.Sequential(*layers, nn.ReLU())


class Inception(nn.Module):
    """y = [W₁ x, W₃ * (R₃ x), W₅ * (R₅ x), P maxpool(x)], each rectified: 1 × 1, 3 × 3, 5 × 5 and pooling together.

    R₃, R₅ and P are 1 × 1 convolutions: they bring the channels down before the costly windows.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, one + three[1] + five[1] + pooled, height, width)

    Args:
        num_inputs: channels coming in.
        one: channels of the 1 × 1 branch.
        three: channels before ("reduce") and after the 3 × 3 convolution.
        five: channels before and after the 5 × 5 convolution.
        pooled: channels of the 1 × 1 convolution behind the 3 × 3 max pooling.
        batch_norm: normalise every convolution's maps.

    Source: Szegedy et al. 2015, "Going Deeper with Convolutions", figure 2(b)

    Lecture: V1

    Example:
        >>> block = Inception(num_inputs=192, one=64, three=(96, 128), five=(16, 32), pooled=32)
        >>> block(torch.zeros(1, 192, 7, 7)).shape, block.num_outputs
        (torch.Size([1, 256, 7, 7]), 256)
    """

    def __init__(
        self,
        *,
        num_inputs: int,
        one: int,
        three: tuple[int, int],
        five: tuple[int, int],
        pooled: int,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.num_outputs = one + three[1] + five[1] + pooled
        self.one = rectified_convolution(num_inputs, one, 1, batch_norm=batch_norm)
        self.three = nn.Sequential(
            rectified_convolution(num_inputs, three[0], 1, batch_norm=batch_norm),
            rectified_convolution(three[0], three[1], 3, batch_norm=batch_norm),
        )
        self.five = nn.Sequential(
            rectified_convolution(num_inputs, five[0], 1, batch_norm=batch_norm),
            rectified_convolution(five[0], five[1], 5, batch_norm=batch_norm),
        )
        self.pooled = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), rectified_convolution(num_inputs, pooled, 1, batch_norm=batch_norm)
        )

    def forward(self, x: Float[Tensor, "batch num_inputs height width"]) -> Float[Tensor, "batch maps height width"]:
        """The four branches' maps, in that order."""
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], dim=1)
