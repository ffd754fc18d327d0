"""Does an autoencoder that is trained to fill masked entries find the subspace that its data lies near?

Legend: R independent repetitions side by side, n examples of d entries, W [d, k] the planted subspace, B [d, k] the
learned decoder.
"""

from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sightline.core.errors import DataError, NonFiniteLossError
from sightline.linear import inputs
from sightline.linear.masked_autoencoder import (
    draw_seen,
    encode_clamped,
    encode_dropped_rows,
    encode_with_flags,
    encode_zero_filled,
)
from sightline.linear.principal_angles import largest_principal_angle


@runtime_checkable
class Treatment(Protocol):
    """How missing entries are encoded: the weights beside the decoder, and the latent they give."""

    def encoder_shape(self, d: int, k: int) -> tuple[int, int] | None:
        """Shape of an encoder of its own; none where B is all there is."""

    def latent(
        self,
        A: Float[Tensor, "R k e"] | None,
        B: Float[Tensor, "R d k"],
        X: Float[Tensor, "R n d"],
        seen: Bool[Tensor, "R n d"],
        share_seen: float,
    ) -> Float[Tensor, "R n k"]:
        """The latents of masked examples."""


@dataclass(frozen=True)
class ZeroFilled:
    """Zeros at missing entries, the encoder times 1/p: :func:`encode_zero_filled`.

    Lecture: A2
    """

    def encoder_shape(self, d: int, k: int) -> tuple[int, int] | None:
        """[k, d]."""
        return k, d

    def latent(self, A: Tensor | None, B: Tensor, X: Tensor, seen: Tensor, share_seen: float) -> Tensor:
        """See :func:`encode_zero_filled`."""
        assert A is not None
        return encode_zero_filled(A, X, seen, share_seen=share_seen)


@dataclass(frozen=True)
class MaskFlags:
    """Zeros at missing entries, and a flag for each beside them: :func:`encode_with_flags`.

    Lecture: A2
    """

    def encoder_shape(self, d: int, k: int) -> tuple[int, int] | None:
        """[k, 2d]."""
        return k, 2 * d

    def latent(self, A: Tensor | None, B: Tensor, X: Tensor, seen: Tensor, share_seen: float) -> Tensor:
        """See :func:`encode_with_flags`."""
        assert A is not None
        return encode_with_flags(A, X, seen)


@dataclass(frozen=True)
class DroppedRows:
    """Least squares on the seen rows of the decoder: :func:`encode_dropped_rows`.

    Lecture: A2
    """

    def encoder_shape(self, d: int, k: int) -> tuple[int, int] | None:
        """None."""
        return None

    def latent(self, A: Tensor | None, B: Tensor, X: Tensor, seen: Tensor, share_seen: float) -> Tensor:
        """See :func:`encode_dropped_rows`."""
        return encode_dropped_rows(B, X, seen)


@dataclass(frozen=True)
class Clamped:
    """Unrolled steps whose residual is clamped to 0 at missing entries: :func:`encode_clamped`.

    Args:
        step_size: η > 0.
        steps: T ≥ 1.

    Lecture: A2
    """

    step_size: float = 0.5
    steps: int = 10

    def encoder_shape(self, d: int, k: int) -> tuple[int, int] | None:
        """None."""
        return None

    def latent(self, A: Tensor | None, B: Tensor, X: Tensor, seen: Tensor, share_seen: float) -> Tensor:
        """See :func:`encode_clamped`."""
        return encode_clamped(B, X, seen, step_size=self.step_size, steps=self.steps)


@dataclass(frozen=True)
class Recovery:
    """What training on masked examples led to, one value a repetition.

    Attributes:
        angle: largest principal angle between the decoder's columns and the planted subspace, in radians.
        error: squared error at the missing entries of new masks, over their sum of squares: 1 is what zeros get.
        B: the decoders.
    """

    angle: Float[Tensor, " R"]
    error: Float[Tensor, " R"]
    B: Float[Tensor, "R d k"]


def planted_examples(
    repetitions: int, n: int, W: Float[Tensor, "d k"], *, noise: float, generator: torch.Generator | None = None
) -> Float[Tensor, "R n d"]:
    """x = W z + σ ε with z ~ N(0, I) and ε ~ N(0, I): examples near the subspace that the columns of W span.

    Args:
        repetitions, n: R data sets of n examples, each ≥ 1.
        W: the planted directions, in columns.
        noise: σ ≥ 0.
        generator: source of chance.

    Raises:
        DataError: when W is empty or not finite. ConfigurationError: when a number is out of its range.

    Lecture: A2

    Example:
        >>> planted_examples(2, 5, torch.eye(3)[:, :1], noise=0.0).shape
        torch.Size([2, 5, 3])
    """
    W, noise = inputs.matrix(W, "W"), inputs.number(noise, "noise σ", minimum=0)
    R, n = inputs.count(repetitions, "repetitions", minimum=1), inputs.count(n, "n", minimum=1)
    latents = torch.randn(R, n, W.shape[1], generator=generator, dtype=torch.float64)
    return latents @ W.mT + noise * torch.randn(R, n, len(W), generator=generator, dtype=torch.float64)


