"""Stochastic gradient descent on ‖Xw − y‖²: its gradient's noise, and its error's exact moments without sampling.

A step draws b of the n rows and follows the unbiased gradient (n/b) Σ 2xⱼ(xⱼᵀw − yⱼ). With the error e = w − w* from
the limit of gradient descent, its residuals r = y − Xw*, G = XᵀX and A = I − 2ηG, the first two moments close:

    m' = Am
    M' = AMA + η²φ [4n Σᵢ xᵢxᵢᵀ (xᵢᵀMxᵢ − 2rᵢ xᵢᵀm + rᵢ²) − 4GMG]

Legend: m = E e, M = E eeᵀ, b batch, η rate, φ = 1/b with replacement and (n − b)/(b(n − 1)) without.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs
from sightline.linear.gradient_descent import descent_limit, starting_point
from sightline.linear.svd_coordinates import svd_coordinates


def gradient_noise(
    X: Float[Tensor, "n d"],
    y: Float[Tensor, " n"],
    w: Float[Tensor, " d"],
    batch: int,
    replacement: bool = True,
) -> Float[Tensor, "d d"]:
    """Cov ĝ = φn Σᵢ (gᵢ − ḡ)(gᵢ − ḡ)ᵀ: the covariance of the minibatch gradient at w.

    gᵢ = 2xᵢ(xᵢᵀw − yᵢ) is a row's gradient and ḡ the mean of them.

    Shapes:
        X: [n, d]; y: [n]; w: [d]; returns: [d, d].

    Args:
        X, y: the problem, with one output.
        w: where.
        batch: b ≥ 1, the rows of a step; at most n without replacement.
        replacement: whether a row may be drawn twice for one step.

    Raises:
        DataError: when X, y and w do not fit each other or are not finite.
        ConfigurationError: when the batch is out of its range.

    Source: Bottou, Curtis & Nocedal, Optimization Methods for Large-Scale Machine Learning (2018).

    Lecture: O1

    Example:
        >>> gradient_noise(torch.ones(2, 1), torch.tensor([1.0, -1.0]), torch.zeros(1), batch=1)
        tensor([[16.]], dtype=torch.float64)
    """
    X, y = one_output(X, y)
    w = inputs.vector(w, X.shape[1]).to(X)
    each = 2 * X * (X @ w - y)[:, None]
    centred = each - each.mean(0)
    return noise_share(len(X), batch, replacement) * len(X) * (centred.mT @ centred)


@dataclass(frozen=True)
class StochasticMoments:
    """What stochastic gradient descent does on average, from the start to each step.

    Attributes:
        mean: E w_k, which is gradient descent's iterate.
        error: E (w_k − w*)(w_k − w*)ᵀ, the second moment of the error.
        excess: E L(w_k) − L(w*), the expected loss above its least value.
    """

    mean: Float[Tensor, "steps_and_start d"]
    error: Float[Tensor, "steps_and_start d d"]
    excess: Float[Tensor, " steps_and_start"]


def stochastic_gradient_moments(
    X: Float[Tensor, "n d"],
    y: Float[Tensor, " n"],
    rate: float,
    batch: int,
    steps: int,
    start: Float[Tensor, " d"] | None = None,
    replacement: bool = True,
) -> StochasticMoments:
    """The exact mean and second moment of every iterate, by the recursion at the top of this file; O(n d²) a step.

    Args:
        X, y: the problem, with one output.
        rate: η > 0; see :func:`mean_square_limit`.
        batch: b ≥ 1; at most n without replacement.
        steps: k ≥ 0.
        start: w_0; zero unless given.
        replacement: whether a row may be drawn twice for one step. Every step draws anew.

    Raises:
        DataError: when X, y and the start do not fit each other or are not finite.
        ConfigurationError: when a number is out of its range, or the moments overflow.

    Lecture: O1

    Example:
        >>> found = stochastic_gradient_moments(torch.ones(2, 1), torch.tensor([1.0, -1.0]), 0.125, batch=1, steps=2)
        >>> [round(excess, 12) for excess in found.excess.tolist()]
        [0.0, 0.5, 0.625]
    """
    X, y = one_output(X, y)
    rate = inputs.number(rate, "rate η", above=0)
    noise = rate**2 * noise_share(len(X), batch, replacement)
    start = starting_point(start, X.shape[1], y)
    solution = descent_limit(svd_coordinates(X, y), start)
    residual, G = y - X @ solution, X.mT @ X
    A = torch.eye(len(G), dtype=G.dtype, device=G.device) - 2 * rate * G
    m = start - solution
    M = torch.outer(m, m)
    means, seconds = [m], [M]
    for step in range(inputs.count(steps, "steps")):
        squares = ((X @ M) * X).sum(1) - 2 * residual * (X @ m) + residual.square()
        each = 4 * len(X) * (X.mT @ (squares[:, None] * X))
        M = A @ M @ A + noise * (each - 4 * G @ M @ G)
        M = (M + M.mT) / 2
        m = A @ m
        if not torch.isfinite(M).all():
            raise ConfigurationError(
                expected="moments within float64",
                found=f"they overflow at step {step + 1} with rate η = {rate:g}",
                do="choose a rate below mean_square_limit, or fewer steps",
            )
        means.append(m)
        seconds.append(M)
    error = torch.stack(seconds)
    excess = torch.einsum("ni,sij,nj->s", X, error, X)
    return StochasticMoments(mean=solution + torch.stack(means), error=error, excess=excess)


def stochastic_gradient_iterates(
    X: Float[Tensor, "n d"],
    y: Float[Tensor, " n"],
    rate: float,
    batch: int,
    steps: int,
    generator: torch.Generator,
    chains: int = 1,
    start: Float[Tensor, " d"] | None = None,
    replacement: bool = True,
) -> Float[Tensor, "steps_and_start chains d"]:
    """Simulated runs, independent of each other: w ← w − η(n/b) Σ 2xⱼ(xⱼᵀw − yⱼ) over b rows drawn anew at every step.

    Shapes:
        returns: [steps + 1, chains, d], the start first.

    Args:
        generator: where the draws come from; the same seed gives the same runs.
        chains: how many runs.
        X, y, rate, batch, steps, start, replacement: see :func:`stochastic_gradient_moments`.

    Raises:
        DataError, ConfigurationError: see :func:`stochastic_gradient_moments`.
            A run that diverges overflows as floats do.

    Lecture: O1

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> X, y = torch.eye(2), torch.tensor([1.0, 2.0])
        >>> stochastic_gradient_iterates(X, y, 0.1, batch=1, steps=100, generator=generator)[-1]
        tensor([[1.0000, 2.0000]], dtype=torch.float64)
    """
    X, y = one_output(X, y)
    n, rate = len(X), inputs.number(rate, "rate η", above=0)
    noise_share(n, batch, replacement)
    chains = inputs.count(chains, "chains", minimum=1)
    iterates = [starting_point(start, X.shape[1], y).expand(chains, -1)]
    for _ in range(inputs.count(steps, "steps")):
        w = iterates[-1]
        if replacement:
            rows = torch.randint(n, (chains, batch), generator=generator, device=generator.device)
        else:
            rows = torch.rand(chains, n, generator=generator, device=generator.device).topk(batch, dim=1).indices
        drawn = X[rows.to(X.device)]  # [chains, batch, d]
        residual = torch.einsum("cbd,cd->cb", drawn, w) - y[rows.to(X.device)]
        iterates.append(w - rate * (n / batch) * 2 * torch.einsum("cbd,cb->cd", drawn, residual))
    return torch.stack(iterates)


def one_output(X: Tensor, y: Tensor) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
    """A least-squares problem with one output, checked.

    Raises:
        DataError: when y has columns, or see :func:`~sightline.linear.inputs.problem`.
    """
    X, y = inputs.problem(X, y)
    if y.ndim != 1:
        raise DataError(
            expected="y to hold one output, in one dimension",
            found=f"a tensor of shape {tuple(y.shape)}",
            do="take one column at a time: y[:, 0]",
        )
    return X, y


def noise_share(n: int, batch: int, replacement: bool) -> float:
    """φ: what of a single row's variance is left in the mean of a batch.

    Raises:
        ConfigurationError: when the batch is out of its range.
    """
    batch = inputs.count(batch, "batch", minimum=1)
    if replacement:
        return 1 / batch
    if batch > n:
        raise ConfigurationError(
            expected=f"a batch of at most the {n} rows there are, as none is drawn twice",
            found=f"batch = {batch}",
            do=f"choose a batch of {n} or less, or draw with replacement",
        )
    return (n - batch) / (batch * (n - 1)) if n > 1 else 0.0
