"""k-means explained: what each variant reaches from the same start, and what γ does to the soft ones."""

from dataclasses import replace
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.config import Option
from sightline.core.errors import DataError
from sightline.core.seeds import Seeds
from sightline.explain.explanation import Cell, Explanation, Table
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.linear.centre_descent import centre_descent
from sightline.linear.expected_centre import ExpectedCentre
from sightline.linear.k_means import k_means, lloyd
from sightline.linear.k_means_start import drawn_points, k_means_plus_plus
from sightline.linear.online_k_means import ConstantRate, online_k_means
from sightline.linear.soft_assignment import critical_gamma, soft_assignment
from sightline.linear.soft_k_means import SoftDistance, soft_k_means
from sightline.linear.squared_distances import nearest_centres, squared_distances
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

FIRMNESS = (0.5, 2.0, 8.0, 32.0, 128.0)
"""γ in the table, as multiples of the critical one."""

SHOWN = 2000
"""Points that the figure draws at most."""

CONSTANT_RATE = 0.05
HALVINGS = 20
BATCH = 32


@EXPLANATIONS.register("k-means")
def explain_k_means(
    problem: Problem,
    *,
    clusters: Annotated[int, Option("k, the number of centres", minimum=1, maximum=1000)] = 3,
    restarts: Annotated[int, Option("starts of which the best is kept", minimum=1, maximum=1000)] = 10,
    separation: Annotated[
        float, Option("for a generated problem: how far apart clusters are planted, in deviations", minimum=0)
    ] = 4.0,
    steps: Annotated[int, Option("steps of gradient descent", minimum=1, maximum=100_000)] = 100,
) -> Explanation:
    """Inertia by variant: Lloyd, online, soft, expected centre; what γ does.

    The target plays no part. A generated problem has no clusters of its own: they are planted.

    Raises:
        DataError: when no column varies.
        ConfigurationError: when a number is out of its range, or there are more centres than rows.

    Lecture: A4

    Example:
        >>> from sightline.explain import problem
        >>> explain_k_means(problem(columns=2), steps=5).tables[0].columns[0]
        'variant'
    """
    problem = _planted(problem, clusters, separation)
    X, critical = problem.X, critical_gamma(problem.X)
    if critical == torch.inf:
        raise DataError(
            expected="at least one column that varies from row to row",
            found=f"{X.shape[1]} constant columns",
            do="give data whose columns differ between rows",
        )
    seeds = Seeds(problem.seed)
    best = k_means(X, clusters, restarts=restarts, generator=seeds.stream("init"))
    start = k_means_plus_plus(X, clusters, seeds.stream("init"))
    drawn = drawn_points(X, clusters, seeds.stream("init"))
    variants: dict[str, Tensor] = {
        f"Lloyd, best of {restarts} starts by k-means++": best.centres,
        "Lloyd, one start by k-means++": lloyd(X, start).centres,
        "Lloyd, one start at drawn points": lloyd(X, drawn).centres,
        "online, 2η = 1/count, one pass": online_k_means(X, start, generator=seeds.stream("order")).centres,
        f"online, 2η = 1/count, batches of {BATCH}": online_k_means(
            X, start, batch_size=BATCH, generator=seeds.stream("order")
        ).centres,
        f"online, η = {CONSTANT_RATE}, one pass": online_k_means(
            X, start, rate=ConstantRate(CONSTANT_RATE), generator=seeds.stream("order")
        ).centres,
    }
    near, far = FIRMNESS[0] * critical, FIRMNESS[-1] * critical
    goofy = {gamma: _descend(ExpectedCentre(gamma), X, best.centres, steps) for gamma in (near, far)}
    low, high = (float(ExpectedCentre(g).loss(X, goofy[g])) for g in (near, far))
    return Explanation(
        title="k-means",
        problem=problem.origin,
        lead=f"With k = {clusters} the best of {restarts} runs leaves an inertia of {number(best.inertia)}, of "
        f"{number(float((X - X.mean(0)).square().sum()))} around the mean. Below γ = {number(critical)} soft k-means "
        f"keeps all centres in the mean. The expected centre rebuilds points as mixtures: its own loss is "
        f"{number(low)} at γ = {number(near)}, where its centres leave inertia {number(_inertia(X, goofy[near]))}, and "
        f"{number(high)} at γ = {number(far)}, with inertia {number(_inertia(X, goofy[far]))}.",
        tables=(_variants(problem, variants, best.inertia), _by_gamma(X, best.centres, critical, steps)),
        figures=(_figure(X, best.labels.tolist(), best.centres, goofy[near], number(near)),),
    )


