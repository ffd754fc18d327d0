"""How far a batch's gradient is from that of all data: its noise, beside its signal.

Legend: G the gradient over all data, Σ the covariance of the gradients of single examples, g_i the gradient of a batch
of b_i examples drawn at random: E g_i = G, Cov g_i = Σ/b_i; n = Σ b_i, ḡ = Σ b_i g_i / n.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from sightline.core.errors import InputError
from sightline.understand.loss_surface import BatchLoss, LossSurface


@dataclass(frozen=True)
class GradientNoise:
    """Unbiased estimates for some parameters together.

    Attributes:
        squared: of |G|²; where noise is all there is it may be below 0.
        trace: of tr Σ.
    """

    squared: float
    trace: float

    @property
    def noise_scale(self) -> float:
        """B = tr Σ/|G|²: the batch size at which a batch's noise is as large as its signal.

        Far smaller batches gain by growing, far larger ones do not. Infinite where no signal was found.
        """
        if self.squared > 0:
            return self.trace / self.squared
        return nan if self.squared != self.squared else inf

    def signal_to_noise(self, batch_size: float) -> float:
        """√(|G|² b / tr Σ) of a batch of b examples; 0 where no signal was found."""
        if self.trace > 0:
            return sqrt(max(self.squared, 0.0) * batch_size / self.trace)
        return nan if self.trace != self.trace else inf


@dataclass(frozen=True)
class GradientNoises:
    """Of all parameters together, and of each one.

    Attributes:
        whole: all of them.
        by_parameter: by name.
        num_batches, num_examples: m and n.
    """

    whole: GradientNoise
    by_parameter: dict[str, GradientNoise]
    num_batches: int
    num_examples: int


def gradient_noise(
    model: nn.Module, batches: Sequence[Any], loss: BatchLoss, sizes: Sequence[int], *, seed: int = 0
) -> GradientNoises:
    """tr Σ and |G|² from the gradients of some batches, unbiased whatever their sizes.

        tr Σ ≈ Σ_i b_i |g_i − ḡ|² / (m − 1)        |G|² ≈ |ḡ|² − tr Σ / n

    Costs a forward and a backward pass over the batches, and one gradient's memory. Batches of one example give the
    least spread for the same n. Batch normalisation in training mode ties a batch's examples: then Σ is not that of
    single examples, and batches of the size trained with are the ones to give.

    Args:
        model: any module, in the mode it is in.
        batches: drawn at random, independent of each other; at least 2.
        loss: from a batch to its mean loss, calling the model.
        sizes: examples of each batch.
        seed: of the chance in the network, another for each batch.

    Raises:
        InputError: for fewer than two batches, sizes of another number or below 1, or a loss without gradient.

    Source: McCandlish et al. 2018, "An Empirical Model of Large-Batch Training", §2.2 and appendix A.1

    Lecture: U1, O1

    Example:
        >>> import torch
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.zeros_(model.weight)
        >>> targets = [torch.tensor([[1.0]]), torch.tensor([[3.0]])]
        >>> found = gradient_noise(model, targets, lambda y: (model(y / y) - y).square().mean() / 2, [1, 1])
        >>> found.whole  # gradients −1 and −3
        GradientNoise(squared=3.0, trace=2.0)
    """
    if len(batches) < 2 or len(sizes) != len(batches) or min(sizes) < 1:
        raise InputError(
            expected="at least two batches, and as many sizes of at least 1",
            found=f"{len(batches)} batches, sizes {list(sizes)[:10]}",
            do="give the number of examples of each batch",
        )
    n, m = sum(sizes), len(batches)
    mean: Tensor | None = None
    squares: dict[str, float] = {}
    parts: dict[str, int] = {}
    for number, (batch, size) in enumerate(zip(batches, sizes, strict=True)):
        surface = LossSurface(model, [batch], loss, seed=seed + number)
        g = surface.gradient().double()
        parts = {name: p.numel() for name, p in surface.parameters.items()}
        for name, part in zip(parts, g.split(list(parts.values())), strict=True):
            squares[name] = squares.get(name, 0.0) + size * float(part.square().sum())
        mean = g * (size / n) if mean is None else mean + g * (size / n)
    assert mean is not None
    by_parameter = {}
    for name, part in zip(parts, mean.split(list(parts.values())), strict=True):
        signal = float(part.square().sum())
        trace = max((squares[name] - n * signal) / (m - 1), 0.0)
        by_parameter[name] = GradientNoise(signal - trace / n, trace)
    whole = GradientNoise(sum(p.squared for p in by_parameter.values()), sum(p.trace for p in by_parameter.values()))
    return GradientNoises(whole, by_parameter, m, n)


def noise_from_two_sizes(
    small_norms: Float[Tensor, " m"], big_norms: Float[Tensor, " k"], *, small: int, big: int
) -> GradientNoise:
    """The same from gradient norms alone, of batches of two sizes: each |g|² is |G|² + tr Σ/b on average.

    Data-parallel training has both without more passes: each process's own gradient, and their mean.

    Args:
        small_norms: |g| of batches of the smaller size.
        big_norms: of the larger.
        small: examples of a smaller batch.
        big: of a larger.

    Raises:
        InputError: for sizes that are not 1 ≤ small < big, or no norms.

    Source: McCandlish et al. 2018, appendix A.1

    Lecture: U1

    Example:
        >>> import torch
        >>> noise_from_two_sizes(torch.tensor([3.0]), torch.tensor([2.0]), small=1, big=6)
        GradientNoise(squared=3.0, trace=6.0)
    """
    if not 1 <= small < big or not len(small_norms) or not len(big_norms):
        raise InputError(
            expected="norms of batches of two sizes, 1 ≤ small < big",
            found=f"small = {small} ({len(small_norms)} norms), big = {big} ({len(big_norms)} norms)",
            do="measure gradients of batches of two sizes",
        )
    of_small = float(small_norms.double().square().mean())
    of_big = float(big_norms.double().square().mean())
    squared = (big * of_big - small * of_small) / (big - small)
    return GradientNoise(squared, (of_small - of_big) / (1 / small - 1 / big))
