"""Classifier-free guidance: away from what a denoiser says of any example, towards what it says of one class."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError

ConditionalDenoiser = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From x_t (batch, ...), t (batch) and class numbers (batch) to the prediction, shaped as x_t."""


@dataclass(frozen=True)
class Guided:
    """ε̂ = (1 + w) ε_c − w ε_u: a denoiser of x_t and t, made of one that is told the class, or "none".

    w = 0 is the conditional denoiser, w = −1 the unconditional one, w > 0 samples what is more of its class than chance
    would give, with less variety: p(x_t | c) (p(x_t | c)/p(x_t))^w is what it takes the score of. Others count from
    the unconditional one, ε_u + g (ε_c − ε_u): their g is 1 + w.

    The two weights sum to 1, and x_0 and v are affine in ε given x_t: so whichever the denoiser predicts, the
    combination is the same. Both are found in one call on 2 · batch examples.

    Args:
        denoiser: trained with some labels replaced by ``none``.
        labels: class of each example.
        none: the number that stands for no class.
        weight: w.

    Raises:
        ConfigurationError: for a weight that is not finite.
        InputError: when called with another number of examples.

    Source: Ho & Salimans 2022, "Classifier-Free Diffusion Guidance", eq. (6)

    Lecture: X6

    Example:
        >>> told = Guided(lambda x, t, labels: labels[:, None].float(), torch.tensor([5]), none=2, weight=1.0)
        >>> told(torch.zeros(1, 1), torch.tensor([1]))  # 2 · 5 − 2
        tensor([[8.]])
    """

    denoiser: ConditionalDenoiser
    labels: Int[Tensor, " batch"]
    none: int
    weight: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise ConfigurationError(
                expected="a finite weight", found=f"weight = {self.weight}", do="use 0 for no guidance, or 1 to 4"
            )

    def __call__(self, x: Float[Tensor, "batch ..."], t: Int[Tensor, " batch"]) -> Float[Tensor, "batch ..."]:
        """The guided prediction."""
        if self.labels.shape != x.shape[:1]:
            raise InputError(
                expected=f"one label for each of {len(x)} examples",
                found=f"labels of shape {tuple(self.labels.shape)}",
                do="give as many labels as the start has examples",
            )
        labels = self.labels.to(x.device)
        both = self.denoiser(
            torch.cat([x, x]), torch.cat([t, t]), torch.cat([labels, torch.full_like(labels, self.none)])
        )
        conditional, unconditional = both.chunk(2)
        return (1 + self.weight) * conditional - self.weight * unconditional
