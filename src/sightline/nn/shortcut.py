"""Shortcuts: what goes round a residual block, where its output may have more channels and fewer positions."""

from collections import OrderedDict
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError

Shortcut = Literal["pad", "projection", "none"]
"""Option A, option B, or no skip at all: a plain network."""


class PaddedShortcut(nn.Module):
    """The identity across a change of shape, without parameters (option A).

    Every ``stride``-th row and column is kept; the channels that are new are zero.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, num_outputs, ⌈height/stride⌉, ⌈width/stride⌉)

    Args:
        num_inputs: channels coming in.
        num_outputs: channels going out, at least ``num_inputs``.
        stride: step between the rows and columns kept, 1 or more.

    Raises:
        ConfigurationError: for fewer channels going out than coming in: some would be lost.

    Source: He et al. 2016, "Deep Residual Learning", §3.3 option (A) and §4.2

    Lecture: V2

    Example:
        >>> import torch
        >>> PaddedShortcut(num_inputs=1, num_outputs=2, stride=2)(torch.arange(1.0, 5).view(1, 1, 2, 2)).tolist()
        [[[[1.0]], [[0.0]]]]
    """

    def __init__(self, *, num_inputs: int, num_outputs: int, stride: int = 1) -> None:
        super().__init__()
        if num_outputs < num_inputs:
            raise ConfigurationError(
                expected=f"at least the {num_inputs} channels that come in, for a shortcut that pads",
                found=f"{num_outputs} going out",
                do="let the widths grow, or use shortcut = projection",
            )
        self.new_channels, self.stride = num_outputs - num_inputs, stride

    def forward(self, x: Float[Tensor, "batch num_inputs height width"]) -> Float[Tensor, "batch num_outputs h w"]:
        """The positions kept, and zeros behind."""
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.new_channels)) if self.new_channels else x

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"new_channels={self.new_channels}, stride={self.stride}"


def make_shortcut(
    kind: Shortcut, *, num_inputs: int, num_outputs: int, stride: int, normalise: bool = True
) -> nn.Module | None:
    """The shortcut of one block: the identity where the shape stays, else what ``kind`` says; none for a plain net.

    A projection is a 1 × 1 convolution W_s x of the same stride, and batch normalisation after it.

    Args:
        kind: "pad" (option A), "projection" (option B: only where the shape changes) or "none".
        num_inputs: channels coming in.
        num_outputs: channels going out.
        stride: the block's.
        normalise: batch normalisation after a projection; a pre-activation block has none there.

    Raises:
        ConfigurationError: for padding to fewer channels, or a kind that is not one of the three.

    Source: He et al. 2016, §3.3 and eq. (2)

    Lecture: V2

    Example:
        >>> make_shortcut("projection", num_inputs=4, num_outputs=4, stride=1)
        Identity()
    """
    if kind not in ("pad", "projection", "none"):
        raise ConfigurationError(
            expected="a shortcut: pad, projection or none", found=f"shortcut = {kind!r}", do="name one of these"
        )
    if kind == "none":
        return None
    if num_inputs == num_outputs and stride == 1:
        return nn.Identity()
    if kind == "pad":
        return PaddedShortcut(num_inputs=num_inputs, num_outputs=num_outputs, stride=stride)
    layers = OrderedDict[str, nn.Module](conv=nn.Conv2d(num_inputs, num_outputs, 1, stride=stride, bias=False))
    if normalise:
        layers["norm"] = nn.BatchNorm2d(num_outputs)
    return nn.Sequential(layers)
