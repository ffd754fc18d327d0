"""Greedy decoding: always the most likely token."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Greedy:
    """argmax_v z_v at every step; of equal ones the first.

    The most likely token each time need not give the most likely text: see :class:`Beam`.

    Lecture: X8

    Example:
        >>> import torch
        >>> Greedy().choose(torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([0.5])).tolist()
        [1]
    """

    def choose(
        self, scores: Float[Tensor, "batch vocabulary"], chance: Float[Tensor, " batch"]
    ) -> Int[Tensor, " batch"]:
        """The next token of each row; no chance is used."""
        return scores.argmax(1)
