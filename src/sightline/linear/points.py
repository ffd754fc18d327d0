"""What clustering accepts: finite points and centres, float32 where they are given so and float64 otherwise."""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError
from sightline.linear import inputs

LARGEST = {torch.float32: 1e15, torch.float64: 1e150}
"""No coordinate may be larger in size; sums of squared distances are then numbers too."""


def points(X: Tensor, name: str = "X") -> Float[Tensor, "n d"]:
    """Points as rows, checked; float32 and float64 stay as they are, with their gradients, all else becomes float64.

    Raises:
        DataError: when it is no matrix, is empty or not finite, or has a coordinate above :data:`LARGEST`.

    Example:
        >>> points(torch.ones(2, 3)).dtype, points(torch.ones(2, 3).long()).dtype
        (torch.float32, torch.float64)
    """
    found = X if isinstance(X, Tensor) and X.dtype in LARGEST else inputs.matrix(X, name)
    limit = LARGEST[found.dtype]
    if found.layout is torch.strided and found.ndim == 2 and found.numel():
        low, high = found.detach().aminmax()  # NaN comes through
        if -limit <= float(low) <= float(high) <= limit:
            return found
    inputs.matrix(X, name)  # says what else is wrong
    raise DataError(
        expected=f"{name} to have coordinates up to {limit:g} in size: their squares are added up",
        found=f"one of {float(found.abs().max()):g}",
        do="rescale it",
    )


def points_and_centres(
    X: Tensor, centres: Tensor, *, fixed: bool = False
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "k d"]]:
    """Points and centres, checked together; the centres come in the points' number format, on their device.

    Args:
        X, centres: as given.
        fixed: to leave autograd.

    Raises:
        DataError: see :func:`points`, and when they differ in their number of coordinates.
    """
    X, R = points(X), points(centres, "centres")
    if X.shape[1] != R.shape[1]:
        raise DataError(
            expected=f"centres of {X.shape[1]} coordinates, as the points have",
            found=f"{R.shape[1]} coordinates",
            do="give centres and points the same columns, in the same order",
        )
    if R.dtype != X.dtype:
        R = points(R.to(X.dtype), "centres")
    R = R.to(X.device)
    return (X.detach(), R.detach()) if fixed else (X, R)


def centres_for(count: int, k: int, name: str = "k") -> int:
    """k, the number of centres, for a number of points.

    Raises:
        ConfigurationError: when k is not a whole number from 1 to the number of points.

    Example:
        >>> centres_for(100, 3)
        3
    """
    k = inputs.count(k, name, minimum=1)
    if k > count:
        raise ConfigurationError(
            expected=f"{name} of at most the {count:,} points there are",
            found=f"{name} = {k:,}",
            do="ask for fewer centres",
        )
    return k
