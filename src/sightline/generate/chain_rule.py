"""The chain rule: a vector drawn one component at a time, each given those before it.

Legend: x_{<i} = x_1, …, x_{i−1} the components before the i-th, F_i(· | x_{<i}) the distribution function of the i-th
given them. f(x) = f(x_1) f(x_2 | x_1) … f(x_d | x_{<d}), so d draws on the line make one in d dimensions.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, InputError
from sightline.generate.inverse_cdf import Distribution, checked_levels, checked_points, uniforms
from sightline.generate.transport import distributional_transform

Conditional = Callable[[Float[Tensor, "n before"]], Distribution]
"""From the components before, one row a vector (none for the first), to the distribution of the next in each row."""


class ChainRule:
    """Vectors from uniform numbers by x_i = F_i⁻¹(u_i | x_{<i}), i = 1, …, d in turn.

    Autoregressive generation of text is this: x_i a token, F_i(· | x_{<i}) from the softmax of a network's scores for
    the text so far. Each component waits for those before it; the n vectors are drawn side by side.

    Args:
        conditionals: one for each component, in the order in which they are drawn. The distribution that one gives has
            a batch of shape [n], or none.

    Raises:
        ConfigurationError: where there is none.

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", §XI.1.2; backwards Rosenblatt 1952, "Remarks on a
        Multivariate Transformation"

    Lecture: X1

    Example:
        >>> from sightline.generate.continuous_distribution import Normal
        >>> pair = ChainRule([lambda before: Normal(), lambda before: Normal(0.8 * before[:, 0], 0.6)])
        >>> torch.corrcoef(pair.sample(10_000, torch.Generator().manual_seed(0)).T)[0, 1].round(decimals=1).item()
        0.8
    """

    def __init__(self, conditionals: Sequence[Conditional]) -> None:
        self.conditionals = tuple(conditionals)
        if not self.conditionals:
            raise ConfigurationError(
                expected="a conditional distribution for each component",
                found="none",
                do="give a list of functions from the components before to the distribution of the next",
            )

    def sample(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "count d"]:
        """Independent vectors, by :meth:`from_uniforms` of uniform numbers.

        Args:
            count: how many.
            generator: where the uniform numbers come from; none: torch's own.
        """
        return self.from_uniforms(uniforms(count, len(self.conditionals), generator=generator))

    def from_uniforms(self, u: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """x_i = F_i⁻¹(u_i | x_{<i}).

        Args:
            u: in [0, 1], one row a vector.

        Raises:
            InputError: for u outside [0, 1] or of another width, or a distribution of another batch.
        """
        u = self._checked(checked_levels(u))
        x = torch.empty_like(u)
        for i, conditional in enumerate(self.conditionals):
            x[:, i] = self._one_a_row(conditional(x[:, :i]).inverse_cdf(u[:, i]), u[:, i], i)
        return x

    def to_uniforms(self, x: Float[Tensor, "n d"], v: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The way back: u_i = F_i(x_i− | x_{<i}) + v_i (F_i(x_i | x_{<i}) − F_i(x_i− | x_{<i})).

        For vectors drawn from these conditionals and independent uniform v, the components of u are uniform and
        independent. For continuous components v does not matter, and u = F_i(x_i | x_{<i}) is Rosenblatt's transform.

        Args:
            x: one row a vector.
            v: in [0, 1], by which a jump of F is split.

        Raises:
            InputError: for NaN in x, v outside [0, 1], another width, or a distribution of another batch.
        """
        x, v = self._checked(checked_points(x)), self._checked(checked_levels(v))
        u = torch.empty_like(x)
        for i, conditional in enumerate(self.conditionals):
            u[:, i] = self._one_a_row(distributional_transform(x[:, i], v[:, i], conditional(x[:, :i])), x[:, i], i)
        return u

    def _checked(self, vectors: Tensor) -> Tensor:
        if vectors.ndim != 2 or vectors.shape[1] != len(self.conditionals):
            raise InputError(
                expected=f"one row a vector, of {len(self.conditionals)} components",
                found=f"a tensor of shape {tuple(vectors.shape)}",
                do="give as many columns as there are conditional distributions",
            )
        return vectors

    @staticmethod
    def _one_a_row(found: Tensor, wanted: Tensor, i: int) -> Tensor:
        if found.shape != wanted.shape:
            raise InputError(
                expected=f"a distribution for component {i} with a batch of shape {tuple(wanted.shape)}, or with none",
                found=f"values of shape {tuple(found.shape)}",
                do="index a column of the components before as before[:, j], not before[:, j:j+1]",
            )
        return found
