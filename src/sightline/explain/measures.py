"""What an explanation measures on its problem, as plain numbers: losses, held-out errors, torch's rate."""

from collections.abc import Sequence

from torch import Tensor

from sightline.core.errors import DataError
from sightline.explain.problem import Problem
from sightline.linear.svd_coordinates import SVDCoordinates, along, svd_coordinates


def floats(values: Tensor | Sequence[float]) -> list[float]:
    """A vector as Python numbers."""
    return [float(value) for value in values]


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
    if not bool(problem.y.any()):
        raise DataError(
            expected="a target that varies from row to row",
            found="one and the same value in every row",
            do="give a target that differs between rows: from zero weights there is nothing to learn",
        )
    return found


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


def least_loss(svd: SVDCoordinates) -> float:
    """The least ‖Xw − y‖² there is: what no w reaches, and what only directions reach that the rank does not count."""
    return float(svd.unreachable.sum() + svd.y_tilde[svd.rank :].square().sum())


def torch_rate(problem: Problem, rate: float) -> float:
    """The rate for torch's ``MSELoss``, a mean over n rows and k outputs, that makes the same steps: η n k."""
    return rate * problem.y.numel()


def mean_square(problem: Problem, w: Tensor) -> float:
    """Mean squared error on the held-out rows, over all outputs."""
    return float((problem.X_test @ w - problem.y_test).square().mean())
