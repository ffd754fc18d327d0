"""Ridge explained: what it does to each direction, which λ cross-validation takes, and what prior that means."""

from typing import Annotated

import torch
from torch import Tensor

from sightline.core.config import Option
from sightline.explain.explanation import Cell, Explanation, Table
from sightline.explain.measures import floats, in_svd_coordinates, mean_square, size
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.explain.steps import few
from sightline.linear.augmentation import augment_data, augment_features
from sightline.linear.gaussian_prior import maximum_a_posteriori
from sightline.linear.kernel_ridge import kernel_ridge, linear_kernel
from sightline.linear.least_squares import least_squares, minimum_norm
from sightline.linear.ridge import effective_dimension, filter_factors, ridge_gains, ridge_in_svd_coordinates
from sightline.linear.ridge import ridge as ridge_regression
from sightline.linear.ridge_path import RidgePath, ridge_path
from sightline.linear.svd_coordinates import SVDCoordinates, along
from sightline.linear.weighted_least_squares import weighted_least_squares, weights_from_variances
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

PATH_POINTS = 81
"""λ that cross-validation chooses among."""

MOST_FORMS = 1000
"""Rows or columns up to which all written forms of ridge are solved and compared; beyond, augmented systems get big."""


@EXPLANATIONS.register("ridge")
def explain_ridge(
    problem: Problem,
    *,
    ridge: Annotated[float | None, Option("λ of ‖Xw − y‖² + λ‖w‖²; none: the best by GCV", above=0)] = None,
) -> Explanation:
    """Filter factors, λ by cross-validation, the prior it is, its written forms.

    Raises:
        DataError: when no column varies.
        ConfigurationError: when a number is out of its range.

    Lecture: F5, F6, F7

    Example:
        >>> from sightline.explain import problem
        >>> explain_ridge(problem(columns=2), ridge=1.0).tables[0].columns[:2]
        ('i', 'σᵢ')
    """
    svd = in_svd_coordinates(problem)
    top = float(svd.sigma[0].square())
    path = ridge_path(
        problem.X, problem.y, torch.logspace(-8, 2, PATH_POINTS, dtype=torch.float64) * top, intercept=problem.centred
    )
    by_gcv, by_rows = path.best("gcv"), path.best("leave_one_out")
    chosen = float(path.ridges[by_gcv]) if ridge is None else ridge
    factors = filter_factors(svd.nonzero, chosen)
    mean = ", and one for the mean" if problem.centred else ""
    noise = _noise_variance(svd, chosen, problem.centred)
    sweep = {"λ = 0.001 σ₁²": 1e-3 * top, "λ = 0.1 σ₁²": 0.1 * top, f"λ = {number(chosen)}, chosen": chosen}
    tables = [_directions(svd, chosen), _choices(problem, path, chosen)]
    tables.append(_prior(svd, chosen, noise))
    if max(problem.X.shape) <= MOST_FORMS:
        tables.append(_forms(problem, svd, chosen, noise))
        tables.append(_weighing(problem, chosen))
    return Explanation(
        title="Ridge regression",
        problem=problem.origin,
        lead=f"Ridge keeps the share σ²/(σ² + λ) of each direction. Generalised cross-validation takes "
        f"λ = {number(float(path.ridges[by_gcv]))}, leave-one-out {number(float(path.ridges[by_rows]))}. With "
        f"λ = {number(chosen)}, {number(float(factors.sum()))} of {svd.rank} degrees of freedom are used{mean}. This w "
        f"is the most probable one under a Gaussian prior of variance σ²_noise/λ.",
        tables=tuple(tables),
        figures=(
            Figure(
                "Filter factors",
                "The share of each direction that ridge keeps, against its singular value.",
                figures.filter_factors(
                    floats(svd.nonzero), {name: floats(filter_factors(svd.nonzero, at)) for name, at in sweep.items()}
                ),
            ),
            Figure(
                "Cross-validation",
                "Estimated squared error on a new row against λ: generalised cross-validation and exact leave-one-out.",
                figures.error_curves(
                    floats(path.ridges),
                    {"GCV": floats(path.gcv), "leave-one-out": floats(path.leave_one_out)},
                    x_title="ridge λ",
                    y_title="estimated squared error",
                ),
            ),
        ),
    )


def _directions(svd: SVDCoordinates, ridge: float) -> Table:
    lengths, kept, gain = size(svd.y_tilde), filter_factors(svd.nonzero, ridge), ridge_gains(svd.nonzero, ridge)
    rows = tuple(
        (i + 1, float(svd.sigma[i]), lengths[i], float(1 / svd.sigma[i]), float(gain[i]), float(kept[i]))
        for i in few(svd.rank)
    )
    return Table(
        f"Directions at λ = {number(ridge)}",
        ("i", "σᵢ", "|ỹᵢ|", "1/σᵢ", "ridge σᵢ/(σᵢ²+λ)", "share kept"),
        rows,
    )


