"""Inverse-CDF sampling: a uniform number u, put through F⁻¹, is a draw from F.

Legend: F(x) = P(X ≤ x) the distribution function (CDF), F(x−) = P(X < x) its value just below x,
F⁻¹(u) = inf{x: F(x) ≥ u}. With this F⁻¹, jumps and flat parts of F need no case of their own: F⁻¹(u) ≤ x just where
u ≤ F(x), so P(F⁻¹(U) ≤ x) = F(x).
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError

CELLS = 2**52
"""Cells of the unit interval whose midpoints are drawn."""


@runtime_checkable
class Distribution(Protocol):
    """A distribution on the line. Its parameters may be batched; points and levels broadcast with them.

    Everything is float64. F⁻¹(0) is the lower end of the support, not −∞ for all.
    """

    def cdf(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x) = P(X ≤ x)."""
        ...

    def cdf_below(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x−) = P(X < x): F(x) less the atom at x, if there is one."""
        ...

    def inverse_cdf(self, u: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F⁻¹(u) = inf{x: F(x) ≥ u}, for u in [0, 1]."""
        ...


def uniforms(*shape: int, generator: torch.Generator | None = None) -> Float[Tensor, "..."]:
    """Uniform numbers (k + ½)/2⁵², k whole: never 0 or 1, and as fine near 0 as near 1.

    So no draw is −∞ or ∞, and u and 1 − u are equal in distribution.

    Raises:
        ConfigurationError: for a shape that is none.

    Lecture: X1

    Example:
        >>> uniforms(2, 3, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3])
    """
    if any(not isinstance(size, int) or isinstance(size, bool) or size < 0 for size in shape):
        raise ConfigurationError(
            expected="a shape of whole numbers, each 0 or more", found=f"{tuple(shape)}", do="such as (1000,)"
        )
    device = "cpu" if generator is None else generator.device
    return (torch.randint(CELLS, shape, generator=generator, device=device).double() + 0.5) / CELLS


def sample_from(
    distribution: Distribution, shape: Sequence[int], generator: torch.Generator | None = None
) -> Float[Tensor, "..."]:
    """F⁻¹(u) for uniform u of a shape: independent draws.

    Args:
        distribution: what is drawn from.
        shape: of the draws; it ends in the shape of the distribution's batch, if it has one.
        generator: where u comes from; none: torch's own.

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", Theorem II.2.1

    Lecture: X1

    Example:
        >>> from sightline.generate.continuous_distribution import Normal
        >>> sample_from(Normal(0.0, 2.0), [1000], torch.Generator().manual_seed(0)).std().round().item()
        2.0
    """
    return distribution.inverse_cdf(uniforms(*shape, generator=generator))


def checked_levels(u: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Levels u as float64.

    Raises:
        InputError: for one outside [0, 1], or NaN.

    Example:
        >>> checked_levels(torch.tensor([0.5])).dtype
        torch.float64
    """
    u = _float64(u, "levels u")
    bad = ~((u >= 0) & (u <= 1))  # NaN is bad too
    if bool(bad.any()):
        raise InputError(
            expected="levels u in [0, 1]",
            found=f"{float(u[bad][0])} among them",
            do="draw them by uniforms(…), or take them from a distribution function",
        )
    return u


def checked_points(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Points x of the line as float64; ∞ and −∞ are among them.

    Raises:
        InputError: for NaN.
    """
    x = _float64(x, "points x")
    if bool(x.isnan().any()):
        raise InputError(
            expected="points that are numbers",
            found=f"NaN in {int(x.isnan().sum()):,} of {x.numel():,} entries",
            do="find where they come from: a distribution function has no value there",
        )
    return x


def joint_shape(points: torch.Size, batch: torch.Size) -> torch.Size:
    """The shape of points, or levels, with a batch of distributions.

    Raises:
        InputError: where they don't broadcast.

    Example:
        >>> joint_shape(torch.Size([5, 1]), torch.Size([3]))
        torch.Size([5, 3])
    """
    try:
        shape: torch.Size = torch.broadcast_shapes(points, batch)
    except RuntimeError as error:
        raise InputError(
            expected=f"points or levels whose shape ends in that of the batch of distributions, {tuple(batch)}",
            found=f"shape {tuple(points)}",
            do="give one for each distribution, or several in dimensions before the batch",
        ) from error
    return shape


def _float64(value: Tensor, name: str) -> Tensor:
    if not isinstance(value, Tensor) or value.is_complex():
        raise InputError(
            expected=f"{name} as a tensor of real numbers",
            found=str(value.dtype) if isinstance(value, Tensor) else type(value).__name__,
            do="torch.as_tensor(…) makes one of a number or a list",
        )
    return value.double()
