"""Momentum explained: its three written forms, its fastest setting, its stability and what it filters."""

from math import ceil, pi
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.config import Option
from sightline.explain.explanation import Cell, Explanation, Table
from sightline.explain.measures import above_rounding, excess, floats, in_svd_coordinates, torch_rate
from sightline.explain.plane import paths_in, plane_name, plane_problem
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.explain.steps import enough_steps, even_steps, in_steps
from sightline.linear.companion_matrix import error_factors
from sightline.linear.frequency_response import alternating_gain, frequency_response, half_power_frequency, mean_age
from sightline.linear.momentum import momentum as momentum_at
from sightline.linear.momentum_forms import AveragedMomentum, HeavyBall, MomentumForm, Velocity
from sightline.linear.momentum_stability import largest_stable_rate, spectral_radius, stability_map
from sightline.linear.optimal_momentum import OptimalMomentum, Tuned, optimal_momentum
from sightline.linear.svd_coordinates import SVDCoordinates
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

ROUNDING = "From zero weights; drawn no lower than rounding, 1e-16 of the start."
LONGEST = 20_000
"""Steps that are counted at most."""

GRID = 60
"""Squares of the stability map on either side."""


@EXPLANATIONS.register("momentum")
def explain_momentum(
    problem: Problem,
    *,
    rate: Annotated[float | None, Option("α of the heavy ball; none: the fastest", above=0)] = None,
    momentum: Annotated[
        float | None, Option("m, the share of the velocity kept; none: the fastest", minimum=0, below=1)
    ] = None,
    nesterov: Annotated[bool, Option("look ahead before taking the gradient")] = False,
    steps: Annotated[int | None, Option("how far to follow the descent; none: far enough", minimum=1)] = None,
) -> Explanation:
    """Its written forms, fastest setting, stability, and what it filters.

    Raises:
        DataError: when no column varies.
        ConfigurationError: when a number is out of its range.

    Lecture: O2, O3

    Example:
        >>> from sightline.explain import problem
        >>> explain_momentum(problem(columns=2, condition=9.0)).tables[0].heading
        "The same method in its three written forms, and as torch's"
    """
    svd = in_svd_coordinates(problem)
    best = optimal_momentum(svd.nonzero)
    fastest = (best.nesterov if nesterov else best.heavy_ball).method
    method = HeavyBall(
        fastest.rate if rate is None else rate, fastest.momentum if momentum is None else momentum, nesterov
    )
    limit = largest_stable_rate(svd.sigma, method)
    methods: dict[str, MomentumForm] = {
        "gradient descent, fastest": best.gradient_descent.method,
        "Nesterov, fastest": best.nesterov.method,
        "heavy ball, fastest": best.heavy_ball.method,
    }
    if method not in methods.values() and method.rate < limit:
        methods["the one given"] = method
    last = enough_steps(best.gradient_descent.radius, 0.1) if steps is None else steps
    counts = even_steps(last)
    flat = plane_problem(svd)
    tuned = optimal_momentum(flat.sigma)
    average = AveragedMomentum.from_heavy_ball(method)
    return Explanation(
        title="Momentum on least squares",
        problem=problem.origin,
        lead=f"The singular values span a factor of κ = {number(svd.condition)}. {_speeds(svd, best)} "
        f"{_verdict(method, limit)} As a filter from gradient to step, it passes {number(alternating_gain(average))} "
        f"of a gradient that changes sign at every step, and all of a steady one.",
        tables=(
            _forms(problem, method),
            _fastest(problem, best),
            _stability(problem, svd, method),
            _filter(average),
        ),
        figures=(
            Figure(
                f"Paths in {plane_name(flat)}",
                "Ellipses of equal loss; each method at its fastest for these two directions, every step a dot.",
                paths_in(
                    flat,
                    {
                        "gradient descent": tuned.gradient_descent.method,
                        "Nesterov": tuned.nesterov.method,
                        "heavy ball": tuned.heavy_ball.method,
                    },
                ),
            ),
            Figure(
                "Loss above the least",
                ROUNDING,
                figures.loss_curves(
                    counts,
                    {n: above_rounding(excess(svd, momentum_at(svd, one, counts))) for n, one in methods.items()},
                    y_title="loss above the least",
                ),
            ),
            Figure(
                "Factor per step by direction",
                "The larger eigenvalue of each direction's 2×2 matrix, in the long run. Above 1 a direction grows.",
                figures.rates_by_direction(
                    floats(svd.nonzero), {n: floats(spectral_radius(svd.nonzero, one)) for n, one in methods.items()}
                ),
            ),
            _frequency_figure(method),
            _stability_figure(svd, method, best),
        ),
    )


def _speeds(svd: SVDCoordinates, best: OptimalMomentum) -> str:
    """Steps until every direction is and stays below 1 %, counted, and the rise before."""
    plain, ball = best.gradient_descent, best.heavy_ball
    steps, rise = settled(svd.nonzero, ball)
    slow = ceil(plain.steps_to_shrink(0.01)) if plain.gap < 1 else 1
    rises = f", after a first rise of the error to {number(rise)} times its size" if rise > 1.01 else ""
    return (
        f"At its fastest the heavy ball has every direction down to 1 % in {in_steps(steps)}{rises}; gradient descent "
        f"at its fastest in {in_steps(slow)}. In the long run the one goes with κ, the other with κ²."
    )


def _verdict(method: HeavyBall, limit: float) -> str:
    held = "below" if method.rate < limit else "not below"
    ends = "it converges" if method.rate < limit else "some direction grows without end, so its path is not drawn"
    return f"The rate looked at, α = {number(method.rate)}, is {held} the limit {number(limit)}: {ends}."


