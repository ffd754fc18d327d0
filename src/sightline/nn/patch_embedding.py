"""From an image to tokens: one for each patch, one for the class, each with its position.

Legend: P side of a patch, N = (height/P)·(width/P) patches, D width of a token.
"""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.fx import Proxy

from sightline.core.errors import ConfigurationError, InputError
from sightline.nn.stochastic_depth import checked_probability


class PatchEmbedding(nn.Module):
    """tokens = dropout([c; E p₁ + b; …; E p_N + b] + positions), p_i the i-th patch, row by row.

    E is a convolution whose stride is its kernel's size. c is learned, the class token: it has no patch of its own
    and gathers what the head needs. The positions are learned, so the size of an image is fixed.

    Shapes:
        x (batch, in_channels, height, width) → (batch, 1 + N, width)

    Args:
        in_channels: channels of an image.
        image_size: height and width in pixels, multiples of the patch's side.
        patch_size: P, in pixels.
        width: D.
        dropout: probability of setting a number to 0 in training, in [0, 1).

    Raises:
        ConfigurationError: when no whole number of patches fits, or for a probability outside [0, 1).
        InputError: when called with images of another size.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", eq. (1)

    Lecture: V3

    Example:
        >>> embed = PatchEmbedding(in_channels=3, image_size=(8, 12), patch_size=4, width=5)
        >>> embed(torch.zeros(2, 3, 8, 12)).shape
        torch.Size([2, 7, 5])
    """

    not_regularised: ClassVar[frozenset[str]] = frozenset({"class_token", "positions"})

    def __init__(
        self, *, in_channels: int, image_size: tuple[int, int], patch_size: int, width: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        height, breadth = image_size
        if patch_size < 1 or height < 1 or breadth < 1 or height % patch_size or breadth % patch_size:
            common = math.gcd(height, breadth)
            fitting = ", ".join(str(p) for p in range(1, common + 1) if common % p == 0)
            raise ConfigurationError(
                expected="patches that cover the image exactly",
                found=f"patches of {patch_size} × {patch_size} in images of {height} × {breadth} pixels",
                do=f"choose the patch's side among {fitting or 'positive numbers'}, or resize the images",
            )
        self.in_channels, self.image_size, self.patch_size = in_channels, (height, breadth), patch_size
        self.grid = (height // patch_size, breadth // patch_size)
        self.patches = nn.Conv2d(in_channels, width, patch_size, stride=patch_size)
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, 1 + self.grid[0] * self.grid[1], width))
        self.dropout = nn.Dropout(checked_probability(dropout, "dropout"))
        nn.init.trunc_normal_(self.class_token, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch num_tokens features"]:
        """The tokens, the class's first."""
        # a convolution would leave out what is over without a word; a symbolic trace has no sizes to check
        if not isinstance(x, Proxy) and tuple(x.shape[1:]) != (self.in_channels, *self.image_size):
            raise InputError(
                expected="images of " + _sizes((self.in_channels, *self.image_size)),
                found="a batch of " + _sizes(tuple(x.shape)),
                do="resize the images, or interpolate the positions (ViT.for_image_size)",
            )
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        first = self.class_token.expand(tokens.shape[0], -1, -1)
        embedded: Tensor = self.dropout(torch.cat((first, tokens), 1) + self.positions)
        return embedded


def interpolate_positions(
    positions: Float[Tensor, "1 num_tokens width"], grid: tuple[int, int], new_grid: tuple[int, int]
) -> Float[Tensor, "1 new_num_tokens width"]:
    """Positions for another number of patches: bicubic between the old ones; the class token's stays.

    Shapes:
        positions (1, 1 + rows·columns, width) → (1, 1 + new_rows·new_columns, width)

    Args:
        positions: learned for ``grid``.
        grid: patches in a column and in a row.
        new_grid: the same, wanted.

    Raises:
        InputError: when there is not one position for the class token and each patch of ``grid``.

    Source: Dosovitskiy et al. 2021, §3.2 (fine-tuning at higher resolution)

    Lecture: V3

    Example:
        >>> positions = torch.tensor([[[7.0], [0.0], [1.0]]])
        >>> interpolate_positions(positions, (1, 2), (1, 2)).flatten().tolist()
        [7.0, 0.0, 1.0]
    """
    if positions.shape[1] != 1 + grid[0] * grid[1]:
        raise InputError(
            expected=f"1 + {grid[0]} × {grid[1]} positions", found=str(positions.shape[1]), do="give the old grid"
        )
    first, rest = positions[:, :1], positions[:, 1:]
    maps = rest.transpose(1, 2).unflatten(2, grid)  # (1, width, rows, columns)
    maps = F.interpolate(maps, size=new_grid, mode="bicubic", align_corners=False)
    return torch.cat((first, maps.flatten(2).transpose(1, 2)), 1)


def _sizes(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
