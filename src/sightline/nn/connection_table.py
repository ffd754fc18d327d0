"""Convolution by a connection table: each map going out sees only some of those coming in."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError


class TableConvolution(nn.Conv2d):
    """y_o = b_o + Σ over i in table[o] of w_oi * x_i: a kernel for each link, none where the table has none.

    The kernels of the links are the only weights, in the table's order; zeros stand for the others when the
    convolution is made. They start normal with variance 2/fan_in, as before a ReLU, where fan_in = k² · (maps in the
    row) differs from row to row; biases start at 0.

    Shapes:
        x (batch, num_inputs, height, width) → (batch, len(table), height − k + 1, width − k + 1)
        weight (links, 1, k, k); bias (len(table),)

    Args:
        num_inputs: maps coming in.
        table: for each map going out, the numbers, from 0 on, of those it sees.
        kernel: k, the side of a kernel.

    Raises:
        ConfigurationError: for a table that is empty, has an empty row, the same map twice in one, or a number
            out of range.
        RuntimeError: for another number of maps, or maps smaller than a kernel; a model that holds the layer says
            so as an ``InputError`` with the layer's name.

    Source: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", §II.B, table I; initial
    weights He et al. 2015, eq. (10)

    Lecture: N2, V1

    Example:
        >>> layer = TableConvolution(num_inputs=3, table=[[0, 1], [2]], kernel=5)
        >>> layer(torch.zeros(1, 3, 8, 8)).shape, layer.weight.shape
        (torch.Size([1, 2, 4, 4]), torch.Size([3, 1, 5, 5]))
    """

    bias: nn.Parameter
    places: Tensor

    def __init__(self, *, num_inputs: int, table: Sequence[Sequence[int]], kernel: int) -> None:
        for number, row in enumerate(table):
            if not row or len(set(row)) < len(row) or not all(0 <= i < num_inputs for i in row):
                raise ConfigurationError(
                    expected=f"in each row of the table one or more different numbers from 0 to {num_inputs - 1}",
                    found=f"table[{number}] = {list(row)}",
                    do="list the maps coming in that this one going out sees",
                )
        if not table:
            raise ConfigurationError(expected="a row a map going out", found="an empty table", do="add a row")
        super().__init__(num_inputs, len(table), kernel)
        nn.init.zeros_(self.bias)
        outputs = torch.tensor([o for o, row in enumerate(table) for _ in row])
        inputs = torch.tensor([i for row in table for i in row])
        fan_in = kernel**2 * torch.tensor([len(row) for row in table for _ in row])
        deviation = (2 / fan_in).sqrt().view(-1, 1, 1, 1)
        self.weight = nn.Parameter(deviation * torch.randn(len(fan_in), 1, kernel, kernel))
        # where the kernel from i to o is found: its link, or one past the last for none
        places = torch.full((len(table), num_inputs), len(outputs))
        places[outputs, inputs] = torch.arange(len(outputs))
        self.register_buffer("places", places, persistent=False)

    def kernel(self) -> Float[Tensor, "outputs inputs k k"]:
        """The whole convolution's kernel, zeros where there is no link."""
        links = self.weight.squeeze(1)
        none = links.new_zeros(1, *self.kernel_size)
        return torch.cat([links, none])[self.places]

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs h w"]:
        """The maps going out."""
        return F.conv2d(x, self.kernel(), self.bias)
