"""What a denoiser is asked for: the noise ε, the clean data x_0, or the velocity v. Given x_t each tells the others.

    x_t = a x_0 + s ε,   v = a ε − s x_0,   a = √ᾱ_t, s = √(1 − ᾱ_t), a² + s² = 1

(x_t, v) is (x_0, ε) turned by the angle arctan(s/a), so turning back gives x_0 = a x_t − s v and ε = s x_t + a v. The
velocity is never divided by: x_0 from ε divides by a, almost 0 at the end, and ε from x_0 by s, almost 0 at the start.
An error of ε̂ is one of x̂_0 times s/a; so squared errors of the three differ by a weight that depends on t.

Legend: as in :mod:`~sightline.objectives.forward_process`.
"""

from typing import Literal, get_args

from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.words import one_of
from sightline.objectives.forward_process import require_alike
from sightline.objectives.noise_schedule import NoiseSchedule, at_times, require_times

Target = Literal["noise", "clean", "velocity"]
"""ε, x_0, v."""

Examples = Float[Tensor, "batch ..."]
Times = Int[Tensor, " batch"]


def target_of(schedule: NoiseSchedule, target: Target, x_0: Examples, noise: Examples, t: Times) -> Examples:
    """What the denoiser should say of x_t = a x_0 + s ε: ε, x_0 or v = a ε − s x_0.

    Shapes:
        x_0 and noise (batch, ...), t (batch) → as x_0

    Args:
        schedule: of the noise.
        target: which of the three.
        x_0: data.
        noise: ε.
        t: from 1 to T.

    Raises:
        ConfigurationError: for another target.
        InputError: for times outside, or two shapes.

    Source: ε Ho et al. 2020, eq. (14); v Salimans & Ho 2022, "Progressive Distillation for Fast Sampling of Diffusion
        Models", §4

    Lecture: X6

    Example:
        >>> import torch
        >>> schedule, t = NoiseSchedule(torch.tensor([0.36])), torch.tensor([1])
        >>> target_of(schedule, "velocity", torch.ones(1, 1), torch.ones(1, 1), t).round(decimals=4)
        tensor([[0.2000]])
    """
    _require(schedule, target, x_0, noise, t, "noise")
    if target == "noise":
        return noise
    if target == "clean":
        return x_0
    return at_times(schedule.signal, t, x_0) * noise - at_times(schedule.noise, t, x_0) * x_0


def clean_of(schedule: NoiseSchedule, target: Target, prediction: Examples, x_t: Examples, t: Times) -> Examples:
    """x̂_0 = (x_t − s ε̂)/a, or as predicted, or a x_t − s v̂.

    Shapes:
        prediction and x_t (batch, ...), t (batch) → as x_t

    Args:
        schedule: of the noise.
        target: what was predicted.
        prediction: the denoiser's.
        x_t: what it was given.
        t: from 1 to T.

    Raises:
        ConfigurationError: for another target.
        InputError: for times outside, or two shapes.

    Source: Ho et al. 2020, eq. (15); Salimans & Ho 2022, §4

    Lecture: X6

    Example:
        >>> import torch
        >>> schedule, t = NoiseSchedule(torch.tensor([0.36])), torch.tensor([1])
        >>> clean_of(schedule, "noise", torch.tensor([[-1.0]]), torch.tensor([[0.2]]), t).round(decimals=4)
        tensor([[1.]])
    """
    _require(schedule, target, x_t, prediction, t, "the prediction")
    if target == "clean":
        return prediction
    signal, noise = at_times(schedule.signal, t, x_t), at_times(schedule.noise, t, x_t)
    return (x_t - noise * prediction) / signal if target == "noise" else signal * x_t - noise * prediction


def noise_of(schedule: NoiseSchedule, target: Target, prediction: Examples, x_t: Examples, t: Times) -> Examples:
    """ε̂ as predicted, or (x_t − a x̂_0)/s, or s x_t + a v̂.

    Shapes:
        prediction and x_t (batch, ...), t (batch) → as x_t

    Args:
        schedule: of the noise.
        target: what was predicted.
        prediction: the denoiser's.
        x_t: what it was given.
        t: from 1 to T.

    Raises:
        ConfigurationError: for another target.
        InputError: for times outside, or two shapes.

    Source: Salimans & Ho 2022, §4

    Lecture: X6

    Example:
        >>> import torch
        >>> schedule, t = NoiseSchedule(torch.tensor([0.36])), torch.tensor([1])
        >>> noise_of(schedule, "clean", torch.tensor([[1.0]]), torch.tensor([[0.2]]), t).round(decimals=4)
        tensor([[-1.]])
    """
    _require(schedule, target, x_t, prediction, t, "the prediction")
    if target == "noise":
        return prediction
    signal, noise = at_times(schedule.signal, t, x_t), at_times(schedule.noise, t, x_t)
    return (x_t - signal * prediction) / noise if target == "clean" else noise * x_t + signal * prediction


def _require(schedule: NoiseSchedule, target: str, x: Tensor, other: Tensor, t: Tensor, name: str) -> None:
    one_of(target, get_args(Target), "target")
    require_times(schedule, t, x)
    require_alike(other, x, name)
