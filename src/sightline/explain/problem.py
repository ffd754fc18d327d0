"""The least-squares problem an explanation is worked out for: the user's own data, or a generated one."""

from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING, Annotated, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.core.config import Config, Option, read
from sightline.core.errors import ConfigurationError, DataError
from sightline.core.schema import Schema
from sightline.core.seeds import Seeds
from sightline.linear import inputs

if TYPE_CHECKING:
    from sightline.data.split import Split

MOST_ROWS = 5000
"""More rows of a user's data than this are thinned out by default: every figure stays a matter of seconds."""


GENERATED = ("columns", "condition", "noise")
"""Fields that say nothing of data."""


@dataclass(frozen=True)
class ProblemSpec(Config):
    """Which problem to explain on.

    Example:
        >>> ProblemSpec(rows=20, columns=3).rows
        20
    """

    data: Annotated[str | None, Option("a table, a folder or an embedded set; none: a generated problem")] = None
    target: Annotated[str | None, Option("the column to predict, for a table")] = None
    rows: Annotated[
        int | None,
        Option("rows; none: 100 generated ones, or all of the data's training rows up to 5,000", minimum=2),
    ] = None
    columns: Annotated[int, Option("columns of a generated problem", minimum=1, maximum=2000)] = 10
    condition: Annotated[float, Option("σ₁/σᵣ of a generated problem", minimum=1)] = 30.0
    noise: Annotated[float, Option("standard deviation of a generated problem's noise", minimum=0)] = 0.5
    seed: Annotated[int, Option("seed of everything drawn", minimum=0)] = 0


@dataclass(frozen=True)
class Problem:
    """A matrix and its targets, with rows held out to measure on.

    Columns and targets of data are centred on the training rows, which fits a mean beside w; generated ones need none.

    Attributes:
        X, y: what is fitted.
        X_test, y_test: what is measured on.
        origin: what it is, in words.
        seed: of everything drawn later.
        truth: the w that generated y; none for data.
        noise: the standard deviation of the noise in y; none for data.
        classes: number of classes when the target is one; 0 otherwise.
        centred: whether a mean was fitted by centring: it takes one degree of freedom.
    """

    X: Float[Tensor, "n d"]
    y: Float[Tensor, "n *k"]
    X_test: Float[Tensor, "m d"]
    y_test: Float[Tensor, "m *k"]
    origin: str
    seed: int = 0
    truth: Float[Tensor, " d"] | None = None
    noise: float | None = None
    classes: int = 0
    centred: bool = True


def problem(**fields: Any) -> Problem:
    """A problem to explain on: a data set's, or a generated one.

    Args:
        fields: those of :class:`ProblemSpec`, such as ``data="diabetes"`` or ``condition=100.0``.

    Raises:
        DataError: when the data can't be read or is not numbers.
        ConfigurationError: for a wrong field, or settings that do not go together.

    Example:
        >>> problem(rows=20, columns=3).X.shape
        torch.Size([20, 3])
    """
    return problem_of(read(ProblemSpec, fields))


def problem_of(spec: ProblemSpec) -> Problem:
    """The problem a specification asks for; see :func:`problem`.

    Raises:
        DataError, ConfigurationError: see :func:`problem`.
    """
    if spec.data is not None:
        idle = [name for name in GENERATED if getattr(spec, name) != getattr(ProblemSpec(), name)]
        if idle:
            raise ConfigurationError(
                expected="settings of a generated problem, or data",
                found=f"{', '.join(idle)} beside data {spec.data!r}",
                do=f"leave out --data, or --{idle[0]}",
            )
    if spec.data is None:
        if spec.target is not None:
            raise ConfigurationError(
                expected="data to find the target in", found=f"target {spec.target!r} alone", do="add --data FILE"
            )
        return _generated(spec)
    return _from_data(spec)


