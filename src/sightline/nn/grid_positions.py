"""Where a token of an image stands, in two dimensions: a learned vector for its row and one for its column.

In a sequence row by row the token above is a whole row away; here it shares a column, and its row is the next.
"""

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError


class GridPositions(nn.Module):
    """y = x + R[⌊t/columns⌋] + S[t mod columns] for token number t of the grid, counted row by row from 0.

    Shapes:
        tokens (batch, num_tokens, width), numbers (num_tokens,) → as the tokens

    Args:
        grid: rows and columns.
        width: numbers in a token.
        std: standard deviation of the first weights.

    Raises:
        ConfigurationError: for a size below 1.
        InputError: for a number that the grid does not have. On an accelerator the numbers are not looked at.

    Source: Parmar et al. 2018, "Image Transformer", §3.1

    Lecture: X2, T3

    Example:
        >>> place = GridPositions(grid=(2, 3), width=4)
        >>> placed = place(torch.zeros(1, 6, 4), torch.arange(6))
        >>> torch.equal(placed[0, 4], place.rows[1] + place.columns[1])
        True
    """

    not_regularised: ClassVar[frozenset[str]] = frozenset({"rows", "columns"})

    def __init__(self, *, grid: tuple[int, int], width: int, std: float = 0.02) -> None:
        super().__init__()
        if min(*grid, width) < 1:
            raise ConfigurationError(
                expected="at least 1 row, 1 column and a width of 1",
                found=f"grid = {grid}, width = {width}",
                do="count the tokens in a column and in a row",
            )
        self.grid = grid
        self.rows = nn.Parameter(torch.empty(grid[0], width).normal_(std=std))
        self.columns = nn.Parameter(torch.empty(grid[1], width).normal_(std=std))

    def forward(
        self, tokens: Float[Tensor, "batch num_tokens width"], numbers: Int[Tensor, " num_tokens"]
    ) -> Float[Tensor, "batch num_tokens width"]:
        """The sums."""
        rows, columns = self.grid
        if numbers.is_cpu and numbers.numel() and not torch.compiler.is_compiling():
            low, high = numbers.aminmax()
            if low < 0 or high >= rows * columns:
                raise InputError(
                    expected=f"token numbers from 0 to {rows * columns - 1}, of a {rows} × {columns} grid",
                    found=str(int(low if low < 0 else high)),
                    do="build the network for images of this size",
                )
        return tokens + self.rows[numbers // columns] + self.columns[numbers % columns]

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"grid={self.grid}, width={self.rows.shape[1]}"