def _choices(problem: Problem, path: RidgePath, chosen: float) -> Table:
    exact = minimum_norm(problem.X, problem.y)
    rows: list[tuple[Cell, ...]] = [
        (
            "none: minimum norm",
            0.0,
            exact.rank + problem.centred,
            float(exact.residual.sum()),
            float(exact.w.norm()),
            "",
            "",
            mean_square(problem, exact.w),
        )
    ]
    alone = ridge_path(problem.X, problem.y, torch.tensor([chosen], dtype=torch.float64), intercept=problem.centred)
    for name, at, i in (
        ("GCV", path, path.best("gcv")),
        ("leave-one-out", path, path.best("leave_one_out")),
        ("chosen", alone, 0),
    ):
        rows.append(
            (
                name,
                float(at.ridges[i]),
                float(at.degrees_of_freedom[i]),
                float(at.training_error[i].sum()),
                float(at.w[i].norm()),
                float(at.gcv[i]),
                float(at.leave_one_out[i]),
                mean_square(problem, at.w[i]),
            )
        )
    return Table(
        "λ by cross-validation",
        ("by", "λ", "degrees of freedom", "‖Xw − y‖²", "‖w‖", "GCV", "leave-one-out", "held-out mean square"),
        tuple(rows),
    )


def _noise_variance(svd: SVDCoordinates, ridge: float, centred: bool) -> float:
    """‖y − Xw‖²/(n − df) a output: an estimate of the variance of the noise."""
    w_tilde = ridge_in_svd_coordinates(svd, ridge)
    missed = (svd.y_tilde - along(svd.sigma, w_tilde) * w_tilde).square().sum() + svd.unreachable.sum()
    left = svd.n - centred - effective_dimension(svd.sigma, ridge)
    return float(missed) / left / max(1, svd.y_tilde[0].numel())


def _prior(svd: SVDCoordinates, ridge: float, noise: float) -> Table:
    w = svd.weights(ridge_in_svd_coordinates(svd, ridge))
    return Table(
        "As a prior: y = Xw + ε, w ~ N(0, σ²_prior), λ = σ²_noise/σ²_prior",
        ("what", "value"),
        (
            ("σ²_noise, from the residual and the degrees of freedom left", noise),
            ("σ²_prior = σ²_noise/λ", noise / ridge),
            ("mean square of the fitted weights", float(w.square().mean())),
        ),
    )


def _forms(problem: Problem, svd: SVDCoordinates, ridge: float, noise: float) -> Table:
    """Every written form, solved by itself, and how far it is from the first."""
    X, y = problem.X, problem.y
    stacked, zeros = augment_data(X, y, ridge)
    wide = minimum_norm(augment_features(X, ridge), y).w[: X.shape[1]]
    forms: dict[str, Tensor] = {
        "w = (XᵀX + λI)⁻¹Xᵀy": ridge_regression(X, y, ridge).w,
        "kernel: w = Xᵀ(XXᵀ + λI)⁻¹y": X.mT @ kernel_ridge(linear_kernel(X, X), y, ridge),
        "data augmented: [X; √λ I]w ≈ [y; 0]": minimum_norm(stacked, zeros).w,
        "features augmented: [X, √λ I][w; f] = y": wide,
        "SVD coordinates: w̃ᵢ = σᵢ/(σᵢ² + λ) ỹᵢ": svd.weights(ridge_in_svd_coordinates(svd, ridge)),
        "most probable w given y": maximum_a_posteriori(X, y, noise, noise / ridge).w if noise > 0 else wide,
    }
    first = next(iter(forms.values()))
    rows = tuple((name, float(w.norm()), float((w - first).norm() / first.norm())) for name, w in forms.items())
    return Table("One solution, written in six ways", ("form", "‖w‖", "relative difference to the first"), rows)


def _weighing(problem: Problem, ridge: float) -> Table:
    """The first row made ten times as sure: as a weight, as a scale, as copies."""
    X, y = augment_data(problem.X, problem.y, ridge)
    first = torch.zeros(len(X), dtype=X.dtype)
    first[0] = 1.0
    scale = 1 + 9 * first
    fits = {
        "the first row with weight 100": weighted_least_squares(X, y, 1 + 99 * first),
        "noise of a tenth: variance 0.01 beside 1": weighted_least_squares(
            X, y, weights_from_variances(1 - 0.99 * first)
        ),
        "the first row and its target times 10": least_squares(scale[:, None] * X, along(scale, y) * y),
        "100 copies of it": least_squares(torch.cat([X, X[:1].expand(99, -1)]), torch.cat([y, *[y[:1]] * 99])),
        "10 copies of it": least_squares(torch.cat([X, X[:1].expand(9, -1)]), torch.cat([y, *[y[:1]] * 9])),
    }
    exact = next(iter(fits.values())).w
    rows = tuple(
        (name, float(one.w.norm()), float((one.w - exact).norm() / exact.norm())) for name, one in fits.items()
    )
    return Table("One row weighed more", ("how", "‖w‖", "relative difference to the first"), rows)
