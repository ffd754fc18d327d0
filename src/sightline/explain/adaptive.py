"""The optimisers explained: gradient descent, momentum, Adagrad, RMSProp, Adam and Newton's method on one problem."""

from typing import Annotated

import torch
from torch import Tensor

from sightline.core.config import Option
from sightline.explain.explanation import Cell, Explanation, Table
from sightline.explain.measures import above_rounding, excess, in_svd_coordinates
from sightline.explain.plane import STEPS, contours_of, plane_name, plane_problem, plane_start
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.explain.steps import even_steps, powers_of_ten
from sightline.linear.adaptive import Adagrad, Adam, AdaptiveMethod, RMSProp, adaptive_iterates
from sightline.linear.gradient_descent import descent_limit
from sightline.linear.momentum import momentum
from sightline.linear.newton import newton
from sightline.linear.optimal_momentum import optimal_momentum
from sightline.linear.squared_error import hessian
from sightline.linear.svd_coordinates import SVDCoordinates, svd_coordinates
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure, Spec

NEWTON = "Newton's method"
TURN = 0.5
"""Radians by which the plane is turned against the axes that the adaptive methods rescale."""


@EXPLANATIONS.register("adaptive")
def explain_adaptive(
    problem: Problem,
    *,
    rate: Annotated[float, Option("η of the adaptive methods, relative to the largest weight", above=0)] = 0.05,
    steps: Annotated[int, Option("how far to follow them", minimum=1, maximum=100_000)] = 1000,
) -> Explanation:
    """Adagrad, RMSProp, Adam and Newton's method beside descent and momentum.

    Raises:
        DataError: when no column varies.
        ConfigurationError: when a number is out of its range.

    Lecture: O4

    Example:
        >>> from sightline.explain import problem
        >>> [row[0] for row in explain_adaptive(problem(columns=2), steps=10).tables[0].rows][-1]
        "Newton's method"
    """
    svd = in_svd_coordinates(problem)
    eta = rate * (float(descent_limit(svd).abs().max()) or 1.0)
    counts = sorted({*even_steps(steps), *powers_of_ten(steps)})
    left = {name: excess(svd, path) for name, path in _paths(svd, problem.X, problem.y, eta, counts).items()}
    flat = plane_problem(svd)
    marks = [counts.index(k) for k in powers_of_ten(steps)]
    rows: list[tuple[Cell, ...]] = [(name, *(values[i] for i in marks)) for name, values in left.items()]
    return Explanation(
        title="Optimisers on one least-squares problem",
        problem=problem.origin,
        lead=f"Gradient descent and momentum see the singular directions; Adagrad, RMSProp and Adam rescale the "
        f"columns, whatever the directions. At first Adagrad and Adam move each weight by η = {number(eta)}, RMSProp "
        f"by η/√β′ = {number(eta / RMSProp(eta).beta_prime ** 0.5)}, whatever the size of its gradient; Adagrad's "
        f"steps shrink with all that has been seen, those of the other two only as far as η lets them. Newton's method "
        f"divides by the curvature and is there in one step. After {steps:,} steps {_order(left)}. ε is outside the "
        f"root, √v + ε, as in torch.",
        tables=(Table("Loss above the least", ("method", *(f"k = {counts[i]:,}" for i in marks)), tuple(rows)),),
        figures=(
            Figure(
                "Loss above the least",
                "From zero weights; drawn no lower than rounding, 1e-16 of the start.",
                figures.loss_curves(
                    counts,
                    {name: above_rounding(values) for name, values in left.items()},
                    y_title="loss above the least",
                ),
            ),
            Figure(
                f"Paths in {plane_name(flat)}",
                "The two directions turned by half a radian against the weights, which adaptive methods rescale.",
                _plane(flat, rate),
            ),
        ),
    )


def _order(left: dict[str, list[float]]) -> str:
    """Who is nearest and who is farthest at the end, Newton's method apart."""
    ends = {name: values[-1] for name, values in left.items() if name != NEWTON}
    near, far = min(ends, key=ends.__getitem__), max(ends, key=ends.__getitem__)
    return f"{near} is nearest to the least loss (by {number(ends[near])}), {far} farthest ({number(ends[far])})"


def _paths(
    svd: SVDCoordinates, X: Tensor, y: Tensor, eta: float, counts: list[int], start: Tensor | None = None
) -> dict[str, Tensor]:
    best = optimal_momentum(svd.nonzero)
    tuned = {"gradient descent": best.gradient_descent, "heavy ball": best.heavy_ball, "Nesterov": best.nesterov}
    found = {name: momentum(svd, one.method, counts, start=start) for name, one in tuned.items()}
    adaptive: dict[str, AdaptiveMethod] = {"Adagrad": Adagrad(eta), "RMSProp": RMSProp(eta), "Adam": Adam(eta)}
    for name, method in adaptive.items():
        found[name] = adaptive_iterates(X, y, method, counts[-1], start=start)[counts]
    found[NEWTON] = newton(svd, counts, start=start)
    return found


def _plane(flat: SVDCoordinates, rate: float) -> Spec:
    turn = torch.tensor(TURN, dtype=torch.float64)
    rotation = torch.stack([torch.stack([turn.cos(), -turn.sin()]), torch.stack([turn.sin(), turn.cos()])])
    X, y = torch.diag(flat.sigma) @ rotation.mT, torch.zeros(2, dtype=torch.float64)
    start = rotation @ plane_start(flat)
    eta = rate * float(start.abs().max())
    paths = _paths(svd_coordinates(X, y), X, y, eta, list(range(2 * STEPS + 1)), start)
    shown = {name: paths[name] for name in ("gradient descent", "heavy ball", "Adam", NEWTON)}
    return contours_of(hessian(X), shown, axes=("first weight's error", "second weight's error"))
