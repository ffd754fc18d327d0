"""Early stopping explained: k steps of gradient descent beside the ridge they resemble."""

from typing import Annotated

from sightline.core.config import Option
from sightline.explain.explanation import Explanation, Table
from sightline.explain.measures import floats, in_svd_coordinates, mean_square
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.explain.steps import in_steps, log_steps
from sightline.linear.closest_ridge import BesideRidge, beside_ridge
from sightline.linear.descent_rates import stability_limit
from sightline.linear.early_stopping import largest_filter_gap, relative_risk_bound
from sightline.linear.gradient_descent import gradient_descent
from sightline.linear.ridge import ridge_in_svd_coordinates
from sightline.linear.svd_coordinates import SVDCoordinates
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

TINY = 1e-12
"""A closest λ below this share of σ₁² is as good as none."""


@EXPLANATIONS.register("early-stopping")
def explain_early_stopping(
    problem: Problem,
    *,
    rate: Annotated[float | None, Option("η; none: half of the stability limit", above=0)] = None,
    steps: Annotated[int, Option("the last step to look at", minimum=1)] = 10_000,
) -> Explanation:
    """k steps of descent beside the ridge they amount to, and how far they differ.

    Raises:
        DataError: when no column varies.
        ConfigurationError: when a number is out of its range.

    Lecture: F8

    Example:
        >>> from sightline.explain import problem
        >>> explain_early_stopping(problem(columns=2), steps=10).tables[0].columns[:2]
        ('steps', 'time ηk')
    """
    svd = in_svd_coordinates(problem)
    eta = stability_limit(svd.nonzero) / 2 if rate is None else rate
    counts = [k for k in log_steps(steps, count=80) if k]
    held = [mean_square(problem, w) for w in gradient_descent(svd, eta, counts)]
    best = counts[min(range(len(counts)), key=held.__getitem__)]
    at_best = beside_ridge(svd, eta, best)
    gap, bound = largest_filter_gap(), relative_risk_bound()
    shown = sorted({counts[0], counts[len(counts) // 3], best, counts[2 * len(counts) // 3], counts[-1]})
    found = [beside_ridge(svd, eta, k) for k in shown]
    return Explanation(
        title="Early stopping is a soft ridge",
        problem=problem.origin,
        lead=f"From zero, k steps fit the share 1 − (1 − 2ησ²)^k of each direction; ridge fits σ²/(σ² + λ). They "
        f"match at λ = 1/(2ηk). For small steps their shares differ by at most {number(gap.value)} whatever the data, "
        f"and the risk of stopping is at most {number(bound.value)} times that of the matched ridge. Of the steps "
        f"looked at, the held-out error is least after {in_steps(best)} (η = {number(eta)}): λ = "
        f"{number(at_best.matched)} by the match; the nearest weights have {_nearest(at_best)}.",
        tables=(_ridges(found), _errors(problem, svd, found)),
        figures=(
            Figure(
                f"Filter factors after {in_steps(best)}",
                "The share of each direction that is fitted: stopping, and ridge at the matched and the closest λ.",
                figures.filter_factors(
                    floats(at_best.sigma),
                    {
                        in_steps(best): floats(at_best.descent),
                        f"ridge λ = {number(at_best.matched)} (matched)": floats(at_best.matched_ridge),
                        f"ridge λ = {number(at_best.closest)} (closest)": floats(at_best.closest_ridge),
                    },
                ),
            ),
            Figure(
                "Held-out error along both paths",
                "Early stopping at step k, and ridge at the λ that k amounts to.",
                figures.error_curves(
                    [float(k) for k in counts],
                    {
                        "early stopping": held,
                        "ridge λ = 1/(2ηk)": [
                            mean_square(problem, svd.weights(ridge_in_svd_coordinates(svd, 1 / (2 * eta * k))))
                            for k in counts
                        ],
                    },
                    x_title="steps k",
                    y_title="held-out mean squared error",
                ),
            ),
        ),
    )


def _nearest(found: BesideRidge) -> str:
    return f"λ = {number(found.closest)}" if found.closest > TINY * float(found.sigma[0]) ** 2 else "no ridge at all"


def _ridges(found: list[BesideRidge]) -> Table:
    rows = tuple((o.steps, o.time, o.matched, o.closest, o.matched_weights, o.closest_weights) for o in found)
    columns = ("steps", "time ηk", "λ = 1/(2ηk)", "closest λ", "‖Δw‖/‖w‖, matched", "‖Δw‖/‖w‖, closest")
    return Table("Steps and the ridge they amount to", columns, rows)


def _errors(problem: Problem, svd: SVDCoordinates, found: list[BesideRidge]) -> Table:
    rows = tuple(
        (
            one.steps,
            float(one.descent.sum()),
            float(one.matched_ridge.sum()),
            mean_square(problem, gradient_descent(svd, one.rate, one.steps)),
            mean_square(problem, svd.weights(ridge_in_svd_coordinates(svd, one.matched))),
        )
        for one in found
    )
    columns = ("steps", "df, steps", "df, ridge", "held-out, steps", "held-out, ridge")
    return Table("Degrees of freedom and held-out mean square, beside the matched ridge", columns, rows)
