"""Initialisation explained: what each scheme does to the size of a signal through depth, and where elbows start."""

from math import isclose
from typing import Annotated, Literal

import torch

from sightline.core.config import Option
from sightline.core.errors import DataError
from sightline.core.seeds import Seeds
from sightline.explain.explanation import Cell, Explanation, Table
from sightline.explain.measures import floats
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.linear.activation_moments import ACTIVATIONS, gain, second_moment, slope_moment
from sightline.linear.elbows import CauchyElbows
from sightline.linear.finite_width import Simulation, simulate_signal
from sightline.linear.initialisation import Scheme, weight_variance
from sightline.linear.variance_propagation import Propagation, propagate
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

Named = Literal["identity", "relu", "tanh", "sigmoid", "gelu", "silu"]
SCHEMES: tuple[Scheme, ...] = ("lecun", "glorot", "he", "orthogonal")
AUTHORS = {
    "lecun": "LeCun 1/fan_in",
    "glorot": "Glorot 2/(fan_in + fan_out)",
    "he": "He 2/fan_in",
    "orthogonal": "orthogonal",
}
SPOKEN = {
    "identity": "the identity",
    "relu": "ReLU",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "gelu": "GELU",
    "silu": "SiLU",
}
SAMPLED_ELBOWS = 20_000


@EXPLANATIONS.register("initialisation")
def explain_initialisation(
    problem: Problem,
    *,
    activation: Annotated[Named, Option("between the layers")] = "relu",
    depth: Annotated[int, Option("layers", minimum=1, maximum=1000)] = 50,
    width: Annotated[int, Option("units of each layer of the simulated networks", minimum=1, maximum=65536)] = 1024,
    networks: Annotated[int, Option("networks drawn for each scheme", minimum=2, maximum=10_000)] = 64,
    bias_deviation: Annotated[float, Option("σ_b of the first layer's biases, for the elbows", above=0)] = 1.0,
) -> Explanation:
    """Variance through depth by scheme, gains of activations, where elbows start.

    The signal starts with the mean square of the problem's own inputs.

    Raises:
        ConfigurationError: when a number or a name is out of its range.

    Lecture: F12, F13

    Example:
        >>> from sightline.explain import problem
        >>> explain_initialisation(problem(columns=3), depth=5, width=16, networks=4).tables[0].columns[0]
        'activation φ'
    """
    start = float(problem.X.square().mean())
    if not start:
        raise DataError(
            expected="inputs that vary from row to row",
            found="columns that are all constant",
            do="give data whose columns differ between rows",
        )
    theory: dict[str, Propagation] = {}
    drawn: dict[str, Simulation] = {}
    for i, scheme in enumerate(SCHEMES):
        scale = weight_variance(scheme, width, width) * width
        theory[scheme] = propagate(activation, scale, depth=depth, start=start)
        generator = torch.Generator().manual_seed(Seeds(problem.seed).number("init", i))
        drawn[scheme] = simulate_signal(
            activation, [width] * (depth + 1), scheme, networks=networks, start=start, generator=generator
        )
    own = gain(activation)
    theory["own gain"] = propagate(activation, own**2, depth=depth, start=start)
    shown = {"lecun": "LeCun, Glorot and orthogonal", "he": "He"}
    if not any(isclose(own**2, kept) for kept in (1.0, 2.0)):  # LeCun's and He's are drawn
        shown["own gain"] = f"gain {number(own)}"
    low, high = float(problem.X.min()), float(problem.X.max())
    elbows = CauchyElbows(1.0, bias_deviation)
    ends = {AUTHORS[scheme]: float(theory[scheme].variances[-1] / start) for scheme in SCHEMES}
    told = ", ".join(f"{number(value)} under {name}" for name, value in ends.items())
    return Explanation(
        title="Initialisation",
        problem=f"{problem.origin} Mean square of an input: {number(start)}.",
        lead=f"Through {depth} layers of {SPOKEN[activation]} the signal's variance is multiplied by {told}. The gain "
        f"that keeps a unit variance is {number(own)}: Var(W) = {number(own**2)}/fan_in. Elbows −b/w of Gaussian "
        f"weights and biases are Cauchy: {number(elbows.share_outside(low, high))} of them are outside the data's "
        f"range [{number(low)}, {number(high)}] and {number(elbows.share_dead(low, high))} of units dead there.",
        tables=(_gains(), _depth(theory, drawn, start, depth, width), _elbows(low, high, bias_deviation)),
        figures=(
            Figure(
                f"Variance through {depth} layers of {SPOKEN[activation]}",
                f"Theory (wide layers) as lines, relative to the input's; bands: ± 2 standard errors of {networks} "
                f"drawn networks of width {width:,}.",
                figures.variance_by_depth(
                    {label: floats(theory[name].variances / start) for name, label in shown.items()},
                    {
                        label: figures.Band(
                            floats(drawn[name].mean / start),
                            floats((drawn[name].mean - 2 * drawn[name].standard_error).clamp(min=0) / start),
                            floats((drawn[name].mean + 2 * drawn[name].standard_error) / start),
                        )
                        for name, label in shown.items()
                        if name in drawn
                    },
                ),
            ),
            _elbow_figure(elbows, problem.seed, (low, high)),
        ),
    )


