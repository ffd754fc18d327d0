"""Noise schedules: how much noise diffusion adds at each of its T steps.

Legend: t time, 0 for data and T for noise, β_t variance of the noise added at step t, α_t = 1 − β_t,
ᾱ_t = α_1 ⋯ α_t share of the variance that is still data's, SNR signal-to-noise ratio.

Everything is indexed by t itself: place 0 of every table is the data, with β_0 = 0 and ᾱ_0 = 1.
"""

import math
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError

LARGEST_BETA = 0.999
"""Where the cosine's last β is cut: at 1 the last step would forget all, and could not be undone."""


class NoiseSchedule:
    """x_t = √α_t x_{t−1} + √β_t ε_t for t = 1 … T, with α_t = 1 − β_t: data of variance 1 keep variance 1.

    Tables are computed in float64 and cast where they are used.

    Args:
        beta: β_1 … β_T, each in (0, 1).

    Raises:
        ConfigurationError: for no step, or a β outside (0, 1).

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", §2

    Lecture: X6

    Example:
        >>> schedule = NoiseSchedule(torch.tensor([0.5, 0.5]))
        >>> schedule.num_steps, schedule.alpha_bar.tolist()
        (2, [1.0, 0.5, 0.25])
    """

    def __init__(self, beta: Float[Tensor, " num_steps"]) -> None:
        if beta.dim() != 1 or not len(beta) or not bool(((beta > 0) & (beta < 1)).all()):
            raise ConfigurationError(
                expected="one β or more in a row, each above 0 and below 1",
                found=f"{len(beta)} of them from {float(beta.min()):g} to {float(beta.max()):g}"
                if beta.dim() == 1 and len(beta)
                else f"shape {tuple(beta.shape)}",
                do="use linear_schedule() or cosine_schedule()",
            )
        steps = beta.detach().cpu().double()
        self.beta: Float[Tensor, " times"] = torch.cat([steps.new_zeros(1), steps])
        """β_t."""

    @property
    def num_steps(self) -> int:
        """T."""
        return len(self.beta) - 1

    @cached_property
    def alpha(self) -> Float[Tensor, " times"]:
        """α_t = 1 − β_t."""
        return 1 - self.beta

    @cached_property
    def alpha_bar(self) -> Float[Tensor, " times"]:
        """ᾱ_t = α_1 ⋯ α_t, falling from ᾱ_0 = 1."""
        return self.alpha.cumprod(0)

    @cached_property
    def signal(self) -> Float[Tensor, " times"]:
        """√ᾱ_t: what is left of the data."""
        return self.alpha_bar.sqrt()

    @cached_property
    def noise(self) -> Float[Tensor, " times"]:
        """√(1 − ᾱ_t): the standard deviation of all noise that was added."""
        return (1 - self.alpha_bar).sqrt()

    @cached_property
    def signal_to_noise(self) -> Float[Tensor, " times"]:
        """SNR_t = ᾱ_t/(1 − ᾱ_t), falling from ∞."""
        return self.alpha_bar / (1 - self.alpha_bar)

    @cached_property
    def posterior_variance(self) -> Float[Tensor, " times"]:
        """β̃_t = (1 − ᾱ_{t−1})/(1 − ᾱ_t) · β_t: of x_{t−1}, given x_t and x_0; 0 for t = 1."""
        variance = torch.zeros_like(self.beta)
        variance[1:] = (1 - self.alpha_bar[:-1]) / (1 - self.alpha_bar[1:]) * self.beta[1:]
        return variance

    def __repr__(self) -> str:
        return f"NoiseSchedule(num_steps={self.num_steps}, last alpha_bar={float(self.alpha_bar[-1]):.3g})"


