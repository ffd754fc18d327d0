"""Outputs of heads inside a network, beside the last one's: what GoogLeNet and early exits train with."""

from typing import NamedTuple

from torch import Tensor


class AuxiliaryOutputs(NamedTuple):
    """What a network with several heads gives in training; in evaluation it gives ``outputs`` alone.

    An objective minimises ℓ(outputs) + Σᵢ weightᵢ·ℓ(auxiliaryᵢ).

    Shapes:
        outputs, auxiliary[i] (batch, num_outputs)
    """

    outputs: Tensor
    """The last head's."""
    auxiliary: tuple[Tensor, ...]
    """The heads' inside, from the input on."""
    weights: tuple[float, ...]
    """What the loss of each of these counts, beside 1 for the last."""
