"""Depthwise, pointwise and separable convolution: a k × k window for every channel, then a mixing of channels."""

from jaxtyping import Float
from torch import Tensor, nn

from sightline.nn.output_size import same_padding


def depthwise(*, num_channels: int, kernel_size: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """y[c] = W[c] * x[c]: every channel convolved by itself, k²C weights, no bias; "same" padding.

    Weights start normal with variance 1/k².

    Shapes:
        x (batch, num_channels, height, width) → (batch, num_channels, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        num_channels: C.
        kernel_size: k, odd.
        stride: step between windows.
        dilation: step between a window's taps.

    Raises:
        ConfigurationError: for an even kernel.

    Source: Howard et al. 2017, "MobileNets", §3.1

    Lecture: N2

    Example:
        >>> depthwise(num_channels=8, kernel_size=7).weight.shape
        torch.Size([8, 1, 7, 7])
    """
    layer = nn.Conv2d(
        num_channels,
        num_channels,
        kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, dilation),
        dilation=dilation,
        groups=num_channels,
        bias=False,
    )
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    return layer


def pointwise(*, num_inputs: int, num_outputs: int, bias: bool = True) -> nn.Conv2d:
    """y[:, i] = W x[:, i] + b at every position i: a 1 × 1 convolution, C·D weights.

    Weights start normal with variance 2/C, as before a ReLU; the bias at 0.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, height, width)

    Args:
        num_inputs: C.
        num_outputs: D.
        bias: whether there is a b; not before a batch normalisation, which would take it away.

    Source: Lin et al. 2014, "Network In Network", §3.1; initial weights He et al. 2015, eq. (10)

    Lecture: N2

    Example:
        >>> pointwise(num_inputs=8, num_outputs=16).weight.shape
        torch.Size([16, 8, 1, 1])
    """
    layer = nn.Conv2d(num_inputs, num_outputs, 1, bias=bias)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class SeparableConvolution2d(nn.Module):
    """pointwise(depthwise(x)): k²C + C·D weights where a full convolution has k²C·D.

    The kernels it can express are W[d, c] = P[d, c] K[c]: one spatial pattern for each input channel, weighed
    differently for each output channel. Nothing stands between the two parts.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        num_inputs: C.
        num_outputs: D.
        kernel_size: k, odd.
        stride: step between windows.
        dilation: step between a window's taps.
        bias: whether the pointwise part has a bias.

    Raises:
        ConfigurationError: for an even kernel.

    Source: Chollet 2017, "Xception", §1.2; Howard et al. 2017, "MobileNets", §3.1

    Lecture: N2

    Example:
        >>> layer = SeparableConvolution2d(num_inputs=64, num_outputs=128, kernel_size=3, bias=False)
        >>> sum(p.numel() for p in layer.parameters()), nn.Conv2d(64, 128, 3, bias=False).weight.numel()
        (8768, 73728)
    """

    def __init__(
        self,
        *,
        num_inputs: int,
        num_outputs: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = depthwise(num_channels=num_inputs, kernel_size=kernel_size, stride=stride, dilation=dilation)
        self.pointwise = pointwise(num_inputs=num_inputs, num_outputs=num_outputs, bias=bias)

    def forward(self, x: Float[Tensor, "batch num_inputs height width"]) -> Float[Tensor, "batch num_outputs h w"]:
        """Each channel by itself, then the channels mixed."""
        y: Tensor = self.pointwise(self.depthwise(x))
        return y
