"""The batched double-descent curve is the loop that anyone would write, and its draws do not depend on the batch."""

from collections.abc import Callable, Iterator
from importlib import import_module
from math import sqrt

import pytest
import torch
from torch import Tensor

from matrices import relative
from sightline.core.errors import SightlineError
from sightline.linear.descent_estimators import EarlyStopping, Estimator, MinimumNorm, Ridge, TunedRidge
from sightline.linear.descent_problems import Draw, GivenData, LinearTruth
from sightline.linear.double_descent import double_descent
from sightline.linear.random_features import activate, draw_random_features, random_features

WIDTHS, SAMPLES, REPETITIONS = [1, 3, 10, 18, 20, 21, 22, 25, 40, 41, 120], 20, 12
RIDGES = (1e-3, 0.1, 3.0)


def given_data() -> GivenData:
    generator = torch.Generator().manual_seed(9)
    X, y = (torch.randn(60, k, generator=generator, dtype=torch.float64) for k in (4, 3))
    return GivenData(X[:50], y[:50], X[50:], y[50:])


def problems(problem: LinearTruth | GivenData, seed: int = 0) -> Iterator[tuple[Draw, Tensor, Tensor]]:
    """The same draws, one after another."""
    master = torch.Generator().manual_seed(seed)
    for own in torch.randint(2**62, (REPETITIONS,), generator=master).tolist():
        generator = torch.Generator().manual_seed(own)
        draw = problem.draw(SAMPLES, generator)
        W, b = draw_random_features(draw.X.shape[1], WIDTHS[-1], generator=generator, bias_scale=0.5)
        yield draw, W, b


def weights(estimator: Estimator, features: Tensor, y: Tensor) -> list[Tensor]:
    """The slow twins: by SVD, by a plain solve, by taking the steps; one for each λ that may be chosen."""
    eye = torch.eye(features.shape[1], dtype=torch.float64)
    match estimator:
        case MinimumNorm():
            return [torch.linalg.lstsq(features, y, driver="gelsd").solution]
        case Ridge(ridge):
            return [torch.linalg.solve(features.mT @ features + ridge * eye, features.mT @ y)]
        case TunedRidge(ridges):
            return [torch.linalg.solve(features.mT @ features + ridge * eye, features.mT @ y) for ridge in ridges]
        case EarlyStopping(steps, share):
            w = torch.zeros(features.shape[1], y.shape[1], dtype=torch.float64)
            rate = share * 0.5 / torch.linalg.matrix_norm(features, 2).square()
            for _ in range(steps):
                w = w + 2 * rate * features.mT @ (y - features @ w)
            return [w]


ESTIMATORS: list[Estimator] = [MinimumNorm(), Ridge(0.01), Ridge(1e-9), TunedRidge(RIDGES), EarlyStopping(7, 0.8)]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
@pytest.mark.parametrize("several", [False, True])
def test_every_repetition_and_width_is_its_own_solve(estimator: Estimator, several: bool) -> None:
    """To 1e-11 times the features' condition number (1/√λ-limited for ridge), which is large where N is near n."""
    problem = given_data() if several else LinearTruth(6, 0.3, 15)
    found = double_descent(
        problem,
        samples=SAMPLES,
        features=WIDTHS,
        repetitions=REPETITIONS,
        generator=torch.Generator().manual_seed(0),
        estimator=estimator,
    )
    assert found.features == tuple(WIDTHS)
    expected = torch.zeros(REPETITIONS, len(WIDTHS), 3, 3, dtype=torch.float64)  # variant; test, norm, training
    wrong = torch.zeros(REPETITIONS, len(WIDTHS), 3, dtype=torch.float64)
    tolerance = torch.zeros(REPETITIONS, len(WIDTHS), dtype=torch.float64)
    for row, (draw, W, b) in enumerate(problems(problem)):
        for column, N in enumerate(WIDTHS):
            features, at_test = random_features(draw.X, W[:N], b[:N]), random_features(draw.X_test, W[:N], b[:N])
            sigma = torch.linalg.svdvals(features)
            tolerance[row, column] = 1e-11 * float(sigma[0] / sigma[sigma > 1e-12 * sigma[0]][-1])
            for variant, w in enumerate(weights(estimator, features, draw.y)):
                away, at_training = at_test @ w - draw.y_test, features @ w - draw.y
                test = away.square().sum(1).mean() + problem.noise
                expected[row, column, variant] = torch.stack(
                    [test, w.square().sum(), at_training.square().sum(1).mean()]
                )
                wrong[row, column, variant] = ((at_test @ w).argmax(1) != draw.y_test.argmax(1)).double().mean()
    chosen = expected[..., 0].mean(0)[:, : len(RIDGES)].argmin(1) if isinstance(estimator, TunedRidge) else None
    pick = torch.zeros(len(WIDTHS), dtype=torch.long) if chosen is None else chosen
    columns = torch.arange(len(WIDTHS))
    expected, wrong = expected[:, columns, pick], wrong[:, columns, pick]
    if estimator == Ridge(1e-9):  # the twin's normal equations square the condition: only the well-conditioned ones
        keep = tolerance < 1e-8
        assert keep.double().mean() > 0.3
        tolerance = torch.where(keep, 1e-5, torch.inf)
    assert ((found.test - expected[..., 0]).abs() <= tolerance * expected[..., 0]).all()
    assert ((found.norm - expected[..., 1]).abs() <= 10 * tolerance * expected[..., 1]).all()
    assert ((found.training - expected[..., 2]).abs() <= tolerance * expected[..., 2] + 1e-12).all()
    if several:
        assert found.error_rate is not None
        assert float((found.error_rate - wrong).abs().max()) < 1e-12
    else:
        assert found.error_rate is None
    if chosen is not None:
        assert found.ridge is not None
        assert found.ridge.tolist() == [RIDGES[index] for index in chosen]


