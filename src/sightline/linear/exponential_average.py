"""The exponential average that momentum and Adam keep, as the explicit weights it gives to the past.

Legend: β the weight of the **new** value (1 − β₁ in Kingma & Ba), x₁ … xₖ the values seen, aₖ their
average from a₀ = 0.
"""

from math import expm1, log1p

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs


def bias_correction(beta: float, steps: int) -> float:
    """1 − (1−β)ᵏ: what the weights of k values sum to, and what a constant is averaged to. **Not** 1 − βᵏ.

    Args:
        beta: the weight of the new value, in (0, 1].
        steps: k ≥ 1, the number of values seen, the newest included.

    Raises:
        ConfigurationError: for numbers outside their range.

    Source: Kingma & Ba 2015, section 3, with β₁ = 1 − β

    Lecture: O4

    Example:
        >>> [bias_correction(0.5, k) for k in (1, 2, 3)]
        [0.5, 0.75, 0.875]
    """
    beta = inputs.number(beta, "beta β (the weight of the new value)", above=0, maximum=1)
    steps = inputs.count(steps, "steps", minimum=1)
    return -expm1(inputs.number(steps, "steps") * log1p(-beta)) if beta < 1 else 1.0


def average_weights(beta: float, steps: int, corrected: bool = False) -> Float[Tensor, " steps"]:
    """β(1−β)^{k−j} for j = 1 … k, the oldest first: how much of each value is in aₖ.

    Corrected, they are divided by their sum 1 − (1−β)ᵏ, and sum to one whatever k.

    Args:
        beta: in (0, 1].
        steps: k ≥ 1.
        corrected: take out the bias of the zero start.

    Raises:
        ConfigurationError: for numbers outside their range.

    Source: L7 (5), (10) corrected

    Lecture: O4

    Example:
        >>> average_weights(0.5, 3)
        tensor([0.1250, 0.2500, 0.5000], dtype=torch.float64)
    """
    total = bias_correction(beta, steps)
    ages = torch.arange(steps - 1, -1, -1, dtype=torch.float64)
    weights = beta * _kept(beta, ages)
    return weights / total if corrected else weights


def exponential_average(
    values: Float[Tensor, "k *shape"], beta: float, corrected: bool = False
) -> Float[Tensor, "k *shape"]:
    """All the averages a₁ … aₖ at once, aₖ = Σⱼ β(1−β)^{k−j} xⱼ: the recursion a ← (1−β)a + βx without recursion.

    One k × k product; meant for looking at a run, not for long ones.

    Args:
        values: [k, …], the oldest first.
        beta: in (0, 1].
        corrected: divide aₖ by 1 − (1−β)ᵏ, so that the average of a constant is that constant from the first step on.

    Raises:
        DataError: for values that are empty or not finite.
        ConfigurationError: when β is outside its range.

    Source: L7 (5)-(6), (10) corrected

    Lecture: O3, O4

    Example:
        >>> exponential_average(torch.tensor([1.0, 1.0, 1.0]), 0.5)
        tensor([0.5000, 0.7500, 0.8750], dtype=torch.float64)
        >>> exponential_average(torch.tensor([1.0, 1.0, 1.0]), 0.5, corrected=True)
        tensor([1., 1., 1.], dtype=torch.float64)
    """
    if not isinstance(values, Tensor) or values.ndim == 0 or values.numel() == 0:
        raise DataError(
            expected="values along the first dimension, at least one",
            found=f"a tensor of shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__,
            do="stack the gradients, the oldest first: torch.stack(gradients)",
        )
    found = inputs.matrix(values.reshape(len(values), -1), "values")
    inputs.number(beta, "beta β (the weight of the new value)", above=0, maximum=1)
    steps = torch.arange(len(found), dtype=torch.float64, device=found.device)
    ages = steps[:, None] - steps[None, :]
    weights = torch.where(ages >= 0, beta * _kept(beta, ages.clamp(min=0)), 0.0)
    if corrected:
        totals = [bias_correction(beta, k + 1) for k in range(len(found))]
        weights = weights / weights.new_tensor(totals)[:, None]
    return (weights @ found).reshape(values.shape)


def _kept(beta: float, ages: Tensor) -> Tensor:
    """(1−β)^age, with its digits for small β."""
    logarithm: Tensor = torch.special.xlog1py(ages, ages.new_tensor(-beta))
    return logarithm.exp()
