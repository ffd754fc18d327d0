"""Sampling by diffusion: from noise x_T back to data x_0, a denoiser saying at every step what is under the noise.

Legend: t time a step starts at, s < t time it ends at, x̂_0 the denoiser's clean data, ε̂ the noise it sees in x_t.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.core.words import one_of
from sightline.objectives.diffusion_target import Target, clean_of
from sightline.objectives.noise_schedule import NoiseSchedule

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""From x_t (batch, ...) and t (batch), whole numbers from 1 to T, to the prediction, shaped as x_t."""


@dataclass(frozen=True)
class Step:
    """One step of the reverse chain.

    Args:
        time: s, which the step led to; 0: data.
        x: x_s.
        clean: x̂_0 of the step, by which it was led.
    """

    time: int
    x: Float[Tensor, "batch ..."]
    clean: Float[Tensor, "batch ..."]


@dataclass(frozen=True, kw_only=True)
class DiffusionSampler:
    """x_s = mean(x_t, x̂_0) + deviation · z along falling times, z standard normal: what DDPM and DDIM have in common.

    Args:
        schedule: the one the denoiser was trained with.
        target: what the denoiser predicts: "noise" (ε), "clean" (x_0) or "velocity" (v).
        clip: range that x̂_0 is kept in, the data's own; none: as predicted. The step then uses the ε̂ that belongs
            to the clipped x̂_0.

    Raises:
        ConfigurationError: for another target, or a range that is empty.

    Lecture: X6
    """

    schedule: NoiseSchedule
    target: Target = "noise"
    clip: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        one_of(self.target, ("noise", "clean", "velocity"), "target")
        if self.clip is not None and not self.clip[0] < self.clip[1]:
            raise ConfigurationError(
                expected="clip: a lower end below an upper end", found=f"clip = {self.clip}", do="use (-1.0, 1.0)"
            )

    def times(self) -> list[int]:
        """All times the chain visits, from T down to 0."""
        raise NotImplementedError

    def move(
        self, x: Float[Tensor, "batch ..."], clean: Float[Tensor, "batch ..."], t: int, s: int
    ) -> tuple[Float[Tensor, "batch ..."], float]:
        """Mean and standard deviation of x_s, given x_t and x̂_0."""
        raise NotImplementedError

    def steps(
        self, denoiser: Denoiser, start: Float[Tensor, "batch ..."], *, generator: torch.Generator | None = None
    ) -> Iterator[Step]:
        """The reverse chain, one step at a time; nothing is kept of it here, and no gradients are.

        Args:
            denoiser: in evaluation mode, if it is a network.
            start: x_T, standard normal: torch.randn(batch, ...).
            generator: of the noise that the steps add; none: torch's own. The numbers are drawn where it lives.

        Raises:
            InputError: for a start without examples or of whole numbers, or a prediction of another shape.
        """
        if not start.is_floating_point() or start.dim() < 2:
            raise InputError(
                expected="a start of floating point numbers (batch, ...)",
                found=f"shape {tuple(start.shape)}, format {start.dtype}",
                do="draw it by torch.randn(batch, channels, height, width)",
            )
        x = start
        for t, s in pairwise(self.times()):
            with torch.no_grad():
                clean = self.denoised(denoiser, x, t)
                x, deviation = self.move(x, clean, t, s)
                if deviation > 0:
                    x = x + deviation * _normal_like(x, generator)
            yield Step(s, x, clean)

    def sample(
        self, denoiser: Denoiser, start: Float[Tensor, "batch ..."], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch ..."]:
        """x_0: where the chain of :meth:`steps` ends; arguments and errors are the same."""
        x = start
        for step in self.steps(denoiser, start, generator=generator):
            x = step.x
        return x

    def denoised(self, denoiser: Denoiser, x: Float[Tensor, "batch ..."], t: int) -> Float[Tensor, "batch ..."]:
        """x̂_0 from the denoiser's prediction, in the range asked for."""
        times = torch.full((len(x),), t, device=x.device)
        clean = clean_of(self.schedule, self.target, denoiser(x, times), x, times)
        return clean if self.clip is None else clean.clamp(*self.clip)


def _normal_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    device = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=device).to(x.device)
