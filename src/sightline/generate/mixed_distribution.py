"""Mixed distributions: a density with atoms in it, as a rectified or clipped number has.

Legend: a_j atoms in rising order, w_j their probabilities, w = 1 − Σ w_j the rest, G the distribution function of the
continuous part.
"""

from math import inf

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import InputError
from sightline.generate.inverse_cdf import Distribution, checked_levels, checked_points, joint_shape

LEAST = 1e-12
"""The continuous part has at least this probability."""


class Mixed:
    """F(x) = w G(x) + Σ_{a_j ≤ x} w_j: it jumps by w_j at a_j.

    F⁻¹(u) is a_j for every u in (F(a_j−), F(a_j)]; elsewhere it is G⁻¹((u − W)/w), W the probability of the atoms
    with F(a_j) < u. Atoms come out exactly, so that they can be counted.

    Shapes:
        Levels and points broadcast with ``*batch`` and with the batch of the continuous part.

    Args:
        atoms: a, [atoms], finite and rising.
        probabilities: w_j, [*batch, atoms]: not negative, with a sum of at most 1 − 1e-12.
        continuous: the rest, a distribution without atoms.

    Raises:
        InputError: for atoms that don't rise, or probabilities that leave nothing to the continuous part.

    Lecture: X1

    Example:
        >>> from sightline.generate.continuous_distribution import Continuous
        >>> unit = Continuous(lambda x: x.clamp(0, 1), lambda u: u)
        >>> dimmed = Mixed(torch.tensor([0.0]), torch.tensor([0.5]), unit)
        >>> dimmed.inverse_cdf(torch.tensor([0.2, 0.5, 0.75])).tolist()
        [0.0, 0.0, 0.5]
    """

    def __init__(
        self, atoms: Float[Tensor, " atoms"], probabilities: Float[Tensor, "*batch atoms"], continuous: Distribution
    ) -> None:
        self.atoms, self.probabilities, self.continuous = atoms.double(), probabilities.double(), continuous
        if self.atoms.ndim != 1 or len(self.atoms) == 0 or self.probabilities.shape[-1:] != self.atoms.shape:
            raise InputError(
                expected="atoms in one dimension, at least one, and a probability for each",
                found=f"atoms of shape {tuple(atoms.shape)}, probabilities of shape {tuple(probabilities.shape)}",
                do="without atoms take the continuous distribution alone",
            )
        if not bool(self.atoms.isfinite().all()) or not bool((self.atoms.diff() > 0).all()):
            raise InputError(
                expected="finite atoms, each above the one before",
                found=f"{self.atoms[:8].tolist()}" + (" …" if len(self.atoms) > 8 else ""),
                do="sort them with their probabilities, and add up the probabilities of equal ones",
            )
        self.rest = 1 - self.probabilities.sum(-1)
        usable = (self.probabilities >= 0).all(-1) & (self.rest >= LEAST)
        if not bool(usable.all()):
            raise InputError(
                expected=f"probabilities of atoms, none negative, with a sum of at most 1 − {LEAST:g}",
                found=f"{self.probabilities[~usable][0].tolist()}",
                do="without a continuous part take Discrete",
            )

    def cdf(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x) = w G(x) + Σ w_j over a_j ≤ x."""
        x = checked_points(x)
        joint_shape(x.shape, self.rest.shape)
        return self._mass(self.continuous.cdf(x), self.atoms <= x[..., None])

    def cdf_below(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x−) = w G(x) + Σ w_j over a_j < x."""
        x = checked_points(x)
        joint_shape(x.shape, self.rest.shape)
        return self._mass(self.continuous.cdf_below(x), self.atoms < x[..., None])

    def inverse_cdf(self, u: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """a_j where u falls into its jump, otherwise a number of the continuous part between two atoms."""
        u = checked_levels(u)
        u = u.expand(joint_shape(u.shape, self.rest.shape))
        level = u.clamp(min=torch.finfo(torch.float64).tiny)
        jumps = self._jumps()
        passed = torch.zeros_like(level)
        floor, ceiling = torch.full_like(level, -inf), torch.full_like(level, inf)
        for atom, probability, before, at in jumps:
            passed = torch.where(at < level, passed + probability, passed)
            floor = torch.where(at < level, atom, floor)
            ceiling = torch.where((level <= before) & (ceiling == inf), atom, ceiling)
        share = ((u - passed) / self.rest).clamp(0, 1)
        x = self.continuous.inverse_cdf(share).clamp(floor, ceiling)  # rounding may not carry it past an atom
        for atom, _, before, at in jumps:
            x = torch.where((before < level) & (level <= at), atom, x)
        return x

    def _jumps(self) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Each atom with its probability, F just below it, and F at it."""
        probabilities = self.probabilities.unbind(-1)
        return [(a, p, self.cdf_below(a), self.cdf(a)) for a, p in zip(self.atoms, probabilities, strict=True)]

    def _mass(self, continuous: Tensor, counted: Tensor) -> Tensor:
        return (self.rest * continuous + (self.probabilities * counted).sum(-1)).clamp(max=1)
