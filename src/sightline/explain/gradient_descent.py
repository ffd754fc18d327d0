"""Gradient descent explained: what each rate does to each direction."""

from typing import Annotated

from sightline.core.config import Option
from sightline.explain.explanation import Explanation, Table
from sightline.explain.measures import (
    above_rounding,
    floats,
    in_svd_coordinates,
    least_loss,
    mean_square,
    size,
    torch_rate,
)
from sightline.explain.plane import paths_in, plane_name, plane_problem
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.explain.steps import enough_steps, even_steps, few, in_steps, powers_of_ten
from sightline.linear.descent_rates import DescentRates, contraction, descent_rates, fastest_rate, stability_limit
from sightline.linear.gradient_descent import descent_limit, excess_by_direction, gradient_descent
from sightline.linear.momentum_forms import HeavyBall
from sightline.linear.svd_coordinates import SVDCoordinates
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

ABOVE = "1 % above the limit"


@EXPLANATIONS.register("gradient-descent")
def explain_gradient_descent(
    problem: Problem,
    *,
    rate: Annotated[float | None, Option("η of w ← w + 2ηXᵀ(y − Xw); none: the fastest", above=0)] = None,
    steps: Annotated[int | None, Option("how far to follow the descent; none: far enough", minimum=1)] = None,
) -> Explanation:
    """Stability limit, fastest rate, the factor of every direction, the limit.

    Raises:
        DataError: when no column varies.
        ConfigurationError: when a number is out of its range.

    Lecture: F8, O1

    Example:
        >>> from sightline.explain import problem
        >>> print(explain_gradient_descent(problem(columns=2, condition=10.0)).tables[0].columns[0])
        rate
    """
    svd = in_svd_coordinates(problem)
    found = descent_rates(svd, rate)
    last = enough_steps(found.fastest_contraction) if steps is None else steps
    rates = {"half the limit": found.limit / 2, "the fastest": found.fastest, ABOVE: 1.01 * found.limit}
    if rate is not None:
        rates = {"the one given": rate, **rates}
    followed = {name: eta for name, eta in rates.items() if name != ABOVE}
    flat = plane_problem(svd)
    return Explanation(
        title="Gradient descent on least squares",
        problem=problem.origin,
        lead=f"Along each singular direction a step leaves the factor 1 − 2ησ² of the error. It converges for "
        f"η < 1/σ₁² = {number(found.limit)}. The nonzero singular values span a factor of {number(svd.condition)}. "
        f"{_fastest(svd)} {_verdict(found) if rate is not None else ''}".rstrip(),
        tables=(_rates(problem, svd, rates), _directions(svd, found.rate), _path(problem, svd, found.rate, last)),
        figures=(
            Figure(
                "Factor per step by direction",
                "How much of the error a step leaves, against the singular value. Above 1 a direction grows.",
                figures.rates_by_direction(
                    floats(found.sigma), {name: floats(contraction(found.sigma, eta)) for name, eta in rates.items()}
                ),
            ),
            Figure(
                f"Paths in {plane_name(flat)}",
                "Ellipses of equal loss, and descent from the same point at rates set for these two directions.",
                paths_in(
                    flat,
                    {
                        "half the limit": HeavyBall(stability_limit(flat.sigma) / 2, 0.0),
                        "the fastest": HeavyBall(fastest_rate(flat.sigma), 0.0),
                        "5 % above the limit": HeavyBall(1.05 * stability_limit(flat.sigma), 0.0),
                    },
                ),
            ),
            Figure(
                "Loss above the least",
                "From zero weights; straight stretches are single directions dying out. No lower than rounding.",
                figures.loss_curves(
                    even_steps(last),
                    {n: above_rounding(_excess(svd, eta, even_steps(last))) for n, eta in followed.items()},
                    y_title="loss above the least",
                ),
            ),
        ),
    )


def _fastest(svd: SVDCoordinates) -> str:
    best = descent_rates(svd)
    if svd.condition < 1 + 1e-9:
        return "All are alike: one step at the fastest rate is the solution."
    left = best.fastest_contraction
    share = number(left) if left < 0.9999 else f"1 − {number(2 / (svd.condition**2 + 1))}"
    return (
        f"At the fastest rate, {number(best.fastest)}, the steepest and the flattest direction keep {share} of their "
        f"error a step, and are down to 1 % in {in_steps(int(best.steps.max()))}."
    )


def _verdict(found: DescentRates) -> str:
    worst = number(float(found.sigma[found.slowest]))
    if found.converges:
        steps = in_steps(int(found.steps.max()))
        return (
            f"At the rate given, {number(found.rate)}, the direction of σ = {worst} is slowest: 1 % is left in {steps}."
        )
    return f"The rate given, {number(found.rate)}, is not below the limit: the direction of σ = {worst} never settles."


def _rates(problem: Problem, svd: SVDCoordinates, rates: dict[str, float]) -> Table:
    rows = []
    for name, eta in rates.items():
        one = descent_rates(svd, eta)
        worst = float(one.contraction.abs().max())
        rows.append((name, eta, torch_rate(problem, eta), worst, float(one.steps.max())))
    return Table(
        "Rates", ("rate", "η", "lr with torch's MSELoss", "largest factor per step", "steps to 1 %"), tuple(rows)
    )


def _directions(svd: SVDCoordinates, rate: float) -> Table:
    one = descent_rates(svd, rate)
    lengths = size(svd.y_tilde)
    rows = []
    for i in few(svd.rank):
        c = float(one.contraction[i])
        manner = "grows" if abs(c) >= 1 else "swings" if c < 0 else "monotone"
        rows.append((i + 1, float(one.sigma[i]), lengths[i], c, float(one.steps[i]), manner))
    return Table(
        f"Directions at η = {number(rate)} ({svd.rank} with curvature of {svd.d})",
        ("i", "σᵢ", "|ỹᵢ|", "1 − 2ησᵢ²", "steps to 1 %", "manner"),
        tuple(rows),
    )


def _path(problem: Problem, svd: SVDCoordinates, rate: float, steps: int) -> Table:
    counts = powers_of_ten(steps)
    iterates, goal = gradient_descent(svd, rate, counts), descent_limit(svd)
    excess = _excess(svd, rate, counts)
    least = least_loss(svd)
    rows = tuple(
        (k, least + excess[i], excess[i], float((w - goal).norm() / goal.norm()), mean_square(problem, w))
        for i, (k, w) in enumerate(zip(counts, iterates, strict=True))
    )
    return Table(
        f"The path from zero at η = {number(rate)}; its limit is the minimum-norm solution",
        ("steps", "loss ‖Xw − y‖²", "above the least", "distance to the limit ‖w − w*‖/‖w*‖", "held-out mean square"),
        rows,
    )


def _excess(svd: SVDCoordinates, rate: float, counts: list[int]) -> list[float]:
    found = excess_by_direction(svd, rate, counts)
    return floats(found.reshape(len(counts), -1).sum(1))
