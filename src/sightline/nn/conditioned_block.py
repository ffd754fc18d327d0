"""A residual block that is told something beside its input: the time, the class, or both."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.nn.stochastic_depth import checked_probability


class ConditionedBlock(nn.Module):
    """h = conv₁(SiLU(GN₁(x))) + W c + b at every position; y = shortcut(x) + conv₂(dropout(SiLU(GN₂(h)))).

    Kernels are 3×3. The shortcut is x itself, or a 1×1 convolution where channels change in number. conv₂ begins at
    0: the block begins as its shortcut.

    Shapes:
        x (batch, num_inputs, height, width), condition (batch, condition_width) → (batch, num_outputs, height, width)

    Args:
        num_inputs: channels of x.
        num_outputs: channels of y.
        condition_width: numbers of c.
        num_groups: of both normalisations; it divides both numbers of channels.
        norm_eps: ε of the normalisations.
        dropout: probability of setting a value to 0 in training, in [0, 1).

    Raises:
        ConfigurationError: for groups that don't divide the channels, or a probability outside [0, 1).

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", appendix B

    Lecture: X6

    Example:
        >>> import torch
        >>> block = ConditionedBlock(num_inputs=4, num_outputs=8, condition_width=6, num_groups=2)
        >>> block(torch.zeros(3, 4, 5, 5), torch.zeros(3, 6)).shape
        torch.Size([3, 8, 5, 5])
    """

    def __init__(
        self,
        *,
        num_inputs: int,
        num_outputs: int,
        condition_width: int,
        num_groups: int = 32,
        norm_eps: float = 1e-5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = group_norm_of(num_inputs, num_groups, norm_eps)
        self.conv1 = nn.Conv2d(num_inputs, num_outputs, 3, padding=1)
        self.condition = nn.Linear(condition_width, num_outputs)
        self.norm2 = group_norm_of(num_outputs, num_groups, norm_eps)
        self.dropout = nn.Dropout(checked_probability(dropout, "dropout"))
        self.conv2 = nn.Conv2d(num_outputs, num_outputs, 3, padding=1)
        self.shortcut = nn.Identity() if num_inputs == num_outputs else nn.Conv2d(num_inputs, num_outputs, 1)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]  # it has one

    def forward(
        self, x: Float[Tensor, "batch num_inputs height width"], condition: Float[Tensor, "batch condition_width"]
    ) -> Float[Tensor, "batch num_outputs height width"]:
        """The maps y."""
        maps = self.conv1(F.silu(self.norm1(x))) + self.condition(condition)[:, :, None, None]
        maps = self.conv2(self.dropout(F.silu(self.norm2(maps))))
        result: Tensor = self.shortcut(x) + maps
        return result


def group_norm_of(num_channels: int, num_groups: int, eps: float) -> nn.GroupNorm:
    """torch's group normalisation, or our error where the groups don't divide the channels.

    Example:
        >>> group_norm_of(8, 2, 1e-5)
        GroupNorm(2, 8, eps=1e-05, affine=True...)
    """
    if num_groups < 1 or num_channels < 1 or num_channels % num_groups:
        raise ConfigurationError(
            expected=f"a number of groups that divides the {num_channels} channels",
            found=f"num_groups = {num_groups}",
            do="use 8 or 32, and widths that are multiples of it",
        )
    return nn.GroupNorm(num_groups, num_channels, eps)
