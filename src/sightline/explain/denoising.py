"""Denoising explained: why means alone make no new data, in one shot or in stages, and what DDPM adds."""

import math
from dataclasses import dataclass
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
from sightline.generate.ddpm import DDPM
from sightline.generate.diffusion_sampling import Denoiser
from sightline.generate.failing_denoisers import means_only
from sightline.linear.gaussian_mixture import GaussianMixture
from sightline.linear.pca import principal_components
from sightline.linear.ring_of_gaussians import NEAR, Coverage, mode_coverage, ring_of_gaussians
from sightline.objectives.denoising_diffusion import process_of
from sightline.objectives.noise_schedule import NoiseSchedule
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

MODES, DEVIATION = 8, 0.1
"""Of the ring that stands for a generated problem."""

MOST_ROWS = 300
"""Of more rows of data some are taken, evenly: each is a mode."""

ROW_DEVIATION = 0.03
"""σ about each row of data, in deviations of the data."""

GAUSSIAN_STEPS = (10, 100, 1000)
FEW = 10
SHOWN = 400
"""Points that the figure draws of each."""


@dataclass(frozen=True)
class _Data:
    """A mixture of mean 0 and mean variance 1 in the plane, and what it is."""

    mixture: GaussianMixture
    words: str
    mode: str


@EXPLANATIONS.register("denoising")
def explain_denoising(
    problem: Problem,
    *,
    steps: Annotated[int, Option("T, stages from the data to noise", minimum=2, maximum=10_000)] = 200,
    points: Annotated[int, Option("made in each way", minimum=10, maximum=100_000)] = 1000,
) -> Explanation:
    """Why denoising in one shot or in stages makes nothing new, and DDPM does.

    Every denoiser is exact: what fails is no fault of a network. A generated problem is a ring of eight Gaussians; of
    data each row is a mode, on the first two principal axes.

    Raises:
        DataError: when no column varies.
        ConfigurationError: when a number is out of its range.

    Lecture: X6

    Example:
        >>> from sightline.explain import problem
        >>> explain_denoising(problem(), steps=10, points=50).tables[1].columns[0]
        'made by'
    """
    data = _data(problem)
    process = process_of("cosine", steps)
    seeds = Seeds(problem.seed)
    own = data.mixture.draw(points, generator=seeds.stream("sample"))
    start = torch.randn(own.shape, generator=seeds.stream("sample"), dtype=own.dtype)
    made = {"the data themselves": own} | _made(data.mixture, process, start, seeds.stream("sample"))
    scores = {name: mode_coverage(found, data.mixture) for name, found in made.items()}
    one, few, staged, chain = list(scores.values())[1:]
    modes = len(data.mixture.centres)
    return Explanation(
        title="Denoising, and why means are not enough",
        problem=data.words,
        lead="The best denoiser of squared error is a mean, and a mean varies less than what it is a mean of. One shot "
        f"from x_T keeps {number(one.variance)} of the data's variance: every point is the data's mean. Stages fed "
        f"with each other's outputs lose a little each time, and nothing puts it back: {FEW} of them keep "
        f"{number(few.variance)}, with {few.near:.1%} of the points near a {data.mode} and {few.covered} of {modes} "
        f"covered; T = {steps:,} keep {number(staged.variance)}, cover {staged.covered}, and have "
        f"{number(staged.within)} of the variance about a {data.mode}. DDPM, with the same exact denoiser, puts back "
        f"at each step what the mean has lost: it keeps {number(chain.variance)}, {number(chain.within)} about a "
        f"{data.mode}, with {chain.near:.1%} of its points near one and {chain.covered} covered.",
        tables=(_gaussian(), _numbers(scores, data)),
        figures=(
            Figure(
                "What denoising makes",
                f"{min(points, SHOWN):,} points of each, made with exact denoisers; crosses: "
                f"{'the centres of the modes' if data.mode == 'mode' else 'the rows'}.",
                figures.point_clouds(
                    {name: _places(found[:SHOWN]) for name, found in reversed(list(made.items())[1:])},
                    _places(data.mixture.centres),
                    ("first axis, in deviations", "second axis, in deviations"),
                    f"centre of a {data.mode}",
                ),
            ),
        ),
    )


