"""Recovering a planted subspace from masked examples: six repetitions, means compared by their standard errors."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.errors import ConfigurationError, DataError, NonFiniteLossError
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
    planted_examples,
    recover_subspace,
)

R, N, D, K, NOISE = 6, 80, 10, 2, 0.1
TREATMENTS: tuple[Treatment, ...] = (ZeroFilled(), MaskFlags(), DroppedRows(), Clamped())


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@cache
def planted() -> tuple[Tensor, Tensor, Tensor]:
    W = torch.randn(D, K, generator=chance(0), dtype=torch.float64)
    X, X_test = (planted_examples(R, n, W, noise=NOISE, generator=chance(n)) for n in (N, 200))
    return W, X, X_test


@cache
def recovered(which: int, missing: float) -> Recovery:
    """TREATMENTS[which]."""
    W, X, X_test = planted()
    return recover_subspace(
        TREATMENTS[which], X, W, missing=missing, X_test=X_test, steps=150, rate=0.06, generator=chance(7)
    )


def surely_less(first: Tensor, second: Tensor) -> bool:
    """The mean of the one is below that of the other by four standard errors of their difference."""
    spread = ((first.var() + second.var()) / R).sqrt()
    return bool(first.mean() + 4 * spread < second.mean())


@pytest.mark.parametrize("which", range(4))
def test_every_treatment_finds_the_subspace_when_little_is_missing(which: int) -> None:
    """A fifth missing: an angle below twice that of PCA on the whole rows, which is what noise does to 80 of them."""
    W, X, _ = planted()
    whole = torch.tensor([largest_principal_angle(principal_components(one).subspace(K), W) for one in X])
    found = recovered(which, 0.2)
    assert found.angle.shape == found.error.shape == (R,)
    assert float(found.angle.mean()) < 2 * float(whole.mean())
    random = torch.randn(D, K, generator=chance(1), dtype=torch.float64)
    assert largest_principal_angle(random, W) > 20 * float(found.angle.max())


def test_knowing_the_mask_fills_better_than_zeros() -> None:
    zeros, flags, dropped, clamped = (recovered(which, 0.2).error for which in range(4))
    assert surely_less(dropped, zeros / 3)
    assert surely_less(clamped, zeros / 3)
    assert not surely_less(flags, zeros / 2)  # of centred data, flags tell a linear encoder nothing


def test_clamped_steps_bear_masks_that_dropped_rows_do_not() -> None:
    """Six in ten missing: often two entries or fewer are seen, and least squares on them are unstable."""
    dropped, clamped = recovered(2, 0.6), recovered(3, 0.6)
    assert surely_less(clamped.error.log(), dropped.error.log())  # of logarithms: one bad mask can be all of a mean
    assert surely_less(clamped.angle.log(), dropped.angle.log())
    assert float(clamped.error.max()) < 0.3


def test_the_error_of_the_known_subspace_grows_with_what_is_missing() -> None:
    W, _, X = planted()
    errors = []
    for share in (0.1, 0.4, 0.7):
        seen = draw_seen(*X.shape, missing=share, generator=chance(3))
        errors.append(error_at_missing(X, encode_dropped_rows(W.expand(R, D, K), X, seen) @ W.mT, seen))
    few, some, most = (float(one.median()) for one in errors)
    assert 1.5 * few < some < 10 * few < 0.1 < most
    assert float(errors[0].mean()) < 0.03  # about σ²(1 + k/d)/Σ of squares


def test_trained_zeros_lie_where_the_closed_form_says() -> None:
    """Entries of unequal size turn the subspace: six trainings on one data set against the map of all masks."""
    sizes = torch.tensor([3.0, 1.0, 1.0, 0.5, 0.3, 0.2], dtype=torch.float64)
    X = torch.randn(60, 6, generator=chance(2), dtype=torch.float64) @ torch.randn(
        6, 6, generator=chance(3), dtype=torch.float64
    )
    X = X * sizes / 3
    truth = principal_components(X).subspace(2)
    closed = torch.linalg.svd(masking_map(X, missing=0.5, rank=2))[0][:, :2]
    rows = X.expand(R, -1, -1)
    found = recover_subspace(
        ZeroFilled(), rows, truth, missing=0.5, X_test=rows, steps=300, rate=0.06, generator=chance(4)
    )
    bias = largest_principal_angle(closed, truth)
    assert bias > 0.1
    assert abs(float(found.angle.mean()) - bias) < 4 * float(found.angle.std()) / R**0.5
    beside = torch.tensor([largest_principal_angle(one, closed) for one in found.B])
    assert float(beside.mean()) < bias / 2


def test_masks_are_drawn_with_their_chance() -> None:
    """100,000 entries: the share missing within 4 standard errors."""
    share = float((~draw_seen(100_000, missing=0.3, generator=chance(0))).double().mean())
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / 100_000) ** 0.5
    assert bool(draw_seen(10, missing=0.0).all())


def test_planted_examples_have_their_covariance() -> None:
    """40,000 examples: every entry of WWᵀ + σ²I within 5 standard errors."""
    W = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    X = planted_examples(1, 40_000, W, noise=0.5, generator=chance(0))[0]
    expected = W @ W.mT + 0.25 * torch.eye(2)
    spread = ((expected.square() + expected.diagonal()[:, None] * expected.diagonal()) / 40_000).sqrt()
    assert bool(((X.mT @ X / 40_000 - expected).abs() < 5 * spread).all())


def test_the_same_seed_gives_the_same_recovery() -> None:
    W, X, X_test = planted()
    first, second = (
        recover_subspace(Clamped(), X, W, missing=0.3, X_test=X_test, steps=3, generator=chance(0)) for _ in range(2)
    )
    assert torch.equal(first.B, second.B)
    assert torch.equal(first.error, second.error)


@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_told() -> None:
    W, X, X_test = planted()
    with pytest.raises(DataError, match="data sets"):
        recover_subspace(ZeroFilled(), X[0], W, missing=0.3, X_test=X_test)
    with pytest.raises(DataError, match="data sets"):
        recover_subspace(ZeroFilled(), X, W, missing=0.3, X_test=X_test[:2])
    wrong: dict[str, Any]
    for wrong in ({"missing": 1.0}, {"steps": 0}, {"rate": 0.0}):
        options: dict[str, Any] = {"missing": 0.3, "X_test": X_test} | wrong
        with pytest.raises(ConfigurationError):
            recover_subspace(ZeroFilled(), X, W, **options)
    with pytest.raises(NonFiniteLossError, match="step size"):
        recover_subspace(Clamped(step_size=1e30), X, W, missing=0.3, X_test=X_test, steps=20)
    with pytest.raises(DataError, match="one shape"):
        error_at_missing(X, X, torch.ones(R, N, 1, dtype=torch.bool))
