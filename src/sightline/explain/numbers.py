"""Small helpers that every topic shares: which steps and directions to show, tensors as plain numbers."""

from collections.abc import Sequence
from math import ceil, log, log10

import torch
from torch import Tensor

from sightline.core.errors import DataError
from sightline.explain.problem import Problem
from sightline.linear.svd_coordinates import SVDCoordinates, along, svd_coordinates

MOST_DIRECTIONS = 10
"""So many directions are listed in a table; of more, some between the first and the last."""


MOST_STEPS = 100_000
"""An iteration is followed no further unless more steps are asked for."""


def floats(values: Tensor | Sequence[float]) -> list[float]:
    """A vector as Python numbers."""
    return [float(value) for value in values]


def step_counts(last: int, count: int = 60) -> list[int]:
    """0 and whole numbers of steps up to the last, evenly spread on a logarithmic scale.

    Example:
        >>> step_counts(10, count=4)
        [0, 1, 2, 5, 10]
    """
    spread = torch.logspace(0, log10(last), count, dtype=torch.float64)
    return [0, *sorted({*map(int, spread.round().tolist()), last})]


def even_steps(last: int, count: int = 200) -> list[int]:
    """0 to the last in equal strides, about ``count`` of them.

    Example:
        >>> even_steps(10, count=4)
        [0, 2, 4, 6, 8, 10]
    """
    return sorted({*range(0, last + 1, max(1, last // count)), last})


def decades(last: int) -> list[int]:
    """0, 1, 10, 100 … and the last.

    Example:
        >>> decades(250)
        [0, 1, 10, 100, 250]
    """
    powers = [10**power for power in range(len(str(last)))]
    return [0, *powers, *([last] if last != powers[-1] else [])]


def few(count: int, most: int = MOST_DIRECTIONS) -> list[int]:
    """Places 0 … count − 1, or ``most`` of them from first to last.

    Example:
        >>> few(3), few(100, most=3)
        ([0, 1, 2], [0, 50, 99])
    """
    if count <= most:
        return list(range(count))
    return sorted({round(place * (count - 1) / (most - 1)) for place in range(most)})


def size(values: Tensor) -> list[float]:
    """One number a row: the length over the outputs."""
    return floats(values.reshape(len(values), -1).norm(dim=1))


def in_svd_coordinates(problem: Problem) -> SVDCoordinates:
    """The problem's SVD coordinates.

    Raises:
        DataError: when no column varies.
    """
    found = svd_coordinates(problem.X, problem.y)
    if not found.rank:
        raise DataError(
            expected="at least one column that varies from row to row",
            found=f"{problem.X.shape[1]} constant columns",
            do="give data whose columns differ between rows",
        )
    return found


def enough_steps(contraction: float, left: float = 1e-3) -> int:
    """Steps in which the factor a step leaves so little, from 20 up to 100,000.

    Example:
        >>> enough_steps(0.5)
        20
    """
    if contraction >= 1:
        return MOST_STEPS
    return min(MOST_STEPS, max(20, ceil(log(left) / log(max(contraction, 1e-9)))))


def excess(svd: SVDCoordinates, iterates: Tensor) -> list[float]:
    """‖Xw − y‖² above the least, Σ σ²(w̃ − w̃*)²: for every iterate, without the cancellation of the two losses."""
    sigma, y_tilde = svd.nonzero, svd.y_tilde[: svd.rank]
    off = svd.V[:, : svd.rank].mT @ iterates if iterates.ndim == 3 else iterates @ svd.V[:, : svd.rank]
    slope = along(sigma, y_tilde) * off - y_tilde
    return floats(slope.reshape(len(iterates), -1).square().sum(1))


def above_rounding(values: list[float]) -> list[float]:
    """Values no lower than 1e-16 of the first, for a logarithmic axis; those that are not finite stay so.

    Example:
        >>> above_rounding([1.0, 0.0])
        [1.0, 1e-16]
    """
    floor = 1e-16 * values[0]
    return [value if not value < floor else floor for value in values]


def one_target(problem: Problem) -> None:
    """Refuse a target of several columns.

    Raises:
        DataError: for a class target of three classes or more.
    """
    if problem.y.ndim != 1:
        raise DataError(
            expected="a target of one number a row",
            found=f"{problem.y.shape[1]} columns, one a class",
            do="take a regression target, or one of two classes",
        )


def torch_rate(problem: Problem, rate: float) -> float:
    """The rate for torch's ``MSELoss``, a mean over n rows and k outputs, that makes the same steps: η n k."""
    return rate * problem.y.numel()


def mean_square(problem: Problem, w: Tensor) -> float:
    """Mean squared error on the held-out rows, over all outputs."""
    return float((problem.X_test @ w - problem.y_test).square().mean())
