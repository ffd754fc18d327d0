"""Multiplicative noise: numbers are scaled at random instead of being kept or dropped."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sightline.nn.stochastic_depth import checked_probability


class MultiplicativeNoise(nn.Module):
    """Gaussian noise of dropout's first two moments: y = r · x, r ~ N(1, p/(1 − p)) for each number.

    In evaluation the identity. E[y] = x and Var[y] = p/(1 − p) · x², as :class:`~sightline.nn.dropout.InvertedDropout`
    with the same p has them.

    Shapes:
        x (...) → the same

    Args:
        drop_probability: p of the dropout it stands for, in [0, 1).

    Raises:
        ConfigurationError: for a probability outside [0, 1).

    Source: Srivastava et al. 2014, "Dropout", §10

    Lecture: O7

    Example:
        >>> noise = MultiplicativeNoise(drop_probability=0.2)
        >>> noise.standard_deviation, noise.eval()(torch.ones(1)).item()
        (0.5, 1.0)
    """

    def __init__(self, *, drop_probability: float) -> None:
        super().__init__()
        self.drop_probability = checked_probability(drop_probability, "drop_probability")

    @property
    def standard_deviation(self) -> float:
        """√(p/(1 − p)), of the factor r."""
        return math.sqrt(self.drop_probability / (1 - self.drop_probability))

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Scaled at random in training, as it is in evaluation."""
        if not self.training:
            return x
        return x * (1 + self.standard_deviation * torch.randn_like(x))

    def extra_repr(self) -> str:
        """What ``print`` says of it."""
        return f"drop_probability={self.drop_probability}"


class UniformMultiplicativeNoise(nn.Module):
    """Noise between 0 and 1, divided by its mean ½: y = 2u · x, u ~ U(0, 1) for each number.

    In evaluation the identity. E[y] = x and Var[y] = x²/3: the two moments of dropout with p = ¼.

    Shapes:
        x (...) → the same

    Lecture: O7

    Example:
        >>> _ = torch.manual_seed(0)
        >>> y = UniformMultiplicativeNoise()(torch.ones(1000))
        >>> 0 <= float(y.min()), float(y.max()) <= 2
        (True, True)
    """

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Scaled at random in training, as it is in evaluation."""
        return x * (2 * torch.rand_like(x)) if self.training else x
