"""Weight decay as a step of its own, beside the penalty it comes from.

Legend: E the error, α the rate, λ the decay (torch's ``weight_decay``), k steps. The penalty (λ/2)‖w‖² has the gradient
λw, so a step of gradient descent is w ← w − α∂E/∂w − αλw: α multiplies **both**. This room's ridge is ‖w‖² without
the half: its λ is half of the decay's.

For gradient descent the penalty (coupled) and the shrinking of the weights (decoupled, AdamW) are one. For
momentum and Adam they are not: the penalty's gradient is averaged and rescaled with the rest, the shrinking is not.
"""

from math import exp, inf, log, log1p

from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs

LARGEST_EXPONENT = 709.0
"""Beyond e to this there is no float64."""


def decayed_step(
    w: Float[Tensor, "*shape"], error_gradient: Float[Tensor, "*shape"], rate: float, weight_decay: float
) -> Float[Tensor, "*shape"]:
    """w − α∂E/∂w − αλw = (1 − αλ)w − α∂E/∂w: one step of gradient descent with weight decay.

    Shapes:
        w, error_gradient: the same.

    Args:
        w: the weights.
        error_gradient: ∂E/∂w, without the penalty's part.
        rate: α > 0.
        weight_decay: λ ≥ 0.

    Raises:
        DataError: for tensors that are not finite, or whose shapes differ.
        ConfigurationError: for α ≤ 0, λ < 0.

    Source: Hanson & Pratt 1988; A3 (26) with α and λ in their places

    Lecture: O4, O6

    Example:
        >>> import torch
        >>> decayed_step(torch.tensor([1.0]), torch.tensor([2.0]), rate=0.25, weight_decay=1.0)
        tensor([0.2500], dtype=torch.float64)
    """
    w = inputs.start(w, w, "w")
    g = inputs.start(error_gradient, w, "error_gradient")
    rate = inputs.number(rate, "rate α", above=0)
    decay = inputs.number(weight_decay, "weight_decay λ", minimum=0)
    return w - rate * g - rate * decay * w


def decay_factor(rate: float, weight_decay: float, steps: int) -> float:
    """(1 − αλ)ᵏ: what k steps leave of a weight that has no gradient.

    Args:
        rate: α > 0.
        weight_decay: λ ≥ 0; the weights die out when 0 < αλ < 2.
        steps: k ≥ 0.

    Raises:
        ConfigurationError: for numbers outside their range.

    Lecture: O4, O6

    Example:
        >>> round(decay_factor(rate=0.5, weight_decay=1.0, steps=3), 12), decay_factor(2.0, 2.0, 10**4)
        (0.125, inf)
    """
    shrunk = inputs.number(rate, "rate α", above=0) * inputs.number(weight_decay, "weight_decay λ", minimum=0)
    steps = inputs.count(steps, "steps")
    inputs.number(steps, "steps")
    if steps == 0 or shrunk == 1:
        return float(steps == 0)
    grown = float(steps) * log1p(-shrunk) if shrunk < 1 else float(steps) * log(shrunk - 1) if shrunk > 1 else 0.0
    size = exp(grown) if grown < LARGEST_EXPONENT else inf
    return -size if shrunk > 1 and steps % 2 else size


def decay_of_ridge(ridge: float) -> float:
    """2λ: the ``weight_decay`` whose penalty (decay/2)‖w‖² is this room's λ‖w‖².

    Raises:
        ConfigurationError: when λ < 0.

    Lecture: O6

    Example:
        >>> decay_of_ridge(0.5)
        1.0
    """
    return 2 * inputs.number(ridge, "ridge λ", minimum=0)
