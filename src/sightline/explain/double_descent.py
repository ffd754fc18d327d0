"""Double descent explained: test error against the number of random features; ridge and early stopping."""

from typing import Annotated

import torch

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.core.seeds import Seeds
from sightline.explain.explanation import Cell, Explanation, Table
from sightline.explain.measures import floats
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.linear.descent_estimators import EarlyStopping, Estimator, MinimumNorm, Ridge
from sightline.linear.descent_problems import GivenData, LinearTruth
from sightline.linear.double_descent import DoubleDescent, double_descent
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

RELATIVE_WIDTHS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0)
"""Numbers of features, as shares of the samples."""

MOST_TEST_ROWS = 500
"""Held-out rows that each repetition is judged by."""


@EXPLANATIONS.register("double-descent")
def explain_double_descent(
    problem: Problem,
    *,
    samples: Annotated[
        int | None, Option("training rows of each repetition; none: 100, or what there is", minimum=5, maximum=2000)
    ] = None,
    repetitions: Annotated[int, Option("fresh draws of rows and features", minimum=2, maximum=100_000)] = 50,
    ridge: Annotated[float, Option("λ of the ridge curve, on features of unit total variance", above=0)] = 0.01,
    steps: Annotated[int, Option("gradient-descent steps of the early-stopping curve", minimum=1)] = 100,
) -> Explanation:
    """Random features: the U, the peak at features = samples, the second descent.

    A generated problem is a linear truth in as many dimensions as the problem has columns.

    Raises:
        ConfigurationError: when a number is out of its range, or there are fewer rows than samples.

    Lecture: F10

    Example:
        >>> from sightline.explain import problem
        >>> found = explain_double_descent(problem(columns=5), samples=10, repetitions=5)
        >>> found.tables[0].columns[0]
        'features'
    """
    if samples is None:
        samples = 100 if problem.truth is not None else min(100, len(problem.X))
    source = _source(problem, samples)
    widths = sorted({max(1, round(share * samples)) for share in RELATIVE_WIDTHS})
    estimators: dict[str, Estimator] = {
        "minimum norm": MinimumNorm(),
        f"ridge λ = {ridge:g}": Ridge(ridge),
        f"{steps:,} descent steps": EarlyStopping(steps),
    }
    found = {
        name: double_descent(
            source,
            samples=samples,
            features=widths,
            repetitions=repetitions,
            generator=torch.Generator().manual_seed(Seeds(problem.seed).number("sample", 1)),
            estimator=estimator,
        )
        for name, estimator in estimators.items()
    }
    plain, ridged, stopped = found.values()
    classes = "squared, of one-hot targets" if problem.classes > 2 else "squared"
    return Explanation(
        title="Double descent",
        problem=_told(problem, samples, repetitions),
        lead=f"{_descents(plain)} Where features equal samples, or nearly, a fit must go through every noisy "
        f"row with the few weights that can; beyond, of all such fits the one of least norm is taken. At the peak's "
        f"{plain.peak:,} features ridge has {number(_at(ridged, plain.peak))} and early stopping "
        f"{number(_at(stopped, plain.peak))}. Errors are {classes}, medians over {repetitions:,} draws.",
        tables=tuple(_table(name, one) for name, one in found.items()),
        figures=(
            Figure(
                "Test error against the number of features",
                "Median over the draws; the band holds the middle half of them.",
                figures.double_descent(
                    plain.features,
                    samples,
                    {
                        name: figures.Band(
                            floats(one.test_median), floats(one.quantile(0.25)), floats(one.quantile(0.75))
                        )
                        for name, one in found.items()
                    },
                ),
            ),
        ),
    )


def _at(found: DoubleDescent, width: int) -> float:
    return float(found.test_median[found.features.index(width)])


def _descents(found: DoubleDescent) -> str:
    """The curve in words: its least before the samples, its peak, its least beyond; as it is."""
    errors = dict(zip(found.features, floats(found.test_median), strict=True))
    before = min((e, width) for width, e in errors.items() if width < found.samples)
    after = min((e, width) for width, e in errors.items() if width > found.samples)
    peak = errors[found.peak]
    told = f"Before {found.samples:,} features, one a sample, the test error is least at {before[1]:,}: "
    told += f"{number(before[0])}. "
    if peak > max(before[0], after[0]):
        told += f"It peaks at {found.peak:,} features: {number(peak)}. "
    compared = "below" if after[0] < before[0] else "above"
    return told + f"With more it comes to {number(after[0])} at {after[1]:,}, {compared} the first least."


def _source(problem: Problem, samples: int) -> LinearTruth | GivenData:
    if problem.truth is not None and problem.noise is not None:
        energy = float((problem.X_test @ problem.truth).square().mean())
        return LinearTruth(problem.X.shape[1], problem.noise**2 / energy if energy else 0.0)
    if samples > len(problem.X):
        raise ConfigurationError(
            expected=f"at most the {len(problem.X):,} training rows there are",
            found=f"samples = {samples:,}",
            do=f"give --samples {len(problem.X)} or less",
        )
    scale = float(problem.y.std()) or 1.0
    rows = slice(MOST_TEST_ROWS)
    size = float(problem.X.square().mean().sqrt()) or 1.0
    return GivenData(problem.X / size, problem.y / scale, problem.X_test[rows] / size, problem.y_test[rows] / scale)


def _told(problem: Problem, samples: int, repetitions: int) -> str:
    if problem.truth is not None:
        what = (
            f"A linear truth in {problem.X.shape[1]:,} dimensions, inputs standard normal, noise as in the generated "
            f"problem (whose rows and condition play no part), seed {problem.seed}"
        )
    else:
        what = problem.origin.rstrip(".") + "; inputs and targets scaled to unit variance"
    return f"{what}. ReLU random features; {samples:,} rows and fresh features in each of {repetitions:,} draws."


def _table(name: str, found: DoubleDescent) -> Table:
    columns = ["features", "training, mean", "test, median", "test, mean", "± standard error", "median ‖w‖²"]
    rows: list[tuple[Cell, ...]] = []
    for i, width in enumerate(found.features):
        row: list[Cell] = [
            width,
            float(found.training_mean[i]),
            float(found.test_median[i]),
            float(found.test_mean[i]),
            float(found.test_standard_error[i]),
            float(found.norm[:, i].median()),
        ]
        if found.error_rate is not None:
            row.append(float(found.error_rate[:, i].mean()))
        rows.append(tuple(row))
    if found.error_rate is not None:
        columns.append("error rate")
    return Table(f"Squared errors, {name}", tuple(columns), tuple(rows))