def _planted(problem: Problem, clusters: int, separation: float) -> Problem:
    """A generated problem with its rows moved to one of k corners each; data as they are."""
    if problem.truth is None or clusters == 1 or not separation:
        return problem
    generator = torch.Generator().manual_seed(Seeds(problem.seed).number("sample", 1))
    d = problem.X.shape[1]
    ways = torch.randn(clusters, d, generator=generator, dtype=torch.float64)
    deviation = float(problem.X.var(0, correction=0).max()) ** 0.5
    corners = separation * deviation * (ways / ways.norm(dim=1, keepdim=True))

    def moved(X: Tensor) -> Tensor:
        places: Tensor = corners[torch.randint(clusters, (len(X),), generator=generator)]
        return X + places

    origin = f"{problem.origin} Its rows are moved to {clusters} planted corners, {number(separation)} deviations out."
    return replace(problem, X=moved(problem.X), X_test=moved(problem.X_test), origin=origin)


def _inertia(X: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> float:
    return float(nearest_centres(X, centres).squared.sum())


def _descend(
    objective: SoftDistance | ExpectedCentre, X: Float[Tensor, "n d"], start: Float[Tensor, "k d"], steps: int
) -> Float[Tensor, "k d"]:
    """Where gradient descent goes; its rate is ½, halved until no step raises the loss."""
    for halvings in range(HALVINGS):
        found = centre_descent(objective, X, start, rate=0.5 / 2**halvings, steps=steps)
        if bool((found.losses.diff() <= 1e-9 * found.losses[0]).all()):
            return found.centres
    return start


def _variants(problem: Problem, variants: dict[str, Tensor], least: float) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, centres in variants.items():
        found = nearest_centres(problem.X, centres)
        used = int((found.labels.bincount(minlength=len(centres)) > 0).sum())
        value = float(found.squared.sum())
        held = float(nearest_centres(problem.X_test, centres).squared.mean())
        rows.append((name, value, value / least if least else 1.0, used, held))
    return Table(
        "Variants of k-means: Σ ‖x − nearest centre‖²",
        ("variant", "inertia", "relative to the best", "centres with points", "held-out mean square"),
        tuple(rows),
    )


def _by_gamma(X: Float[Tensor, "n d"], best: Float[Tensor, "k d"], critical: float, steps: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    spread = float(X.var(0, correction=0).sum()) ** 0.5
    for times in FIRMNESS:
        gamma = times * critical
        soft = soft_k_means(X, best, gamma)
        through, goofy = (_descend(one, X, best, steps) for one in (SoftDistance(gamma), ExpectedCentre(gamma)))
        away = squared_distances(goofy, best).diagonal().mean() ** 0.5 / spread
        rows.append(
            (
                gamma,
                times,
                float(soft_assignment(X, best, gamma).amax(1).mean()),
                _inertia(X, soft.centres),
                _inertia(X, through),
                float(ExpectedCentre(gamma).loss(X, goofy)),
                _inertia(X, goofy),
                float(away),
            )
        )
    return Table(
        f"What γ does, from the best centres; gradient descent takes {steps} steps",
        (
            "γ",
            "γ / critical",
            "largest share α",
            "inertia, soft k-means",
            "inertia, soft distance by descent",
            "expected centre's own loss",
            "inertia of its centres",
            "they moved by (deviations)",
        ),
        tuple(rows),
    )


def _figure(
    X: Float[Tensor, "n d"],
    labels: list[int],
    best: Float[Tensor, "k d"],
    goofy: Float[Tensor, "k d"],
    gamma: str,
) -> Figure:
    middle = X.mean(0)
    turn = torch.linalg.svd(X - middle, full_matrices=False).Vh[:2].mT

    def plane(rows: Tensor) -> list[tuple[float, float]]:
        seen = torch.nn.functional.pad((rows - middle) @ turn, (0, 2 - turn.shape[1]))
        return [(float(x), float(y)) for x, y in seen]

    every = -(-len(X) // SHOWN)
    return Figure(
        "Points and centres",
        f"On the first two principal axes; colours are the clusters of the best run. At γ = {gamma} the expected "
        "centre's centres need not lie in clusters: mixtures of them rebuild the points.",
        figures.clusters(
            plane(X[::every]),
            labels[::every],
            {"Lloyd": plane(best), "expected centre": plane(goofy)},
            ("first principal axis", "second principal axis"),
        ),
    )
