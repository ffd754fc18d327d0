"""What the room's functions accept: finite float64 matrices of matching shapes, numbers in their range."""

from math import inf, isfinite, nan
from operator import index

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError

LARGEST = 1e305
"""No entry may be larger in size; sums of them are then numbers too."""


def matrix(X: Tensor, name: str = "X") -> Float[Tensor, "n d"]:
    """A matrix as float64: two dimensions, not empty, finite.

    Raises:
        DataError: for anything else.

    Example:
        >>> matrix(torch.eye(2)).dtype
        torch.float64
    """
    found = _float64(X, name)
    if found.ndim != 2 or found.numel() == 0:
        raise DataError(
            expected=f"{name} to be a matrix of rows (examples) by columns (features), neither of them zero",
            found=f"a tensor of shape {tuple(found.shape)}",
            do=f"give {name} two dimensions (for one feature: {name}[:, None]), at least 1 by 1",
        )
    return found


def targets(y: Tensor, rows: int, name: str = "y") -> Float[Tensor, "n *k"]:
    """Targets as float64, one for each row of a matrix: a vector, or a column for each output.

    Raises:
        DataError: when they are not finite, or not one for each row.
    """
    found = _float64(y, name)
    if found.ndim not in (1, 2) or len(found) != rows or found.numel() == 0:
        raise DataError(
            expected=f"{name} to hold {rows} rows, in one dimension or two",
            found=f"a tensor of shape {tuple(found.shape)}",
            do=f"give one value of {name} for each row of the matrix it goes with",
        )
    return found


def vector(value: Tensor, length: int | None = None, name: str = "w") -> Float[Tensor, " d"]:
    """A vector as float64, of a given length where one is asked for.

    Raises:
        DataError: when it is not a finite vector of that length.
    """
    found = _float64(value, name)
    if found.ndim != 1 or found.numel() == 0 or (length is not None and len(found) != length):
        raise DataError(
            expected=f"{name} to be a vector" + (f" of length {length}" if length is not None else ""),
            found=f"a tensor of shape {tuple(found.shape)}",
            do=f"give {name} one dimension" + (f" and {length} entries" if length is not None else ""),
        )
    return found


def singular_values(sigma: Tensor) -> Float[Tensor, " r"]:
    """Singular values as float64: a finite vector, none of them negative.

    Raises:
        DataError: when they are not.
    """
    found = vector(sigma, name="sigma")
    if bool((found < 0).any()):
        raise DataError(
            expected="singular values, none of them negative",
            found=f"{float(found.min()):g} among the {len(found)} of sigma",
            do="take them from svd_coordinates(X, y).sigma",
        )
    return found


def problem(X: Tensor, y: Tensor) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n *k"]]:
    """A least-squares problem: a matrix and its targets, checked together.

    Raises:
        DataError: see :func:`matrix` and :func:`targets`.
    """
    checked = matrix(X)
    return checked, targets(y, len(checked)).to(checked.device)


def number(
    value: float,
    name: str,
    *,
    above: float | None = None,
    minimum: float | None = None,
    below: float | None = None,
    maximum: float | None = None,
) -> float:
    """A finite number inside its interval.

    Raises:
        ConfigurationError: when it is outside, or not finite.

    Example:
        >>> number(0.1, "rate", above=0)
        0.1
    """
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):  # text, none, a list, or an int beyond float64
        value = nan
    bounds = [(">", above), ("≥", minimum), ("<", below), ("≤", maximum)]
    wanted = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
    inside = (
        isfinite(value)
        and (above is None or value > above)
        and (minimum is None or value >= minimum)
        and (below is None or value < below)
        and (maximum is None or value <= maximum)
    )
    if not inside:
        raise ConfigurationError(
            expected=f"{name} to be finite" + (f" and {wanted}" if wanted else ""),
            found=f"{name} = {value}",
            do=f"give a {name} in that range",
        )
    return float(value)


def count(value: int, name: str, *, minimum: int = 0) -> int:
    """A whole number, at least ``minimum``.

    Raises:
        ConfigurationError: when it is smaller, or not whole.
    """
    try:
        found = -1 if isinstance(value, bool) else index(value)
    except TypeError:  # 2.0 is no count: what asks for one uses it to count
        found = -1
    if found < minimum:
        raise ConfigurationError(
            expected=f"{name} to be a whole number (an int) ≥ {minimum}",
            found=f"{name} = {value!r}",
            do=f"give a {name} of {minimum} or more",
        )
    return found


def start(value: Tensor | None, like: Float[Tensor, "d *k"], name: str = "start") -> Float[Tensor, "d *k"]:
    """Where an iteration begins, as float64: zero where nothing is given, otherwise shaped as its weights.

    Raises:
        DataError: when it is not finite, or of another shape.
    """
    if value is None:
        return torch.zeros_like(like)
    found = _float64(value, name).to(like.device)
    if found.shape != like.shape:
        raise DataError(
            expected=f"{name} of shape {tuple(like.shape)}",
            found=f"a tensor of shape {tuple(found.shape)}",
            do=f"give {name} one value for each column of X (and each output)",
        )
    return found


def _float64(value: Tensor, name: str) -> Tensor:
    if not isinstance(value, Tensor) or value.is_complex() or value.layout is not torch.strided:
        raise DataError(
            expected=f"{name} to be a dense tensor of real numbers",
            found=f"{value.dtype}, {value.layout}" if isinstance(value, Tensor) else type(value).__name__,
            do=f"convert it first: torch.as_tensor({name})",
        )
    found = value.detach().to(torch.float64)
    size = float(torch.linalg.vector_norm(found, inf)) if found.numel() else 0.0  # one pass; NaN and ∞ come through
    if not isfinite(size):
        bad = int((~torch.isfinite(found)).sum())
        raise DataError(
            expected=f"{name} to be finite",
            found=f"NaN or infinity in {bad:,} of its {found.numel():,} entries",
            do="fill or leave out the missing values before",
        )
    if size > LARGEST:
        raise DataError(
            expected=f"{name} to have entries up to {LARGEST:g} in size: their sums have to be numbers too",
            found=f"one of {size:g}",
            do="rescale it",
        )
    return found
