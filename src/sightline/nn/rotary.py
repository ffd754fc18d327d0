"""Rotary positions: queries and keys are turned by their positions, so that scores tell only how far apart they are.

Legend: t position of a token, counted from 0, d width of a head, ω frequency in radians a position, R(θ) rotation of
the plane by θ.

This is no encoding that is added to tokens (``nn/positions.py``): nothing is added, values are left as they are, and
every block turns its own queries and keys.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.nn.attention import Rotate
from sightline.nn.positions import BASE, angle_format, frequencies, require_frequencies


@dataclass(frozen=True)
class RotaryPositions:
    """(x_i, x_{i+d/2}) ← R(ω_i t) (x_i, x_{i+d/2}), ω_i = base^(−2i/d), i = 0 … d/2 − 1, for queries and keys.

    Rotations keep lengths, and R(ωt)ᵀ R(ωs) = R(ω(s − t)): the score of a query at t and a key at s depends on s − t.

    A coordinate is paired with the one half the width further on, as in GPT-NeoX and Llama. The paper pairs
    neighbours, (x_{2i}, x_{2i+1}): the same up to an order of the coordinates, so weights of the one kind serve the
    other after their rows are put in that order (0, 2, 4 …, 1, 3, 5 …) within each head of queries and of keys.

    Args:
        head_width: d, even.
        base: the slowest pair turns by about 1/base a position.

    Raises:
        ConfigurationError: for an odd width, or a base that is not above 1.

    Source: Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding", §3.2

    Lecture: T3

    Example:
        >>> rotate = RotaryPositions(head_width=2, base=10000.0).at(torch.tensor([[0, 1]]))
        >>> rotate(torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]])).mul(100).round().tolist()
        [[[[100.0, 0.0], [54.0, 84.0]]]]
    """

    head_width: int
    base: float = BASE

    def __post_init__(self) -> None:
        require_frequencies(self.head_width, self.base)

    def at(self, positions: Int[Tensor, "#batch num_tokens"]) -> Rotate:
        """What turns heads (B, H, N, d) of tokens at these positions; sines and cosines are computed once for all.

        Args:
            positions: t; one row for the whole batch will do.
        """
        tables: dict[torch.dtype, tuple[Tensor, Tensor]] = {}

        def rotate(heads: Float[Tensor, "batch heads num_tokens head_width"]) -> Float[Tensor, "..."]:
            if heads.dtype not in tables:
                precise = angle_format(heads)
                omega = frequencies(self.head_width, base=self.base, dtype=precise, device=heads.device)
                angles = positions[:, None, :, None].to(precise) * omega
                tables[heads.dtype] = angles.cos().to(heads.dtype), angles.sin().to(heads.dtype)
            cos, sin = tables[heads.dtype]
            first, second = heads.chunk(2, -1)
            return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)

        return rotate
