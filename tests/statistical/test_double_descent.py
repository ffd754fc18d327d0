"""Double descent as it should look: a peak at features = samples, a second descent, and what takes the peak away.

Differences between estimators are taken repetition by repetition, on the same data and features; a claim of "less"
is held by at least 4 standard errors of that difference.
"""

import io
from itertools import pairwise
from math import sqrt
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from sightline.linear.descent_estimators import EarlyStopping, Estimator, Ridge, TunedRidge
from sightline.linear.descent_problems import GivenData, LinearTruth, ProblemSource
from sightline.linear.double_descent import DoubleDescent, double_descent

SAMPLES = 60
WIDTHS = [6, 12, 18, 24, 30, 40, 50, 56, 60, 64, 70, 80, 120, 240, 600]


def curve(problem: ProblemSource, estimator: Estimator | None = None, repetitions: int = 100) -> DoubleDescent:
    return double_descent(
        problem,
        samples=SAMPLES,
        features=WIDTHS,
        repetitions=repetitions,
        generator=torch.Generator().manual_seed(0),
        estimator=estimator,
    )


def surely_less(smaller: Tensor, larger: Tensor, factor: float = 1.0) -> bool:
    """factor · smaller lies below larger, by 4 standard errors of the mean of their paired difference of logarithms."""
    gap = larger.log() - smaller.log() - torch.tensor(factor).log()
    return float(gap.mean()) > 4 * float(gap.std()) / sqrt(len(gap))


def at(found: DoubleDescent, features: int) -> Tensor:
    return found.test[:, found.features.index(features)]


def one_hot(labels: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(labels, 10).double()


def centred(X: Tensor) -> Tensor:
    """About zero in every pixel and of size one: else some features are dead, and the peak is where n are not."""
    X = X - X.mean(0)
    return X / X.square().mean().sqrt()


@pytest.fixture(scope="module")
def digits() -> GivenData:
    images, labels = load_digits(return_X_y=True)
    X, y = centred(torch.as_tensor(images)), one_hot(torch.as_tensor(labels))
    return GivenData(X[:1500], y[:1500], X[1500:], y[1500:])


def check_shape(found: DoubleDescent) -> None:
    """The peak is at n by the median and the quartiles, is high, and training error is nothing from there on."""
    n, widths = found.samples, found.features
    peak = widths.index(n)
    assert found.peak == n
    for share in (0.25, 0.75):
        assert int(found.quantile(share).argmax()) == peak
    assert int(found.norm.median(0).values.argmax()) == peak
    assert found.training[:, peak + 1 :].max() < 1e-12 * found.training[:, 0].min()
    assert (found.training_mean[:peak].diff() < 0).all()
    assert (found.test_median[peak:].diff() < 0).all()  # the second descent
    bottom = widths[int(found.test_median[:peak].argmin())]
    assert widths[0] < bottom < n  # the first
    for low in (bottom, widths[-1]):
        assert surely_less(at(found, low), at(found, n), factor=5)
    assert surely_less(at(found, widths[-1]), at(found, bottom))  # deeper than the bottom of the U


def test_the_peak_is_at_features_equal_to_samples_and_the_second_descent_is_deeper() -> None:
    found = curve(LinearTruth(20, noise=0.2), repetitions=200)
    check_shape(found)
    assert float(found.test_mean[-1]) > 0.2  # and above the noise


def test_it_is_so_on_digits(digits: GivenData) -> None:
    found = curve(digits, repetitions=40)
    check_shape(found)
    assert found.error_rate is not None
    rate = found.error_rate.mean(0)
    assert found.features[int(rate[3:].argmax()) + 3] == SAMPLES  # the share of wrong classes has the peak too
    assert float(rate[-1]) < 0.5 * float(rate[WIDTHS.index(SAMPLES)])


def test_it_is_so_on_mnist(real_data: Path) -> None:
    import pyarrow.parquet as pq
    from PIL import Image

    table = pq.read_table(real_data / "mnist" / "train.parquet").slice(0, 2300)
    pictures = [Image.open(io.BytesIO(cell["bytes"])).tobytes() for cell in table.column("image").to_pylist()]
    pixels = torch.stack([torch.frombuffer(bytearray(picture), dtype=torch.uint8) for picture in pictures])
    X, y = centred(pixels.double()), one_hot(torch.tensor(table.column("label").to_pylist()))
    found = double_descent(
        GivenData(X[:2000], y[:2000], X[2000:], y[2000:]),
        samples=200,  # with fewer the first descent is hardly there
        features=[5, 10, 20, 40, 100, 180, 200, 220, 400, 1000],
        repetitions=12,
        generator=torch.Generator().manual_seed(0),
    )
    check_shape(found)


@pytest.mark.parametrize("source", ["linear", "digits"])
def test_ridge_and_early_stopping_flatten_the_peak(source: str, digits: GivenData) -> None:
    problem: ProblemSource = LinearTruth(20, noise=0.2) if source == "linear" else digits
    repetitions = 100 if source == "linear" else 30
    plain = curve(problem, repetitions=repetitions)
    tuned = curve(problem, TunedRidge((1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0)), repetitions)
    for estimator in (Ridge(0.1), EarlyStopping(100), tuned):
        found = estimator if isinstance(estimator, DoubleDescent) else curve(problem, estimator, repetitions)
        assert surely_less(at(found, SAMPLES), at(plain, SAMPLES), factor=5)
        neighbours = at(found, 40)
        assert not surely_less(neighbours, at(found, SAMPLES), factor=1.05)  # no peak is left: 5 % at most above 40
    # with the best λ for each width more features never harm, beyond 4 standard errors of the difference
    for narrow, wide in pairwise(WIDTHS):
        assert not surely_less(at(tuned, narrow), at(tuned, wide))
    assert (tuned.test_mean <= plain.test_mean + 1e-9).all()


def test_the_linear_truth_has_the_noise_it_says_and_a_signal_of_one() -> None:
    """20,000 rows: both variances within 4 standard errors, √(2/n) of themselves for Gaussian values."""
    n = 20_000
    draw = LinearTruth(dimensions=5, noise=0.3, test_rows=n).draw(n, torch.Generator().manual_seed(0))
    direction = torch.linalg.lstsq(draw.X_test, draw.y_test).solution
    assert float((draw.X_test @ direction - draw.y_test).abs().max()) < 1e-12, "test targets are noiseless"
    noise = float((draw.y - draw.X @ direction).square().mean())
    assert abs(noise - 0.3) < 4 * 0.3 * sqrt(2 / n)
    assert abs(float(draw.y_test.square().mean()) - 1) < 4 * sqrt(2 / n)


def test_the_stated_standard_errors_are_those_of_the_means() -> None:
    found = curve(LinearTruth(5, 0.1, 10), None, repetitions=11)
    for stated, values in (
        (found.test_standard_error, found.test),
        (found.training_standard_error, found.training),
    ):
        expected = (values - values.mean(0)).square().sum(0).div(11 * 10).sqrt()
        assert torch.allclose(stated, expected, rtol=1e-12)
