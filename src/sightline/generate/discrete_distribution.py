"""Discrete distributions by their inverse CDF: the category in whose interval u falls.

Legend: p_k probability of category k, F_k = p_0 + … + p_k.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.errors import InputError
from sightline.generate.inverse_cdf import checked_levels, checked_points, joint_shape


class Discrete:
    """P(X = x_k) = p_k; F⁻¹(u) = x_k with F_{k−1} < u ≤ F_k.

    Shapes:
        Levels and points broadcast with ``*batch``, the leading dimensions of ``probabilities``.

    Args:
        probabilities: p, [*batch, categories]: not negative, each row with sum 1.
        values: x, [categories], finite and rising; none: 0, 1, 2, …

    Raises:
        InputError: for probabilities that are none (see :func:`checked_probabilities`), or values that don't rise.

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", §III.2

    Lecture: X1

    Example:
        >>> coin = Discrete(torch.tensor([0.5, 0.5]), torch.tensor([-1.0, 1.0]))
        >>> coin.inverse_cdf(torch.tensor([0.3, 0.5, 0.7])).tolist(), coin.cdf(torch.tensor(0.0)).item()
        ([-1.0, -1.0, 1.0], 0.5)
    """

    def __init__(
        self, probabilities: Float[Tensor, "*batch categories"], values: Float[Tensor, " categories"] | None = None
    ) -> None:
        self.cumulated = cumulated(probabilities)
        count = self.cumulated.shape[-1]
        self.values = torch.arange(count).double() if values is None else values.double()
        self.values = self.values.to(self.cumulated.device)
        if self.values.shape != (count,):
            raise InputError(
                expected=f"one value for each of the {count} categories, in one dimension",
                found=f"values of shape {tuple(self.values.shape)}",
                do="give every category its value; all distributions of a batch share them",
            )
        if not bool(self.values.isfinite().all()) or not bool((self.values.diff() > 0).all()):
            raise InputError(
                expected="finite values, each above the one before",
                found=f"{self.values[:8].tolist()}" + (" …" if count > 8 else ""),
                do="sort them with their probabilities, and add up the probabilities of equal ones",
            )

    def cdf(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x): the sum of p_k over x_k ≤ x."""
        return self._mass(checked_points(x), right=True)

    def cdf_below(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """F(x−): the sum of p_k over x_k < x."""
        return self._mass(checked_points(x), right=False)

    def inverse_cdf(self, u: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The value of the category in whose interval u falls."""
        return self.values[search(self.cumulated, checked_levels(u))]

    def _mass(self, x: Tensor, *, right: bool) -> Tensor:
        """The mass of the values up to x, itself counted (``right``) or not."""
        shape = joint_shape(x.shape, self.cumulated.shape[:-1])
        number = torch.searchsorted(self.values, x.contiguous(), right=right).expand(shape)[..., None]
        table = self.cumulated.expand(*shape, -1)
        return torch.where(number == 0, 0.0, table.gather(-1, (number - 1).clamp(min=0)))[..., 0]


def inverse_categorical(
    probabilities: Float[Tensor, "*batch categories"], u: Float[Tensor, "..."]
) -> Int[Tensor, "..."]:
    """The smallest k with p_0 + … + p_k ≥ u: category k with probability p_k, for uniform u.

    A category without probability is never chosen, not at u = 0 and u = 1 either. Sums are in float64.

    Shapes:
        u [...], broadcast with ``*batch`` → k [...]

    Args:
        probabilities: not negative, each row with sum 1.
        u: in [0, 1].

    Raises:
        InputError: for probabilities that are none, or u outside [0, 1].

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", §III.2

    Lecture: X1

    Example:
        >>> inverse_categorical(torch.tensor([0.0, 0.5, 0.0, 0.5]), torch.tensor([0.0, 0.5, 0.6, 1.0])).tolist()
        [1, 1, 3, 3]
    """
    return search(cumulated(probabilities), checked_levels(u))


def checked_probabilities(probabilities: Float[Tensor, "*batch categories"]) -> Float[Tensor, "*batch categories"]:
    """Probabilities as float64.

    Raises:
        InputError: where there is no category, one is negative, infinite or NaN, or a row's sum is further from 1 than
            1e-6 or four times the accuracy of the number format.

    Example:
        >>> checked_probabilities(torch.tensor([0.25, 0.75])).tolist()
        [0.25, 0.75]
    """
    if probabilities.ndim == 0 or probabilities.shape[-1] == 0:
        raise InputError(
            expected="probabilities of at least one category, in the last dimension",
            found=f"a tensor of shape {tuple(probabilities.shape)}",
            do="give [categories], or [batch, categories]",
        )
    wide = probabilities.double()
    bad = ~((wide >= 0) & wide.isfinite())  # NaN is bad too
    if bool(bad.any()):
        raise InputError(
            expected="probabilities, finite and not negative",
            found=f"{float(wide[bad][0])} among them",
            do="scores become probabilities by softmax",
        )
    accuracy = torch.finfo(probabilities.dtype).eps if probabilities.is_floating_point() else 0.0
    error = (wide.sum(-1) - 1).abs()
    if bool((error > max(1e-6, 4 * accuracy)).any()):
        raise InputError(
            expected="probabilities that sum to 1",
            found=f"a sum of {float(wide.sum(-1).flatten()[error.flatten().argmax()])}",
            do="divide them by their sum",
        )
    return wide


def cumulated(probabilities: Float[Tensor, "*batch categories"]) -> Float[Tensor, "*batch categories"]:
    """F_k = (p_0 + … + p_k)/(p_0 + … + p_K), in float64: never falling, level where p_k = 0, exactly 1 at the end.

    Raises:
        InputError: see :func:`checked_probabilities`.

    Example:
        >>> cumulated(torch.tensor([0.25, 0.0, 0.75])).tolist()
        [0.25, 0.25, 1.0]
    """
    wide = checked_probabilities(probabilities)
    sums = wide.cumsum(-1).masked_fill(wide == 0, 0).cummax(-1).values  # a parallel sum may waver by its last bit
    return sums / sums[..., -1:]


def search(sums: Float[Tensor, "*batch categories"], u: Float[Tensor, "..."]) -> Int[Tensor, "..."]:
    """The smallest k with F_k ≥ u, from rows of F and levels that broadcast with them; F_k > 0 where u = 0.

    Example:
        >>> search(torch.tensor([[0.5, 1.0], [0.1, 1.0]]), torch.tensor(0.4)).tolist()
        [0, 1]
    """
    batch = sums.shape[:-1]
    shape = joint_shape(u.shape, batch)
    level = u.clamp(min=torch.finfo(torch.float64).tiny).to(sums).expand(shape)
    if not batch:
        return torch.searchsorted(sums, level.contiguous())
    outer, inner = shape[: len(shape) - len(batch)], shape[len(shape) - len(batch) :]
    level = level.reshape(outer.numel(), *inner).movedim(0, -1).contiguous()
    found = torch.searchsorted(sums.expand(*inner, -1).contiguous(), level)
    return found.movedim(-1, 0).reshape(shape)
