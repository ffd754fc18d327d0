"""L1 regularisation: pulls every weight towards 0 with the same force, and leaves some there."""

import torch
from torch.optim import Optimizer


def add_l1_gradient(optimizer: Optimizer, l1: float) -> None:
    """Add the subgradient of l1·Σ|w| to the gradients: g ← g + l1·sign(w), with sign(0) = 0.

    Only groups marked ``"regularised"`` (see :func:`parameter_groups`) take part. Call it between
    ``backward`` and ``step``. The term passes through the optimiser like any gradient, so adaptive
    methods rescale it.

    Args:
        optimizer: whose parameters' gradients are changed.
        l1: strength of the pull, ≥ 0.

    Lecture: O6

    Example:
        >>> w = torch.nn.Parameter(torch.tensor([[2.0, -3.0, 0.0]]))
        >>> w.grad = torch.zeros_like(w)
        >>> add_l1_gradient(torch.optim.SGD([{"params": [w], "regularised": True}]), 0.5)
        >>> w.grad.tolist()
        [[0.5, -0.5, 0.0]]
    """
    for group in optimizer.param_groups:
        parameters = [p for p in group["params"] if p.grad is not None] if group.get("regularised") else []
        if parameters and l1:
            with torch.no_grad():
                signs = torch._foreach_sign(parameters)
                torch._foreach_add_([p.grad for p in parameters], signs, alpha=l1)