def linear_schedule(num_steps: int = 1000, *, first: float = 1e-4, last: float = 0.02) -> NoiseSchedule:
    """β_t rises in equal steps from ``first`` to ``last``.

    ᾱ_T is about exp(−T(β_1 + β_T)/2), 4e-5 for the defaults. With fewer steps, larger β reach it too: multiply both
    by 1000/T.

    Args:
        num_steps: T.
        first: β_1.
        last: β_T.

    Raises:
        ConfigurationError: for no step, or a β outside (0, 1).

    Source: Ho et al. 2020, §4

    Lecture: X6

    Example:
        >>> linear_schedule()
        NoiseSchedule(num_steps=1000, last alpha_bar=4.04e-05)
    """
    _require_steps(num_steps)
    return NoiseSchedule(torch.linspace(first, last, num_steps, dtype=torch.float64))


def cosine_schedule(num_steps: int = 1000, *, offset: float = 0.008) -> NoiseSchedule:
    """ᾱ_t = f(t)/f(0) with f(t) = cos²((t/T + s)/(1 + s) · π/2): noise comes evenly, with the linear one early.

    β_t = 1 − ᾱ_t/ᾱ_{t−1}, cut at :data:`LARGEST_BETA`.

    Args:
        num_steps: T.
        offset: s ≥ 0; it keeps β_1 from being too small to be noticed.

    Raises:
        ConfigurationError: for no step, or an offset below 0.

    Source: Nichol & Dhariwal 2021, "Improved Denoising Diffusion Probabilistic Models", eq. (17)

    Lecture: X6

    Example:
        >>> round(float(cosine_schedule().alpha_bar[500]), 2), round(float(linear_schedule().alpha_bar[500]), 2)
        (0.49, 0.08)
    """
    _require_steps(num_steps)
    if not 0 <= offset < math.inf:
        raise ConfigurationError(expected="an offset of 0 or more", found=f"offset = {offset}", do="use 0.008")
    time = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
    wave = torch.cos((time + offset) / (1 + offset) * (math.pi / 2)).square()
    return NoiseSchedule((1 - wave[1:] / wave[:-1]).clamp(max=LARGEST_BETA))


def at_times(
    table: Float[Tensor, " times"], t: Int[Tensor, " batch"], x: Float[Tensor, "batch ..."]
) -> Float[Tensor, "batch ..."]:
    """Each example's own entry of a table, table[t], shaped to multiply the examples and in their number format.

    Shapes:
        table (T + 1), t (batch), x (batch, ...) → (batch, 1, …, 1)

    Args:
        table: one of a schedule's.
        t: times from 0 to T.
        x: the examples.

    Example:
        >>> at_times(linear_schedule(10).alpha_bar, torch.tensor([0, 0]), torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 1, 1, 1])
    """
    wide = x.dtype if x.device.type == "mps" else table.dtype
    picked = table.to(x.device, wide)[t.to(x.device)]
    return picked.to(x.dtype).reshape(-1, *[1] * (x.dim() - 1))


def require_times(schedule: NoiseSchedule, t: Int[Tensor, " batch"], x: Float[Tensor, "batch ..."]) -> None:
    """A time from 1 to T for each example. On an accelerator the numbers are not looked at: a look would wait for it.

    Raises:
        InputError: for another shape or number format, or a time outside.

    Example:
        >>> require_times(linear_schedule(10), torch.tensor([1, 10]), torch.zeros(2, 3))
    """
    if t.shape != x.shape[:1] or t.is_floating_point() or t.dtype == torch.bool:
        raise InputError(
            expected=f"a whole number as time of each of {len(x)} examples",
            found=f"times of shape {tuple(t.shape)} and format {t.dtype}",
            do="draw them by torch.randint(1, schedule.num_steps + 1, (batch,))",
        )
    if t.is_cpu and t.numel() and not torch.compiler.is_compiling():
        low, high = (int(end) for end in t.aminmax())
        if low < 1 or high > schedule.num_steps:
            raise InputError(
                expected=f"times from 1 to {schedule.num_steps}; time 0 is the data",
                found=f"time {low if low < 1 else high}",
                do="count times from 1",
            )


def _require_steps(num_steps: int) -> None:
    if num_steps < 1:
        raise ConfigurationError(expected="at least 1 step", found=f"num_steps = {num_steps}", do="use 1000")
