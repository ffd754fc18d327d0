"""Masking explained: four ways to encode what is missing, and how well a subspace is recovered from masked examples."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from sightline.explain.steps import in_steps
from sightline.linear.masked_autoencoder import draw_seen, encode_dropped_rows
from sightline.linear.masking_map import masking_map
from sightline.linear.pca import principal_components
from sightline.linear.principal_angles import largest_principal_angle
from sightline.linear.subspace_recovery import (
    Clamped,
    DroppedRows,
    MaskFlags,
    Recovery,
    Treatment,
    ZeroFilled,
    error_at_missing,
    recover_subspace,
)
from sightline.report import figures
from sightline.report.text import number
from sightline.report.vega import Figure

SHARES = (0.2, 0.4, 0.6)
"""Chances that an entry is missing."""

MOST_ROWS, MOST_COLUMNS = 200, 64
"""Of more rows and columns some are taken: every share and treatment is trained on all of them at every step."""

KNOWN = "subspace known"
"""Dropped rows with PCA's own basis for B: nothing is learned."""


@dataclass(frozen=True)
class _Examples:
    """Rows for training and for testing, scaled to mean square 1 over all, and the subspace to be found."""

    X: Float[Tensor, "n d"]
    X_test: Float[Tensor, "m d"]
    truth: Float[Tensor, "d k"]


@EXPLANATIONS.register("masking")
def explain_masking(
    problem: Problem,
    *,
    latent: Annotated[int | None, Option("k of the autoencoders; none: 2, or fewer", minimum=1)] = None,
    steps: Annotated[int, Option("of training", minimum=1, maximum=100_000)] = 200,
    repetitions: Annotated[int, Option("first weights and masks drawn, for the spread", minimum=2, maximum=1000)] = 3,
    unrolled_steps: Annotated[int, Option("T of the clamped steps", minimum=1, maximum=1000)] = 10,
) -> Explanation:
    """Zeros, flags, dropped rows or a clamped residual where entries are missing.

    The target plays no part. PCA of the whole rows is the subspace to be found. At most 200 rows are trained on, and
    64 columns, those that vary the most.

    Raises:
        DataError: when no column varies.
        ConfigurationError: when a number is out of its range.

    Lecture: A2

    Example:
        >>> from sightline.explain import problem
        >>> explain_masking(problem(columns=3), steps=10).tables[0].columns[0]
        'treatment'
    """
    about = _examples(problem, latent)
    treatments: dict[str, Treatment] = {
        "zeros, 1/p": ZeroFilled(),
        "zeros and flags": MaskFlags(),
        "dropped rows": DroppedRows(),
        f"clamped, {in_steps(unrolled_steps)}": Clamped(steps=unrolled_steps),
    }
    found = {
        name: [_recovered(treatment, about, i, problem.seed, steps, repetitions) for i in range(len(SHARES))]
        for name, treatment in treatments.items()
    }
    known = [_known(about, i, problem.seed, repetitions) for i in range(len(SHARES))]
    k, columns = about.truth.shape[1], about.X.shape[1]
    errors = {name: float(runs[1].error.mean()) for name, runs in found.items()}
    best = min(errors, key=errors.__getitem__)
    zeros = next(iter(errors))
    return Explanation(
        title="Masked autoencoders",
        problem=f"{problem.origin} Trained on {len(about.X):,} rows of {columns:,} "
        f"column{'' if columns == 1 else 's'}, tested on {len(about.X_test):,}.",
        lead=f"The subspace to be found has k = {k}. With {SHARES[1]:.0%} of the entries missing, '{best}' fills them "
        f"best, with a squared error of {number(errors[best])} of what zeros get"
        f"{'' if best == zeros else f'; {zeros} gets {number(errors[zeros])}'}. A linear encoder can use flags to fill "
        f"in a mean and for nothing more, and these columns are centred. Dropped rows make an encoder for every mask, "
        f"but its least squares are unstable where about k entries or fewer are seen; clamped steps stop early and "
        f"stay small there.",
        tables=(_treatments(unrolled_steps), _numbers(found, known), _closed_form(about)),
        figures=(
            Figure(
                "Error at the missing entries",
                "Of what zeros get, on held-out rows with new masks; the mean over repetitions.",
                figures.error_curves(
                    SHARES,
                    {
                        **{name: _means([one.error for one in runs]) for name, runs in found.items()},
                        KNOWN: _means(known),
                    },
                    "share of entries missing",
                    "squared error, relative to zeros",
                ),
            ),
            Figure(
                "Angle to PCA's subspace of the whole rows",
                "The largest principal angle of the decoder's columns; the mean over repetitions.",
                figures.error_curves(
                    SHARES,
                    {name: _means([one.angle.clamp(min=1e-16) for one in runs]) for name, runs in found.items()},
                    "share of entries missing",
                    "largest principal angle, radians",
                ),
            ),
        ),
    )


