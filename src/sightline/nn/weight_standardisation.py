"""Weight standardisation: the convolution's kernel, not its output, is given mean 0 and variance 1."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.nn.convolution import require_groups
from sightline.nn.normalisation import normalise


class WeightStandardisedConv2d(nn.Conv2d):
    """y = Ŵ * x + b, Ŵ = (W − μ)/σ with μ and σ of each output channel's own weights, σ² = mean (W − μ)² + ε.

    The gradient goes through μ and σ (:func:`~sightline.nn.normalisation.normalise_backward` of ∂L/∂Ŵ): it has mean 0
    over each output channel's weights and, but for ε, no part along Ŵ, so a small step turns the kernel and does not
    scale it. Ŵ has squared norm fan_in whatever W is, so outputs are about √fan_in times as large as inputs: a
    normalisation of the outputs must follow, group normalisation in the paper.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, h, w), sizes as ``nn.Conv2d``

    Args:
        num_inputs: channels coming in.
        num_outputs: channels going out.
        kernel_size: rows and columns of the window.
        stride: step between windows.
        padding: zeros on each side.
        dilation: step between a window's taps.
        groups: groups of channels that do not see each other.
        bias: whether there is a b, which is left as it is.
        eps: ε > 0.

    Raises:
        ConfigurationError: where an output channel has one weight, which would always become 0, or the groups do not
            divide the channels.

    Source: Qiao et al. 2019, "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization",
    the section on Weight Standardization; initial weights He et al. 2015, eq. (10)

    Lecture: N4

    Example:
        >>> layer = WeightStandardisedConv2d(num_inputs=3, num_outputs=8, kernel_size=3)
        >>> layer.standardised_weight().square().mean((1, 2, 3)).detach().round(decimals=3)
        tensor([1., 1., 1., 1., 1., 1., 1., 1.])
    """

    def __init__(
        self,
        *,
        num_inputs: int,
        num_outputs: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        eps: float = 1e-6,
    ) -> None:
        require_groups(groups, num_inputs, "input")
        require_groups(groups, num_outputs)
        if num_inputs // groups * kernel_size**2 < 2:
            raise ConfigurationError(
                expected="two weights or more for each output channel, to take a mean and a variance of",
                found=f"{num_inputs} inputs in {groups} groups with a {kernel_size} × {kernel_size} kernel",
                do="use nn.Conv2d here",
            )
        super().__init__(num_inputs, num_outputs, kernel_size, stride, padding, dilation, groups, bias)
        self.eps = eps
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def standardised_weight(self) -> Float[Tensor, "num_outputs inputs_per_group kernel kernel"]:
        """Ŵ, what the convolution uses."""
        return normalise(self.weight, (1, 2, 3), self.eps)

    def forward(self, input: Float[Tensor, "batch num_inputs height width"]) -> Float[Tensor, "batch num_outputs h w"]:  # noqa: A002 - nn.Conv2d's name
        """The convolution with Ŵ."""
        return F.conv2d(
            input, self.standardised_weight(), self.bias, self.stride, self.padding, self.dilation, self.groups
        )