def given(X: Float[Tensor, "n d"], y: Float[Tensor, "n *k"], *, held_share: float = 0.2, seed: int = 0) -> Problem:
    """A problem from tensors of one's own, a share of the rows (picked by the seed) held out.

    Raises:
        DataError: when X or y is empty or not finite, or their rows differ in number.
        ConfigurationError: when the share is not within (0, 1).

    Example:
        >>> given(torch.eye(5), torch.ones(5)).X.shape
        torch.Size([4, 5])
    """
    X, y = inputs.problem(X, y)
    held = max(1, round(len(X) * inputs.number(held_share, "held_share", above=0, below=1)))
    order = torch.randperm(len(X), generator=Seeds(seed).stream("order"))
    if held >= len(X):
        raise DataError(
            expected="at least two rows", found=f"{len(X)}", do="give more rows, so that some can be held out"
        )
    fitted, kept = order[held:].sort().values, order[:held].sort().values
    column_means, target_means = X[fitted].mean(0), y[fitted].mean(0)
    return Problem(
        X=X[fitted] - column_means,
        y=y[fitted] - target_means,
        X_test=X[kept] - column_means,
        y_test=y[kept] - target_means,
        origin=f"Given tensors: {len(fitted):,} rows, {X.shape[1]:,} columns, centred; {held:,} rows held out.",
        seed=seed,
    )


def _generated(spec: ProblemSpec) -> Problem:
    """X with singular values spread evenly (on a logarithmic scale) from √n down to √n / condition."""
    n, d = spec.rows or 100, spec.columns
    generator = Seeds(spec.seed).stream("sample")
    rank = min(n, d)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    U, V = torch.linalg.qr(normal(n, rank))[0], torch.linalg.qr(normal(d, rank))[0]
    scale = torch.logspace(0, -log10(spec.condition), rank, dtype=torch.float64)
    truth = normal(d)
    X, X_test = n**0.5 * (U * scale) @ V.mT, (normal(1000, rank) * scale) @ V.mT
    condition = f"{float(scale[0] / scale[-1]):.4g}"
    return Problem(
        X=X,
        y=X @ truth + spec.noise * normal(n),
        X_test=X_test,
        y_test=X_test @ truth + spec.noise * normal(1000),
        origin=f"A generated problem: {n:,} rows, {d:,} columns, condition number {condition}, "
        f"noise {spec.noise:g}, seed {spec.seed}.",
        seed=spec.seed,
        truth=truth,
        noise=spec.noise,
        centred=False,
    )


def _from_data(spec: ProblemSpec) -> Problem:
    from sightline.data import load  # heavy; a generated problem does without

    data = load(str(spec.data), target=spec.target)
    given, schema = len(data.train), data.schema
    rows = min(spec.rows or MOST_ROWS, given)
    order = torch.randperm(given, generator=Seeds(spec.seed).stream("order"))[:rows].sort().values
    X, y = _matrix(data.train, schema, order)
    X_test, y_test = _matrix(data.test, schema, torch.arange(min(len(data.test), MOST_ROWS)))
    column_means, target_means = X.mean(0), y.mean(0)
    some = f"{rows:,} of the {given:,} training rows" if rows < given else f"all {rows:,} training rows"
    target = f"{schema.target} ({len(schema.classes)} classes)" if schema.classes else schema.target
    return Problem(
        X=X - column_means,
        y=y - target_means,
        X_test=X_test - column_means,
        y_test=y_test - target_means,
        origin=f"{spec.data}, target {target}: {some}, {X.shape[1]:,} columns, standardised and centred; "
        f"{len(X_test):,} test rows held out.",
        seed=spec.seed,
        classes=len(schema.classes),
    )


def _matrix(
    split: "Split", schema: Schema, order: Int[Tensor, " rows"]
) -> tuple[Float[Tensor, "rows d"], Float[Tensor, "rows *k"]]:
    """Some of a split's examples as rows, their target as a number, ±1 for two classes, one-hot for more."""
    (batch,) = split.batches(batch_size=max(1, len(order)), order=order)
    X, target = batch.inputs.flatten(1).double(), batch.target
    if schema.task != "classification":
        return X, target.double()
    if len(schema.classes) == 2:
        return X, 2.0 * target.double() - 1.0
    return X, torch.nn.functional.one_hot(target.long(), len(schema.classes)).double()
