"""Momentum as a low-pass filter: from the sequence of gradients to the sequence of steps.

Legend: ω frequency in radians a step (0 constant, π alternating), g gradients, u = wₜ₊₁ − wₜ steps, m = 1 − β.
A filter with response H turns gₜ = e^{iωt} into the steps uₜ = −rate · H(ω) e^{iωt}, once its start has died out:

    average (rate η)      H = β / (1 − m e^{−iω})        heavy ball, velocity (rate α)   H = 1 / (1 − m e^{−iω})
    Nesterov              the same, times 1 + m − m e^{−iω}, with uₜ the steps of the point where gradients are taken

For Nesterov that is w + mu, the point torch stores. On a quadratic of curvature h a method of given m leaves its
stability region with an alternating error, so its largest stable rate is 2/(h |H(π)|).
"""

from dataclasses import dataclass
from math import asin, sqrt

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from sightline.linear import inputs
from sightline.linear.momentum_forms import AveragedMomentum, MomentumForm


@dataclass(frozen=True)
class FrequencyResponse:
    """A filter's response at some frequencies.

    Attributes:
        omega: radians a step.
        response: H, complex.
        gain: |H|, what a sinusoid's height is multiplied by.
        phase: arg H in radians, negative where the step lags behind the gradient.
    """

    omega: Float[Tensor, " w"]
    response: Complex[Tensor, " w"]
    gain: Float[Tensor, " w"]
    phase: Float[Tensor, " w"]


def frequency_response(method: MomentumForm, omega: Float[Tensor, " w"]) -> FrequencyResponse:
    """H(ω) of a momentum method, from gradient to step.

    1 − m e^{−iω} is taken as β + m(2 sin²(ω/2) + i sin ω), which keeps its digits near ω = 0.

    Shapes:
        omega: [w] -> each attribute [w].

    Raises:
        DataError: when ω is not a finite vector.

    Source: L6 3.4, L7 (4)-(6); Oppenheim & Schafer, Discrete-Time Signal Processing, 5.1

    Lecture: O3

    Example:
        >>> from math import pi
        >>> frequency_response(AveragedMomentum(rate=1.0, beta=0.5), torch.tensor([0.0, pi]).double()).gain
        tensor([1.0000, 0.3333], dtype=torch.float64)
    """
    omega = inputs.vector(omega, name="omega")
    m, beta = method.heavy_ball().momentum, _weight_of_the_new(method)
    delayed = m * torch.complex(2 * (omega / 2).sin().square(), omega.sin())  # m (1 − e^{−iω})
    below, above = beta + delayed, 1 + delayed if method.nesterov else torch.ones_like(delayed)
    response = _scale(method) * above / below
    gain = _scale(method) * above.abs() / below.abs()
    phase = above.angle() - below.angle()
    return FrequencyResponse(omega, response, gain, phase)


def impulse_response(method: MomentumForm, steps: int) -> Float[Tensor, " steps"]:
    """What one gradient of 1 gives to the step at once and to those after it: βmʲ, j = 0, 1, …, steps − 1.

    The heavy ball's and the velocity form's is mʲ. Nesterov's is 1 + m at once and mʲ⁺¹ after (β times that for
    the average).

    Raises:
        ConfigurationError: when steps is not whole, or < 0.

    Source: L7 (5)

    Lecture: O3

    Example:
        >>> impulse_response(AveragedMomentum(rate=1.0, beta=0.5), 3)
        tensor([0.5000, 0.2500, 0.1250], dtype=torch.float64)
    """
    ages = torch.arange(inputs.count(steps, "steps"), dtype=torch.float64)
    m = method.heavy_ball().momentum
    response = m**ages
    if method.nesterov:
        response = m * response + (ages == 0)
    return _scale(method) * response


def half_power_frequency(method: MomentumForm) -> float | None:
    """The ω where the gain² is half of that at ω = 0; None when even ω = π passes with more.

    ω = 2 arcsin(β / (2√m)), which exists for β ≤ 2√2 − 2 (0.83); for Nesterov m is multiplied by 1 − 2β²(1 + m).

    Returns:
        Radians a step, in (0, π].

    Lecture: O3

    Example:
        >>> found = half_power_frequency(AveragedMomentum(rate=1.0, beta=0.1))
        >>> print(f"{found:.4f}")
        0.1055
        >>> half_power_frequency(AveragedMomentum(rate=1.0, beta=0.9)) is None
        True
    """
    m = method.heavy_ball().momentum
    beta = _weight_of_the_new(method)
    passes = m * (1 - 2 * beta**2 * (1 + m)) if method.nesterov else m
    if passes <= 0 or beta**2 > 4 * passes:
        return None
    return 2 * asin(beta / (2 * sqrt(passes)))


def alternating_gain(method: MomentumForm) -> float:
    """|H(π)|: what is left of a gradient that changes its sign at every step.

    β/(2 − β) for the average, 1/(1 + m) for the heavy ball; Nesterov passes 1 + 2m times as much. This is the damping
    of the directions of large σ, and the room it makes for a larger rate: the limit is 2/(h |H(π)|).

    Lecture: O3

    Example:
        >>> alternating_gain(AveragedMomentum(rate=1.0, beta=0.5))
        0.3333333333333333
    """
    m = method.heavy_ball().momentum
    return _scale(method) * (1 + 2 * m if method.nesterov else 1.0) / (1 + m)


def mean_age(method: MomentumForm) -> float:
    """How many steps old the gradients in a step are on average: m/β = (1 − β)/β; Nesterov's m²/β.

    It is the delay with which a slow change of the gradient shows in the steps.

    Lecture: O3

    Example:
        >>> mean_age(AveragedMomentum(rate=1.0, beta=0.25))
        3.0
    """
    m = method.heavy_ball().momentum
    return (m * m if method.nesterov else m) / _weight_of_the_new(method)


def _scale(method: MomentumForm) -> float:
    return method.beta if isinstance(method, AveragedMomentum) else 1.0


def _weight_of_the_new(method: MomentumForm) -> float:
    """β = 1 − m, without taking the difference where the method has it."""
    return method.beta if isinstance(method, AveragedMomentum) else 1 - method.heavy_ball().momentum
