"""Survival and contamination where they can be written down: Fourier features sampled at regular points.

At the n points j/n the features e^{2πikx} and e^{2πik'x} agree whenever k ≡ k' (mod n): they are aliases. The
minimum-norm estimate shares a true frequency among its aliases in proportion to their weights, so the pattern
survives to its share and the other shares are contamination.

Legend: n points, d frequencies 0 … d − 1, gₖ > 0 the weight of frequency k (the feature is √gₖ e^{2πikx}, its prior
variance gₖ), cₖ its coefficient in the estimate, G the sum of g over the aliases of a frequency, λ ridge.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs
from sightline.linear.survival import Survival


def fourier_features(points: Float[Tensor, " n"], weights: Float[Tensor, " d"]) -> Complex[Tensor, "n d"]:
    """The features √gₖ e^{2πikx} at given points, k = 0 … d − 1.

    Raises:
        DataError: when points or weights are not finite vectors, or a weight is not positive.

    Lecture: F9

    Example:
        >>> fourier_features(torch.tensor([0.0, 0.5]), torch.tensor([1.0, 4.0])).real
        tensor([[ 1.,  2.],
                [ 1., -2.]], dtype=torch.float64)
    """
    x, g = inputs.vector(points, name="points"), _weights(weights)
    frequencies = torch.arange(len(g), dtype=torch.float64)
    turns = torch.outer(x, frequencies).remainder(1.0)
    return g.sqrt() * torch.polar(torch.ones_like(turns), 2 * torch.pi * turns)


def aliased_coefficients(
    weights: Float[Tensor, " d"], samples: int, frequency: int, ridge: float = 0.0
) -> Float[Tensor, " d"]:
    """What n regular samples of e^{2πitx} are taken for: cₖ = gₖ/(G + λ/n) for k ≡ t (mod n), zero for other k.

    The estimate minimises Σⱼ|Σₖ cₖ e^{2πikj/n} − yⱼ|² + λ Σₖ|cₖ|²/gₖ, its limit being the minimum norm for λ = 0.

    Args:
        weights: gₖ > 0.
        samples: n ≥ 1.
        frequency: t, the true one, in 0 … d − 1.
        ridge: λ ≥ 0.

    Raises:
        DataError: when a weight is not positive or not finite.
        ConfigurationError: when a number is out of its range.

    Source: Muthukumar, Vodrahalli, Subramanian & Sahai 2020 (regularly spaced Fourier features).

    Lecture: F9

    Example:
        >>> aliased_coefficients(torch.tensor([3.0, 1.0, 1.0, 1.0]), samples=2, frequency=0)
        tensor([0.7500, 0.0000, 0.2500, 0.0000], dtype=torch.float64)
    """
    g = _weights(weights)
    n = inputs.count(samples, "samples", minimum=1)
    ridge = inputs.number(ridge, "ridge λ", minimum=0)
    t = inputs.count(frequency, "frequency")
    if t >= len(g):
        raise ConfigurationError(
            expected=f"a frequency of the model, 0 to {len(g) - 1}",
            found=f"{t}",
            do="give weights for more frequencies",
        )
    aliases = torch.arange(len(g)) % n == t % n
    return torch.where(aliases, g / (g[aliases].sum() + ridge / n), 0.0)


def alias_survival(
    weights: Float[Tensor, " d"], samples: int, frequency: int, *, noise: float, ridge: float = 0.0
) -> Survival:
    """Survival and contamination of one true frequency, in closed form.

    SU = gₜ/(G + λ/n). Without noise CN² = Σ_{k≡t, k≠t} cₖ²; noise of variance Var ε at each sample adds
    Var ε/n Σₖ (gₖ/(G(k) + λ/n))² over all frequencies, t's own part of it being the variance of SU. The new example
    is at a uniform point of [0, 1), where the unweighted features are orthonormal.

    Args:
        noise: Var ε ≥ 0, as E|ε|².

    Raises:
        DataError, ConfigurationError: see :func:`aliased_coefficients`; also when noise < 0.

    Source: Muthukumar et al. 2020.

    Lecture: F9

    Example:
        >>> found = alias_survival(torch.tensor([3.0, 1.0, 1.0, 1.0]), samples=2, frequency=0, noise=0.0)
        >>> found.survival, found.contamination
        (0.75, 0.0625)
    """
    noise = inputs.number(noise, "noise", minimum=0)
    c = aliased_coefficients(weights, samples, frequency, ridge)
    g = _weights(weights)
    residues = torch.arange(len(g)) % samples
    sums = torch.zeros(samples, dtype=torch.float64).index_add(0, residues, g)
    from_noise = noise / samples * (g / (sums[residues] + ridge / samples)).square()
    others = torch.arange(len(g)) != frequency
    return Survival(
        survival=float(c[frequency]),
        survival_variance=float(from_noise[frequency]),
        contamination_from_signal=float(c[others].square().sum()),
        contamination_from_noise=float(from_noise[others].sum()),
        energy=1.0,
        noise=noise,
    )


def bilevel_weights(features: int, favoured: int, share: float) -> Float[Tensor, " d"]:
    """Weights of two heights that average 1: the first s get a·d/s each, the others (1 − a)d/(d − s).

    With s = nʳ, a = n^−q, d = nᵖ, p > 1, a favoured frequency survives to 1/(1 + n^{q+r−1}(1 + o(1))): wholly, as n
    grows, when q + r < 1, and not at all when q + r > 1.

    Args:
        features: d.
        favoured: s, 1 to d − 1.
        share: a, the favoured features' share of all the weight, in (0, 1).

    Raises:
        ConfigurationError: when a number is out of its range.

    Source: Muthukumar, Narang, Subramanian, Belkin, Hsu & Sahai 2021 (the bi-level ensemble).

    Lecture: F9

    Example:
        >>> bilevel_weights(4, 1, share=0.5)
        tensor([2.0000, 0.6667, 0.6667, 0.6667], dtype=torch.float64)
    """
    d = inputs.count(features, "features", minimum=2)
    s = inputs.count(favoured, "favoured", minimum=1)
    a = inputs.number(share, "share", above=0, below=1)
    if s >= d:
        raise ConfigurationError(
            expected=f"fewer favoured features than the {d} there are", found=f"{s}", do="give a smaller number"
        )
    weights = torch.full((d,), (1 - a) * d / (d - s), dtype=torch.float64)
    weights[:s] = a * d / s
    return weights


def _weights(weights: Tensor) -> Float[Tensor, " d"]:
    found = inputs.vector(weights, name="weights")
    if not (found > 0).all():
        raise DataError(
            expected="weights above zero",
            found=f"a smallest of {float(found.min()):g}",
            do="leave out the frequencies the model does not have",
        )
    return found
