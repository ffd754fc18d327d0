"""The forward process of diffusion: data become noise step by step, and every part of it has a closed form.

    q(x_t | x_{t−1}) = N(√(1 − β_t) x_{t−1}, β_t I)         one step
    q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I)                 all steps at once
    q(x_{t−1} | x_t, x_0) = N(μ̃_t, β̃_t I)                    one step back, the data known

The lecture notes once write the step with β_t and 1 − β_t exchanged: with β from 1e-4 to 0.02 that forgets the data
at once. And they call the step back "intractable" given x_0; it is Gaussian, with mean and variance below. What is not
tractable is q(x_{t−1} | x_t): a mixture of these, over all data, weighed by q(x_0 | x_t).

Legend: as in :mod:`~sightline.objectives.noise_schedule`; ε standard normal noise.
"""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import InputError
from sightline.objectives.noise_schedule import NoiseSchedule, at_times, require_times

Examples = Float[Tensor, "batch ..."]
Times = Int[Tensor, " batch"]


def diffuse(schedule: NoiseSchedule, x_0: Examples, t: Times, noise: Examples) -> Examples:
    """x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε: t steps in one jump.

    Shapes:
        x_0 (batch, ...), t (batch), noise as x_0 → as x_0

    Args:
        schedule: of the noise.
        x_0: data, standardised.
        t: from 1 to T, one for each example.
        noise: ε, standard normal.

    Raises:
        InputError: for times outside, or noise of another shape.

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", eq. (4)

    Lecture: X6

    Example:
        >>> import torch
        >>> schedule = NoiseSchedule(torch.tensor([0.36]))
        >>> diffuse(schedule, torch.tensor([[1.0]]), torch.tensor([1]), torch.tensor([[-1.0]])).round(decimals=4)
        tensor([[0.2000]])
    """
    require_times(schedule, t, x_0)
    require_alike(noise, x_0, "noise")
    return at_times(schedule.signal, t, x_0) * x_0 + at_times(schedule.noise, t, x_0) * noise


def diffuse_step(schedule: NoiseSchedule, x: Examples, t: Times, noise: Examples) -> Examples:
    """x_t = √(1 − β_t) x_{t−1} + √β_t ε: the slow twin of :func:`diffuse`, one step.

    Shapes:
        x (batch, ...), t (batch), noise as x → as x

    Args:
        schedule: of the noise.
        x: x_{t−1}.
        t: the time that the step ends at, from 1 to T.
        noise: ε, standard normal, drawn anew for every step.

    Raises:
        InputError: for times outside, or noise of another shape.

    Source: Ho et al. 2020, eq. (2)

    Lecture: X6

    Example:
        >>> import torch
        >>> schedule = NoiseSchedule(torch.tensor([0.36]))
        >>> diffuse_step(schedule, torch.tensor([[1.0]]), torch.tensor([1]), torch.tensor([[0.0]])).round(decimals=4)
        tensor([[0.8000]])
    """
    require_times(schedule, t, x)
    require_alike(noise, x, "noise")
    return at_times(schedule.alpha.sqrt(), t, x) * x + at_times(schedule.beta.sqrt(), t, x) * noise


@dataclass(frozen=True)
class Posterior:
    """q(x_{t−1} | x_t, x_0) = N(mean, variance · I).

    Args:
        mean: μ̃_t, shaped as the examples.
        variance: β̃_t, (batch, 1, …, 1); 0 where t = 1.
    """

    mean: Float[Tensor, "batch ..."]
    variance: Float[Tensor, "batch ..."]


def posterior(schedule: NoiseSchedule, x_0: Examples, x_t: Examples, t: Times) -> Posterior:
    """One step back, the data known: μ̃_t = (√ᾱ_{t−1} β_t x_0 + √α_t (1 − ᾱ_{t−1}) x_t)/(1 − ᾱ_t), variance β̃_t.

    x_{t−1} and x_t are jointly normal given x_0: Bayes' rule multiplies N(x_{t−1}; √ᾱ_{t−1} x_0, 1 − ᾱ_{t−1}) by
    N(x_t; √α_t x_{t−1}, β_t), so precisions add, 1/β̃_t = α_t/β_t + 1/(1 − ᾱ_{t−1}).

    Shapes:
        x_0 and x_t (batch, ...), t (batch) → mean as x_t, variance (batch, 1, …, 1)

    Args:
        schedule: of the noise.
        x_0: the data, or what a denoiser takes them for.
        x_t: what the step starts at.
        t: from 1 to T.

    Raises:
        InputError: for times outside, or two shapes.

    Source: Ho et al. 2020, eqs. (6)-(7)

    Lecture: X6

    Example:
        >>> import torch
        >>> back = posterior(NoiseSchedule(torch.tensor([0.5])), torch.ones(1, 1), torch.zeros(1, 1), torch.tensor([1]))
        >>> back.mean.item(), back.variance.item()
        (1.0, 0.0)
    """
    require_times(schedule, t, x_t)
    require_alike(x_0, x_t, "x_0")
    bar, before = schedule.alpha_bar[1:], schedule.alpha_bar[:-1]
    of_data = before.sqrt() * schedule.beta[1:] / (1 - bar)
    of_noisy = schedule.alpha[1:].sqrt() * (1 - before) / (1 - bar)
    mean = at_times(of_data, t - 1, x_t) * x_0 + at_times(of_noisy, t - 1, x_t) * x_t
    return Posterior(mean, at_times(schedule.posterior_variance, t, x_t))


def require_alike(given: Tensor, x: Tensor, name: str) -> None:
    """Two tensors of one shape; a smaller one would be broadcast without a word.

    Raises:
        InputError: for another shape.

    Example:
        >>> import torch
        >>> require_alike(torch.zeros(2, 3), torch.ones(2, 3), "noise")
    """
    if given.shape != x.shape:
        raise InputError(
            expected=f"{name} of shape {tuple(x.shape)}, as the examples",
            found=f"shape {tuple(given.shape)}",
            do="draw noise by torch.randn_like(x)" if name == "noise" else "give both of one shape",
        )
