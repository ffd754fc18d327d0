"""Mode collapse explained: a generator that loses modes of a ring, the remedies, a discriminator that is too good."""

from collections.abc import Mapping
from typing import Annotated

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError
from sightline.core.seeds import Seeds
from sightline.explain.explanation import Explanation, Table
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.explain.ring_game import Outcome, RingGame, Setting, Slopes
from sightline.linear.gaussian_mixture import GaussianMixture
from sightline.linear.ring_of_gaussians import FAIR, NEAR, Coverage, mode_coverage, ring_of_gaussians
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

PLAIN, REMEDIED = "plain", "remedied"

SETTINGS: Mapping[str, Setting] = {
    PLAIN: Setting(game="minimax"),
    "non-saturating": Setting(),
    "leaky ReLU": Setting(leak=0.2),
    "batch norm": Setting(batch_norm=True),
    "R1": Setting(penalty=0.1),
    "instance noise": Setting(noise=0.3),
    REMEDIED: Setting(leak=0.2, noise=0.3, judge_rate=2.0, average=0.99),
}
"""One remedy at a time beside the non-saturating game; then a leaky ReLU, noise, a discriminator that learns faster and
an average of the generator's weights together, which kept all modes in the runs it was chosen by (seed 1)."""

LOOKS = (0, 10, 30, 100, 300, 1000)
"""Updates of a discriminator alone, after which what it leaves to the generator is measured."""

SHOWN = 500
"""Points that the figure draws of each."""


@EXPLANATIONS.register("mode-collapse")
def explain_mode_collapse(
    problem: Problem,
    *,
    steps: Annotated[int, Option("updates of each player", minimum=1, maximum=100_000)] = 3000,
    runs: Annotated[int, Option("games of each kind, side by side", minimum=1, maximum=100)] = 5,
) -> Explanation:
    """GANs on a ring of eight Gaussians: modes counted, remedy by remedy.

    The generator and the discriminator are small dense networks. Of the problem only the seed is used.

    Raises:
        ConfigurationError: for data, which have no modes that can be counted, or a number out of its range.

    Lecture: X4

    Example:
        >>> from sightline.explain import problem
        >>> explain_mode_collapse(problem(), steps=1, runs=1).tables[0].columns[0]
        'game'
    """
    if problem.truth is None:
        raise ConfigurationError(
            expected="no data: modes are counted on a ring of eight Gaussians", found="data", do="leave out --data"
        )
    ring = ring_of_gaussians()
    seed = Seeds(problem.seed).number("init")
    outcomes = {name: RingGame(ring, one, runs=runs, seed=seed).play(steps) for name, one in SETTINGS.items()}
    coverage = {name: [mode_coverage(points, ring) for points in one.points] for name, one in outcomes.items()}
    alone = RingGame(ring, SETTINGS[PLAIN], runs=runs, seed=seed).judge_alone([at for at in LOOKS if at <= steps])
    modes = len(ring.centres)
    whole = {name: sum(one.covered == modes for one in found) for name, found in coverage.items()}
    plain, remedied = (_mean([one.covered for one in coverage[name]]) for name in (PLAIN, REMEDIED))
    return Explanation(
        title="Mode collapse",
        problem=f"A ring of {modes} Gaussians, radius 2, σ = {ring.deviation:g}; {runs} games of {steps:,} updates of "
        f"each kind, seed {problem.seed}.",
        lead=f"The plain game keeps {number(plain)} of {modes} modes on average and all of them in {whole[PLAIN]} of "
        f"{runs} games; '{REMEDIED}' keeps {number(remedied)}, and all in {whole[REMEDIED]} of {runs}. No loss of the "
        f"game tells: what tells is modes lost, a spread that is not the data's, and points between the modes. "
        f"{_too_good(alone)}",
        tables=(_settings(), _numbers(outcomes, coverage, modes), _slopes(alone)),
        figures=(_figure(outcomes, ring),),
    )


def _settings() -> Table:
    rows = tuple(
        (
            name,
            one.game,
            one.leak,
            "generator" if one.batch_norm else "no",
            one.penalty,
            one.noise,
            one.judge_rate,
            one.average,
        )
        for name, one in SETTINGS.items()
    )
    return Table(
        "The games",
        (
            "game",
            "generator's loss",
            "slope below 0",
            "batch norm",
            "R1's γ",
            "instance noise σ",
            "D's rate, of G's",
            "average of G",
        ),
        rows,
    )


def _numbers(outcomes: Mapping[str, Outcome], coverage: Mapping[str, list[Coverage]], modes: int) -> Table:
    rows = tuple(
        (
            name,
            " ".join(str(one.covered) for one in found),
            f"{sum(one.covered == modes for one in found)} of {len(found)}",
            _mean([one.near for one in found]),
            _mean([one.variance for one in found]),
            float(outcomes[name].accuracy.mean()),
        )
        for name, found in coverage.items()
    )
    return Table(
        f"Modes covered (at least {FAIR:g} of a fair share within {NEAR:g}σ), game by game; the rest are means",
        ("game", "modes covered", "games with all", f"share within {NEAR:g}σ", "variance, of the data's", "D is right"),
        rows,
    )


def _slopes(alone: list[Slopes]) -> Table:
    return Table(
        "A discriminator trained alone: the gradient that it leaves to the generator's weights (median over games)",
        ("D's updates", "D is right", "minimax ‖∇‖", "non-saturating ‖∇‖"),
        tuple((one.steps, one.accuracy, one.minimax, one.non_saturating) for one in alone),
    )


def _too_good(alone: list[Slopes]) -> str:
    """What a discriminator that is sure leaves to learn from."""
    last = alone[-1]
    return (
        f"A discriminator trained alone is soon too good: right in {last.accuracy:.1%} after {last.steps:,} updates, "
        f"it leaves the minimax generator a gradient of {number(last.minimax)}, the non-saturating one "
        f"{number(last.non_saturating)}."
    )


def _figure(outcomes: Mapping[str, Outcome], ring: GaussianMixture) -> Figure:
    def places(name: str) -> list[tuple[float, float]]:
        return [(float(x), float(y)) for x, y in outcomes[name].points[0, :SHOWN]]

    return Figure(
        "What the generators make",
        f"{SHOWN} points of the first game of each of two kinds; crosses: the centres of the ring's modes.",
        figures.point_clouds(
            {name: places(name) for name in (REMEDIED, PLAIN)},
            [(float(x), float(y)) for x, y in ring.centres],
            ("x₁", "x₂"),
        ),
    )


def _mean(values: list[float] | list[int]) -> float:
    return sum(values) / len(values)
