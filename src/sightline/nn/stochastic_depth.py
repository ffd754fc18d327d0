"""Stochastic depth: residual branches dropped whole, example by example, so that training sees a shorter network."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import ConfigurationError


class StochasticDepth(nn.Module):
    """A residual branch dropped whole for some examples: y = b/(1 − p) · F(x), b ~ Bernoulli(1 − p) an example.

    In evaluation the identity. The division keeps the expected branch the same, so that evaluation
    needs no factor; Huang et al. multiply by 1 − p there instead, which is the same up to the scale of F.
    It stands on the branch, before the sum: ``x + drop(F(x))``.

    Huang et al. draw one b for a whole mini-batch and skip the branch's work where it is 0. Here every example has a
    b of its own, so the branch is always computed: no time is saved, and a step's gradient varies less.

    Shapes:
        residual (batch, ...) → the same

    Args:
        drop_probability: p, the probability that an example's branch is dropped, in [0, 1).

    Raises:
        ConfigurationError: for a probability outside [0, 1).

    Source: Huang et al. 2016, "Deep Networks with Stochastic Depth", §3

    Lecture: O7

    Example:
        >>> _ = torch.manual_seed(0)
        >>> kept = StochasticDepth(drop_probability=0.5)(torch.ones(200, 3))
        >>> sorted(set(kept.flatten().tolist())), bool((kept == kept[:, :1]).all())
        ([0.0, 2.0], True)
        >>> StochasticDepth(drop_probability=0.5).eval()(torch.ones(1, 3)).tolist()
        [[1.0, 1.0, 1.0]]
    """

    def __init__(self, *, drop_probability: float) -> None:
        super().__init__()
        self.drop_probability = checked_probability(drop_probability, "drop_probability")

    def forward(self, residual: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """The branch, kept or dropped."""
        if not self.training or self.drop_probability == 0:
            return residual
        keep = 1 - self.drop_probability
        shape = (residual.shape[0], *[1] * (residual.ndim - 1))
        kept = torch.empty(shape, dtype=residual.dtype, device=residual.device).bernoulli_(keep)
        return residual * kept.div_(keep)

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"drop_probability={self.drop_probability}"


def linear_decay(num_blocks: int, last: float) -> list[float]:
    """Drop probabilities that rise linearly with depth: block l of L drops with l/L · last.

    Blocks count from 1, as in the paper, whose survival probability is p_l = 1 − l/L (1 − p_L): the
    first block already drops with last/L, and 0 would be the probability of the input itself. Entry
    ``l − 1`` of the list is block l. (ConvNeXt and ViT count from 0 and divide by L − 1; there the first
    block never drops.)

    Args:
        num_blocks: L, residual blocks in the whole network, at least 1.
        last: drop probability of the last block, in [0, 1).

    Returns:
        L probabilities, the last of them ``last``.

    Raises:
        ConfigurationError: for no block, or a probability outside [0, 1).

    Source: Huang et al. 2016, equation 4

    Lecture: O7

    Example:
        >>> linear_decay(4, 0.2)
        [0.05, 0.1, 0.15, 0.2]
    """
    if num_blocks < 1:
        raise ConfigurationError(expected="num_blocks of at least 1", found=f"{num_blocks}", do="count the blocks")
    last = checked_probability(last, "last")
    return [round(block / num_blocks * last, 12) for block in range(1, num_blocks + 1)]


def checked_probability(value: float, name: str) -> float:
    """A probability of dropping, in [0, 1).

    Raises:
        ConfigurationError: for any other number.

    Example:
        >>> checked_probability(0.5, "drop_probability")
        0.5
    """
    if not 0 <= value < 1:
        raise ConfigurationError(
            expected=f"{name} in [0, 1): a share that is dropped",
            found=f"{name} = {value}",
            do="0 drops nothing; at 1 nothing would be left to learn from",
        )
    return float(value)