def test_a_small_ridge_is_the_minimum_norm_to_first_order() -> None:
    """The QR path of ridge, which small λ takes: its distance from λ = 0 is proportional to λ."""
    errors = [
        double_descent(
            LinearTruth(6, 0.3, 15),
            samples=20,
            features=[10, 40, 120],
            repetitions=5,
            generator=torch.Generator().manual_seed(1),
            estimator=estimator,
        ).test
        for estimator in (MinimumNorm(), Ridge(1e-10), Ridge(1e-9), Ridge(1e-8))
    ]
    for smaller, larger in ((1, 2), (2, 3)):
        ratio = (errors[larger] - errors[0]).norm() / (errors[smaller] - errors[0]).norm()
        assert float(ratio) == pytest.approx(10, rel=0.01)


def test_dead_and_dependent_features_do_no_harm() -> None:
    """Without bias and with one input, features are multiples of two functions; with a strong bias many are dead."""
    skipped = 0
    for problem, bias_scale in ((LinearTruth(1, 0.3, 15), 0.0), (LinearTruth(6, 0.3, 15), 20.0)):
        found = double_descent(
            problem,
            samples=SAMPLES,
            features=WIDTHS,
            repetitions=REPETITIONS,
            generator=torch.Generator().manual_seed(0),
            bias_scale=bias_scale,
        )
        for row, (draw, W, b) in enumerate(problems(problem)):
            for column, N in enumerate(WIDTHS):
                # far from rank decisions' borders the SVD's answer is the only one; near them the fits may differ
                scale = b[:N] * (bias_scale / 0.5)
                features, at_test = random_features(draw.X, W[:N], scale), random_features(draw.X_test, W[:N], scale)
                sigma = torch.linalg.svdvals(features)
                share = sigma / sigma[0].clamp(min=1e-300)
                if ((share > 1e-14) & (share < 1e-9)).any():
                    skipped += 1
                    continue
                w = torch.linalg.lstsq(features, draw.y, driver="gelsd").solution
                expected = (at_test @ w - draw.y_test).square().mean() + problem.noise
                assert float((found.test[row, column] - expected).abs()) < 1e-6 * float(expected), (N, share)
    assert skipped < 0.1 * 2 * REPETITIONS * len(WIDTHS)


def test_the_curve_does_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    def curve() -> Tensor:
        draw = torch.Generator().manual_seed(3)
        return double_descent(LinearTruth(5), samples=20, features=[5, 20, 30, 90], repetitions=9, generator=draw).test

    whole = curve()
    monkeypatch.setattr(import_module("sightline.linear.double_descent"), "CHUNK_BYTES", 2 * 8 * 120 * 90)
    assert relative(curve(), whole) < 1e-9