def recover_subspace(
    treatment: Treatment,
    X: Float[Tensor, "R n d"],
    W: Float[Tensor, "d k"],
    *,
    missing: float,
    X_test: Float[Tensor, "R m d"],
    steps: int = 300,
    rate: float = 0.03,
    generator: torch.Generator | None = None,
) -> Recovery:
    """Train R masked autoencoders side by side on ‖x − B y(m, x)‖², a fresh mask for every example at every step.

    The target is the whole example, seen entries and missing ones. Adam, all examples in a step, its rate falling to
    zero along a cosine; gradients longer than 1 are cut to 1, in each repetition on its own (a mask that leaves
    :class:`DroppedRows` few rows gives enormous ones). First weights are N(0, 1/d); the data should have mean squares
    near 1.

    Shapes:
        X: [R, n, d]; W: [d, k]; X_test: [R, m, d].

    Args:
        treatment: :class:`ZeroFilled`, :class:`MaskFlags`, :class:`DroppedRows` or :class:`Clamped`.
        X: examples, a set for each repetition.
        W: what should be found; k is its number of columns.
        missing: chance that an entry is missing, within [0, 1).
        X_test: new examples, masked once, for the error.
        steps: ≥ 1.
        rate: of Adam at the start, > 0.
        generator: source of chance: first weights, then masks.

    Raises:
        DataError: when the shapes do not go together, or a value is not finite.
        ConfigurationError: when a number is out of its range.
        NonFiniteLossError: when training ran away.

    Lecture: A2

    Example:
        >>> chance = torch.Generator().manual_seed(0)
        >>> W = torch.ones(6, 1)
        >>> X, new = (planted_examples(2, n, W, noise=0.0, generator=chance) for n in (40, 10))
        >>> bool(recover_subspace(DroppedRows(), X, W, missing=0.3, X_test=new, generator=chance).angle.max() < 1e-4)
        True
    """
    W = inputs.matrix(W, "W")
    R, d, k = len(X), *W.shape
    if X.ndim != 3 or X_test.ndim != 3 or X.shape[2] != d or X_test.shape[::2] != (R, d):
        raise DataError(
            expected=f"examples of shape [R, n, {d}] for training and for testing",
            found=f"{tuple(X.shape)} and {tuple(X_test.shape)}",
            do="give R data sets each time, with as many columns as W has rows",
        )
    X, X_test = (inputs.matrix(part.flatten(0, 1)).view(part.shape) for part in (X, X_test))
    missing = inputs.number(missing, "missing", minimum=0, below=1)
    steps, rate = inputs.count(steps, "steps", minimum=1), inputs.number(rate, "rate", above=0)

    def normal(rows: int, columns: int) -> Tensor:
        return torch.randn(R, rows, columns, generator=generator, dtype=torch.float64) / sqrt(d)

    B = normal(d, k).requires_grad_()
    shape = treatment.encoder_shape(d, k)
    A = None if shape is None else normal(*shape).requires_grad_()
    weights = [B] if A is None else [B, A]
    optimizer = torch.optim.Adam(weights, lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        seen = draw_seen(*X.shape, missing=missing, generator=generator)
        loss = (X - treatment.latent(A, B, X, seen, 1 - missing) @ B.mT).square().sum(2).mean(1).sum()
        if not isfinite(float(loss.detach())):
            raise NonFiniteLossError(
                expected="a loss that stays finite",
                found=f"{float(loss.detach())} after {step:,} steps",
                do="lower the rate (or the step size of the unrolled steps), or rescale the data",
            )
        optimizer.zero_grad()
        loss.backward()
        _clip(weights)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        seen = draw_seen(*X_test.shape, missing=missing, generator=generator)
        guess = treatment.latent(A, B, X_test, seen, 1 - missing) @ B.mT
        angle = torch.tensor([largest_principal_angle(one, W) for one in B], dtype=torch.float64)
        return Recovery(angle, error_at_missing(X_test, guess, seen), B.detach())


def _clip(weights: list[Tensor]) -> None:
    """Cut each repetition's gradient to length 1."""
    slopes = [weight.grad for weight in weights if weight.grad is not None]
    length = torch.cat([slope.flatten(1) for slope in slopes], 1).norm(dim=1)
    for slope in slopes:
        slope /= length.clamp(min=1.0)[:, None, None]


def error_at_missing(
    X: Float[Tensor, "R n d"], guess: Float[Tensor, "R n d"], seen: Bool[Tensor, "R n d"]
) -> Float[Tensor, " R"]:
    """Σ (x − x̂)²/Σ x² over the entries that are not seen: 0 for a perfect guess, 1 for zeros; 1 where none is missing.

    Raises:
        DataError: when the shapes differ.

    Lecture: A2

    Example:
        >>> X, seen = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[True, False]]])
        >>> error_at_missing(X, torch.ones(1, 1, 2), seen)
        tensor([0.2500])
    """
    if not X.shape == guess.shape == seen.shape:
        raise DataError(
            expected="examples, guesses and masks of one shape",
            found=f"{tuple(X.shape)}, {tuple(guess.shape)}, {tuple(seen.shape)}",
            do="give one guess and one flag for each entry",
        )
    missed = torch.where(seen, 0.0, (X - guess).square()).sum((1, 2))
    size = torch.where(seen, 0.0, X.square()).sum((1, 2))
    return torch.where(size > 0, missed / size.clamp(min=torch.finfo(size.dtype).tiny), 1.0)
