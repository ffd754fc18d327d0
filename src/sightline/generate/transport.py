"""Any distribution from any other: to uniform numbers and on, Y = F_Y⁻¹(F_X(X)).

Legend: F_X, F_Y distribution functions, F(x−) = P(X < x), v uniform and independent of X.
"""

from jaxtyping import Float
from torch import Tensor

from sightline.generate.inverse_cdf import Distribution, checked_levels


def probability_integral_transform(x: Float[Tensor, "..."], source: Distribution) -> Float[Tensor, "..."]:
    """u = F_X(x): uniform on [0, 1] where X is continuous.

    Where X has atoms it is not: F_X(X) has no more values than X, and P(F_X(X) ≤ u) ≤ u, with equality only at the
    values of F_X. See :func:`distributional_transform`.

    Args:
        x: draws of X.
        source: the distribution of X.

    Raises:
        InputError: for NaN in x.

    Source: Devroye 1986, "Non-Uniform Random Variate Generation", Theorem II.2.1

    Lecture: X1

    Example:
        >>> import torch
        >>> from sightline.generate.continuous_distribution import Normal
        >>> probability_integral_transform(torch.tensor([0.0]), Normal()).tolist()
        [0.5]
    """
    return source.cdf(x)


def distributional_transform(
    x: Float[Tensor, "..."], v: Float[Tensor, "..."], source: Distribution
) -> Float[Tensor, "..."]:
    """u = F_X(x−) + v (F_X(x) − F_X(x−)): uniform on [0, 1] for every X, its jumps filled evenly.

    F_X⁻¹(u) = x with probability 1: nothing of x is lost.

    Args:
        x: draws of X.
        v: uniform numbers in [0, 1], independent of X.
        source: the distribution of X.

    Raises:
        InputError: for NaN in x, or v outside [0, 1].

    Source: Rüschendorf 2009, "On the distributional transform, Sklar's theorem, and the empirical copula process",
        Proposition 2.1

    Lecture: X1

    Example:
        >>> import torch
        >>> from sightline.generate.discrete_distribution import Discrete
        >>> coin = Discrete(torch.tensor([0.5, 0.5]))
        >>> distributional_transform(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5]), coin).tolist()
        [0.25, 0.75]
    """
    return source.cdf_below(x).lerp(source.cdf(x), checked_levels(v))


def transport(x: Float[Tensor, "..."], source: Distribution, target: Distribution) -> Float[Tensor, "..."]:
    """y = F_Y⁻¹(F_X(x)): draws of any Y from draws of a continuous X, in the same order.

    From a Gaussian, u = Φ(x). For a discrete X, Y gets no more values than X has, and none in between: use
    :func:`randomised_transport`.

    F_X(x) tells points apart down to 1.1e-16 below 1, near 0 to 2.2e-308: a point far up (x > 8.2 of a standard
    normal) comes out at the upper end of Y.

    Args:
        x: draws of X.
        source: the distribution of X, without atoms.
        target: the distribution of Y; it may have atoms.

    Raises:
        InputError: for NaN in x.

    Source: Villani 2009, "Optimal Transport: Old and New", ch. 1 (the increasing rearrangement)

    Lecture: X1

    Example:
        >>> import torch
        >>> from sightline.generate.discrete_distribution import Discrete
        >>> from sightline.generate.continuous_distribution import Normal
        >>> transport(torch.tensor([-1.0, 1.0]), Normal(), Discrete(torch.tensor([0.5, 0.5]))).tolist()
        [0.0, 1.0]
    """
    return target.inverse_cdf(probability_integral_transform(x, source))


def randomised_transport(
    x: Float[Tensor, "..."], v: Float[Tensor, "..."], source: Distribution, target: Distribution
) -> Float[Tensor, "..."]:
    """y = F_Y⁻¹(F_X(x−) + v (F_X(x) − F_X(x−))): draws of any Y from draws of any X, discrete ones too.

    An X without chance gives F_Y⁻¹(v): what a discrete X lacks, v brings.

    Args:
        x: draws of X.
        v: uniform numbers in [0, 1], independent of X.
        source: the distribution of X.
        target: the distribution of Y.

    Raises:
        InputError: for NaN in x, or v outside [0, 1].

    Source: Rüschendorf 2009, "On the distributional transform, Sklar's theorem, and the empirical copula process",
        Proposition 2.1

    Lecture: X1

    Example:
        >>> import torch
        >>> from sightline.generate.discrete_distribution import Discrete
        >>> from sightline.generate.continuous_distribution import Normal
        >>> coin = Discrete(torch.tensor([0.5, 0.5]))
        >>> randomised_transport(torch.tensor([0.0]), torch.tensor([1.0]), coin, Normal()).tolist()
        [0.0]
    """
    return target.inverse_cdf(distributional_transform(x, v, source))
