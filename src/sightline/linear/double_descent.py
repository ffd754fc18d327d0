"""Double descent: test error against the number of random features, with its peak where features = samples.

Fewer features than samples: the classical U. As many: the fit must pass through every noisy target, and its weights
explode. More: of all fits that pass through, the minimum-norm one is taken, and the error falls again. (What counts
is features that are not zero in every sample: where some ReLUs are dead the peak comes that much later.)

Legend: R repetitions, n samples, N features, l widths, k outputs.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.core.errors import ConfigurationError
from sightline.linear import inputs
from sightline.linear.descent_estimators import Estimator, MinimumNorm, TunedRidge
from sightline.linear.descent_problems import ProblemSource
from sightline.linear.parallel import side_by_side
from sightline.linear.random_features import Elementwise, activate, draw_random_features
from sightline.linear.widths import Fit

CHUNK_BYTES = 2**24
"""Features held at a time; more at once is no faster, and some of it would leave the processor's cache."""


@dataclass(frozen=True)
class DoubleDescent:
    """Errors of every repetition and width. Near the peak they are heavy-tailed: read the median with the mean.

    Attributes:
        features: N, rising.
        samples: n.
        training: mean squared residual, summed over outputs.
        test: mean squared error at the test rows, summed over outputs, the problem's noise included.
        norm: ‖w‖² over all outputs.
        error_rate: share of test rows whose largest output is not that of the target; None for a single output.
        ridge: the λ chosen for each width, for TunedRidge; None otherwise.
    """

    features: tuple[int, ...]
    samples: int
    training: Float[Tensor, "R l"]
    test: Float[Tensor, "R l"]
    norm: Float[Tensor, "R l"]
    error_rate: Float[Tensor, "R l"] | None = None
    ridge: Float[Tensor, " l"] | None = None

    @property
    def training_mean(self) -> Float[Tensor, " l"]:
        """Mean training error over the repetitions."""
        return self.training.mean(0)

    @property
    def training_standard_error(self) -> Float[Tensor, " l"]:
        """Standard error of that mean."""
        return self.training.std(0) / sqrt(len(self.training))

    @property
    def test_mean(self) -> Float[Tensor, " l"]:
        """Mean test error over the repetitions; at N = n its own expectation may be infinite."""
        return self.test.mean(0)

    @property
    def test_standard_error(self) -> Float[Tensor, " l"]:
        """Standard error of that mean, to be trusted away from the peak."""
        return self.test.std(0) / sqrt(len(self.test))

    @property
    def test_median(self) -> Float[Tensor, " l"]:
        """Median test error over the repetitions."""
        return self.quantile(0.5)

    def quantile(self, share: float) -> Float[Tensor, " l"]:
        """A quantile of the test error over the repetitions, NaN where a repetition is.

        Raises:
            ConfigurationError: when the share is not in [0, 1].
        """
        return self.test.quantile(inputs.number(share, "share", minimum=0, maximum=1), dim=0)

    @property
    def peak(self) -> int:
        """The number of features of greatest median test error."""
        return self.features[int(self.test_median.argmax())]


