"""Where a token stands, written into the token: sinusoids or learned vectors, added to it or set beside it.

Legend: t position of a token, counted from 0, D width of a token, P width of what is set beside it, ω frequency in
radians a position.

Every way is called with the tokens and with their positions, so a text that has filling before it can count its own
tokens alone. Another way is to turn queries and keys instead: ``nn/rotary.py``.
"""

from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError, InputError

BASE = 10_000.0
"""The lowest frequency is about 1 over this."""


def frequencies(
    width: int, *, base: float = BASE, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Float[Tensor, " half"]:
    """ω_i = base^(−2i/D), i = 0 … D/2 − 1: from one radian a position down to almost 1/base.

    Args:
        width: D, even.
        base: above 1.
        dtype: the number format they are computed in.
        device: where.

    Raises:
        ConfigurationError: for an odd width, or a base that is not above 1.

    Source: Vaswani et al. 2017, "Attention Is All You Need", §3.5

    Lecture: T3

    Example:
        >>> frequencies(4, dtype=torch.float64).tolist()
        [1.0, 0.01]
    """
    require_frequencies(width, base)
    return base ** (-torch.arange(0, width, 2, dtype=dtype, device=device) / width)


def sinusoids(
    positions: Int[Tensor, "*batch"] | Float[Tensor, "*batch"], frequencies: Float[Tensor, " half"]
) -> Float[Tensor, "*batch width"]:
    """[sin ω_0 t, cos ω_0 t, sin ω_1 t, cos ω_1 t, …]: a clock with a hand for each frequency.

    A shift of the position by s turns each hand by ω_i s, wherever it stands:
    [sin ω(t+s); cos ω(t+s)] = [[cos ωs, sin ωs], [−sin ωs, cos ωs]] [sin ωt; cos ωt].

    Args:
        positions: t, of any shape.
        frequencies: ω, in radians a position. Angles are computed in their number format.

    Source: Vaswani et al. 2017, §3.5

    Lecture: T3

    Example:
        >>> sinusoids(torch.tensor([0, 1]), torch.tensor([torch.pi / 2])).round(decimals=3).tolist()
        [[0.0, 1.0], [1.0, -0.0]]
    """
    angles = positions.unsqueeze(-1).to(frequencies.dtype) * frequencies
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)


def sinusoidal_positions(num: int, width: int, *, base: float = BASE) -> Float[Tensor, "num width"]:
    """The sinusoids of positions 0 … num − 1, one row each, in float32.

    Example:
        >>> sinusoidal_positions(3, 4)[0].tolist()
        [0.0, 1.0, 0.0, 1.0]
    """
    return sinusoids(torch.arange(num), frequencies(width, base=base, dtype=torch.float64)).float()


class SinusoidalPositions(nn.Module):
    """y = x + [sin ω_0 t, cos ω_0 t, …], ω_i = base^(−2i/D): nothing is learned, and there may be any number of tokens.

    Angles are computed in float32, or in float64 for tokens of that format; the sum has the tokens' format.

    Shapes:
        tokens (batch, num_tokens, width), positions (batch or 1, num_tokens) → as the tokens

    Args:
        width: D, even.
        base: the lowest frequency is about 1/base.

    Raises:
        ConfigurationError: for an odd width, or a base that is not above 1.

    Source: Vaswani et al. 2017, "Attention Is All You Need", §3.5

    Lecture: T3

    Example:
        >>> SinusoidalPositions(width=4)(torch.zeros(1, 2, 4), torch.tensor([[0, 0]]))[0, 1].tolist()
        [0.0, 1.0, 0.0, 1.0]
    """

    def __init__(self, *, width: int, base: float = BASE) -> None:
        super().__init__()
        self.width, self.base = width, base
        require_frequencies(width, base)

    def forward(
        self, tokens: Float[Tensor, "batch num_tokens width"], positions: Int[Tensor, "#batch num_tokens"]
    ) -> Float[Tensor, "batch num_tokens width"]:
        """The sums."""
        omega = frequencies(self.width, base=self.base, dtype=angle_format(tokens), device=tokens.device)
        return tokens + sinusoids(positions, omega).to(tokens.dtype)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"width={self.width}, base={self.base:g}"


class ConcatenatedPositions(nn.Module):
    """y = [x; sin ω_0 t, cos ω_0 t, …]: token and position side by side, so a query can ask for either alone.

    Shapes:
        tokens (batch, num_tokens, width), positions (batch or 1, num_tokens) → (batch, num_tokens, width + P)

    Args:
        position_width: P, even.
        base: the lowest frequency is about 1/base.

    Raises:
        ConfigurationError: for an odd width, or a base that is not above 1.

    Lecture: T3

    Example:
        >>> ConcatenatedPositions(position_width=2)(torch.zeros(1, 1, 3), torch.tensor([[0]])).tolist()
        [[[0.0, 0.0, 0.0, 0.0, 1.0]]]
    """

    def __init__(self, *, position_width: int, base: float = BASE) -> None:
        super().__init__()
        self.position_width, self.base = position_width, base
        require_frequencies(position_width, base)

    def forward(
        self, tokens: Float[Tensor, "batch num_tokens width"], positions: Int[Tensor, "#batch num_tokens"]
    ) -> Float[Tensor, "batch num_tokens wider"]:
        """Tokens with their positions beside them."""
        omega = frequencies(self.position_width, base=self.base, dtype=angle_format(tokens), device=tokens.device)
        beside = sinusoids(positions, omega).to(tokens.dtype)
        return torch.cat([tokens, beside.expand(len(tokens), -1, -1)], -1)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"position_width={self.position_width}, base={self.base:g}"