def _gains() -> Table:
    rows = tuple(
        (SPOKEN[name], second_moment(name, 1.0), gain(name), gain(name) ** 2, gain(name) ** 2 * slope_moment(name, 1.0))
        for name in ACTIVATIONS
    )
    return Table(
        "Gains that keep a unit variance: g² E[φ(z)²] = 1",
        ("activation φ", "E[φ(z)²]", "gain g", "Var(W) × fan_in", "gradient's factor per layer"),
        rows,
    )


def _depth(theory: dict[str, Propagation], drawn: dict[str, Simulation], start: float, depth: int, width: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, one in drawn.items():
        for layer in sorted({1, min(10, depth), depth}):
            rows.append(
                (
                    AUTHORS[name],
                    layer,
                    float(theory[name].variances[layer]) / start,
                    float(one.mean[layer]) / start,
                    float(one.standard_error[layer]) / start,
                )
            )
    return Table(
        "Variance relative to the input's (in square layers Glorot is LeCun)",
        ("scheme", "layer", "theory", f"drawn, width {width:,}", "± standard error"),
        tuple(rows),
    )


def _elbows(low: float, high: float, bias_deviation: float) -> Table:
    rows = []
    for name, times in (("the one given", 1.0), ("a tenth", 0.1), ("ten times", 10.0)):
        deviation = times * bias_deviation
        one = CauchyElbows(1.0, deviation)
        rows.append((name, deviation, one.median_distance, one.share_outside(low, high), one.share_dead(low, high)))
    return Table(
        f"Elbows of units max(0, wx + b), w ~ N(0, 1), on the data's range [{number(low)}, {number(high)}]",
        ("biases", "σ_b", "median |elbow|", "share outside", "share dead"),
        tuple(rows),
    )


def _elbow_figure(elbows: CauchyElbows, seed: int, interval: tuple[float, float]) -> Figure:
    reach = 8 * elbows.scale
    x = torch.linspace(-reach, reach, 241, dtype=torch.float64)
    sample = elbows.draw(SAMPLED_ELBOWS, torch.Generator().manual_seed(Seeds(seed).number("init", 99)))
    edges = torch.linspace(-reach, reach, 49, dtype=torch.float64)
    counts = torch.histogram(sample, edges).hist / (len(sample) * (edges[1] - edges[0]))
    inside = float((sample.abs() <= reach).double().mean())
    return Figure(
        "Where elbows start",
        f"Cauchy density with scale σ_b/σ_w and {SAMPLED_ELBOWS:,} drawn units, {inside:.1%} of them in the picture.",
        figures.elbow_density(
            floats(x), {"Cauchy density": floats(elbows.density(x))}, floats(edges), floats(counts), interval
        ),
    )
