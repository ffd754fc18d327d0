"""Trained by gradient descent: every narrow form finds PCA's subspace; wide, each does what its formula says."""

from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor

from matrices import draw
from sightline.core.errors import ConfigurationError, DataError, NonFiniteLossError
from sightline.linear.autoencoder_descent import descend
from sightline.linear.denoising import denoising_error, denoising_map
from sightline.linear.linear_autoencoder import (
    FreeAutoencoder,
    LinearAutoencoder,
    ProjectionAutoencoder,
    TiedAutoencoder,
    UnrolledAutoencoder,
)
from sightline.linear.pca import principal_components

FORMS = (FreeAutoencoder, ProjectionAutoencoder, TiedAutoencoder, UnrolledAutoencoder)


def examples(d: int = 5, condition: float = 4.0) -> Tensor:
    """60 examples in a random frame, mean squares from 1 down to 1/condition²."""
    return sqrt(60) * draw(60, d, rank=d, condition=condition, seed=5).X


def made(form: type[LinearAutoencoder], d: int, k: int) -> LinearAutoencoder:
    return form(d, k, scale=0.3, generator=torch.Generator().manual_seed(0))


def gains(X: Tensor, M: Tensor) -> Tensor:
    V = principal_components(X).components
    found: Tensor = (V.mT @ M @ V).diagonal()
    return found


@pytest.mark.parametrize("form", FORMS)
def test_a_narrow_decoder_comes_to_span_pcas_subspace(form: type[LinearAutoencoder]) -> None:
    """The largest angle falls below 1e-6 rad; the loss to PCA's within 1e-9, but form 4 shrinks a little."""
    X = examples()
    course = descend(made(form, 5, 2), X, steps=1000, rate=0.15, every=100)
    assert course.angle is not None
    assert course.angle[0] > 0.3
    assert course.angle[-1] < 1e-6
    least = principal_components(X).residual(2) / 60
    assert course.loss[0] > 1.5 * least
    assert course.loss[-1] == pytest.approx(least, abs=1e-4 if form is UnrolledAutoencoder else 1e-9)
    assert course.steps == [*range(0, 1001, 100)]


@pytest.mark.parametrize("form", FORMS)
def test_the_triangular_factor_stands_for_all_rows(form: type[LinearAutoencoder]) -> None:
    """Ten steps as they are written, on every row, give the same weights; noise enters by its average."""
    X = examples()
    fast, slow = made(form, 5, 3), made(form, 5, 3)
    course = descend(fast, X, steps=10, rate=0.2, noise=0.4)
    optimizer = torch.optim.SGD(slow.parameters(), lr=0.2)
    for step in range(10):
        loss = (X - slow(X)).square().sum(1).mean() + 0.16 * slow.product().square().sum()
        assert course.loss[step] == pytest.approx(float(loss.detach()), rel=1e-12)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for one, other in zip(fast.parameters(), slow.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    assert torch.allclose(course.product, slow.product(), atol=1e-12)
    assert course.loss[-1] == pytest.approx(denoising_error(X, course.product, noise=0.4), rel=1e-12)


def test_wide_form_2_is_the_identity_and_learns_nothing() -> None:
    X, model = examples(), made(ProjectionAutoencoder, 5, 8)
    before = model.B.detach().clone()
    course = descend(model, X, steps=50, rate=0.1)
    assert course.angle is None
    assert max(course.loss) < 1e-26
    assert torch.allclose(model.B, before, atol=1e-12)
    noisy = descend(made(ProjectionAutoencoder, 5, 8), X, steps=50, rate=0.1, noise=0.5)
    assert noisy.loss[-1] == pytest.approx(5 * 0.25)  # all of the noise comes through


@pytest.mark.parametrize("form", [FreeAutoencoder, TiedAutoencoder])
def test_wide_forms_1_and_3_become_the_identity(form: type[LinearAutoencoder]) -> None:
    course = descend(made(form, 5, 8), examples(), steps=1000, rate=0.15, every=500)
    assert float((course.product - torch.eye(5)).abs().max()) < 1e-3


def test_wide_form_4_holds_back_the_directions_of_little_variance() -> None:
    """After as many steps every gain is below 1, and the smaller the less the direction varies."""
    X = examples()
    course = descend(made(UnrolledAutoencoder, 5, 8), X, steps=800, rate=0.15, every=500)
    passed = gains(X, course.product)
    assert bool((passed < 0.998).all())
    assert bool((passed.diff() < 0).all())
    assert float(passed[-1]) < 0.99
    longer = gains(X, descend(made(UnrolledAutoencoder, 5, 8), X, steps=1600, rate=0.15, every=1600).product)
    left = (1 - longer) / (1 - passed)  # what is left goes with t^{−T/(2T−2)} = t^{−5/8}, not by a factor a step
    assert bool(((left > 0.55) & (left < 0.75)).all())


@pytest.mark.parametrize("k", [2, 8])
@pytest.mark.parametrize("form", [FreeAutoencoder, TiedAutoencoder, UnrolledAutoencoder])
def test_noise_on_the_input_shrinks_as_ridge_does(form: type[LinearAutoencoder], k: int) -> None:
    """Narrow and wide, the trained BA is the closed form: λ/(λ + σ²) in the first k directions."""
    X = examples()
    course = descend(made(form, 5, k), X, steps=800, rate=0.15, noise=0.4, every=400)
    best = denoising_map(X, noise=0.4, rank=min(k, 5))
    assert course.loss[-1] == pytest.approx(denoising_error(X, best, noise=0.4), abs=1e-6)
    assert float((course.product - best).abs().max()) < 3e-3


def test_form_2_can_only_project() -> None:
    X = examples()
    course = descend(made(ProjectionAutoencoder, 5, 2), X, steps=500, rate=0.15, noise=0.4, every=500)
    assert course.angle is not None
    assert course.angle[-1] < 1e-6
    assert course.loss[-1] == pytest.approx(principal_components(X).residual(2) / 60 + 2 * 0.16, abs=1e-9)


def test_no_angle_where_the_subspace_is_not_unique() -> None:
    assert descend(made(FreeAutoencoder, 3, 2), torch.eye(3), steps=1, rate=0.1).angle is None
    assert descend(made(FreeAutoencoder, 3, 2), torch.ones(1, 3), steps=1, rate=0.1).angle is None


@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_told() -> None:
    model = FreeAutoencoder(3, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(DataError, match="entries"):
        descend(model, torch.eye(4), steps=1, rate=0.1)
    wrong: dict[str, Any]
    for wrong in ({"rate": 0.0}, {"steps": -1}, {"noise": -1.0}, {"every": 0}):
        options: dict[str, Any] = {"steps": 1, "rate": 0.1} | wrong
        with pytest.raises(ConfigurationError):
            descend(model, torch.eye(3), **options)
    with pytest.raises(NonFiniteLossError, match="lower the rate"):
        descend(model, 10 * torch.eye(3), steps=100, rate=5.0)