class LearnableFrequencies(nn.Module):
    """y = x + [sin ω_0 t, cos ω_0 t, …] with every ω_i learned, from base^(−2i/D) on.

    Shapes:
        tokens (batch, num_tokens, width), positions (batch or 1, num_tokens) → as the tokens

    Args:
        width: D, even.
        base: sets the first frequencies.

    Raises:
        ConfigurationError: for an odd width, or a base that is not above 1.

    Lecture: T3

    Example:
        >>> LearnableFrequencies(width=4).frequencies.tolist()
        [1.0, 0.009999999776482582]
    """

    not_regularised: ClassVar[frozenset[str]] = frozenset({"frequencies"})

    def __init__(self, *, width: int, base: float = BASE) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(frequencies(width, base=base, dtype=torch.get_default_dtype()))

    def forward(
        self, tokens: Float[Tensor, "batch num_tokens width"], positions: Int[Tensor, "#batch num_tokens"]
    ) -> Float[Tensor, "batch num_tokens width"]:
        """The sums."""
        return tokens + sinusoids(positions, self.frequencies.to(angle_format(tokens))).to(tokens.dtype)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"width={2 * len(self.frequencies)}"


class LearnedPositions(nn.Module):
    """y = x + E[t]: a vector is learned for every position, so there are only so many.

    Shapes:
        tokens (batch, num_tokens, width), positions (batch or 1, num_tokens) → as the tokens

    Args:
        num_positions: rows of E.
        width: D.
        std: standard deviation of the first weights.

    Raises:
        ConfigurationError: for no position, or no width.
        InputError: for a position that E has no row for. On an accelerator only the number of tokens is looked at:
            a look at the numbers would wait for it.

    Source: Gehring et al. 2017, "Convolutional Sequence to Sequence Learning", §3.1

    Lecture: T3

    Example:
        >>> LearnedPositions(num_positions=8, width=4)(torch.zeros(1, 2, 4), torch.tensor([[0, 1]])).shape
        torch.Size([1, 2, 4])
    """

    not_regularised: ClassVar[frozenset[str]] = frozenset({"weight"})

    def __init__(self, *, num_positions: int, width: int, std: float = 0.02) -> None:
        super().__init__()
        if num_positions < 1 or width < 1:
            raise ConfigurationError(
                expected="at least 1 position and a width of at least 1",
                found=f"num_positions = {num_positions}, width = {width}",
                do="use as many positions as the longest text has tokens",
            )
        self.weight = nn.Parameter(torch.empty(num_positions, width).normal_(std=std))

    def forward(
        self, tokens: Float[Tensor, "batch num_tokens width"], positions: Int[Tensor, "#batch num_tokens"]
    ) -> Float[Tensor, "batch num_tokens width"]:
        """The sums."""
        num = len(self.weight)
        if positions.shape[1] > num:
            raise self._too_many(f"{positions.shape[1]} tokens")
        if positions.is_cpu and positions.numel() and not torch.compiler.is_compiling():
            low, high = positions.aminmax()
            if low < 0 or high >= num:
                raise self._too_many(f"position {int(low if low < 0 else high)}, counted from 0")
        return tokens + nn.functional.embedding(positions, self.weight)

    def _too_many(self, found: str) -> InputError:
        num = len(self.weight)
        return InputError(
            expected=f"at most {num} tokens: there is a learned vector for each of {num} positions",
            found=found,
            do="shorten the text, or build the network for a longer context",
        )

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"num_positions={self.weight.shape[0]}, width={self.weight.shape[1]}"


def angle_format(tokens: Float[Tensor, "..."]) -> torch.dtype:
    """The number format of angles: in one of 16 bits, position 257 would be rounded to another."""
    return torch.float64 if tokens.dtype == torch.float64 else torch.float32


def require_frequencies(width: int, base: float) -> None:
    """Refuse an odd width, and a base that is not above 1."""
    if width < 2 or width % 2:
        raise ConfigurationError(
            expected="an even width: two numbers for each frequency",
            found=f"width = {width}",
            do=f"use {width + 1}" if width > 0 else "use 64",
        )
    if not base > 1:
        raise ConfigurationError(expected="a base above 1", found=f"base = {base}", do="use 10000")
