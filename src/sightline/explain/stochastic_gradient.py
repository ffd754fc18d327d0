"""Stochastic gradient descent explained: the exact expected loss of minibatches, and the noise that stays."""

from typing import Annotated

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.explain.explanation import Explanation, Table
from sightline.explain.measures import above_rounding, floats, in_svd_coordinates, least_loss, one_target, torch_rate
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.explain.steps import even_steps
from sightline.linear.descent_rates import stability_limit
from sightline.linear.stationary_noise import mean_square_limit, small_rate_covariance, stationary_covariance
from sightline.linear.stochastic_gradient import stochastic_gradient_moments
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

SHARES = (0.0, 0.03, 0.1, 0.3)
"""Batches that are compared, as shares of the rows: one row, and these."""


@EXPLANATIONS.register("stochastic-gradient")
def explain_stochastic_gradient(
    problem: Problem,
    *,
    rate: Annotated[float | None, Option("η; none: half of what a batch of one row bears", above=0)] = None,
    steps: Annotated[int, Option("how far to follow the descent", minimum=1, maximum=100_000)] = 500,
) -> Explanation:
    """Minibatches: rates they bear, the expected loss, the noise that stays.

    Raises:
        DataError: when no column varies, the target has several columns, or the rank is above 64.
        ConfigurationError: when a number is out of its range.

    Lecture: O1

    Example:
        >>> from sightline.explain import problem
        >>> explain_stochastic_gradient(problem(columns=2), steps=5).tables[0].columns[0]
        'batch'
    """
    one_target(problem)
    svd = in_svd_coordinates(problem)
    X, y, n = svd.U[:, : svd.rank] * svd.nonzero, problem.y, len(problem.X)  # turned: as many columns as directions
    batches = sorted({max(1, round(share * n)) for share in SHARES} | {n})
    limits = {b: mean_square_limit(X, b) for b in batches}
    eta = limits[1] / 2 if rate is None else rate
    stable = {b: limit for b, limit in limits.items() if eta < limit}
    if not stable:
        raise ConfigurationError(
            expected=f"a rate that some batch bears: below {number(max(limits.values()))}",
            found=f"rate = {number(eta)}",
            do="give a smaller --rate, or leave it out",
        )
    curvature = X.mT @ X
    rows = []
    for b, limit in limits.items():
        lasting: tuple[float | str, float | str] = ("grows", "")
        if b in stable:
            exact, first = stationary_covariance(X, y, eta, b), small_rate_covariance(X, y, eta, b)
            lasting = (float((curvature * exact).sum()), float((curvature * first).sum()))
        rows.append((b, limit, torch_rate(problem, limit), *lasting))
    path = {f"batch {b:,}": floats(stochastic_gradient_moments(X, y, eta, b, steps).excess) for b in stable}
    shown, grown = even_steps(steps), [b for b in batches if b not in stable]
    least = least_loss(svd)
    descent = stability_limit(svd.nonzero)
    return Explanation(
        title="Stochastic gradient descent on least squares",
        problem=problem.origin,
        lead=f"Each step sees b rows, drawn with replacement. Its mean is gradient descent, whose limit is "
        f"{number(descent)}; its spread obeys an exact recursion of its own and bears no more: {number(limits[1])} for "
        f"one row at a time. {_noise(least, float(problem.y.square().sum()), eta)}"
        + (f" At this rate the loss grows for {', '.join(f'b = {b:,}' for b in grown)}." if grown else ""),
        tables=(
            Table(
                f"Batches at η = {number(eta)}",
                (
                    "batch",
                    "largest stable η",
                    "as lr with torch's MSELoss",
                    "lasting loss above the least",
                    "to first order in η",
                ),
                tuple(rows),
            ),
        ),
        figures=(
            Figure(
                "Expected loss above the least",
                "Exact, by recursion of the first and second moments; not simulated. Noise holds it up in the end.",
                figures.loss_curves(
                    shown,
                    {name: above_rounding([values[k] for k in shown]) for name, values in path.items()},
                    y_title="expected loss above the least",
                ),
            ),
        ),
    )


def _noise(least: float, total: float, eta: float) -> str:
    if least <= 1e-20 * total:
        return "Some w fits every row exactly: there is no noise at the solution, and a constant rate converges."
    return (
        f"At η = {number(eta)} the noise of a stable batch keeps the loss above its least value, {number(least)}, "
        "for small rates by an amount that goes with η/b."
    )
