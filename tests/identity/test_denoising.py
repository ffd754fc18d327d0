"""Denoising in closed form: ridge's filter factors, the best map of its rank, and the error averaged over the noise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from matrices import Drawn, draw, problems
from sightline.core.errors import ConfigurationError, DataError
from sightline.linear.denoising import denoising_error, denoising_map
from sightline.linear.pca import principal_components
from sightline.linear.ridge import filter_factors, ridge


@settings(max_examples=20)
@given(problems(max_condition=1e4, outputs=False), st.floats(0.01, 3))
def test_the_best_map_is_ridge_from_the_data_to_itself(drawn: Drawn, noise: float) -> None:
    X = drawn.X
    M = denoising_map(X, noise=noise)
    assert torch.allclose(M, ridge(X, X, len(X) * noise**2).w.mT, atol=1e-9)
    found = principal_components(X)
    gains = (found.components.mT @ M @ found.components).diagonal()
    assert torch.allclose(gains, filter_factors(found.sigma, len(X) * noise**2), atol=1e-12)


@settings(max_examples=20)
@given(problems(max_condition=1e3, outputs=False), st.floats(0.01, 3), st.integers(0, 10**6))
def test_no_map_of_the_rank_does_better(drawn: Drawn, noise: float, seed: int) -> None:
    X = drawn.X
    generator = torch.Generator().manual_seed(seed)
    for k in range(1, min(X.shape) + 1):
        M = denoising_map(X, noise=noise, rank=k)
        least = denoising_error(X, M, noise=noise)
        U, s, Vh = torch.linalg.svd(M)
        kept = U[:, :k] * s[:k].sqrt(), s[:k].sqrt()[:, None] * Vh[:k]
        for size in (1e-3, 0.1, 1.0):
            left, right = (
                part + size * torch.randn(part.shape, generator=generator, dtype=torch.float64) for part in kept
            )
            assert denoising_error(X, left @ right, noise=noise) >= least - 1e-13


def test_without_noise_it_is_pcas_projection() -> None:
    X = draw(9, 5, rank=3, condition=4.0, seed=0).X
    found = principal_components(X)
    V = found.subspace(2)
    assert torch.allclose(denoising_map(X, noise=0.0, rank=2), V @ V.mT, atol=1e-12)
    all_of_them = denoising_map(X, noise=0.0)  # of rank 3: what is no direction of the data is not passed
    assert float(all_of_them.trace()) == pytest.approx(3)
    assert torch.allclose(X @ all_of_them.mT, X, atol=1e-12)


def test_the_error_is_the_average_over_a_noise_of_that_covariance() -> None:
    """Noise ±σ√d along each axis has covariance σ²I: 2d draws give the average exactly."""
    d, noise = 4, 0.7
    X = draw(6, d, rank=4, condition=3.0, seed=0).X
    M = torch.randn(d, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    axes = noise * d**0.5 * torch.cat([torch.eye(d), -torch.eye(d)]).double()
    errors = [(X - (X + epsilon) @ M.mT).square().sum(1).mean() for epsilon in axes]
    assert denoising_error(X, M, noise=noise) == pytest.approx(float(torch.stack(errors).mean()), rel=1e-12)


def test_a_projection_passes_k_shares_of_the_noise() -> None:
    X = draw(20, 6, rank=2, condition=2.0, seed=0).X
    V = principal_components(X).subspace(2)
    assert denoising_error(X, V @ V.mT, noise=0.5) == pytest.approx(2 * 0.25)
    assert denoising_error(X, torch.eye(6), noise=0.5) == pytest.approx(6 * 0.25)


@pytest.mark.usefixtures("as_a_user_calls")
def test_bad_input_is_told() -> None:
    with pytest.raises(ConfigurationError, match="noise"):
        denoising_map(torch.eye(2), noise=-1.0)
    with pytest.raises(ConfigurationError, match="at most"):
        denoising_map(torch.eye(2), noise=1.0, rank=3)
    with pytest.raises(DataError, match="map M"):
        denoising_error(torch.eye(2), torch.eye(3), noise=1.0)
    with pytest.raises(DataError, match="finite"):
        denoising_map(torch.full((2, 2), torch.nan), noise=1.0)