def _examples(problem: Problem, latent: int | None) -> _Examples:
    rows = torch.linspace(0, len(problem.X) - 1, min(MOST_ROWS, len(problem.X))).round().long()
    tested = torch.linspace(0, len(problem.X_test) - 1, min(MOST_ROWS, len(problem.X_test))).round().long()
    columns = problem.X.square().sum(0).argsort(descending=True, stable=True)[:MOST_COLUMNS].sort().values
    X, X_test = problem.X[rows][:, columns], problem.X_test[tested][:, columns]
    size = float(X.square().mean().sqrt())
    if not size:
        raise DataError(
            expected="inputs that vary from row to row",
            found="columns that are all constant",
            do="give data whose columns differ between rows",
        )
    found = principal_components(X / size)
    k = min(2, max(1, found.rank - 1)) if latent is None else latent
    if k > found.rank:
        raise ConfigurationError(
            expected=f"a latent up to {found.rank}, the rank of the rows that are trained on",
            found=f"latent = {k}",
            do="give a smaller one",
        )
    return _Examples(X / size, X_test / size, found.subspace(k))


def _recovered(treatment: Treatment, about: _Examples, share: int, seed: int, steps: int, repetitions: int) -> Recovery:
    """One treatment at one share; first weights and masks are the same for every treatment of one kind."""
    return recover_subspace(
        treatment,
        about.X.expand(repetitions, -1, -1),
        about.truth,
        missing=SHARES[share],
        X_test=about.X_test.expand(repetitions, -1, -1),
        steps=steps,
        rate=0.1,
        generator=torch.Generator().manual_seed(Seeds(seed).number("init", 1000 + share)),
    )


def _known(about: _Examples, share: int, seed: int, repetitions: int) -> Float[Tensor, " R"]:
    """The error of least squares on the seen rows of PCA's own basis."""
    generator = torch.Generator().manual_seed(Seeds(seed).number("evaluate", share))
    X = about.X_test.expand(repetitions, -1, -1)
    seen = draw_seen(*X.shape, missing=SHARES[share], generator=generator)
    B = about.truth.expand(repetitions, -1, -1)
    return error_at_missing(X, encode_dropped_rows(B, X, seen) @ B.mT, seen)


def _means(values: list[Tensor]) -> list[float]:
    return floats([float(one.mean()) for one in values])


def _treatments(unrolled_steps: int) -> Table:
    return Table(
        "What stands for a missing entry (m = 1 seen, 0 missing; p the share seen)",
        ("treatment", "latent", "learned", "knows the mask"),
        (
            ("zeros, 1/p", "y = A(m ∘ x)/p", "A, B", "no"),
            ("zeros and flags", "y = A₁(m ∘ x) + A₂(1 − m)", "A₁, A₂, B", "as a shift only"),
            ("dropped rows", "y = (B̃ᵀB̃)⁻¹B̃ᵀx̃", "B", "yes: another encoder for every mask"),
            ("clamped", f"y ← y + ηBᵀ(m ∘ (x − By)), {in_steps(unrolled_steps)}", "B", "yes"),
        ),
    )


def _numbers(found: Mapping[str, list[Recovery]], known: list[Tensor]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for i, share in enumerate(SHARES):
        for name, runs in found.items():
            angle, error = runs[i].angle, runs[i].error
            rows.append(
                (f"{share:.0%}", name, float(angle.mean()), float(angle.std()), float(error.mean()), float(error.std()))
            )
        rows.append((f"{share:.0%}", KNOWN, 0.0, 0.0, float(known[i].mean()), float(known[i].std())))
    return Table(
        "Recovering PCA's subspace, filling the missing entries of new rows (± standard deviation over repetitions)",
        ("missing", "treatment", "angle, rad", "±", "error, of what zeros get", "±"),
        tuple(rows),
    )


def _closed_form(about: _Examples) -> Table:
    """What zeros with 1/p would find at best, with all masks averaged."""
    rows = []
    k = about.truth.shape[1]
    for share in SHARES:
        M = masking_map(about.X, missing=share, rank=k)
        rows.append((f"{share:.0%}", largest_principal_angle(torch.linalg.svd(M)[0][:, :k], about.truth)))
    return Table(
        "Zeros with 1/p, trained to the end on all masks: where its subspace lies",
        ("missing", "angle to PCA's, rad"),
        tuple(rows),
    )
