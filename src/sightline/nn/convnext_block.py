"""The ConvNeXt block: a residual network's block with a transformer's proportions.

Legend: C channels, γ layer scale.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.fx import Proxy

from sightline.core.errors import ConfigurationError
from sightline.nn.depthwise_convolution import DepthwiseConv2d
from sightline.nn.stochastic_depth import StochasticDepth


class ScaledLinear(nn.Linear):
    """A linear layer with a learned scale for each output: y = γ ⊙ (x Wᵀ + b) = x (diag(γ) W)ᵀ + γ ⊙ b.

    The second form is what is computed: γ meets the weights, of which there are few, and not the outputs, one for
    every position. Value and gradients are the first form's up to rounding; two passes over the maps are saved.
    In float16, by automatic mixed precision too, it is the first form: a γ of 1e-6 times a weight of 0.02 is below
    half of the smallest number of that format, 6e-8, and would be 0.

    Shapes:
        x (*batch, in_features) → (*batch, out_features)

    Args:
        in_features: numbers coming in.
        out_features: numbers going out.
        scale: first value of every γ, not 0.

    Raises:
        ConfigurationError: for a scale of 0, through which no gradient would reach the weights.

    Source: Touvron et al. 2021, "Going deeper with Image Transformers", eq. (2) (LayerScale)

    Lecture: V3

    Example:
        >>> layer = ScaledLinear(2, 3, scale=0.5)
        >>> bool(torch.allclose(layer(torch.zeros(1, 2)), 0.5 * layer.bias))
        True
    """

    def __init__(self, in_features: int, out_features: int, *, scale: float) -> None:
        super().__init__(in_features, out_features)
        if scale == 0:
            raise ConfigurationError(
                expected="a first value of the layer scale other than 0",
                found="0",
                do="the paper's is 1e-6; 1 leaves the branch as it is",
            )
        self.scale = nn.Parameter(torch.full((out_features,), float(scale)))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """The scaled outputs."""
        if not isinstance(x, Proxy) and _computes_in_float16(x):  # a symbolic trace has no format to ask for
            outputs = F.linear(x, self.weight, self.bias)
            return (self.scale * outputs).to(outputs.dtype)
        return F.linear(x, self.scale[:, None] * self.weight, self.scale * self.bias)


def _computes_in_float16(x: Tensor) -> bool:
    kind = x.device.type
    if kind != "meta" and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind) == torch.float16
    return x.dtype == torch.float16


class ConvNeXtBlock(nn.Module):
    """y = x + drop(γ ⊙ W₂ gelu(W₁ LN(K * x))), where K is a 7 × 7 depthwise convolution.

    The convolution mixes positions within a channel; LN and the linear maps W₁ (C → 4C) and W₂ (4C → C) mix the
    channels at each position. From the convolution on the channels stand last: where the maps are in
    ``torch.channels_last`` that is a change of names and nothing is copied.

    Shapes:
        x (batch, num_channels, height, width) → the same

    Args:
        num_channels: C.
        layer_scale: first value of γ.
        drop_probability: probability that an example's branch is dropped in training, in [0, 1).

    Raises:
        ConfigurationError: for a layer scale of 0, or a probability outside [0, 1).

    Source: Liu et al. 2022, "A ConvNet for the 2020s", figure 4 and §2

    Lecture: V3

    Example:
        >>> block = ConvNeXtBlock(num_channels=4, layer_scale=1e-6)
        >>> x = torch.randn(1, 4, 5, 5)
        >>> bool((block(x) - x).abs().max() < 1e-4)  # at first nearly the identity
        True
    """

    def __init__(self, *, num_channels: int, layer_scale: float = 1e-6, drop_probability: float = 0.0) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv2d(num_channels=num_channels, kernel_size=7)
        self.norm = nn.LayerNorm(num_channels, eps=1e-6)
        self.expand = nn.Linear(num_channels, 4 * num_channels)
        self.activation = nn.GELU()
        self.contract = ScaledLinear(4 * num_channels, num_channels, scale=layer_scale)
        self.drop = StochasticDepth(drop_probability=drop_probability)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """The changed maps."""
        residual: Tensor = self.depthwise(x).permute(0, 2, 3, 1)  # (batch, height, width, channels)
        residual = self.contract(self.activation(self.expand(self.norm(residual))))
        residual = self.drop(residual).permute(0, 3, 1, 2)
        return x + residual