def _data(problem: Problem) -> _Data:
    if problem.truth is not None:
        return _Data(
            ring_of_gaussians(MODES, radius=math.sqrt(2 * (1 - DEVIATION**2)), deviation=DEVIATION),
            f"A ring of {MODES} Gaussians, variance 1 along each axis, σ = {DEVIATION:g}; seed {problem.seed}.",
            "mode",
        )
    rows = torch.linspace(0, len(problem.X) - 1, min(MOST_ROWS, len(problem.X))).round().long()
    found = principal_components(problem.X[rows], centre=True)
    if not found.rank:
        raise DataError(
            expected="at least one column that varies from row to row",
            found=f"{problem.X.shape[1]} constant columns",
            do="give data whose columns differ between rows",
        )
    plane = found.encode(problem.X[rows], min(2, found.rank))
    plane = torch.nn.functional.pad(plane, (0, 2 - plane.shape[1]))
    size = float(plane.square().mean().sqrt())
    return _Data(
        GaussianMixture(plane / size, ROW_DEVIATION),
        f"{problem.origin} Used are {len(plane):,} rows on the first two principal axes, each a mode with σ = "
        f"{ROW_DEVIATION:g} deviations.",
        "row",
    )


def _made(
    mixture: GaussianMixture, process: NoiseSchedule, start: Float[Tensor, "n 2"], generator: torch.Generator
) -> dict[str, Float[Tensor, "n 2"]]:
    """Points from the same noise in every way."""
    steps, few = process.num_steps, process_of("cosine", FEW)
    shot = mixture.denoise(start, signal=float(process.signal[-1]), noise=float(process.noise[-1]))
    return {
        "one shot": shot,
        f"{FEW} stages": means_only(_stage(mixture, few), start, FEW),
        f"T = {steps:,} stages": means_only(_stage(mixture, process), start, steps),
        "DDPM": DDPM(schedule=process, target="clean").sample(_clean(mixture, process), start, generator=generator),
    }


def _stage(mixture: GaussianMixture, process: NoiseSchedule) -> Denoiser:
    """E[x_{t−1} | x_t]: x_{t−1} is a mixture too."""

    def denoiser(x: Tensor, times: Tensor) -> Tensor:
        t = int(times[0])
        before = mixture.seen(signal=float(process.signal[t - 1]), noise=float(process.noise[t - 1]))
        return before.denoise(x, signal=float(process.alpha[t].sqrt()), noise=float(process.beta[t].sqrt()))

    return denoiser


def _clean(mixture: GaussianMixture, process: NoiseSchedule) -> Denoiser:
    """E[x_0 | x_t]."""

    def denoiser(x: Tensor, times: Tensor) -> Tensor:
        t = int(times[0])
        return mixture.denoise(x, signal=float(process.signal[t]), noise=float(process.noise[t]))

    return denoiser


def _numbers(scores: dict[str, Coverage], data: _Data) -> Table:
    return Table(
        "Made from noise with exact denoisers",
        (
            "made by",
            "variance, of the data's",
            f"share within {NEAR:g}σ of a {data.mode}",
            f"{data.mode}s covered",
            "variance about it, of σ²",
        ),
        tuple((name, one.variance, one.near, one.covered, one.within) for name, one in scores.items()),
    )


def _gaussian() -> Table:
    """Gaussian data of variance 1, where all of it is algebra."""
    rows: list[tuple[Cell, ...]] = []
    for steps in GAUSSIAN_STEPS:
        process = process_of("linear", steps)
        rows.append(
            (
                steps,
                float(process.alpha_bar[-1]),
                _variance(process, torch.zeros_like(process.beta)),
                _variance(process, process.posterior_variance),
                _variance(process, process.beta),
            )
        )
    return Table(
        "Gaussian data of variance 1, linear schedule: variance of what is made from N(0, 1)",
        ("T", "one shot, ᾱ_T", "stages, Π(1 − β_t)", "DDPM, adding β̃_t", "DDPM, adding β_t"),
        tuple(rows),
    )


def _variance(process: NoiseSchedule, added: Float[Tensor, " times"]) -> float:
    """v_{t−1} = (1 − β_t) v_t + added_t from v_T = 1; the last step adds nothing.

    E[x_{t−1} | x_t] = √(1 − β_t) x_t, which is also DDPM's mean, as E[x_0 | x_t] = √ᾱ_t x_t.
    """
    variance = 1.0
    for t in range(process.num_steps, 0, -1):
        variance = float(process.alpha[t]) * variance + (float(added[t]) if t > 1 else 0.0)
    return variance


def _places(rows: Float[Tensor, "n 2"]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in rows]