def settled(sigma: Float[Tensor, " r"], tuned: Tuned) -> tuple[int, float]:
    """Steps after which every direction's error from rest is below 1 % for good, and the largest it ever was."""
    last = min(LONGEST, 10 + 20 * ceil(tuned.steps_to_shrink(0.01)))
    factors = error_factors(sigma, tuned.method, list(range(last + 1))).abs().amax(1)
    above = (factors > 0.01).nonzero()
    return int(above[-1]) + 1, float(factors.max())


def _forms(problem: Problem, method: HeavyBall) -> Table:
    average, velocity = AveragedMomentum.from_heavy_ball(method), Velocity.from_heavy_ball(method)
    where = " at the point looked ahead to" if method.nesterov else ""
    nesterov = ", nesterov=True" if method.nesterov else ""
    lr = number(torch_rate(problem, method.rate))
    return Table(
        "The same method in its three written forms, and as torch's",
        ("form", "step" + where, "rate", "momentum"),
        (
            ("heavy ball", "v ← mv + ∇L; w ← w − αv", f"α = {number(method.rate)}", f"m = {number(method.momentum)}"),
            ("average", "a ← (1−β)a + β∇L; w ← w − ηa", f"η = {number(average.rate)}", f"β = {number(average.beta)}"),
            ("velocity", "v ← mv − α∇L; w ← w + v", f"α = {number(velocity.rate)}", f"m = {number(velocity.momentum)}"),
            ("torch, MSELoss", f"SGD(momentum=…{nesterov})", f"lr = {lr}", f"momentum = {number(method.momentum)}"),
        ),
    )


def _fastest(problem: Problem, best: OptimalMomentum) -> Table:
    rows = []
    named = {"gradient descent": best.gradient_descent, "Nesterov": best.nesterov, "heavy ball": best.heavy_ball}
    for name, tuned in named.items():
        method = tuned.method
        rate = torch_rate(problem, method.rate)
        rows.append((name, method.rate, rate, method.momentum, tuned.radius, tuned.steps_to_shrink(0.01)))
    return Table(
        "The fastest setting of each method",
        ("method", "α", "lr with torch's MSELoss", "m", "factor per step ρ", "ln 100 / ln(1/ρ)"),
        tuple(rows),
    )


def _stability(problem: Problem, svd: SVDCoordinates, method: HeavyBall) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for m in sorted({0.0, 0.5, 0.9, 0.99, method.momentum}):
        ball, look = HeavyBall(method.rate, m), HeavyBall(method.rate, m, nesterov=True)
        average = AveragedMomentum.from_heavy_ball(ball)
        limits = [largest_stable_rate(svd.sigma, one) for one in (ball, look, average)]
        radius = float(spectral_radius(svd.nonzero, _with_momentum(method, m)).max())
        ball_limit, others = limits[0], limits[1:]
        stable = "yes" if radius < 1 else "no"
        rows.append((m, ball_limit, torch_rate(problem, ball_limit), *others, radius, stable))
    return Table(
        f"Stability limits by momentum; is α = {number(method.rate)} stable?",
        ("m", "heavy ball α <", "as lr with MSELoss", "Nesterov α <", "average η <", "factor at this α", "stable"),
        tuple(rows),
    )


def _with_momentum(method: HeavyBall, momentum: float) -> HeavyBall:
    """The same rate and look-ahead with another momentum."""
    return HeavyBall(method.rate, momentum, method.nesterov)


def _filter(average: AveragedMomentum) -> Table:
    cutoff = half_power_frequency(average)
    return Table(
        "The filter from gradient to step (gain 1 for a steady gradient)",
        ("what", "value"),
        (
            ("weight of the new gradient β", average.beta),
            ("mean age of the gradients in a step, in steps", mean_age(average)),
            ("gain at ω = π, a gradient that alternates", alternating_gain(average)),
            ("half-power frequency, radians a step", "none: no frequency is halved" if cutoff is None else cutoff),
        ),
    )


def _frequency_figure(method: HeavyBall) -> Figure:
    omega = torch.linspace(0, pi, 181, dtype=torch.float64)
    shown = {f"m = {m:.2g}": AveragedMomentum.from_heavy_ball(_with_momentum(method, m)) for m in (0.5, 0.9)}
    shown[f"m = {method.momentum:.3g}"] = AveragedMomentum.from_heavy_ball(method)
    responses = {name: frequency_response(one, omega) for name, one in shown.items()}
    return Figure(
        "Frequency response",
        "What the average makes of a gradient that oscillates: the faster it swings, the less of it is left.",
        figures.frequency_response(
            floats(omega),
            {name: floats(one.gain) for name, one in responses.items()},
            {name: floats(one.phase) for name, one in responses.items()},
        ),
    )


def _stability_figure(svd: SVDCoordinates, method: HeavyBall, best: OptimalMomentum) -> Figure:
    curvature = 2 * float(svd.sigma[0].square())
    cells = (torch.arange(GRID, dtype=torch.float64) + 0.5) / GRID
    scaled = cells * (2.0 if method.nesterov else 4.0)
    limits = [largest_stable_rate(svd.sigma, _with_momentum(method, float(m))) * curvature for m in cells]
    fastest = (best.nesterov if method.nesterov else best.heavy_ball).method
    marked = {"fastest for all": (fastest.rate * curvature, fastest.momentum)}
    if method != fastest:
        marked["given"] = (method.rate * curvature, method.momentum)
    return Figure(
        "Stability region",
        "The steepest direction's factor per step over rate and momentum. Beyond the line it grows.",
        figures.stability_region(
            floats(scaled),
            floats(cells),
            [floats(row) for row in stability_map(scaled, cells, method.nesterov)],
            list(zip(limits, floats(cells), strict=True)),
            marked,
            x_title="rate × curvature α·2σ₁²",
        ),
    )
