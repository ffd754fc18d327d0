"""Attention between the positions of an image: what convolutions would need many layers for, in one."""

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError
from sightline.nn.attention import Attention
from sightline.nn.conditioned_block import group_norm_of


class MapAttention(nn.Module):
    """y = x + attention(GN(x)), where every position is a token and sees all others.

    It knows no positions but by what is in the maps. It costs (height · width)² a head: for low resolutions. The
    attention's output map begins at 0.

    Shapes:
        x (batch, channels, height, width) → the same

    Args:
        num_channels: channels.
        head_width: channels of one head, a divisor of all; none: one head.
        num_groups: of the normalisation, a divisor of the channels.
        norm_eps: ε of the normalisation.

    Raises:
        ConfigurationError: for heads or groups that don't divide the channels.

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", appendix B

    Lecture: X6, T1

    Example:
        >>> import torch
        >>> MapAttention(num_channels=8, head_width=4, num_groups=2)(torch.zeros(3, 8, 5, 6)).shape
        torch.Size([3, 8, 5, 6])
    """

    def __init__(
        self, *, num_channels: int, head_width: int | None = None, num_groups: int = 32, norm_eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.norm = group_norm_of(num_channels, num_groups, norm_eps)
        self.attention = Attention(width=num_channels, num_heads=num_heads(num_channels, head_width))
        nn.init.zeros_(self.attention.output.weight)
        nn.init.zeros_(self.attention.output.bias)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """The maps, each position with what it gathered."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        gathered: Tensor = self.attention(tokens).transpose(1, 2).unflatten(2, x.shape[2:])
        return x + gathered


def num_heads(num_channels: int, head_width: int | None) -> int:
    """Channels over the width of a head; one head where none is given.

    Raises:
        ConfigurationError: where that is no whole number.

    Example:
        >>> num_heads(64, 16), num_heads(64, None)
        (4, 1)
    """
    if head_width is None:
        return 1
    if head_width < 1 or num_channels % head_width:
        raise ConfigurationError(
            expected=f"a width of a head that divides the {num_channels} channels",
            found=f"head_width = {head_width}",
            do="use 8, or leave it out for one head",
        )
    return num_channels // head_width