def test_the_narrow_features_are_the_first_of_the_wide_and_scaled() -> None:
    draw = torch.Generator().manual_seed(0)
    W, b = draw_random_features(3, 8, generator=draw, bias_scale=2.0)
    X = torch.randn(5, 3, generator=draw, dtype=torch.float64)
    expected = torch.stack([torch.relu(X @ W[j] / sqrt(3) + b[j]) for j in range(8)], 1)
    assert relative(random_features(X, W, b), expected / sqrt(8)) < 1e-14
    assert relative(random_features(X, W[:2], b[:2]), expected[:, :2] / sqrt(2)) < 1e-14
    assert relative(random_features(X, W, b, torch.tanh), torch.tanh(X @ W.mT / sqrt(3) + b) / sqrt(8)) < 1e-14


def test_nan_is_never_dropped() -> None:
    draw = torch.Generator().manual_seed(0)
    found = double_descent(LinearTruth(3), samples=5, features=[2, 9], repetitions=4, generator=draw)
    found.test[1, 0] = float("nan")
    assert found.test_mean.isnan().tolist() == found.test_median.isnan().tolist() == [True, False]


DRAW = torch.Generator().manual_seed(0)
ONES = torch.ones(4, 2)


def curve(**changes: object) -> object:
    asked: dict[str, object] = {"samples": 5, "features": [2], "repetitions": 3, "generator": DRAW, **changes}
    return double_descent(LinearTruth(3), **asked)  # type: ignore[arg-type]


BAD: list[Callable[[], object]] = [
    lambda: curve(samples=1),
    lambda: curve(features=[]),
    lambda: curve(features=[0]),
    lambda: curve(repetitions=1),
    lambda: curve(bias_scale=-1.0),
    lambda: curve(activation=torch.log),
    lambda: curve(activation=lambda x: x[0]),
    lambda: Ridge(0.0),
    lambda: Ridge(float("nan")),
    lambda: TunedRidge(()),
    lambda: TunedRidge((1.0, -1.0)),
    lambda: EarlyStopping(0),
    lambda: EarlyStopping(1, 1.5),
    lambda: EarlyStopping(1, 0.0),
    lambda: LinearTruth(0),
    lambda: LinearTruth(2, -0.1),
    lambda: LinearTruth(2, 0.1, 0),
    lambda: GivenData(ONES, torch.ones(3), ONES, torch.ones(4)),
    lambda: GivenData(ONES, torch.ones(4), ONES[:, :1], torch.ones(4)),
    lambda: GivenData(ONES, torch.ones(4), ONES, torch.ones(4, 2)),
    lambda: GivenData(ONES * float("nan"), torch.ones(4), ONES, torch.ones(4)),
    lambda: GivenData(ONES, torch.ones(4), ONES, torch.ones(4)).draw(5, DRAW),
    lambda: random_features(ONES, torch.ones(3, 3), torch.ones(3)),
    lambda: random_features(ONES, torch.ones(3, 2), torch.ones(2)),
    lambda: random_features(ONES * float("nan"), torch.ones(3, 2), torch.ones(3)),
    lambda: random_features(ONES, -torch.ones(3, 2), torch.ones(3), torch.log),
    lambda: activate(ONES, torch.ones(3, 2), torch.ones(3), lambda x: x.sum()),
    lambda: draw_random_features(0, 1, generator=DRAW),
    lambda: draw_random_features(1, 0, generator=DRAW),
    lambda: curve().quantile(1.5),  # type: ignore[attr-defined]
]


@pytest.mark.parametrize("call", BAD)
@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_refused_in_three_parts(call: Callable[[], object]) -> None:
    with pytest.raises(SightlineError) as caught:
        call()
    assert all((caught.value.expected, caught.value.found, caught.value.do))


def test_every_refusal_is_here() -> None:
    assert len(BAD) == 30


def test_the_spectrum_keeps_its_digits_where_features_nearly_repeat() -> None:
    """A tuned ridge of a single λ is ridge at it, whose own route is QR where the Gram matrix has lost digits."""
    errors = [
        double_descent(
            LinearTruth(1, 0.3, 15),
            samples=SAMPLES,
            features=[5, 20, 60],
            repetitions=4,
            generator=torch.Generator().manual_seed(0),
            estimator=estimator,
            activation=torch.tanh,
        ).test
        for penalty in (1e-6, 1e-9, 1e-10)
        for estimator in (Ridge(penalty), TunedRidge((penalty,)))
    ]
    for one, tuned in zip(errors[::2], errors[1::2], strict=True):
        assert relative(tuned, one) < 1e-6
