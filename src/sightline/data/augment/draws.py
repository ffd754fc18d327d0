"""The random numbers of one batch: few, drawn on the CPU, a function of a seed alone."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Draws:
    """Random numbers from one seed, the same whatever device the images are on.

    Args:
        seed: any whole number ≥ 0, such as ``Seeds.number("augment", epoch, batch)``.

    Lecture: O9

    Example:
        >>> bool((Draws(3).uniform(0, 1, 5) == Draws(3).uniform(0, 1, 5)).all())
        True
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def uniform(self, low: float, high: float, count: int) -> Float[Tensor, " count"]:
        """Numbers spread evenly over [low, high)."""
        return torch.from_numpy(self._generator.uniform(low, high, count)).float()

    def integers(self, low: int, high: int, count: int) -> Int[Tensor, " count"]:
        """Whole numbers from low to high, both included."""
        return torch.from_numpy(self._generator.integers(low, high, count, endpoint=True))

    def chance(self, probability: float, count: int) -> Bool[Tensor, " count"]:
        """Each true with a probability."""
        return torch.from_numpy(self._generator.random(count) < probability)

    def sign(self, count: int) -> Float[Tensor, " count"]:
        """−1 or +1, one as likely as the other."""
        return 2.0 * self.integers(0, 1, count).float() - 1.0

    def beta(self, first: float, second: float, count: int) -> Float[Tensor, " count"]:
        """Numbers in [0, 1] of density ∝ x^{first − 1} (1 − x)^{second − 1}; parameters above 0."""
        return torch.from_numpy(self._generator.beta(first, second, count)).float()

    def order(self, count: int) -> Int[Tensor, " count"]:
        """A random order of 0 … count − 1."""
        return torch.from_numpy(self._generator.permutation(count))
