"""Early stopping beside ridge: both shrink each direction by a filter, and 2ηkλ = 1 matches the two.

From zero, k steps of gradient descent reach w̃ᵢ = fᵢ ỹᵢ/σᵢ with f = 1 − (1 − 2ησ²)^k. Ridge gives the same with
g = σ²/(σ² + λ). In the limit of small steps, at time t = ηk, f = 1 − e^{−x} with x = 2tσ².
With λ = 1/(2t), g = x/(1 + x). Both begin as x and end at 1, and their difference depends on x only.

Legend: f, g filter factors, η rate, k steps, t = ηk time, λ ridge, σ singular values, x = 2tσ².
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, expm1, inf, log1p

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.descent_rates import step_share
from sightline.linear.geometric_decay import covered, step_counts


def descent_filter(sigma: Float[Tensor, " r"], rate: float, steps: int | Sequence[int]) -> Float[Tensor, "*m r"]:
    """f = 1 − (1 − 2ησ²)^k: the share of each direction of the solution that k steps from zero have fitted.

    Shapes:
        sigma: [r]; returns: [r], or [m, r] for a list of m numbers of steps.

    Args:
        sigma: singular values, ≥ 0.
        rate: η > 0.
        steps: k ≥ 0, of any size.

    Raises:
        DataError: when the singular values are not finite or some are negative.
        ConfigurationError: when a number is out of its range.

    Lecture: F8

    Example:
        >>> descent_filter(torch.tensor([2.0, 1.0, 0.0]), rate=0.125, steps=2)
        tensor([1.0000, 0.4375, 0.0000], dtype=torch.float64)
    """
    counts, single = step_counts(steps)
    found = covered(step_share(sigma, rate), counts)
    return found[0] if single else found


def flow_filter(sigma: Float[Tensor, " r"], time: float) -> Float[Tensor, " r"]:
    """f = 1 − e^{−2tσ²}: the filter of gradient flow ẇ = −∇L from zero, the limit of small steps with ηk = t.

    Raises:
        DataError, ConfigurationError: as in :func:`descent_filter`; the time is ≥ 0.

    Source: Ali, Kolter & Tibshirani, A Continuous-Time View of Early Stopping (2019).

    Lecture: F8

    Example:
        >>> flow_filter(torch.tensor([1.0, 0.0]), time=0.5)
        tensor([0.6321, 0.0000], dtype=torch.float64)
    """
    time = inputs.number(time, "time t", minimum=0)
    return -torch.expm1(-time * step_share(sigma, rate=1.0))


def matching_ridge(rate: float, steps: int) -> float:
    """λ = 1/(2ηk): the ridge whose filter goes with k steps at rate η, exactly so to first order in σ².

    Raises:
        ConfigurationError: when η ≤ 0 or k < 1.

    Source: Ali et al. (2019): λ = 1/t for their ‖·‖²/(2n); here the loss is ‖Xw − y‖² + λ‖w‖².

    Lecture: F8

    Example:
        >>> matching_ridge(rate=0.01, steps=50)
        1.0
    """
    rate, steps = inputs.number(rate, "rate η", above=0), inputs.count(steps, "steps", minimum=1)
    time = rate * steps if steps.bit_length() < 1024 else inf
    return inputs.number(1 / (2 * time), "ridge λ = 1/(2ηk)", above=0)


def matching_steps(rate: float, ridge: float) -> float:
    """k = 1/(2ηλ): the number of steps, not rounded, that goes with a ridge.

    Raises:
        ConfigurationError: when η ≤ 0 or λ ≤ 0 (no ridge goes with no stopping).

    Lecture: F8

    Example:
        >>> matching_steps(rate=0.01, ridge=1.0)
        50.0
    """
    product = inputs.number(rate, "rate η", above=0) * inputs.number(ridge, "ridge λ", above=0)
    return inputs.number(1 / (2 * product) if product else inf, "steps k = 1/(2ηλ)")


@dataclass(frozen=True)
class Peak:
    """Where a function of x = 2tσ² is largest, and its value there."""

    at: float
    value: float


def largest_filter_gap() -> Peak:
    """sup over x of (1 − e^{−x}) − x/(1 + x): how far gradient flow and its matched ridge can differ, on any data.

    The difference is never negative (e^x ≥ 1 + x): at the matched time descent has fitted more in every direction. It
    is largest where (1 + x)² = e^x.

    Lecture: F8

    Example:
        >>> found = largest_filter_gap()
        >>> f"{found.value:.4f} at {found.at:.4f}"
        '0.2036 at 2.5129'
    """
    x = _root(lambda x: x - 2 * log1p(x), 1.0, 5.0)
    return Peak(x, 1 / (1 + x) - exp(-x))


def relative_risk_bound() -> Peak:
    """sup over x of [(1 − e^{−x})(1 + x)/x]²: gradient flow never has more than this times its matched ridge's risk.

    The risk is E‖ŵ − w‖², for any true w and noise. In flow its bias is no larger (e^{−x} ≤ 1/(1 + x)), and its
    variance is at most this factor larger. The factor is largest where e^x = 1 + x + x².

    Source: Ali, Kolter & Tibshirani (2019), where it is rounded up to 1.6862.

    Lecture: F8

    Example:
        >>> f"{relative_risk_bound().value:.4f}"
        '1.6859'
    """
    x = _root(lambda x: expm1(x) - x - x * x, 1.0, 3.0)
    return Peak(x, (-expm1(-x) * (1 + x) / x) ** 2)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that is negative at ``low`` and positive at ``high`` is zero, by halving to the last digit."""
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return high
