"""Sources of error explained: noise, approximation, bias and variance; survival and contamination; the classical U."""

from math import log10
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.config import Option
from sightline.explain.explanation import Explanation, Table
from sightline.explain.measures import floats, in_svd_coordinates, one_target
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.linear.bias_variance import ErrorDecomposition
from sightline.linear.error_sweeps import sweep_ridge
from sightline.linear.model_complexity import ComplexityCurve, polynomial_complexity
from sightline.linear.ridge import filter_factors
from sightline.linear.ridge_path import ridge_path
from sightline.linear.survival import survival
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

MOST_ERROR = 3.0
"""λ are shown as long as the error is at most so many times the least."""

SWEEP = 61
"""λ the decomposition is shown for."""

POINTS, HIGHEST_DEGREE, POLYNOMIAL_NOISE = 15, 12, 0.05
"""The polynomial example: cos on [−3, 3], seen at so many points, with noise of this variance."""


@EXPLANATIONS.register("bias-variance")
def explain_bias_variance(
    problem: Problem,
    *,
    assumed_noise: Annotated[
        float | None, Option("standard deviation of the noise; none: as known or estimated", minimum=0)
    ] = None,
) -> Explanation:
    """Noise, approximation, bias, variance; survival and contamination; the U.

    For data, whose truth nobody knows, the ridge fit of generalised cross-validation stands in for it.

    Raises:
        DataError: when no column varies, or the target has several columns.
        ConfigurationError: when a number is out of its range.

    Lecture: F9, F10

    Example:
        >>> from sightline.explain import problem
        >>> explain_bias_variance(problem(columns=3)).tables[0].columns[:3]
        ('λ', 'noise', 'approximation')
    """
    one_target(problem)
    svd = in_svd_coordinates(problem)
    truth, variance, whence = _truth(problem)
    variance = variance if assumed_noise is None else assumed_noise**2
    signal = problem.X @ truth
    ridges, parts = _sweep(problem, float(svd.sigma[0].square()), signal, variance)
    best = float(ridges[parts.best])
    x = torch.linspace(-3, 3, POINTS, dtype=torch.float64)
    grid = torch.linspace(-3, 3, 200, dtype=torch.float64)
    curve = polynomial_complexity(torch.cos, x, grid, degree=HIGHEST_DEGREE, noise=POLYNOMIAL_NOISE)
    return Explanation(
        title="Where the error comes from",
        problem=f"{problem.origin} {whence}",
        lead=f"The expected squared error is noise + approximation + bias² + variance, exactly. Raising λ buys "
        f"variance with bias, direction by direction; the sum is least at λ = {number(best)}, with noise of variance "
        f"{number(variance)}. Survival is the share of the true pattern that is in the estimate, contamination what "
        f"the estimate holds besides. The last figure is the classical U: polynomials fitted to {POINTS} noisy points "
        f"of a cosine are best at degree {curve.best - 1}.",
        tables=(_parts(ridges, parts), _survival(problem, truth, variance, ridges, parts.best), _degrees(curve)),
        figures=(
            Figure(
                "The parts of the error against λ",
                "Mean over the rows; exact, not simulated.",
                figures.bias_variance(floats(ridges), _named(parts), x_title="ridge λ", log_x=True),
            ),
            Figure(
                "What is kept of each direction at the best λ",
                "The filter factor of the λ with the least expected error.",
                figures.filter_factors(
                    floats(svd.nonzero), {f"λ = {number(best)}": floats(filter_factors(svd.nonzero, best))}
                ),
            ),
            Figure(
                "The classical U",
                f"Polynomials on {POINTS} points of a cosine, noise of variance {POLYNOMIAL_NOISE:g}; expected error.",
                figures.bias_variance(
                    [float(p - 1) for p in curve.complexity], _named(curve), x_title="degree", log_x=False
                ),
            ),
        ),
    )


