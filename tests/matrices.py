"""Matrices drawn by hypothesis for the identities of ``sightline.linear``: tall, wide, square, any rank, any condition.

A draw is a shape, a rank, a condition number and a seed, so that a failure can be repeated from what is printed.
"""

from dataclasses import dataclass
from math import log10

import torch
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Drawn:
    """A least-squares problem with known singular values.

    Attributes:
        X, y: the problem; y has a part that no w reaches wherever n > rank.
        sigma: the nonzero singular values X was built from.
        condition: their ratio, largest to smallest.
    """

    X: Float[Tensor, "n d"]
    y: Float[Tensor, "n *k"]
    sigma: Float[Tensor, " rank"]
    condition: float

    @property
    def rank(self) -> int:
        """Number of nonzero singular values."""
        return len(self.sigma)


def draw(n: int, d: int, *, rank: int, condition: float, seed: int, outputs: int = 0) -> Drawn:
    """A matrix U diag(σ) Vᵀ with random orthonormal U, V and σ spread geometrically over the condition number."""
    generator = torch.Generator().manual_seed(seed)
    U = torch.linalg.qr(torch.randn(n, rank, generator=generator, dtype=torch.float64))[0]
    V = torch.linalg.qr(torch.randn(d, rank, generator=generator, dtype=torch.float64))[0]
    sigma = torch.logspace(0, -log10(condition), rank, dtype=torch.float64)
    y = torch.randn(n, *([outputs] if outputs else []), generator=generator, dtype=torch.float64)
    return Drawn((U * sigma) @ V.mT, y, sigma, condition if rank > 1 else 1.0)


@st.composite
def problems(
    pick: st.DrawFn, *, largest: int = 12, max_condition: float = 1e12, full_rank: bool = False, outputs: bool = True
) -> Drawn:
    """Problems of 1 to ``largest`` rows and columns, of every rank, conditioned up to ``max_condition``."""
    n, d = pick(st.integers(1, largest)), pick(st.integers(1, largest))
    rank = min(n, d) if full_rank else pick(st.integers(1, min(n, d)))
    condition = 10 ** pick(st.floats(0, log10(max_condition)))
    k = pick(st.integers(0, 3)) if outputs else 0
    return draw(n, d, rank=rank, condition=condition, seed=pick(st.integers(0, 10**6)), outputs=k)


def relative(found: Tensor, expected: Tensor) -> float:
    """‖found − expected‖ / ‖expected‖, or the error itself where zero is expected."""
    assert found.shape == expected.shape, (found.shape, expected.shape)
    scale = float(expected.norm())
    return float((found - expected).norm()) / (scale if scale else 1.0)