def double_descent(
    problem: ProblemSource,
    *,
    samples: int,
    features: Sequence[int],
    repetitions: int,
    generator: torch.Generator,
    estimator: Estimator | None = None,
    activation: Elementwise = torch.relu,
    bias_scale: float = 0.5,
) -> DoubleDescent:
    """Training and test error of least squares on N random features, for many N, in many repetitions at once.

    Each repetition draws its own data and one wide set of features, of which a narrower model takes the first N. All
    repetitions are one batched solve, and all widths share their decompositions. A repetition is drawn from its own
    seed, so estimators given equal generators meet the same data and features, and may be compared in pairs.

    Shapes:
        The result holds [R, l] errors, R repetitions by l widths.

    Args:
        problem: ``LinearTruth`` or ``GivenData``, or another source of draws.
        samples: n ≥ 2.
        features: widths N ≥ 1, in any order; they come out rising, once each.
        repetitions: R ≥ 2.
        generator: where all randomness comes from.
        estimator: MinimumNorm where none is given; Ridge, TunedRidge, EarlyStopping.
        activation: elementwise.
        bias_scale: standard deviation of the features' b.

    Raises:
        ConfigurationError: when a number is out of its range, or the pool has fewer than n rows.

    Source: Belkin, Hsu, Ma & Mandal 2019; Hastie et al. 2022; Mei & Montanari 2022; for the tuned ridge, Nakkiran,
        Venkat, Kakade & Ma 2021.

    Lecture: F10

    Example:
        >>> from sightline.linear.descent_problems import LinearTruth
        >>> draw = torch.Generator().manual_seed(0)
        >>> found = double_descent(
        ...     LinearTruth(10), samples=20, features=[5, 10, 20, 40, 200], repetitions=20, generator=draw
        ... )
        >>> found.peak
        20
    """
    n = inputs.count(samples, "samples", minimum=2)
    widths = sorted({inputs.count(N, "features", minimum=1) for N in features})
    if not widths:
        raise ConfigurationError(expected="one number of features or more", found="none", do="give the widths to try")
    R = inputs.count(repetitions, "repetitions", minimum=2)
    estimator = estimator or MinimumNorm()
    seeds = torch.randint(2**62, (R,), generator=generator).tolist()

    first = problem.draw(n, torch.Generator().manual_seed(seeds[0]))
    rows = n + len(first.X_test)
    size = 1 + CHUNK_BYTES // (8 * rows * widths[-1])
    buffers = threading.local()

    def errors_of(seeds: Sequence[int]) -> list[Tensor]:
        if not hasattr(buffers, "features"):
            buffers.features = torch.empty(min(R, size), rows, widths[-1], dtype=torch.float64)
        Z, y, y_test = _features(problem, n, seeds, buffers.features, activation, bias_scale)
        return _errors(estimator.fits(Z[:, :n], Z[:, n:], y, widths), y, y_test)

    chunks = side_by_side(errors_of, [seeds[start : start + size] for start in range(0, R, size)])
    errors = [torch.cat(part) for part in zip(*chunks, strict=True)]

    ridge = None
    if isinstance(estimator, TunedRidge):
        best = errors[1].mean(0).argmin(0)
        ridge = torch.tensor(estimator.ridges, dtype=torch.float64)[best]
        errors = [part.gather(1, best.expand(R, 1, -1)) for part in errors]
    training, test, norm, *wrong = (part[:, 0] for part in errors)
    return DoubleDescent(
        features=tuple(widths),
        samples=n,
        training=training,
        test=test + problem.noise,
        norm=norm,
        error_rate=wrong[0] if wrong else None,
        ridge=ridge,
    )


def _features(
    problem: ProblemSource,
    samples: int,
    seeds: Sequence[int],
    buffer: Float[Tensor, "chunk rows N"],
    activation: Elementwise,
    bias_scale: float,
) -> tuple[Float[Tensor, "R rows N"], Float[Tensor, "R n k"], Float[Tensor, "R m k"]]:
    """Features of training and test rows, without their 1/√N, and targets; the same for a seed whatever its company.

    The features go into the buffer: asking the system for that much memory again for each chunk would cost more time
    than computing them.
    """
    y, y_test = [], []
    for row, seed in enumerate(seeds):
        own = torch.Generator().manual_seed(seed)
        draw = problem.draw(samples, own)
        W, b = draw_random_features(draw.X.shape[1], buffer.shape[2], generator=own, bias_scale=bias_scale)
        buffer[row] = activate(torch.cat([draw.X, draw.X_test]), W, b, activation)
        y.append(draw.y)
        y_test.append(draw.y_test)
    return buffer[: len(seeds)], torch.stack(y), torch.stack(y_test)


def _errors(fits: Iterator[Fit], y: Float[Tensor, "R n k"], y_test: Float[Tensor, "R m k"]) -> list[Tensor]:
    """Training error, test error, norm and, for several outputs, share of wrong classes: [R, v, l] each."""
    target = y_test.argmax(-1)[:, :, None]
    by_width = []
    for fit in fits:
        found = [
            (fit.fitted - y[:, :, None]).square().sum(-1).mean(1),
            (fit.predicted - y_test[:, :, None]).square().sum(-1).mean(1),
            fit.norm,
        ]
        if y.shape[-1] > 1:
            found.append((fit.predicted.argmax(-1) != target).double().mean(1))
        by_width.append(found)
    return [torch.stack(part, -1) for part in zip(*by_width, strict=True)]
