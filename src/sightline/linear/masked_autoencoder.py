"""Encoders for examples with missing entries: what to put where there is a question mark.

Legend: x an example of d entries, m its mask (1 seen, 0 missing), p the share seen, y its latent of k, A [k, d]
encoder, B [d, k] decoder, B̃ and x̃ their rows where m = 1. Any leading dimensions are independent problems.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sightline.core.errors import DataError
from sightline.linear import inputs


def draw_seen(*shape: int, missing: float, generator: torch.Generator | None = None) -> Bool[Tensor, "*shape"]:
    """A mask: True where an entry is seen; each is missing with the same chance, independently.

    Args:
        shape: of the examples.
        missing: chance that an entry is missing, within [0, 1].
        generator: source of chance.

    Raises:
        ConfigurationError: when a number is out of its range.

    Lecture: A2

    Example:
        >>> int(draw_seen(2, 3, missing=1.0).sum())
        0
    """
    sizes = [inputs.count(size, "size", minimum=1) for size in shape]
    missing = inputs.number(missing, "missing", minimum=0, maximum=1)
    return torch.rand(sizes, generator=generator, dtype=torch.float64) >= missing


def encode_zero_filled(
    A: Float[Tensor, "*batch k d"],
    X: Float[Tensor, "*batch n d"],
    seen: Bool[Tensor, "*batch n d"],
    *,
    share_seen: float,
) -> Float[Tensor, "*batch n k"]:
    """y = A (m ∘ x)/p: zero where an entry is missing, and 1/p for the length that is lost. On average over masks, A x.

    The same encoder for every mask, as if dropout stood before it: it can't know a missing entry from a zero.

    Shapes:
        A: [..., k, d]; X, seen: [..., n, d]; returns: [..., n, k].

    Args:
        A: encoder.
        X: one row an example; what stands at missing entries is not looked at, NaN included.
        seen: True where an entry is seen.
        share_seen: p in (0, 1], the chance that an entry is seen.

    Raises:
        DataError: when the shapes do not go together.
        ConfigurationError: when p is out of its range.

    Lecture: A2

    Example:
        >>> A, seen = torch.ones(1, 2), torch.tensor([[True, False]])
        >>> encode_zero_filled(A, torch.tensor([[3.0, torch.nan]]), seen, share_seen=0.5)
        tensor([[6.]])
    """
    p = inputs.number(share_seen, "share_seen", above=0, maximum=1)
    rows = _matrix(A, "encoder A").mT
    return _zeroed(rows, X, seen) @ rows / p


def encode_with_flags(
    A: Float[Tensor, "*batch k two_d"], X: Float[Tensor, "*batch n d"], seen: Bool[Tensor, "*batch n d"]
) -> Float[Tensor, "*batch n k"]:
    """y = A₁ (m ∘ x) + A₂ (1 − m): the encoder is told which entries are missing, by d more inputs.

    A linear encoder can only add a constant of its own for every missing entry, the entry's mean at best: of centred
    data with masks that do not depend on it, the best A₂ is 0. To use the flags otherwise it takes a nonlinear encoder.

    Shapes:
        A: [..., k, 2d], A₁ beside A₂; X, seen: [..., n, d]; returns: [..., n, k].

    Args:
        A, X, seen: see :func:`encode_zero_filled`.

    Raises:
        DataError: when the shapes do not go together.

    Lecture: A2

    Example:
        >>> A = torch.tensor([[1.0, 1.0, 0.0, 5.0]])  # the second entry, when missing, is taken to be 5
        >>> encode_with_flags(A, torch.tensor([[3.0, torch.nan]]), torch.tensor([[True, False]]))
        tensor([[8.]])
    """
    d = _matrix(X, "X").shape[-1]
    if _matrix(A, "encoder A").shape[-1] != 2 * d:
        raise DataError(
            expected=f"an encoder of {2 * d} columns, one for each of {d} entries and one for each flag",
            found=f"{A.shape[-1]}",
            do="give [A₁ A₂], of shape [k, 2d]",
        )
    first, second = A.mT[..., :d, :], A.mT[..., d:, :]
    return _zeroed(first, X, seen) @ first + (~seen).to(A) @ second


def encode_dropped_rows(
    B: Float[Tensor, "*batch d k"], X: Float[Tensor, "*batch n d"], seen: Bool[Tensor, "*batch n d"]
) -> Float[Tensor, "*batch n k"]:
    """y = (B̃ᵀB̃)⁻¹B̃ᵀx̃: least squares on the rows of B that are seen, another encoder for every mask.

    What the seen rows leave open is 0 (the shortest of many least-squares latents): a row with nothing seen gives
    y = 0. The normal equations are solved, which holds where the singular values of B̃ span less than seven decades;
    smaller ones count as zero. Few seen rows, about k, make B̃ᵀB̃ nearly singular and noise large.

    Shapes:
        B: [..., d, k]; X, seen: [..., n, d]; returns: [..., n, k].

    Args:
        B: decoder.
        X, seen: see :func:`encode_zero_filled`.

    Raises:
        DataError: when the shapes do not go together.

    Lecture: A2

    Example:
        >>> B = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
        >>> X = torch.tensor([[2.0, torch.nan, 6.0]], dtype=torch.float64)
        >>> encode_dropped_rows(B, X, ~X.isnan())
        tensor([[2.]], dtype=torch.float64)
    """
    right = _zeroed(_matrix(B, "decoder B"), X, seen) @ B
    k = B.shape[-1]
    outer = (B[..., :, None] * B[..., None, :]).flatten(-2)  # of every row, [..., d, k·k]
    grams = (seen.to(B) @ outer).unflatten(-1, (k, k))
    inverses = torch.linalg.pinv(grams, hermitian=True, rtol=10 * k * torch.finfo(grams.dtype).eps)
    latents: Tensor = (inverses @ right[..., None])[..., 0]
    return latents


def encode_clamped(
    B: Float[Tensor, "*batch d k"],
    X: Float[Tensor, "*batch n d"],
    seen: Bool[Tensor, "*batch n d"],
    *,
    step_size: float,
    steps: int,
) -> Float[Tensor, "*batch n k"]:
    """T steps y ← y + ηBᵀ(m ∘ (x − By)) from 0: the residual is 0 wherever the entry is missing.

    The same as unrolled steps on the rows of B that are seen. Without the clamp, zeros at missing entries would be
    residuals −By, and pull y towards 0.

    Shapes:
        B: [..., d, k]; X, seen: [..., n, d]; returns: [..., n, k].

    Args:
        B, X, seen: see :func:`encode_dropped_rows`, which this tends to as T grows, wherever ησ₁(B)² < 2.
        step_size: η > 0.
        steps: T ≥ 1.

    Raises:
        DataError: when the shapes do not go together.
        ConfigurationError: when a number is out of its range.

    Lecture: A2

    Example:
        >>> B, X = torch.tensor([[1.0], [1.0]]), torch.tensor([[4.0, torch.nan]])
        >>> encode_clamped(B, X, ~X.isnan(), step_size=0.5, steps=2)
        tensor([[3.]])
    """
    step_size = inputs.number(step_size, "step_size", above=0)
    known = _zeroed(_matrix(B, "decoder B"), X, seen)
    Y = step_size * known @ B  # the first step, from 0
    for _ in range(inputs.count(steps, "steps", minimum=1) - 1):
        Y = Y + step_size * (known - seen * (Y @ B.mT)) @ B
    return Y


def _matrix(value: Tensor, name: str) -> Tensor:
    if value.ndim < 2:
        raise DataError(
            expected=f"{name} to be a matrix, or several of them",
            found=f"a tensor of shape {tuple(value.shape)}",
            do=f"give {name} two dimensions",
        )
    return value


def _zeroed(rows: Float[Tensor, "*batch d k"], X: Tensor, seen: Tensor) -> Float[Tensor, "*batch n d"]:
    """X with zeros where nothing is seen, whatever stood there; checked against the matrix it is multiplied with."""
    if X.ndim < 2 or seen.shape != X.shape or seen.dtype != torch.bool or X.shape[-1] != rows.shape[-2]:
        raise DataError(
            expected=f"rows of {rows.shape[-2]} entries, and a mask of True and False of the same shape",
            found=f"X of shape {tuple(X.shape)}, mask of shape {tuple(seen.shape)} and {seen.dtype}",
            do="give one row an example, and True where an entry is seen",
        )
    return torch.where(seen, X.to(rows), 0.0)
