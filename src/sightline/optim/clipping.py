"""Gradient clipping: no step is longer than the loss's local slope can be trusted for."""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError


def clip_by_norm(parameters: Iterable[Tensor], max_norm: float) -> Float[Tensor, ""]:
    """Shorten the whole gradient to a norm at most: g ← g·min(1, max_norm/‖g‖), ‖g‖ over all parameters.

    Args:
        parameters: those without a gradient are passed over.
        max_norm: largest Euclidean norm, > 0; infinity only measures and changes nothing.

    Returns:
        The norm before clipping, still on its device: reading it is what costs a wait.

    Raises:
        ConfigurationError: for a limit that is not positive.

    Source: Pascanu et al. 2013, algorithm 1

    Lecture: O5

    Example:
        >>> w = torch.nn.Parameter(torch.zeros(2))
        >>> w.grad = torch.tensor([3.0, 4.0])
        >>> clip_by_norm([w], 1.0).item(), [round(g, 3) for g in w.grad.tolist()]
        (5.0, [0.6, 0.8])
    """
    _require_positive(max_norm, "clip_norm")
    parameters = [p for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if not math.isinf(max_norm):
        torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm


def clip_by_value(parameters: Iterable[Tensor], limit: float) -> None:
    """Bound every entry of the gradient: g ← min(max(g, −limit), limit). This may turn its direction.

    Args:
        parameters: those without a gradient are passed over.
        limit: largest absolute value, > 0.

    Raises:
        ConfigurationError: for a limit that is not positive.

    Lecture: O5

    Example:
        >>> w = torch.nn.Parameter(torch.zeros(2))
        >>> w.grad = torch.tensor([3.0, -0.5])
        >>> clip_by_value([w], 1.0)
        >>> w.grad.tolist()
        [1.0, -0.5]
    """
    _require_positive(limit, "clip_value")
    torch.nn.utils.clip_grad_value_(parameters, limit)


def _require_positive(limit: float, name: str) -> None:
    if not limit > 0:
        raise ConfigurationError(
            expected=f"{name}: a number > 0", found=str(limit), do=f"raise {name}, or leave clipping out"
        )