def _sweep(
    problem: Problem, top: float, signal: Float[Tensor, " n"], variance: float
) -> tuple[Float[Tensor, " l"], ErrorDecomposition]:
    """λ from where almost nothing is shrunk to where the error is thrice the least, or everything is shrunk."""
    wide = torch.logspace(-8, 2, SWEEP, dtype=torch.float64) * top
    total = sweep_ridge(problem.X, signal, floats(wide), variance).total
    near = (total <= MOST_ERROR * total.min()).nonzero()[:, 0]
    low, high = max(float(wide[near[0]]), float(wide[int(total.argmin())]) / 1e4), float(wide[near[-1]])
    ridges = torch.logspace(log10(low), log10(high), SWEEP, dtype=torch.float64)
    return ridges, sweep_ridge(problem.X, signal, floats(ridges), variance)


def _truth(problem: Problem) -> tuple[Float[Tensor, " d"], float, str]:
    """The weights that generated y and the noise's variance, or the best stand-in there is."""
    if problem.truth is not None and problem.noise is not None:
        return problem.truth, problem.noise**2, "Its truth is known."
    top = float(torch.linalg.matrix_norm(problem.X, 2) ** 2)
    path = ridge_path(
        problem.X, problem.y, torch.logspace(-8, 2, SWEEP, dtype=torch.float64) * top, intercept=problem.centred
    )
    i = path.best("gcv")
    left = len(problem.X) - float(path.degrees_of_freedom[i])
    return (
        path.w[i],
        float(path.training_error[i]) / left,
        f"The truth is not known: the ridge fit at λ = {number(float(path.ridges[i]))} (generalised cross-validation) "
        "stands in for it, its residual for the noise.",
    )


def _named(parts: ErrorDecomposition | ComplexityCurve) -> dict[str, list[float]]:
    length = len(parts.bias)
    flat = parts.approximation.expand(length)
    return {
        "noise": [parts.noise] * length,
        "approximation": floats(flat),
        "bias²": floats(parts.bias),
        "variance": floats(parts.variance),
    }


def _parts(ridges: Float[Tensor, " l"], parts: ErrorDecomposition) -> Table:
    shown = sorted({*range(0, len(ridges), 10), parts.best})
    total = parts.total
    rows = tuple(
        (
            float(ridges[i]),
            parts.noise,
            float(parts.approximation),
            float(parts.bias[i]),
            float(parts.variance[i]),
            float(total[i]),
            "least" if i == parts.best else "",
        )
        for i in shown
    )
    return Table(
        "Expected squared error on these rows with new noise",
        ("λ", "noise", "approximation", "bias²", "variance", "sum", ""),
        rows,
    )


def _survival(
    problem: Problem, truth: Float[Tensor, " d"], variance: float, ridges: Float[Tensor, " l"], best: int
) -> Table:
    covariance = problem.X_test.mT @ problem.X_test / len(problem.X_test)
    rows = []
    for name, ridge in (("minimum norm", 0.0), ("least error", float(ridges[best])), ("too large", float(ridges[-1]))):
        found = survival(problem.X, truth, noise=variance, ridge=ridge, covariance=covariance)
        rows.append(
            (
                name,
                ridge,
                found.survival,
                found.contamination_from_signal,
                found.contamination_from_noise,
                found.error,
            )
        )
    return Table(
        "Survival of the true pattern, contamination by others, on new rows like the held-out ones",
        ("estimate", "λ", "survival", "contamination by signal", "by noise", "expected squared error"),
        tuple(rows),
    )


def _degrees(curve: ComplexityCurve) -> Table:
    rows = tuple(
        (
            p - 1,
            float(curve.training[i]),
            float(curve.approximation[i]),
            float(curve.bias[i]),
            float(curve.variance[i]),
            float(curve.test[i]),
            "least" if p == curve.best else "",
        )
        for i, p in enumerate(curve.complexity)
    )
    return Table(
        f"Polynomials on {POINTS} noisy points of a cosine",
        ("degree", "training", "approximation", "bias²", "variance", "test", ""),
        rows,
    )
