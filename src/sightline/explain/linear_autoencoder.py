"""Linear autoencoders explained: four parameterisations beside PCA, narrow and wide, with noise and without."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.config import Option
from sightline.core.errors import ConfigurationError, DataError
from sightline.core.seeds import Seeds
from sightline.explain.explanation import Cell, Explanation, Table
from sightline.explain.measures import floats
from sightline.explain.problem import Problem
from sightline.explain.registry import EXPLANATIONS
from sightline.explain.steps import few, in_steps
from sightline.linear.autoencoder_descent import AutoencoderCourse, descend
from sightline.linear.denoising import denoising_error, denoising_map
from sightline.linear.linear_autoencoder import (
    FreeAutoencoder,
    LinearAutoencoder,
    ProjectionAutoencoder,
    TiedAutoencoder,
    UnrolledAutoencoder,
)
from sightline.linear.pca import PrincipalComponents, principal_components
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

MOST_DIRECTIONS = 10
"""The data is looked at in so many of its principal directions: any size of problem takes the same seconds."""

SCALE = 0.3
"""Size of the first weights: small, so that what the direction's variance does to its learning can be seen."""

LOOKS = 100
"""Points of a course that are kept."""


@dataclass(frozen=True)
class _Setting:
    """The data in its principal directions, scaled to mean square 1 along the first, and how it is trained on."""

    Z: Float[Tensor, "n m"]
    seed: int
    steps: int
    rate: float
    unrolled_steps: int

    def trained(self, latent: int, noise: float = 0.0) -> dict[str, AutoencoderCourse]:
        """Every form, from first weights of its own stream."""
        m = self.Z.shape[1]

        def chance() -> torch.Generator:
            return torch.Generator().manual_seed(Seeds(self.seed).number("init", latent))

        models: dict[str, LinearAutoencoder] = {
            "1: A, B free": FreeAutoencoder(m, latent, scale=SCALE, generator=chance()),
            "2: A = (BᵀB)⁻¹Bᵀ": ProjectionAutoencoder(m, latent, scale=SCALE, generator=chance()),
            "3: A = C Bᵀ": TiedAutoencoder(m, latent, scale=SCALE, generator=chance()),
            f"4: {in_steps(self.unrolled_steps)}": UnrolledAutoencoder(
                m, latent, scale=SCALE, unrolled_steps=self.unrolled_steps, generator=chance()
            ),
        }
        every = max(1, self.steps // LOOKS)
        return {
            name: descend(model, self.Z, steps=self.steps, rate=self.rate, noise=noise, every=every)
            for name, model in models.items()
        }


@EXPLANATIONS.register("linear-autoencoder")
def explain_linear_autoencoder(
    problem: Problem,
    *,
    latent: Annotated[int | None, Option("k of the narrow autoencoder; none: 3, or fewer", minimum=1)] = None,
    steps: Annotated[int, Option("of gradient descent on the weights", minimum=10, maximum=100_000)] = 1000,
    rate: Annotated[float, Option("η, for data of mean square 1 along its first direction", above=0)] = 0.1,
    unrolled_steps: Annotated[int, Option("T of the fourth form's encoder", minimum=1, maximum=1000)] = 5,
    noise: Annotated[float, Option("σ on the input, in the first direction's deviations", above=0)] = 0.3,
) -> Explanation:
    """PCA by gradient descent in four parameterisations; the identity, and noise against it.

    The target plays no part. The data is turned into its principal directions (10 at most) and scaled to mean square 1
    along the first; random first weights know no directions, so the turn changes nothing.

    Raises:
        DataError: when no column varies.
        ConfigurationError: when a number is out of its range.

    Lecture: A1, A2

    Example:
        >>> from sightline.explain import problem
        >>> explain_linear_autoencoder(problem(columns=3), steps=50).tables[0].columns[0]
        'k'
    """
    found = principal_components(problem.X)
    if not found.rank or not float(found.sigma[0]):
        raise DataError(
            expected="inputs that vary from row to row",
            found="columns that are all constant",
            do="give data whose columns differ between rows",
        )
    m = min(found.rank, MOST_DIRECTIONS)
    Z = problem.X @ found.subspace(m) * (sqrt(found.n) / float(found.sigma[0]))
    setting = _Setting(Z, problem.seed, steps, rate, unrolled_steps)
    k = _narrow_latent(latent, m)
    wide = setting.trained(2 * m)
    noisy = setting.trained(2 * m, noise)
    narrow = setting.trained(k) if k else {}
    tables = [_pca(found, m)]
    pictures = []
    if k:
        tables.append(_narrow(narrow, Z, k))
        pictures += _angle_figure(narrow, k)
    tables += [_wide(wide, Z), _denoising(noisy, Z, noise), _errors(wide, noisy, Z, noise)]
    return Explanation(
        title="Linear autoencoders",
        problem=f"{problem.origin} Looked at in {m} principal direction{'' if m == 1 else 's'}, scaled to mean square "
        f"1 along the first.",
        lead=_lead(found, narrow, wide, k, m, steps),
        tables=tuple(tables),
        figures=(*pictures, _gain_figure(wide, Z, noise)),
    )


def _narrow_latent(latent: int | None, m: int) -> int:
    """k of the narrow autoencoder; 0 where there is a single direction."""
    if latent is None:
        return min(3, m - 1)
    if latent >= m:
        raise ConfigurationError(
            expected=f"a latent below {m}, the number of principal directions looked at",
            found=f"latent = {latent}",
            do="give a smaller one; the wide case is shown besides",
        )
    return latent


def _lead(
    found: PrincipalComponents,
    narrow: Mapping[str, AutoencoderCourse],
    wide: Mapping[str, AutoencoderCourse],
    k: int,
    m: int,
    steps: int,
) -> str:
    parts = []
    if k:
        share = float(found.explained_share[:k].sum())
        parts.append(f"The first {k} of {m} directions hold {share:.1%} of the squares.")
        angles = [course.angle[-1] for course in narrow.values() if course.angle]
        if angles:
            parts.append(
                f"After {in_steps(steps)} the narrow decoders span PCA's subspace to within {number(min(angles))} "
                f"(the best form) and {number(max(angles))} rad (the worst)."
            )
        else:
            parts.append(f"σ_{k} = σ_{k + 1}: PCA's subspace is not unique, so no angle to it is shown.")
    last = {name: float(course.product[-1, -1]) for name, course in wide.items()}
    told = ", ".join(f"{number(gain)} in form {name[0]}" for name, gain in last.items())
    parts.append(
        f"Wide, form 2 is the identity whatever B is. The others could be too; after as many steps the direction of "
        f"least variance passes with gain {told}."
    )
    parts.append(
        "Form 4 comes to the identity by a power of the number of steps only, where it has two unrolled steps or more: "
        "its gradient dies out as ηs² nears 1. Noise on the input takes the identity away for good (but not from form "
        "2)."
    )
    return " ".join(parts)


def _pca(found: PrincipalComponents, m: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    kept = found.explained_share.cumsum(0)
    for i in few(m):
        unique = "yes" if found.is_unique(i + 1) else "no"
        rows.append((i + 1, float(found.sigma[i]), float(found.explained_share[i]), float(kept[i]), unique))
    return Table("PCA by the SVD", ("k", "σ_k", "share of squares", "kept by k", "σ_k > σ_{k+1}"), tuple(rows))


def _narrow(narrow: Mapping[str, AutoencoderCourse], Z: Tensor, k: int) -> Table:
    least = principal_components(Z).residual(k) / len(Z)
    rows: list[tuple[Cell, ...]] = []
    for name, course in narrow.items():
        angles = course.angle
        middle = len(course.steps) // 2
        shown: list[Cell] = [angles[0], angles[middle], angles[-1]] if angles else ["–", "–", "–"]
        rows.append((name, course.loss[-1], course.loss[-1] - least, *shown))
    halfway = next(iter(narrow.values())).steps
    return Table(
        f"Narrow, k = {k}: trained beside PCA, whose loss is {number(least)}",
        (
            "form",
            "loss",
            "above PCA's",
            "angle at 0, rad",
            f"at {halfway[len(halfway) // 2]:,}",
            f"at {halfway[-1]:,}",
        ),
        tuple(rows),
    )


def _gains(course: AutoencoderCourse) -> list[float]:
    """vᵢᵀ BA vᵢ: the columns are the principal directions."""
    return floats(course.product.diagonal())


def _wide(wide: Mapping[str, AutoencoderCourse], Z: Tensor) -> Table:
    columns = [_gains(course) for course in wide.values()]
    squares = floats(Z.square().mean(0))
    rows = tuple((i + 1, squares[i], *(gains[i] for gains in columns)) for i in range(len(squares)))
    return Table(
        f"Wide, k = {2 * Z.shape[1]}, no noise: gain vᵢᵀBAvᵢ by direction (the identity has 1)",
        ("i", "mean square λ", *wide),
        rows,
    )


def _denoising(noisy: Mapping[str, AutoencoderCourse], Z: Tensor, noise: float) -> Table:
    columns = [_gains(course) for course in noisy.values()]
    best = floats(denoising_map(Z, noise=noise).diagonal())
    rows = tuple((i + 1, best[i], *(gains[i] for gains in columns)) for i in range(len(best)))
    return Table(
        f"Wide, noise σ = {number(noise)} on the input: gain by direction, and the best one",
        ("i", "λ/(λ + σ²)", *noisy),
        rows,
    )


def _errors(
    wide: Mapping[str, AutoencoderCourse], noisy: Mapping[str, AutoencoderCourse], Z: Tensor, noise: float
) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, course in wide.items():
        clean, trained = course.product, noisy[name].product
        rows.append(
            (name, *(denoising_error(Z, M, noise=s) for M, s in ((clean, 0.0), (clean, noise), (trained, noise))))
        )
    best, identity = denoising_map(Z, noise=noise), torch.eye(Z.shape[1], dtype=Z.dtype)
    rows.append(("S(S + σ²I)⁻¹", *(denoising_error(Z, best, noise=s) for s in (0.0, noise, noise))))
    rows.append(("the identity", *(denoising_error(Z, identity, noise=s) for s in (0.0, noise, noise))))
    return Table(
        f"Wide: E‖x − BA(x + ε)‖², noise σ = {number(noise)}",
        ("form", "trained without, shown none", "trained without, shown noise", "trained with, shown noise"),
        tuple(rows),
    )


def _angle_figure(narrow: Mapping[str, AutoencoderCourse], k: int) -> list[Figure]:
    courses = {name: [max(a, 1e-16) for a in course.angle] for name, course in narrow.items() if course.angle}
    if not courses:
        return []
    steps = next(iter(narrow.values())).steps
    return [
        Figure(
            f"Angle between decoder and PCA's subspace, k = {k}",
            "The largest principal angle, from random first weights; gradient descent on all rows at once.",
            figures.loss_curves(steps, courses, y_title="largest principal angle, radians"),
        )
    ]


def _gain_figure(wide: Mapping[str, AutoencoderCourse], Z: Tensor, noise: float) -> Figure:
    best = f"best at σ = {number(noise)}"
    return Figure(
        "What a wide autoencoder passes",
        f"Gain of BA by direction after training without noise, beside the best gain where noise σ = {number(noise)} "
        f"is on the input; σ along the axis is the direction's own.",
        figures.filter_factors(
            floats(Z.square().mean(0).sqrt()),
            {
                **{name: _gains(course) for name, course in wide.items()},
                best: floats(denoising_map(Z, noise=noise).diagonal()),
            },
        ),
    )
