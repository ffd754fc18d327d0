"""Where an activation is nearly flat, so that next to no gradient passes: of functions that saturate."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

FLAT = 0.05
"""A slope below this share of the function's greatest is nearly flat: of tanh beyond |x| = 2.2, of sigmoid 4.4."""

SLOPES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda y: 4 * y * (1 - y),
    "tanh": lambda y: 1 - y * y,
    "softsign": lambda y: (1 - y.abs()) ** 2,
    "hard sigmoid": lambda y: ((y > 0) & (y < 1)).to(y),
}
"""Slope over the greatest slope, as a function of what the activation gave."""


def saturated(kind: str, values: Tensor, options: Mapping[str, Any]) -> tuple[int, int] | None:
    """How many of an activation's values are nearly flat, of how many; none for a function that does not saturate.

    A softmax counts distributions instead of values: the trace of its derivative, 1 − Σ p², over the greatest,
    1 − 1/C. (By its values a softmax over many classes would seem flat where it is even.)

    Args:
        kind: the activation's name.
        values: what it gave.
        options: it was called with; of a softmax its ``dim``, else the last axis.

    Lecture: U1

    Example:
        >>> import torch
        >>> saturated("tanh", torch.tensor([0.5, 0.99]), {}), saturated("relu", torch.zeros(2), {})
        ((1, 2), None)
    """
    y = values.detach().double()
    if kind == "softmax":
        axis = options.get("dim")
        axis = -1 if axis is None else axis
        classes = y.shape[axis] if y.dim() else 1
        if classes < 2:
            return None
        slope = (1 - y.square().sum(axis)) / (1 - 1 / classes)
    elif kind in SLOPES:
        slope = SLOPES[kind](y)
    else:
        return None
    return int((slope < FLAT).sum()), slope.numel()
